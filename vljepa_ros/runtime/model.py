# SPDX-License-Identifier: Apache-2.0
"""VL-JEPA for a program: frames and texts in, embeddings, descriptions and answers out.

This class holds a bundle, a backend, the text encoder and the phrase bank together and keeps no
state of a stream: which frames make a clip is decided by :mod:`vljepa_ros.stream`. Loading runs
every graph once, on the clip that comes with the bundle, and compares. So a bundle whose parts do
not fit, or that computes something else than it was exported with, fails when it is loaded and not
on a robot's first frame. The text decoder is not loaded here: :mod:`.choose_decoder` does that for
those who describe.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vljepa_ros.runtime.backend import (
    BACKENDS,
    ONNXRUNTIME,
    Backend,
    BackendError,
    ClipOutputs,
    DeviceLostError,
    OutOfMemoryError,
)
from vljepa_ros.runtime.bundle import Bundle, BundleError, default_bundle_path
from vljepa_ros.runtime.bundle_files import COPY_AGAIN, EXPORT_AGAIN
from vljepa_ros.runtime.choose import choose_backend
from vljepa_ros.runtime.memory import return_freed_memory
from vljepa_ros.runtime.phrases import Phrase, PhraseBank
from vljepa_ros.runtime.query_encoder import QueryEncoder, QueryTokens
from vljepa_ros.runtime.reference import SAME_TEXT, DisagreementError, Reference
from vljepa_ros.runtime.scene_features import appearance, look_and_change, trunk_features
from vljepa_ros.runtime.stream_memory import StreamMemory
from vljepa_ros.runtime.stream_steps import NO_MASK, NO_TOKENS, StreamSteps
from vljepa_ros.runtime.tensorrt.tensorrt_backend import EngineOptions, TensorRTBackend
from vljepa_ros.runtime.tensorrt.tensorrt_errors import BUILD_AGAIN, TensorRTError
from vljepa_ros.runtime.text_encoder import TextEncoder
from vljepa_ros.runtime.tokenizer import TextError
from vljepa_ros.runtime.unfamiliarity import KnownClips
from vljepa_ros.stream.preprocess import fit_frame
from vljepa_ros.stream.vectors import softmax, unit


class SeenClips(NamedTuple):
    """What the model makes of clips.

    Attributes:
        embeddings: (B, Q, dimension), of unit length, in the order of the clips and queries.
        features: (B, F), what is seen before any query (:mod:`.scene_features`).
    """

    embeddings: NDArray[np.float32]
    features: NDArray[np.float32]


class SeenFrames(NamedTuple):
    """What a model with a memory makes of a frame of each stream.

    Attributes:
        clips: as of clips that end with these frames.
        memories: of the streams, with these frames.
    """

    clips: SeenClips
    memories: list[StreamMemory]


class VLJepa:
    """A loaded model. Every method may be called from several threads."""

    def __init__(
        self,
        bundle: Bundle,
        backend: Backend,
        text_encoder: TextEncoder | None,
        queries: QueryEncoder,
        phrases: PhraseBank,
        known_clips: KnownClips,
        backend_reason: str = "",
    ) -> None:
        """Put loaded parts together; :meth:`load` is the usual way.

        ``known_clips`` says which clips are familiar, and ``backend_reason``, for people, why this
        backend runs the model.
        """
        self.bundle = bundle
        self.backend = backend
        self.backend_reason = backend_reason
        self.phrases = phrases
        self.known_clips = known_clips
        self._text_encoder = text_encoder
        self._queries = queries
        self._steps = None if bundle.memory is None else StreamSteps(bundle, backend.follow)

    @classmethod
    def load(
        cls,
        path: Path | str | None = None,
        *,
        backend: str = ONNXRUNTIME,
        threads: int = 1,
        engines: EngineOptions | None = None,
    ) -> VLJepa:
        """Verify and load a bundle, and run every graph that embeds once.

        Args:
            path: the bundle's folder; None is the default bundle.
            backend: one of :data:`~vljepa_ros.runtime.backend.BACKENDS`.
            threads: compute threads per graph on ONNX Runtime, at least 1.
            engines: how TensorRT's engines are found and run; None is as they are and from the
                usual place.

        Raises:
            BundleError: the bundle cannot be used, or does not compute what it did at the export;
                the message says why and what to do.
            TensorRTError: TensorRT was asked for and is not there, an engine must not be used, or
                engines do not compute what the bundle says.
            BackendError: the GPU has too little memory, or refuses.
            ValueError: no such backend, or fewer than one thread.
        """
        if backend not in BACKENDS:
            raise ValueError(f"no backend {backend!r}; there are {', '.join(BACKENDS)}")
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        bundle = Bundle.load(default_bundle_path() if path is None else path)
        phrases, known = PhraseBank.from_bundle(bundle), KnownClips.from_bundle(bundle)
        text_encoder = TextEncoder(bundle, threads) if bundle.tokenizer is not None else None
        queries = QueryEncoder(bundle, text_encoder)
        chosen = choose_backend(backend, bundle, threads, engines or EngineOptions())
        backend_reason = chosen.reason
        model = cls(bundle, chosen.backend, text_encoder, queries, phrases, known, backend_reason)
        try:
            model._check(Reference.from_bundle(bundle))
        except DeviceLostError:
            raise  # what is freed on a lost device may end the process before this is told
        except BaseException:
            model.close()
            raise
        return_freed_memory()
        return model

    def encode_frames(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[Any]:
        """Turn RGB images (H, W, 3) of any size, at least one, into what clips are made of.

        That is features float32 (B, C, h, w), or frames uint8 (B, height, width, 3) of the
        bundle's size if the model has no trunk.

        Raises:
            BackendError: the model is closed or failed.
        """
        size = self.bundle.frame
        frames = [fit_frame(image, height=size.height, width=size.width) for image in images]
        return self.backend.encode_frames(np.stack(frames))

    def encode_frame(self, image: NDArray[np.uint8]) -> NDArray[Any]:
        """Do what :meth:`encode_frames` does, for one image."""
        features: NDArray[Any] = self.encode_frames([image])[0]
        return features

    def encode_query(self, text: str) -> QueryTokens:
        """Return the tokens of a query; a text that was seen before is not encoded again.

        Raises:
            TextError: the text is empty, or the bundle has no tokens for it.
            BackendError: the model is closed or failed.
        """
        return self._queries.tokens(text)

    def embed(
        self, clip: Sequence[NDArray[Any]], query_texts: Sequence[str]
    ) -> NDArray[np.float32]:
        """Do what :meth:`embed_clips` does, for one clip: (Q, dimension)."""
        embeddings: NDArray[np.float32] = self.embed_clips([clip], query_texts)[0]
        return embeddings

    def embed_clips(
        self, clips: Sequence[Sequence[NDArray[Any]]], query_texts: Sequence[str]
    ) -> NDArray[np.float32]:
        """Embed clips for all queries with one visual pass.

        Args:
            clips: at least one; each is ``bundle.clip.frames`` results of :meth:`encode_frames`,
                oldest first.
            query_texts: the questions; none gives an empty result without any work.

        Returns:
            (B, Q, dimension), unit length, in the order of the clips and queries. A clip whose
            values are not finite fails alone: what the backend gave for it is returned.

        Raises:
            ValueError: the number of frames is not the bundle's.
            TextError: a query is empty, or the bundle has no tokens for it.
            BackendError: the model is closed, failed, or gave finite values for no clip.
        """
        return self.see_clips(clips, query_texts).embeddings

    def see_clips(
        self, clips: Sequence[Sequence[NDArray[Any]]], query_texts: Sequence[str]
    ) -> SeenClips:
        """Do what :meth:`embed_clips` does, and return the features of the clips as well.

        Without a query a model without a trunk does not look at the clips, so there its features
        are not a number. A model with a memory sees each clip as a stream of its own; the clips
        of one call are then of one length, which may be less than that of the memory.
        """
        self._check_lengths(clips)
        if not query_texts:
            none = np.empty((len(clips), 0, self.bundle.dimension), dtype=np.float32)
            return SeenClips(none, self._features(clips, None))
        found = self._embed(clips, query_texts)
        return SeenClips(found.embeddings, self._features(clips, found.visual))

    def see_frames(
        self,
        windows: Sequence[Sequence[NDArray[Any]]],
        stamps_ns: Sequence[int],
        memories: Sequence[StreamMemory],
        query_texts: Sequence[str],
    ) -> SeenFrames:
        """Embed a new frame of each stream, and what is kept of the frames before it.

        This is for bundles with a memory.

        Args:
            windows: results of :meth:`encode_frames` of at least one stream: the bundle's
                ``memory.window`` newest ones, a period apart, oldest first.
            stamps_ns: of the newest frames, each later than what its memory holds.
            memories: of the streams.
            query_texts: the questions; there may be none.

        Returns:
            Embeddings and features as of :meth:`see_clips`, and the new memories.

        Raises:
            TextError: a query is empty, or the bundle has no tokens for it.
            BackendError: the model is closed, failed, or gave finite values for no stream.
        """
        assert self._steps is not None, "a bundle without a memory has no streams"
        found, following = self._steps.run(windows, stamps_ns, memories, *self._asked(query_texts))
        if query_texts:
            self._check_finite(found.embeddings)
        features = found.visual
        if features is None:
            features = np.stack([look_and_change(*memory.newest_looks()) for memory in following])
        return SeenFrames(SeenClips(found.embeddings, features), following)

    def empty_memory(self) -> StreamMemory:
        """Return what a stream begins with, if the bundle has a memory."""
        assert self.bundle.memory is not None, "a bundle without a memory has no streams"
        return StreamMemory.empty(self.bundle.memory)

    def _embed(
        self, clips: Sequence[Sequence[NDArray[Any]]], query_texts: Sequence[str]
    ) -> ClipOutputs:
        asked = self._asked(query_texts)
        if self._steps is not None:
            found = self._steps.run_clips(clips, *asked)
        else:
            found = self.backend.embed(np.stack([np.stack(clip) for clip in clips]), *asked)
        self._check_finite(found.embeddings)
        return found

    def _asked(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the tokens (Q, L, E) of queries, and their mask."""
        queries = [self.encode_query(text) for text in texts]
        if not queries:
            return NO_TOKENS, NO_MASK
        return np.stack([q.tokens for q in queries]), np.stack([q.mask for q in queries])

    def _check_finite(self, embeddings: NDArray[np.float32]) -> None:
        if not np.isfinite(embeddings).all(axis=(1, 2)).any():
            raise BackendError(f"{self.backend.name} gave an embedding that is not finite")

    def _features(
        self, clips: Sequence[Sequence[NDArray[Any]]], visual: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        if not self.bundle.pixels:
            rate_hz = self.bundle.clip.rate_hz
            return np.stack([trunk_features(clip, rate_hz) for clip in clips])
        if visual is None:
            return np.full((len(clips), 1), np.nan, np.float32)
        return visual

    def _check_lengths(self, clips: Sequence[Sequence[NDArray[Any]]]) -> None:
        length = self.bundle.clip.frames
        for clip in clips:
            young = self._steps is not None and 0 < len(clip) < length
            if len(clip) != length and not young:
                raise ValueError(f"{len(clip)} frames, expected {length}")

    def appearance(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the part of a clip's features that tells how familiar it looks."""
        return appearance(features, has_trunk=not self.bundle.pixels)

    def unfamiliarity(self, features: NDArray[np.float32]) -> float:
        """Return the share, 0..1, of known recordings that show nothing as strange.

        Args:
            features: of the clip (F), from :meth:`see_clips`.

        Returns:
            NaN if the bundle has no statistics, or the features are not finite.
        """
        return self.known_clips.of(self.appearance(features))

    def embed_text(self, text: str) -> NDArray[np.float32]:
        """Return the unit embedding (dimension) of a text; read-only, shared with the cache.

        Raises:
            TextError: the text is empty, or the bundle has no text encoder.
            BackendError: the model is closed or failed.
        """
        if self._text_encoder is None:
            raise TextError(
                f"the bundle {self.bundle.name} has no text encoder, so it cannot embed texts: "
                "export it without --without-text-encoder"
            )
        return self._text_encoder.encode(text).embedding

    def answer(self, embedding: ArrayLike, answers: Sequence[str]) -> NDArray[np.float32]:
        """Score candidate answers against a clip's embedding (dimension).

        Returns:
            (number of answers): probabilities among these answers, which add up to one.

        Raises:
            ValueError: there is no answer, or the embedding is not usable.
            TextError: an answer is empty, or the bundle has no text encoder.
            BackendError: the model is closed or failed.
        """
        return self.scores(self.similarities(embedding, answers))

    def similarities(self, embedding: ArrayLike, answers: Sequence[str]) -> NDArray[np.float32]:
        """Compare candidate answers with a clip's embedding (dimension).

        Returns:
            (number of answers): cosines, each of which does not depend on the other answers.

        Raises:
            ValueError: there is no answer, or the embedding is not usable.
            TextError: an answer is empty, or the bundle has no text encoder.
            BackendError: the model is closed or failed.
        """
        if not answers:
            raise ValueError("there must be at least one answer")
        cosines: NDArray[np.float32] = np.stack(
            [self.embed_text(answer) for answer in answers]
        ) @ unit(embedding)
        return cosines

    def scores(self, cosines: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn the cosines of candidate answers into probabilities among these answers."""
        return softmax(self.bundle.logit_scale * cosines)

    def describe(self, query_name: str, embedding: ArrayLike) -> Phrase:
        """Return the phrase of the bank that fits an embedding (dimension) best.

        Raises:
            NoPhrasesError: the bundle has no phrases for the query.
            ValueError: the embedding has another dimension or is not usable.
        """
        return self.phrases.best(query_name, embedding)

    def close(self) -> None:
        """Release the graphs. Calls that need one raise BackendError from now on."""
        self.backend.close()
        self._queries.close()
        if self._text_encoder is not None:
            self._text_encoder.close()

    def _check(self, reference: Reference) -> None:
        """Compare what the graphs make of the bundle's clip and phrase with what they must."""
        bundle = self.bundle
        (embeddings, features), text = self._first_run(reference)
        expected = (len(bundle.queries), bundle.dimension)
        if embeddings.shape != expected or text.shape != (bundle.dimension,):
            cause = f"embeddings {embeddings.shape} and {text.shape}, expected {expected}"
            raise BundleError(bundle.root, cause, EXPORT_AGAIN)
        if not self.known_clips.takes(self.appearance(features)):
            cause = f"the statistics of known clips are not for features {features.shape}"
            raise BundleError(bundle.root, cause, EXPORT_AGAIN)
        bank = self.phrases.embeddings
        try:
            cosine = reference.check(embeddings, bank, bundle.precision)
        except DisagreementError as error:
            raise self._refusal(error) from error
        if isinstance(self.backend, TensorRTBackend):
            self.backend.record_parity(cosine)
        away = float(np.linalg.norm(text - bank[0]))
        if not away <= SAME_TEXT:  # also if it is not a number
            cause = (
                "the Y-Encoder does not compute what it did at the export "
                f"(the bank's first phrase is {away:.1e} away from its row)"
            )
            raise BundleError(bundle.root, cause, COPY_AGAIN)

    def _refusal(self, error: DisagreementError) -> Exception:
        """Return the error for embeddings that are not those of the reference."""
        if isinstance(self.backend, TensorRTBackend):
            cause = f"the engines of {self.bundle.name} do not compute what it must ({error})"
            return TensorRTError(cause, BUILD_AGAIN)
        cause = f"the graphs do not compute what they did at the export ({error})"
        return BundleError(self.bundle.root, cause, COPY_AGAIN)

    def _first_run(self, reference: Reference) -> tuple[SeenClips, NDArray[np.float32]]:
        """Run every graph once: embed the reference's clip, and the first phrase of the bank."""
        bundle, questions = self.bundle, list(self.bundle.queries.values())
        try:
            clip = [self.encode_frame(frame) for frame in reference.clip]
            (embeddings,), (features,) = self.see_clips([clip], questions)
            seen = SeenClips(embeddings, features)
            if self._text_encoder is None:
                return seen, self.phrases.embeddings[0]
            phrase = next(text for part in self.phrases.texts.values() for text in part)
            return seen, self.embed_text(phrase)
        except (DeviceLostError, OutOfMemoryError):
            raise  # the bundle is not to blame
        except (BackendError, ValueError, TypeError, IndexError, MemoryError) as error:
            # graphs of a stranger may give any number of axes, and values of any type
            cause = f"the graphs do not run ({error})"
            raise BundleError(bundle.root, cause, EXPORT_AGAIN) from error
