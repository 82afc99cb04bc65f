# SPDX-License-Identifier: Apache-2.0
"""One run on several processes: every process computes the loss of the joined batch.

DistributedDataParallel averages the processes' gradients. So that the average is exactly the
gradient of one process on the joined batch, a gathered embedding's gradient counts once per
process (:class:`_Gather`), and what all processes compute alike (the temperature, shared
candidates) has the same gradient everywhere, which averaging leaves as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import pad

from vljepa_ros.training.batch import Batch

_PATIENCE = timedelta(hours=2)  # with a process that still writes, validates or fills a cache


class Joined(NamedTuple):
    """Predictions (P, D), candidates (C, D) and targets (P,) of all processes' batches."""

    predicted: Tensor
    candidates: Tensor
    targets: Tensor


@contextmanager
def started_processes() -> Iterator[torch.device]:
    """Join the processes that torchrun started, if it did, and yield this process' device.

    They talk over NCCL if the machine has GPUs, one for each process, and over gloo if not.
    """
    local = int(os.environ.get("LOCAL_RANK", 0))
    device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if "WORLD_SIZE" not in os.environ:
        yield device
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield device
    finally:
        dist.destroy_process_group()


def world() -> int:
    """Return the number of processes; 1 without a process group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process, which is 0 in the one that writes files."""
    return dist.get_rank() if dist.is_initialized() else 0


def barrier() -> None:
    """Wait for the other processes."""
    if world() > 1:
        dist.barrier()


def any_process(flag: bool, device: torch.device) -> bool:
    """Return whether the flag is set in any process; all must ask."""
    if world() == 1:
        return flag
    flags = torch.tensor(int(flag), device=device)
    dist.all_reduce(flags, dist.ReduceOp.MAX)
    return bool(flags)


def join(predicted: Tensor, candidates: Tensor, batch: Batch) -> Joined:
    """Join what the processes computed from their shares of a step.

    Args:
        predicted: this process' predictions (B, Q, D).
        candidates: embeddings (C, D) of its texts. If they are not shared, a text that several
            processes have counts once.
        batch: this process' share of the step.
    """
    rows, targets = predicted.flatten(0, 1), batch.targets.flatten()
    if world() == 1:
        return Joined(rows, candidates, targets)
    sizes = _sizes(len(rows), len(candidates), rows.device)
    answers = [size[0] for size in sizes]
    rows = gather_rows(rows, answers)
    if batch.shared:
        return Joined(rows, candidates, gather_rows(targets, answers))
    texts = [size[1] for size in sizes]
    first = sum(texts[: rank()])  # the place of this process' candidates among all
    targets = gather_rows(torch.where(targets < 0, targets, targets + first), answers)
    candidates, places = _unique(gather_rows(candidates, texts), gather_rows(batch.keys, texts))
    return Joined(rows, candidates, torch.where(targets < 0, targets, places[targets]))


def gather_rows(rows: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return the rows (R, ...) of all processes, of which process i has ``sizes[i]``, joined."""
    most = max(sizes)
    padded = pad(rows, (0, 0) * (rows.ndim - 1) + (0, most - len(rows)))
    parts = _Gather.apply(padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


class _Gather(torch.autograd.Function):
    """Collect equal-sized tensors of all processes.

    A tensor's gradient is the sum over the processes' losses. They are one and the same loss, so
    the sum is this process' own gradient times their number, and nothing has to be sent.
    """

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> tuple[Tensor, ...]:
        parts = [torch.empty_like(own) for _ in range(world())]
        dist.all_gather(parts, own.contiguous())
        return tuple(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[rank()] * world()


def _sizes(answers: int, texts: int, device: torch.device) -> list[list[int]]:
    """Return (predictions, candidates) of every process."""
    own = torch.tensor([answers, texts], device=device)
    sizes = [torch.empty_like(own) for _ in range(world())]
    dist.all_gather(sizes, own)
    return torch.stack(sizes).tolist()


def _unique(candidates: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """Keep the first candidate of each key; return them and the new place of each one."""
    different, places = keys.unique(return_inverse=True)
    order = torch.arange(len(keys), device=keys.device)
    first = torch.full_like(different, len(keys)).scatter_reduce(0, places, order, "amin")
    return candidates[first], places
