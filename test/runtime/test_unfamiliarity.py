# SPDX-License-Identifier: Apache-2.0
"""Clips like the known ones are familiar, others are not, and without statistics nobody knows."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from support.colour_bundle import seal
from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.unfamiliarity import KnownClips, TooFewClipsError, by_recording

WIDTH = 6  # of the colour bundle's features


def recordings(count: int = 40, clips: int = 25, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """Return features that lie in a thin disc: wide in all directions but the first."""
    spread = np.array([0.01, 1, 1, 2, 1, 1])
    rng = np.random.default_rng(seed)
    return {f"{i}": rng.normal(0, 1, (clips, WIDTH)) * spread for i in range(count)}


@pytest.fixture
def known() -> KnownClips:
    return KnownClips.fit(recordings())


@pytest.fixture
def copy(colour_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(colour_bundle, tmp_path / "copy"))


def test_the_number_is_the_share_of_known_recordings_that_show_nothing_as_strange() -> None:
    known = KnownClips.fit(recordings(400))
    others = recordings(400, seed=1).values()
    found = np.array([max(known.of(np.float32(row)) for row in part) for part in others])
    for share in (0.1, 0.5, 0.9, 0.99):
        assert np.mean(found < share) == pytest.approx(share, abs=0.06)


def test_what_known_clips_never_do_is_strange_though_it_is_near_them(known: KnownClips) -> None:
    aside = np.zeros(WIDTH, np.float32)
    aside[3] = 1.0  # as known clips often are
    assert known.of(aside) < 0.9
    aside[:] = 0
    aside[0] = 3.0  # no farther from the mean than many, but in a direction that none takes
    assert known.of(aside) == 1.0


def foreign(count: int = 200) -> NDArray[np.float64]:
    """Return features at the edge of the disc, where some known clips are too."""
    away = np.array([0, 0, 0, 8.0, 0, 0])
    return np.random.default_rng(5).normal(0, 1, (count, WIDTH)) * [0.01, 1, 1, 1, 1, 1] + away


def test_foreign_clips_are_strange_though_they_are_no_farther_than_known_ones() -> None:
    """Known clips vary in forty directions, and foreign ones lie aside in one of them."""
    rng = np.random.default_rng(0)
    rows = {f"{i}": part for i, part in enumerate(rng.normal(0, 1, (60, 25, 40)))}
    others = rng.normal(0, 1, (400, 40)) + 4.5 * np.eye(40)[0]
    new = np.float32(others[200:])
    alone, warned = KnownClips.fit(rows), KnownClips.fit(rows, others[:200])
    assert np.mean([alone.of(row) > 0.97 for row in new]) < 0.25
    assert np.mean([warned.of(row) > 0.97 for row in new]) > 0.8
    assert warned.toward_foreign(others[:200].mean(0)) == pytest.approx(1, abs=0.01)
    assert warned.toward_foreign(warned.mean) == 0 == alone.toward_foreign(new[0])


def test_foreign_clips_leave_the_rest_as_it_is() -> None:
    alone, warned = KnownClips.fit(recordings(400)), KnownClips.fit(recordings(400), foreign())
    others = recordings(400, seed=1).values()
    found = np.array([max(warned.of(np.float32(row)) for row in part) for part in others])
    assert np.mean(found > 0.99) == pytest.approx(0.02, abs=0.02), "one in a hundred of each"
    aside = np.zeros(WIDTH, np.float32)
    aside[0] = 3.0
    assert warned.of(aside) == alone.of(aside) == 1.0
    opposite = np.float32(-foreign()[0] / 2)
    assert warned.of(opposite) == alone.of(opposite)


def test_foreign_clips_that_look_like_known_ones_change_nothing_much() -> None:
    same = np.concatenate(list(recordings(seed=3).values()))
    known = KnownClips.fit(recordings(), same)
    assert np.isfinite(known.foreign).all()
    assert known.of(np.zeros(WIDTH, np.float32)) < 0.5


def test_few_foreign_clips_are_refused() -> None:
    with pytest.raises(TooFewClipsError, match="99 foreign clips are too few: give 100"):
        KnownClips.fit(recordings(), foreign(99))


def test_features_that_are_no_numbers_have_no_unfamiliarity(known: KnownClips) -> None:
    assert math.isnan(known.of(np.full(WIDTH, np.nan, np.float32)))


def test_without_statistics_nothing_is_known() -> None:
    assert math.isnan(KnownClips.none().of(np.zeros(WIDTH, np.float32)))
    assert not KnownClips.none().are_there


def test_channels_that_never_vary_do_no_harm() -> None:
    rows = {
        name: np.hstack([part, np.ones((len(part), 1))]) for name, part in recordings().items()
    }
    assert 0 <= KnownClips.fit(rows).of(np.ones(WIDTH + 1, np.float32)) <= 1


def test_whole_recordings_are_held_back() -> None:
    """Clips of a recording are alike: a scale of clips whose likes were used is too narrow."""
    rng = np.random.default_rng(0)
    scenes = rng.normal(0, 1, (80, 1, 40)) + rng.normal(0, 0.01, (80, 10, 40))
    new_scenes = rng.normal(0, 1, (200, 40)).astype(np.float32)

    def strange(known: KnownClips) -> float:
        return float(np.mean([known.of(row) > 0.95 for row in new_scenes]))

    assert strange(KnownClips.fit({f"{i}": part for i, part in enumerate(scenes)})) < 0.2
    alone = KnownClips.fit({f"{i}": row for i, row in enumerate(scenes.reshape(800, 1, 40))})
    assert strange(alone) > 0.5


@pytest.mark.parametrize(("count", "clips"), [(4, 100), (10, 5)])
def test_too_few_clips_are_refused_with_how_many_are_needed(count: int, clips: int) -> None:
    with pytest.raises(TooFewClipsError, match="at least 100 clips of 5 recordings"):
        KnownClips.fit(recordings(count, clips))


def test_clips_are_grouped_by_their_recording() -> None:
    groups = by_recording([("a", [1.0]), ("b", [2.0]), ("a", [3.0])])
    assert {name: part.tolist() for name, part in groups.items()} == {
        "a": [[1.0], [3.0]],
        "b": [[2.0]],
    }


@pytest.mark.parametrize("others", [None, foreign()])
def test_statistics_come_back_from_a_bundle(
    copy: Path, others: NDArray[np.float64] | None
) -> None:
    assert not Bundle.load(copy).has_statistics
    known = KnownClips.fit(recordings(), others)
    known.save(copy / "known_clips.npz")
    bundle = seal(copy, known_clips="known_clips.npz")
    assert bundle.has_statistics
    for row in np.float32([*recordings(seed=2)["0"], *foreign()[:20]]):
        assert KnownClips.from_bundle(bundle).of(row) == known.of(row)


def test_statistics_of_an_older_version_know_of_no_foreign_clips(
    copy: Path, known: KnownClips
) -> None:
    older = {"mean": known.mean, "precision": known.precision, "scale": known.scale}
    np.savez(copy / "known_clips.npz", **older)
    found = KnownClips.from_bundle(seal(copy, known_clips="known_clips.npz"))
    row = np.float32(foreign()[0])
    assert found.of(row) == known.of(row) and not found.foreign.size


@pytest.mark.parametrize(
    "broken",
    [
        {"mean": np.zeros(WIDTH - 1, np.float32)},
        {"precision": np.zeros((WIDTH, WIDTH - 1), np.float32)},
        {"precision": np.full((WIDTH, WIDTH), np.nan, np.float32)},
        {"scale": np.zeros(0, np.float32)},
        {"scale": np.array([2.0, 1.0], np.float32)},
        {"mean": np.zeros(WIDTH)},
        {"foreign": np.zeros(WIDTH - 1, np.float32), "foreign_scale": np.ones(1, np.float32)},
        {"foreign": np.zeros(WIDTH, np.float32)},
        {"foreign_scale": np.ones(1, np.float32)},
        {"foreign": np.zeros(WIDTH, np.float32), "foreign_scale": np.float32([2, 1])},
        {"foreign": np.full(WIDTH, np.inf, np.float32), "foreign_scale": np.float32([1])},
    ],
)
def test_damaged_statistics_are_refused_and_named(
    copy: Path, known: KnownClips, broken: dict[str, NDArray[np.float32]]
) -> None:
    arrays = {"mean": known.mean, "precision": known.precision, "scale": known.scale, **broken}
    np.savez(copy / "known_clips.npz", **arrays)
    bundle = seal(copy, known_clips="known_clips.npz")
    with pytest.raises(BundleError, match=r"known_clips\.npz: holds no statistics .*; export"):
        KnownClips.from_bundle(bundle)


def test_statistics_that_the_manifest_names_must_be_listed(copy: Path) -> None:
    with pytest.raises(BundleError, match=r"uses 'known_clips\.npz', but"):
        seal(copy, known_clips="known_clips.npz")


def test_statistics_of_another_model_are_refused_when_loading(
    copy: Path, known: KnownClips
) -> None:
    rows = {name: part[:, :-1] for name, part in recordings().items()}
    KnownClips.fit(rows).save(copy / "known_clips.npz")
    seal(copy, known_clips="known_clips.npz")
    with pytest.raises(BundleError, match="statistics of known clips are not for"):
        VLJepa.load(copy)
