# SPDX-License-Identifier: Apache-2.0
"""A frame that is encoded once, with what is kept of those before it, is what the whole gives."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")

from support.tiny_model import TINY_STREAM, tiny_model  # noqa: E402
from vljepa_ros.model.causal_x_encoder import (  # noqa: E402
    CausalXEncoder,
    StreamTubelets,
)
from vljepa_ros.model.config import ConfigError, ModelConfig  # noqa: E402
from vljepa_ros.model.empty import empty_model  # noqa: E402
from vljepa_ros.model.presets import STREAMING  # noqa: E402
from vljepa_ros.model.rotary import time_tables  # noqa: E402
from vljepa_ros.model.vljepa import Tokens  # noqa: E402
from vljepa_ros.model.x_encoder import TokenMask  # noqa: E402

X = TINY_STREAM.x_encoder
FRAMES = TINY_STREAM.clip_frames


def encoder(**changes: object) -> CausalXEncoder:
    return tiny_model(replace(TINY_STREAM, x_encoder=replace(X, **changes))).x_encoder


def clips(count: int, length: int, grid: int = X.grid) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(count, length, X.channels, grid, grid)


def tubelets_of(clip: torch.Tensor, length: int = X.tubelet) -> torch.Tensor:
    """The ``length`` frames (B, T, length, C, H, W) that end with each frame of streams."""
    rows = torch.arange(clip.shape[1])[:, None] - torch.arange(length - 1, -1, -1)
    return clip[:, rows.clamp(min=0)]


def streams(count: int, length: int) -> torch.Tensor:
    return tubelets_of(clips(count, length))


def seen(times: torch.Tensor, now: int) -> torch.Tensor:
    """Which of the frames before ``now`` its memory holds, newest first, by their times alone."""
    rows = torch.zeros(len(times), FRAMES - 1, dtype=torch.bool)
    for back in range(1, min(now, FRAMES - 1) + 1):
        rows[:, back - 1] = times[:, now] - times[:, now - back] < FRAMES
    return rows


@torch.no_grad()
def stepped(model: CausalXEncoder, tubelets: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Visual tokens (B, T, N, width), frame by frame."""
    past, tokens = model.no_past(len(tubelets)), []
    for now in range(tubelets.shape[1]):
        turn = time_tables(model.config, times[:, now])
        found, past = model.step(tubelets[:, now], turn, seen(times, now), past)
        tokens.append(found)
    return torch.stack(tokens, 1)


@torch.no_grad()
def every_frame(
    model: CausalXEncoder, tubelets: torch.Tensor, times: torch.Tensor
) -> torch.Tensor:
    """The same, of whole streams at once."""
    return model.every_tubelet(tubelets, StreamTubelets(times, stride=model.config.tubelet))


def same(found: torch.Tensor, true: torch.Tensor) -> None:
    torch.testing.assert_close(found, true, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tubelet": 1, "motion": False},
        {"memory": 1},
        {"memory": 3, "depth": 3},
        {"evidence": 3},
        {"evidence": 3, "evidence_lags": (1, 5, 8)},
    ],
    ids=[
        "default",
        "tubelets of one frame",
        "no dense past",
        "all dense",
        "evidence",
        "evidence of frames before the tubelet",
    ],
)
def test_frame_by_frame_is_the_whole_stream_at_once(changes) -> None:
    model, clip = encoder(**changes), clips(2, 3 * FRAMES)
    windows, tubelets = (
        tubelets_of(clip, getattr(model.config, n)) for n in ("window", "tubelet")
    )
    times = torch.rand(2, 3 * FRAMES, dtype=torch.float64).add(0.5).cumsum(1)
    same(stepped(model, windows, times), every_frame(model, tubelets, times))


@torch.no_grad()
def test_evidence_is_read_off_the_frames_that_lie_so_far_back() -> None:
    model, clip = encoder(evidence=3, evidence_lags=(1, 5, 8)), clips(1, FRAMES)
    before = model(clip)[:, -1]
    seen = []
    for lag in range(FRAMES):
        changed = clip.clone()
        changed[:, -1 - lag] += 1
        if not torch.allclose(model(changed)[:, -1], before, atol=1e-5):
            seen.append(lag)
    assert seen == [0, 1, 5, 8]


def test_a_gap_longer_than_the_memory_begins_a_new_stream() -> None:
    model, clip = encoder(), streams(1, 14)
    times = torch.arange(14.0)[None].double()
    times[:, 6:] += FRAMES
    whole = every_frame(model, clip, times)
    same(whole[:, 6:], every_frame(model, clip[:, 6:], times[:, 6:]))
    same(stepped(model, clip, times), whole)
    closer = torch.arange(14.0)[None].double()
    assert not torch.allclose(every_frame(model, clip, closer)[:, 6], whole[:, 6], atol=1e-3)


@pytest.mark.parametrize("phase", range(X.tubelet))
def test_training_sees_the_tubelets_that_a_robot_sees(phase: int) -> None:
    """A stream that is cut without overlap gives what a robot sees at every fourth frame."""
    model, clip = encoder(), clips(2, 3 * FRAMES)
    times = torch.rand(2, 3 * FRAMES, dtype=torch.float64).add(0.5).cumsum(1)
    ends = slice(phase, None, X.tubelet)
    count = times[:, ends].shape[1]
    still = clip[:, :1].expand(-1, X.tubelet - 1 - phase, -1, -1, -1)
    tubelets = torch.cat([still, clip], 1)[:, : count * X.tubelet].unflatten(1, (count, -1))
    asked = torch.tensor([[count - 1, 0, 1], [3, 4, 2]])
    with torch.no_grad():
        some = model.every_tubelet(tubelets, StreamTubelets(times[:, ends], asked))
    whole = every_frame(model, tubelets_of(clip), times)[:, ends]
    for stream, numbers in enumerate(asked):
        same(some[stream], whole[stream, numbers])


def test_only_the_differences_of_times_count_after_a_year_as_well() -> None:
    model, clip = encoder(), streams(1, 12)
    times = torch.arange(12.0)[None].double()
    same(every_frame(model, clip, times + 5.0 * 3600 * 24 * 365), every_frame(model, clip, times))


def test_no_frame_sees_a_later_one_and_each_sees_the_frames_of_its_phase() -> None:
    model, clip = encoder(), clips(1, 16)
    times = torch.arange(16.0)[None]
    changed = clip.clone()
    changed[:, 7] += 1
    before, after = (every_frame(model, tubelets_of(each), times) for each in (clip, changed))
    differs = (before - after).abs().amax((0, 2, 3)) > 1e-4
    assert differs.tolist() == [number >= 7 for number in range(16)]
    alone = streams(1, 16)
    changed = alone.clone()
    changed[:, 7] += 1
    before, after = (every_frame(model, each, times) for each in (alone, changed))
    differs = (before - after).abs().amax((0, 2, 3)) > 1e-4
    assert differs.nonzero().flatten().tolist() == [7, 11, 15]


def test_what_a_memory_forgot_is_gone() -> None:
    """A layer looks back by one memory, which is three tubelets."""
    model, tubelets = encoder(depth=1), streams(1, 20)
    times = torch.arange(20.0)[None]
    changed = tubelets.clone()
    changed[:, 0] += 1
    before, after = (every_frame(model, each, times) for each in (tubelets, changed))
    differs = (before - after).abs().amax((0, 2, 3))
    assert (differs > 1e-4).nonzero().flatten().tolist() == [0, 4, 8]
    assert differs[9:].eq(0).all()


def test_patches_stay_for_a_tubelet_and_summaries_for_the_memory() -> None:
    model, clip = encoder(), streams(1, 4)
    turn = time_tables(X, torch.zeros(1))
    rows = torch.ones(1, FRAMES - 1, dtype=torch.bool)
    past = torch.randn_like(model.no_past())
    dense, patches = X.tubelet * X.frame_patches, X.frame_patches
    with torch.no_grad():
        _, kept = model.step(clip[:, 0], turn, rows, past)
    same(kept[..., patches:dense, :], past[..., : dense - patches, :])
    same(kept[..., dense + 1 :, :], past[..., dense:-1, :])
    for new in (kept[..., :patches, :], kept[..., dense, :]):
        assert not torch.isin(new, past).any()


def test_only_frames_that_end_a_tubelet_of_the_past_are_seen() -> None:
    """Those that are kept for the frames to come change nothing."""
    model, clip = encoder(), streams(1, 1)
    rows, turn = torch.ones(1, FRAMES - 1, dtype=torch.bool), time_tables(X, torch.zeros(1))
    patches, frames = X.frame_patches, FRAMES - X.tubelet
    ends = torch.arange(X.tubelet - 1, frames, X.tubelet)
    dense = (X.tubelet - 1) * patches + torch.arange(patches)
    seen_keys = torch.cat([dense, X.tubelet * patches + ends])
    values = torch.randn_like(model.no_past())

    def tokens(changed: torch.Tensor) -> torch.Tensor:
        past = values.clone()
        past[..., changed, :] += 1
        with torch.no_grad():
            return model.step(clip[:, 0], turn, rows, past)[0]

    every = torch.arange(values.shape[-2])
    plain = tokens(every[:0])
    same(tokens(every[~torch.isin(every, seen_keys)]), plain)
    for key in seen_keys:
        assert not torch.allclose(tokens(key), plain, atol=1e-5)


def test_streams_of_different_age_in_one_run_are_what_they_are_alone() -> None:
    model, clip = encoder(), streams(3, 11)
    times = torch.arange(11.0).expand(3, -1)
    alone = [stepped(model, clip[n : n + 1], times[:1])[0] for n in range(3)]
    begins, pasts = (0, 4, 9), [model.no_past() for _ in range(3)]
    with torch.no_grad():
        for tick in range(11):
            awake = [n for n in range(3) if begins[n] <= tick]
            ages = [tick - begins[n] for n in awake]
            past = torch.cat([pasts[n] for n in awake])
            frames = torch.stack([clip[n, age] for n, age in zip(awake, ages, strict=True)])
            rows = torch.cat([seen(times[:1], age) for age in ages])
            tokens, past = model.step(frames, time_tables(X, torch.tensor(ages)), rows, past)
            for row, (n, age) in enumerate(zip(awake, ages, strict=True)):
                same(tokens[row], alone[n][age])
                pasts[n] = past[row : row + 1]


def test_a_clip_is_a_stream_that_ends_with_it() -> None:
    model, clip = encoder(), clips(2, FRAMES)
    times = torch.arange(float(FRAMES)).expand(2, -1)
    for length in (1, 6, FRAMES):
        whole = every_frame(model, tubelets_of(clip[:, :length]), times[:, :length])
        with torch.no_grad():
            same(model(clip[:, :length]), whole[:, -1])
    assert model(clip).shape[1] == TINY_STREAM.visual_tokens == X.frame_patches


def test_every_tubelet_of_a_stream_is_a_target_with_a_gradient() -> None:
    model, clip = tiny_model(TINY_STREAM).train(), clips(2, 20)
    p = TINY_STREAM.predictor
    queries = Tokens(torch.randn(1, 2, 6, p.query_width), torch.ones(10, 2, 6, dtype=torch.bool))
    texts = torch.randn(5, TINY_STREAM.y_encoder.width)
    every = torch.arange(5).expand(2, -1)
    cut = StreamTubelets(X.tubelet * every)
    tubelets = clip.unflatten(1, (5, X.tubelet))
    predicted, _, _ = model(tubelets, queries, texts, streams=cut)
    assert predicted.shape == (10, 2, TINY_STREAM.embedding)
    with torch.no_grad():
        alone = model.predictor(model.x_encoder(clip[:, :16]), queries.values, queries.mask[:2])
    same(predicted.detach().unflatten(0, (2, 5))[:, 3], alone)
    predicted.square().sum(-1).mean().add((predicted * torch.randn(10, 2, 12)).sum()).backward()
    unused = {name for name, value in model.x_encoder.named_parameters() if value.grad is None}
    assert unused == set()


def test_the_summary_has_not_nearly_all_of_the_first_gradient() -> None:
    """A gradient is clipped as a whole: what one weight takes is lost to all others."""
    model = tiny_model(TINY_STREAM)
    x, p = model.x_encoder, TINY_STREAM.predictor
    fresh = CausalXEncoder(x.config, FRAMES)  # its weights are as training finds them
    cut = StreamTubelets(X.tubelet * torch.arange(6).expand(2, -1))
    tokens = fresh.every_tubelet(streams(2, 6), cut).flatten(0, 1)
    queries = torch.randn(1, 2, 6, p.query_width), torch.ones(12, 2, 6, dtype=torch.bool)
    (model.predictor(tokens, *queries) * torch.randn(12, 2, 12)).sum().backward()
    norms = {weight: float(value.grad.norm()) for weight, value in fresh.named_parameters()}
    assert 0 < norms["summary"] < norms["embedding.weight"]


def test_tokens_cannot_be_dropped_and_frames_have_one_size() -> None:
    model = encoder()
    with pytest.raises(ValueError, match="drops no tokens"):
        model(clips(1, 2), TokenMask(torch.zeros(1, 2, dtype=torch.int64), 8))
    with pytest.raises(ValueError, match="instead of"):
        model(clips(1, 2, grid=6))


def test_a_memory_that_does_not_fit_is_refused_and_older_files_have_none() -> None:
    with pytest.raises(ConfigError, match="a memory of 3 tubelets, .* its 4 newest"):
        replace(TINY_STREAM, x_encoder=replace(X, memory=4))
    with pytest.raises(ConfigError, match="a memory of 1 tubelets, .* two or more"):
        replace(TINY_STREAM, clip_frames=4)
    with pytest.raises(ConfigError, match="clip_frames 10 is no multiple of 4"):
        replace(TINY_STREAM, clip_frames=10)
    with pytest.raises(ConfigError, match="rotary 'interleaved'"):
        replace(X, rotary="tiled")
    with pytest.raises(ConfigError, match="a memory has .* values"):
        large = replace(STREAMING.x_encoder, memory=64)
        replace(STREAMING, clip_frames=64, x_encoder=large)
    assert ModelConfig.from_dict(TINY_STREAM.to_dict()) == TINY_STREAM
    older = TINY_STREAM.to_dict()
    del older["x_encoder"]["memory"]
    assert ModelConfig.from_dict(older).x_encoder.memory == 0


def test_the_full_size_has_the_layers_of_a_large_vision_transformer() -> None:
    model = empty_model(STREAMING).x_encoder
    assert isinstance(model, CausalXEncoder)
    assert sum(value.numel() for value in model.parameters()) == pytest.approx(303e6, rel=0.01)
    assert STREAMING.visual_tokens == 14**2
    with torch.device("meta"):
        past = model.no_past()
    assert past.shape == (1, 24, 2, 16, 15 * 196 + 15, 64)
