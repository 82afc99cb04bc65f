# SPDX-License-Identifier: Apache-2.0
"""Teaching a model what labelled recordings of one's own robot show.

The trunk stays as it is and sees every recording in a few variations, once
(:mod:`.trunk_cache`). On that stand two things that learn: a linear reading of the clip in closed
form (:mod:`.evidence_fit`), and the light parts of the model, X-Encoder and Predictor, which learn
beside what the reading finds on recordings that it was not taught on (:mod:`.light_trainer`).
Texts stay where the Y-Encoder puts them.

The same call continues after a stop: what the trunk saw and the last checkpoint lie in a folder.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event

import numpy as np
import torch

from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.teaching.evidence_fit import EvidenceFit, Reading, fit_evidence
from vljepa_ros.teaching.fit_settings import FitSettings
from vljepa_ros.teaching.light_trainer import LightTrainer, TaughtTexts
from vljepa_ros.teaching.seen_lessons import FrozenParts, SeenLessons
from vljepa_ros.teaching.taught_recording import Lessons

EVIDENCE_S = (0.4, 0.8, 1.6, 2.8)
"""How long before the newest frame the others were that the evidence is read off, in seconds.

What a robot does now shows in what it did before.
"""

_TRUNK_SHARE = 0.5  # of the progress; what the trunk costs and what learning costs is alike


@dataclass(frozen=True)
class Fitted:
    """A taught model.

    Attributes:
        model: in evaluation mode, with the best weights that were found.
        history: figures of each look: ``step``, ``loss``, and ``held_out``, the mean recall over
            the texts on held-out recordings; step 0 is the reading alone. The first entry has
            ``evidence``, the mean recall of the reading on recordings that were left out in turn.
    """

    model: VLJepaModel
    history: tuple[Mapping[str, float], ...]


class TeachError(ValueError):
    """A model or recordings cannot be taught with; the text says why."""


def fit(
    model: VLJepaModel,
    taught: Lessons,
    held_out: Lessons,
    runtime: FrozenParts,
    work_dir: Path,
    on_progress: Callable[[float], None],
    stop: Event,
    settings: FitSettings | None = None,
) -> Fitted:
    """Teach a model.

    Args:
        model: it is left as it is.
        taught: recordings to learn from.
        held_out: recordings that say if the light parts gain anything, and when to end. The
            reading learns them at last: they are no test afterwards. Without any the reading
            answers alone.
        runtime: the bundle that the model was rebuilt from.
        work_dir: keeps what the trunk saw, and the checkpoint.
        on_progress: told which share of the work is done, 0..1.
        stop: if it is set, the best that was found so far is returned.
        settings: None is the defaults.

    Raises:
        TeachError: the model has no frozen trunk, or there is nothing to learn.
    """
    settings = settings or FitSettings()
    if not model.config.x_encoder.trunk:
        raise TeachError("only a model on a frozen image trunk can be taught from few recordings")
    texts = taught_texts(taught, runtime)
    rate_hz = clip_rate(model.config, taught, settings)
    seen = SeenLessons(model.config, runtime, work_dir / "trunk", rate_hz)
    copies = seen.copies(taught, settings.copies, settings.most_frames)
    clips = seen.clips(taught, copies, lambda done: on_progress(_TRUNK_SHARE * done), stop)
    sizes, patch = [len(each) for each in taught.texts.values()], model.config.x_encoder.patch
    lags = evidence_lags(model.config, rate_hz)
    read = clips.at(lags)
    evidence = fit_evidence(read, sizes, patch)
    new = with_evidence(model, rate_hz, lags, evidence, texts)
    checked = seen.clips(held_out, 0) if held_out.recordings else None
    mark = _mark(settings, model, taught, held_out)
    honest = evidence.honest(read, patch)
    trainer = LightTrainer(new, clips, honest, texts, checked, settings)
    history = trainer.run(
        work_dir / f"fit_{mark}.pt",
        lambda done: on_progress(_TRUNK_SHARE + (1 - _TRUNK_SHARE) * done),
        stop,
    )
    if checked is not None:  # it has said what it had to say, and may be learned
        everything = replace(taught, recordings=(*taught.recordings, *held_out.recordings))
        all_clips = seen.clips(everything, copies, stop=stop)
        whole = fit_evidence(all_clips.at(lags), sizes, patch)
        _read_by(new, whole.reading)
    return Fitted(new.eval(), (_at_first(evidence), *history))


def clip_rate(config: ModelConfig, taught: Lessons, settings: FitSettings) -> float:
    """Return the rate of the frames of clips, in Hz.

    A clip fills at most half of a usual recording, as there would be few of them otherwise; but
    it is no faster than the model's own. A memory may be as short as a recording and keeps the
    rate that the model knows.
    """
    if config.x_encoder.memory:
        return config.clip_rate_hz
    lengths = [one.stamps_s[-1] - one.stamps_s[0] for one in taught.recordings]
    usual = max(float(np.median(lengths)), 1e-3) if lengths else math.inf
    fitting = round(2 * (config.clip_frames - 1) / usual, 1)
    return min(max(settings.rate_hz, fitting), config.clip_rate_hz)


def evidence_lags(config: ModelConfig, rate_hz: float) -> tuple[int, ...]:
    """Return how many frames before the newest one the others are that the evidence is read off.

    Args:
        config: of the model.
        rate_hz: of the frames of a clip.
    """
    lags = {min(round(span * rate_hz), config.clip_frames - 1) for span in EVIDENCE_S}
    return tuple(sorted(lags - {0}))


def _at_first(evidence: EvidenceFit) -> Mapping[str, float]:
    known = {"evidence": evidence.accuracy} if np.isfinite(evidence.accuracy) else {}
    return {"step": 0.0, **known}


def taught_texts(lessons: Lessons, runtime: FrozenParts) -> TaughtTexts:
    """Return the queries' tokens and the embeddings of their texts."""
    asked = [runtime.encode_query(question) for question in lessons.questions.values()]
    texts = [text for query in lessons.questions for text in lessons.texts[query]]
    return TaughtTexts(
        tokens=torch.from_numpy(np.stack([one.tokens for one in asked])),
        mask=torch.from_numpy(np.stack([one.mask for one in asked])),
        embeddings=torch.from_numpy(np.stack([runtime.embed_text(text) for text in texts])),
        sizes=tuple(len(lessons.texts[query]) for query in lessons.questions),
    )


def with_evidence(
    model: VLJepaModel,
    rate_hz: float,
    lags: tuple[int, ...],
    evidence: EvidenceFit,
    texts: TaughtTexts,
) -> VLJepaModel:
    """Return a copy of a model that reads the evidence of clips whose frames have a rate."""
    config = model.config
    count = evidence.reading.bias.size
    if count > config.x_encoder.width:
        raise TeachError(
            f"{count} texts are too many for this model: at most {config.x_encoder.width}"
        )
    new = VLJepaModel(
        replace(
            config,
            clip_rate_hz=rate_hz,
            x_encoder=replace(config.x_encoder, evidence=count, evidence_lags=lags),
        )
    )
    kept = {
        name: value
        for name, value in model.state_dict().items()
        if not name.startswith(("x_encoder.evidence.", "predictor.evidence."))
    }
    new.load_state_dict(kept, strict=False)
    _read_by(new, evidence.reading)
    with torch.no_grad():
        answer = new.predictor.evidence
        answer.choose.weight.copy_(texts.choosing())
        answer.choose.bias.zero_()
        answer.step.weight.copy_(texts.steps() / float(model.scale))
    return new


@torch.no_grad()
def _read_by(model: VLJepaModel, reading: Reading) -> None:
    """Put a reading into a model."""
    model.x_encoder.evidence.read.weight.copy_(torch.from_numpy(reading.weight.T))
    model.x_encoder.evidence.read.bias.copy_(torch.from_numpy(reading.bias))


def _mark(settings: FitSettings, model: VLJepaModel, taught: Lessons, held_out: Lessons) -> str:
    """Return a text that changes with all that a checkpoint depends on."""
    found = hashlib.sha256(json.dumps(asdict(settings)).encode())
    for lessons in (taught, held_out):
        found.update(json.dumps([dict(lessons.questions), dict(lessons.texts)]).encode())
        for recording in lessons.recordings:
            found.update(recording.name.encode() + recording.stamps_s.tobytes())
            for query in lessons.texts:
                found.update(recording.labels[query].tobytes())
    for part in (model.x_encoder, model.predictor):
        for value in part.state_dict().values():
            found.update(value.numpy().tobytes())
    return found.hexdigest()[:16]
