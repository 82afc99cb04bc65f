# SPDX-License-Identifier: Apache-2.0
"""A frame that is encoded once, with what is kept of those before it, is what the whole gives."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")

from support.tiny_model import TINY_STREAM, tiny_model  # noqa: E402
from vljepa_ros.model.causal_x_encoder import CausalXEncoder, Past, StreamFrames  # noqa: E402
from vljepa_ros.model.config import ConfigError, MemoryConfig, ModelConfig  # noqa: E402
from vljepa_ros.model.empty import empty_model  # noqa: E402
from vljepa_ros.model.presets import STREAMING  # noqa: E402
from vljepa_ros.model.rotary import time_tables  # noqa: E402
from vljepa_ros.model.vljepa import Tokens  # noqa: E402
from vljepa_ros.model.x_encoder import TokenMask  # noqa: E402

X = TINY_STREAM.x_encoder
FRAMES = TINY_STREAM.clip_frames


def encoder(memory: MemoryConfig | None = None, **changes: object) -> CausalXEncoder:
    config = replace(X, memory=memory or X.memory, **changes)
    return tiny_model(replace(TINY_STREAM, x_encoder=config)).x_encoder


def streams(count: int, length: int, grid: int = X.grid) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(count, length, X.channels, grid, grid)


def seen(times: torch.Tensor, now: int) -> torch.Tensor:
    """Which of the frames before ``now`` its memory holds, newest first, by their times alone."""
    rows = torch.zeros(len(times), FRAMES - 1, dtype=torch.bool)
    for back in range(1, min(now, FRAMES - 1) + 1):
        rows[:, back - 1] = times[:, now] - times[:, now - back] < FRAMES
    return rows


@torch.no_grad()
def stepped(model: CausalXEncoder, clip: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Visual tokens (B, T, N, width), frame by frame."""
    past, tokens = model.no_past(len(clip)), []
    for now in range(clip.shape[1]):
        turn = time_tables(model.config, times[:, now])
        found, past = model.step(clip[:, now], turn, seen(times, now), past)
        tokens.append(found)
    return torch.stack(tokens, 1)


def every_frame(model: CausalXEncoder, clip: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.every_frame(clip, StreamFrames(times))


def same(found: torch.Tensor, true: torch.Tensor) -> None:
    torch.testing.assert_close(found, true, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tubelet": 1, "motion": False},
        {"memory": MemoryConfig(dense=1, summaries=8)},
        {"memory": MemoryConfig(dense=8, summaries=2), "depth": 3},
        {"evidence": 3},
    ],
    ids=["default", "tubelets of one frame", "no dense past", "all dense", "evidence"],
)
def test_frame_by_frame_is_the_whole_stream_at_once(changes) -> None:
    model, clip = encoder(**changes), streams(2, 3 * FRAMES)
    times = torch.rand(2, 3 * FRAMES, dtype=torch.float64).add(0.5).cumsum(1)
    same(stepped(model, clip, times), every_frame(model, clip, times))


def test_a_gap_longer_than_the_memory_begins_a_new_stream() -> None:
    model, clip = encoder(), streams(1, 14)
    times = torch.arange(14.0)[None].double()
    times[:, 6:] += FRAMES
    whole = every_frame(model, clip, times)
    same(whole[:, 6:], every_frame(model, clip[:, 6:], times[:, 6:]))
    same(stepped(model, clip, times), whole)
    closer = torch.arange(14.0)[None].double()
    assert not torch.allclose(every_frame(model, clip, closer)[:, 6], whole[:, 6], atol=1e-3)


def test_a_frame_that_is_not_kept_sees_its_past_and_is_seen_by_none() -> None:
    model, clip = encoder(), streams(2, 12)
    times = torch.arange(12.0).expand(2, -1) / 2
    kept = torch.arange(12).expand(2, -1) % 2 == 0
    with torch.no_grad():
        whole = model.every_frame(clip, StreamFrames(times, kept))
    same(whole[:, ::2], every_frame(model, clip[:, ::2], times[:, ::2]))
    for now in (1, 7, 11):
        rows = [*range(0, now, 2), now]
        same(whole[:, now], every_frame(model, clip[:, rows], times[:, rows])[:, -1])


def test_the_frames_that_are_asked_are_those_of_all() -> None:
    model, clip = encoder(), streams(2, 9)
    times = torch.arange(9.0).expand(2, -1)
    asked = torch.tensor([[3, 8], [0, 5]])
    with torch.no_grad():
        some = model.every_frame(clip, StreamFrames(times, asked=asked))
    whole = every_frame(model, clip, times)
    for stream, numbers in enumerate(asked):
        same(some[stream], whole[stream, numbers])


def test_only_the_differences_of_times_count_after_a_year_as_well() -> None:
    model, clip = encoder(), streams(1, 12)
    times = torch.arange(12.0)[None].double()
    same(every_frame(model, clip, times + 5.0 * 3600 * 24 * 365), every_frame(model, clip, times))


def test_no_frame_sees_a_later_one_and_each_sees_the_memory() -> None:
    model, clip = encoder(), streams(1, 12)
    times = torch.arange(12.0)[None]
    changed = clip.clone()
    changed[:, 7] += 1
    before, after = every_frame(model, clip, times), every_frame(model, changed, times)
    differs = (before - after).abs().amax((0, 2, 3)) > 1e-4
    assert differs.tolist() == [number >= 7 for number in range(12)]


def test_what_a_memory_forgot_is_gone() -> None:
    """A layer looks back by one memory, the means for the Predictor by one, a tubelet by three."""
    model, clip = encoder(depth=1), streams(1, 20)
    times = torch.arange(20.0)[None]
    changed = clip.clone()
    changed[:, 0] += 1
    before, after = every_frame(model, clip, times), every_frame(model, changed, times)
    differs = (before - after).abs().amax((0, 2, 3))
    assert (differs[:FRAMES] > 1e-4).all()
    assert (differs[2 * FRAMES + X.tubelet - 2 :] == 0).all()


def test_old_frames_are_seen_by_their_summary_alone() -> None:
    """Whatever the patches of an old frame hold, its summary is all that a new one takes."""
    model, clip = encoder(), streams(1, 4)
    past = model.no_past()
    turn = time_tables(X, torch.zeros(1))
    rows = torch.ones(1, FRAMES - 1, dtype=torch.bool)
    attention = torch.randn_like(past.attention)
    dense = X.frame_patches
    with torch.no_grad():
        _, kept = model.step(clip[:, 0], turn, rows, past._replace(attention=attention))
    # the summaries move on by one frame; the dense patches are the new frame's
    same(kept.attention[..., dense + 1 :, :], attention[..., dense:-1, :])
    assert not torch.allclose(kept.attention[..., :dense, :], attention[..., :dense, :])


def test_streams_of_different_age_in_one_run_are_what_they_are_alone() -> None:
    model, clip = encoder(), streams(3, 11)
    times = torch.arange(11.0).expand(3, -1)
    alone = [stepped(model, clip[n : n + 1], times[:1])[0] for n in range(3)]
    begins, pasts = (0, 4, 9), [model.no_past() for _ in range(3)]
    with torch.no_grad():
        for tick in range(11):
            awake = [n for n in range(3) if begins[n] <= tick]
            ages = [tick - begins[n] for n in awake]
            past = Past(
                *(torch.cat(parts) for parts in zip(*(pasts[n] for n in awake), strict=True))
            )
            frames = torch.stack([clip[n, age] for n, age in zip(awake, ages, strict=True)])
            rows = torch.cat([seen(times[:1], age) for age in ages])
            tokens, past = model.step(frames, time_tables(X, torch.tensor(ages)), rows, past)
            for row, (n, age) in enumerate(zip(awake, ages, strict=True)):
                same(tokens[row], alone[n][age])
                pasts[n] = Past(*(part[row : row + 1] for part in past))


def test_a_clip_is_a_stream_that_ends_with_it() -> None:
    model, clip = encoder(), streams(2, FRAMES)
    with torch.no_grad():
        same(model(clip), every_frame(model, clip, torch.arange(8.0).expand(2, -1))[:, -1])
    assert model(clip).shape[1] == TINY_STREAM.visual_tokens == 4 + X.frame_patches


def test_every_frame_of_a_stream_is_a_target_with_a_gradient() -> None:
    model, clip = tiny_model(TINY_STREAM).train(), streams(2, 10)
    p = TINY_STREAM.predictor
    queries = Tokens(torch.randn(1, 2, 6, p.query_width), torch.ones(20, 2, 6, dtype=torch.bool))
    texts = torch.randn(5, TINY_STREAM.y_encoder.width)
    times = torch.arange(10.0).expand(2, -1)
    predicted, _, _ = model(clip, queries, texts, streams=StreamFrames(times))
    assert predicted.shape == (20, 2, TINY_STREAM.embedding)
    with torch.no_grad():
        alone = model.predictor(model.x_encoder(clip[:, :7]), queries.values, queries.mask[:2])
    same(predicted.detach().unflatten(0, (2, 10))[:, 6], alone)
    predicted.square().sum(-1).mean().add((predicted * torch.randn(20, 2, 12)).sum()).backward()
    unused = {name for name, value in model.x_encoder.named_parameters() if value.grad is None}
    assert unused == set()


@pytest.mark.parametrize("name", ["summary", "nothing"])
def test_no_token_has_nearly_all_of_the_first_gradient(name: str) -> None:
    """A gradient is clipped as a whole: what one weight takes is lost to all others."""
    model = tiny_model(TINY_STREAM)
    x, p = model.x_encoder, TINY_STREAM.predictor
    fresh = CausalXEncoder(x.config, FRAMES)  # its weights are as training finds them
    tokens = fresh.every_frame(streams(2, 6)).flatten(0, 1)
    queries = torch.randn(1, 2, 6, p.query_width), torch.ones(12, 2, 6, dtype=torch.bool)
    (model.predictor(tokens, *queries) * torch.randn(12, 2, 12)).sum().backward()
    norms = {weight: float(value.grad.norm()) for weight, value in fresh.named_parameters()}
    assert 0 < norms[name] < norms["embedding.weight"]


def test_tokens_cannot_be_dropped_and_frames_have_one_size() -> None:
    model = encoder()
    with pytest.raises(ValueError, match="drops no tokens"):
        model(streams(1, 2), TokenMask(torch.zeros(1, 2, dtype=torch.int64), 8))
    with pytest.raises(ValueError, match="instead of"):
        model(streams(1, 2, grid=6))


def test_a_memory_that_does_not_fit_is_refused_and_older_files_have_none() -> None:
    with pytest.raises(ConfigError, match="multiple of its 3 summaries"):
        replace(TINY_STREAM, x_encoder=replace(X, memory=MemoryConfig(2, 3)))
    with pytest.raises(ConfigError, match="rotary 'interleaved'"):
        replace(X, rotary="tiled")
    with pytest.raises(ConfigError, match="a memory has .* values"):
        replace(
            STREAMING,
            clip_frames=64,
            x_encoder=replace(STREAMING.x_encoder, memory=MemoryConfig(64, 8)),
        )
    assert ModelConfig.from_dict(TINY_STREAM.to_dict()) == TINY_STREAM
    older = TINY_STREAM.to_dict()
    del older["x_encoder"]["memory"]
    assert ModelConfig.from_dict(older).x_encoder.memory is None


def test_the_full_size_has_the_layers_of_a_large_vision_transformer() -> None:
    model = empty_model(STREAMING).x_encoder
    assert isinstance(model, CausalXEncoder)
    assert sum(value.numel() for value in model.parameters()) == pytest.approx(303e6, rel=0.01)
    assert STREAMING.visual_tokens == 16 + 14**2
    with torch.device("meta"):
        attention = model.no_past().attention
    assert attention.shape == (1, 24, 2, 16, 15 * 196 + 15, 64)
