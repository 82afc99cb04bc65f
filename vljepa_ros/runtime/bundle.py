# SPDX-License-Identifier: Apache-2.0
"""A model bundle: a folder with a manifest that names every file, its size and its sha256.

A model that is half copied, edited or mixed with another release gives answers that look right
and are not. So nothing is used before it was compared with the manifest, and :meth:`Bundle.read`
hands out exactly the bytes that it compared: a file swapped after loading is refused as well.
Every error names the file, the cause and the remedy.

Files that are too large to hold in memory twice, weights beside a graph and the table of query
tokens, are compared piece by piece when the bundle is loaded, and then mapped by their path. There
the promise ends: who exchanges one of them later is not noticed.

The checksums find damage and mix-ups. They do not prove who made a bundle: whoever can rewrite the
manifest can rewrite the checksums. Links are followed, because ``colcon build --symlink-install``
installs links; what they lead to must still have the manifest's checksum.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from vljepa_ros.fields import FieldError, FieldReader
from vljepa_ros.files import FolderKind, is_temporary, new_file
from vljepa_ros.runtime.bundle_files import (
    COPY_AGAIN,
    EXPORT_AGAIN,
    FileEntry,
    describe,
    read,
    read_at_most,
    verify,
)
from vljepa_ros.runtime.bundle_files import BundleError as BundleError
from vljepa_ros.shipped import places
from vljepa_ros.stream.clip_window import Clip, ClipWindow

FORMAT = 3
MANIFEST = "manifest.json"
GRAPHS = ("x_encoder", "predictor")
OPTIONAL_GRAPHS = ("frame_encoder", "y_encoder", "y_decoder")
FROM_TEXT_ENCODER, STORED = "text_encoder", "stored"  # sources of query tokens
EXTERNAL = ".data"  # what the file of weights beside a graph ends with
BUNDLE_VARIABLE = "VLJEPA_BUNDLE"

LARGEST = {
    "dimension": 1 << 16,
    "height": 1 << 13,
    "width": 1 << 13,
    "frames": 1 << 10,
    "max_query_tokens": 1 << 13,
    "max_text_tokens": 1 << 13,
    "pairs": 1 << 10,
    "window": 1 << 10,
}
"""Sizes in a manifest, at most: memory is taken for them before any graph could contradict."""

_MOST_PIXELS = 1 << 27  # of all frames of a clip together
_MOST_STATE_VALUES = 1 << 29  # that are kept of one stream
MANIFEST_BYTES = 1 << 24
"""No manifest is larger."""

CARD = "README.md"
"""The model card. It is written by hand, so the manifest does not list it."""

SIGNATURE = MANIFEST + ".minisig"
"""Says who made the manifest (``vljepa publish``). The manifest cannot list it."""

_OURS = frozenset({"format", "space_id", "graphs", "files"})
"""Fields that tell our manifest from those of other programs, in every format so far."""


@dataclass(frozen=True)
class FrameSize:
    """Pixels of the image that the model takes."""

    height: int
    width: int


@dataclass(frozen=True)
class ClipShape:
    """How many frames the model looks at, and their rate in Hz."""

    frames: int
    rate_hz: float


@dataclass(frozen=True)
class MemoryShape:
    """What the X-Encoder keeps of a stream (:mod:`.stream_memory`).

    Attributes:
        window: newest frames that it takes with each new one, which is the last of them.
        pairs: of channels that turn with time.
        state: shape of each array for one stream, by name.
    """

    window: int
    pairs: int
    state: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class PhraseFiles:
    """Names of the phrase bank's files: texts (JSON) and embeddings (npy)."""

    texts: str
    embeddings: str


@dataclass(frozen=True)
class QueryTable:
    """Names of the files that give any query its tokens: float16 rows (npy) and a tokenizer."""

    rows: str
    tokenizer: str


@dataclass(frozen=True)
class QueryFiles:
    """Names of the files with the tokens of the bundle's queries (npz), and of all others."""

    known: str
    table: QueryTable | None


@dataclass(frozen=True)
class Lowered:
    """How the precision of the visual graphs was lowered.

    Attributes:
        tool: what did it.
        cosine: the least one to embeddings in float32.
        graphs: precision by name of a graph, as TensorRT takes it.
    """

    tool: str
    cosine: float
    graphs: Mapping[str, str]


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. The fields are the manifest's.

    Attributes:
        root: the folder.
        name: of the model.
        version: release of this package that exported it.
        space_id: embeddings compare only if theirs are equal.
        dimension: of an embedding.
        logit_scale: factor on cosines before a softmax.
        frame: size of the images that the model takes.
        clip: number of frames and their rate; with a memory, of the frames in it.
        memory: what the X-Encoder keeps of a stream, whose frames it sees one by one; None if it
            sees whole clips.
        stream_rate_hz: rate of clips for which the model is meant.
        queries: question by name.
        graphs: file by name of a graph. Without ``frame_encoder`` the X-Encoder takes frames as
            they are. Without ``y_encoder`` texts cannot be embedded.
        cpu_graphs: file by name of the graphs that have another form, in int8, for ONNX Runtime on
            a CPU (:mod:`vljepa_ros.model.export.int8_graphs`).
        tokenizer: file of the Y-Encoder's; None without one.
        words: file with the words of ``y_decoder`` (:mod:`.text_decoder`); None without one.
        query_tokens: files with tokens of queries; None if the Y-Encoder gives them.
        max_query_tokens: tokens of a query at most.
        max_text_tokens: tokens of a text at most.
        phrases: files of the phrase bank.
        reference: file with a clip and what it must embed to (:mod:`.reference`).
        precision: of the visual graphs.
        lowered: how that was lowered; None in float32.
        int8_weights: the graphs whose weights are stored as int8.
        parity: relative error of each graph to torch, before it was lowered.
        licences: licence by part.
        known_clips: file with statistics of clips that the model was made for
            (:mod:`.unfamiliarity`); None if nobody computed them.
        calibration: file with what shares of answers are worth (:mod:`.calibration`); None if
            nobody counted.
        files: size and sha256 by name.
    """

    root: Path
    name: str
    version: str
    space_id: str
    dimension: int
    logit_scale: float
    frame: FrameSize
    clip: ClipShape
    memory: MemoryShape | None
    stream_rate_hz: float
    queries: Mapping[str, str]
    graphs: Mapping[str, str]
    cpu_graphs: Mapping[str, str]
    tokenizer: str | None
    words: str | None
    query_tokens: QueryFiles | None
    max_query_tokens: int
    max_text_tokens: int
    phrases: PhraseFiles
    reference: str
    precision: str
    lowered: Lowered | None
    int8_weights: tuple[str, ...]
    parity: Mapping[str, float]
    licences: Mapping[str, str]
    known_clips: str | None
    calibration: str | None
    files: Mapping[str, FileEntry]

    @classmethod
    def load(cls, path: Path | str) -> Bundle:
        """Read the manifest in the folder ``path`` and verify every file that it lists.

        Raises:
            BundleError: a file is missing, damaged or outside the folder, or the manifest is bad.
        """
        bundle = cls.announced(path)
        for name, entry in bundle.files.items():
            verify(bundle.root / name, entry)
        return bundle

    @classmethod
    def announced(cls, path: Path | str) -> Bundle:
        """Read the manifest in the folder ``path`` alone; the files need not be there yet.

        Raises:
            BundleError: the manifest is missing or bad, or lists a file outside the folder.
        """
        root = Path(path).expanduser().resolve()
        return _parse(root, _read_manifest(root))

    @property
    def pixels(self) -> bool:
        """Whether the X-Encoder takes frames, and not what a frame encoder makes of them."""
        return "frame_encoder" not in self.graphs

    @property
    def has_statistics(self) -> bool:
        """Whether the bundle knows which clips are familiar."""
        return self.known_clips is not None

    @property
    def has_calibration(self) -> bool:
        """Whether the bundle knows how often its answers are right."""
        return self.calibration is not None

    def read(self, name: str) -> bytes:
        """Return the content of a listed file, compared with its size and sha256.

        Raises:
            BundleError: the file is missing, not a file, or not what the manifest says.
        """
        return read(self.root / name, self.files[name])

    def read_json(self, name: str) -> Any:
        """Return the value in a listed JSON file.

        Raises:
            BundleError: as :meth:`read`, or it is no JSON.
        """
        return _json(self.root / name, self.read(name), EXPORT_AGAIN)

    def clip_in(self, window: ClipWindow) -> Clip | None:
        """Return the newest clip in a window that is not empty, as the model sees it.

        That is a whole clip, or None as long as there is none; with a memory what it holds so far.
        """
        return window.clip() if self.memory is None else window.so_far()

    def holds_weights_of(self, name: str) -> bool:
        """Whether the weights of the graph file ``name`` lie in a file beside it."""
        return name + EXTERNAL in self.files


def default_bundle_path() -> Path:
    """Return the folder of the default bundle.

    The variable VLJEPA_BUNDLE wins; then ``engines/default`` of the source tree that this code
    runs from; then the one installed with the package on AMENT_PREFIX_PATH.

    Raises:
        BundleError: there is none.
    """
    chosen = os.environ.get(BUNDLE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    candidates = places("engines/default")
    for candidate in candidates:
        if (candidate / MANIFEST).is_file():
            return candidate
    raise BundleError(
        candidates[0],
        "no default bundle here" + "".join(f", nor in {other}" for other in candidates[1:]),
        f"set {BUNDLE_VARIABLE} or the parameter 'bundle' to a bundle's folder",
    )


def write_manifest(path: Path | str, fields: Mapping[str, Any]) -> Bundle:
    """Write ``manifest.json`` for the files that lie in the folder ``path``.

    Args:
        path: folder with every file of the bundle.
        fields: the manifest without ``format`` and ``files``; these two are filled in here.

    Raises:
        BundleError: the fields do not make a valid manifest.
    """
    root = Path(path).resolve()
    manifest = {"format": FORMAT, **fields, "files": _describe_files(root)}
    bundle = _parse(root, manifest)
    with new_file(root / MANIFEST) as stream:
        stream.write((json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode())
    return bundle


def bundle_parts(folder: Path) -> Sequence[str]:
    """Return the names of all files that a bundle may hold, or nothing if it is none.

    Their content is not looked at, so a damaged bundle is one as well.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ()
    if not isinstance(manifest, dict) or not manifest.keys() >= _OURS:
        return ()
    return (
        (*manifest["files"], CARD, SIGNATURE, MANIFEST)
        if isinstance(manifest["files"], dict)
        else ()
    )


BUNDLE = FolderKind("bundle", bundle_parts)
"""What an export writes, and all that it may take the place of."""


def _describe_files(root: Path) -> dict[str, dict[str, Any]]:
    entries = {}
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root).as_posix()
        if file.is_file() and name not in (MANIFEST, CARD, SIGNATURE) and not is_temporary(file):
            entries[name] = asdict(describe(file))
    return entries


def _read_manifest(root: Path) -> Any:
    file = root / MANIFEST
    if not root.is_dir():
        raise BundleError(root, "no such folder", "check the parameter 'bundle'")
    if not file.exists():
        remedy = "check the parameter 'bundle': a bundle is a folder with a manifest.json"
        raise BundleError(file, "the file is missing", remedy)
    return _json(file, read_at_most(file, MANIFEST_BYTES), COPY_AGAIN)


def _json(file: Path, content: bytes, remedy: str) -> Any:
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BundleError(file, f"is not valid JSON ({error})", remedy) from error


def _parse(root: Path, manifest: Any) -> Bundle:
    try:
        reader = FieldReader(manifest)
        _check_format(root, reader.whole("format"))
        return _bundle_from(root, reader)
    except (FieldError, RecursionError) as error:
        raise BundleError(root / MANIFEST, str(error), EXPORT_AGAIN) from error


def _check_format(root: Path, found: int) -> None:
    if found != FORMAT:
        raise BundleError(
            root / MANIFEST,
            f"has format {found}, but this release reads format {FORMAT}",
            "use the release of vljepa_ros that exported it, or export it again",
        )


def _bundle_from(root: Path, reader: FieldReader) -> Bundle:
    frame, clip, phrases = (reader.section(key) for key in ("frame", "clip", "phrases"))
    graphs = reader.texts("graphs")
    bundle = Bundle(
        root=root,
        name=reader.text("name"),
        version=reader.text("version"),
        space_id=reader.text("space_id"),
        dimension=_size(reader, "dimension"),
        logit_scale=reader.positive("logit_scale"),
        frame=FrameSize(_size(frame, "height"), _size(frame, "width")),
        clip=ClipShape(_size(clip, "frames"), clip.positive("rate_hz")),
        memory=_memory(reader),
        stream_rate_hz=reader.positive("stream_rate_hz"),
        queries=reader.texts("queries"),
        graphs=graphs,
        cpu_graphs=reader.optional("cpu_graphs", reader.texts, {}),
        tokenizer=reader.text("tokenizer") if "y_encoder" in graphs else None,
        words=reader.text("words") if "y_decoder" in graphs else None,
        query_tokens=_query_files(reader.section("query_tokens")),
        max_query_tokens=_size(reader, "max_query_tokens"),
        max_text_tokens=_size(reader, "max_text_tokens"),
        phrases=PhraseFiles(phrases.text("texts"), phrases.text("embeddings")),
        reference=reader.text("reference"),
        precision=reader.text("precision"),
        lowered=_lowered(reader),
        int8_weights=tuple(reader.text_list("int8_weights")),
        parity=reader.amounts("parity"),
        licences=reader.texts("licences"),
        known_clips=_optional_file(reader, "known_clips"),
        calibration=_optional_file(reader, "calibration"),
        files=_file_entries(root, reader.section("files")),
    )
    _check_sizes(bundle)
    _check_graphs(bundle)
    _check_references(bundle)
    return bundle


def _size(reader: FieldReader, key: str) -> int:
    size = reader.whole(key)
    if size > LARGEST[key]:
        raise FieldError(f"{reader.name(key)} {size} is above {LARGEST[key]}")
    return size


def _memory(reader: FieldReader) -> MemoryShape | None:
    if "memory" not in reader.names():
        return None
    section = reader.section("memory")
    sizes = section.section("state")
    state = {name: tuple(sizes.whole_list(name)) for name in sizes.names()}
    values = sum(math.prod(shape) for shape in state.values())
    if not state or values > _MOST_STATE_VALUES:
        raise FieldError(f"memory.state has {values} values, at most {_MOST_STATE_VALUES}")
    return MemoryShape(_size(section, "window"), _size(section, "pairs"), state)


def _optional_file(reader: FieldReader, key: str) -> str | None:
    return reader.text(key) if key in reader.names() else None


def _query_files(reader: FieldReader) -> QueryFiles | None:
    source = reader.text("source")
    if source == FROM_TEXT_ENCODER:
        return None
    if source != STORED:
        raise FieldError(f"query_tokens.source {source!r} is not known to this release")
    has_table = "table" in reader.names()
    table = QueryTable(reader.text("table"), reader.text("tokenizer")) if has_table else None
    return QueryFiles(reader.text("file"), table)


def _lowered(reader: FieldReader) -> Lowered | None:
    if "lowered" not in reader.names():
        return None
    section = reader.section("lowered")
    graphs = section.optional("graphs", section.texts, {})
    return Lowered(section.text("tool"), section.positive("cosine"), graphs)


def _file_entries(root: Path, section: FieldReader) -> dict[str, FileEntry]:
    entries = {}
    for name in section.names():
        path = PurePosixPath(name)
        if not name or path.is_absolute() or ".." in path.parts or "\\" in name:
            raise BundleError(
                root / MANIFEST,
                f"lists the file {name!r}, which leaves the folder",
                "do not use this bundle unless you know who made it",
            )
        if path.as_posix() != name:  # one file could be listed, and measured, any number of times
            raise FieldError(f"files: {name!r} must be written {path.as_posix()!r}")
        entry = section.section(name)
        entries[name] = FileEntry(entry.sha256("sha256"), entry.whole("bytes", at_least=0))
    return entries


def _check_sizes(bundle: Bundle) -> None:
    pixels = bundle.clip.frames * bundle.frame.height * bundle.frame.width
    if pixels > _MOST_PIXELS:
        raise FieldError(f"a clip has {pixels} pixels, at most {_MOST_PIXELS} are possible")


def _check_graphs(bundle: Bundle) -> None:
    found = set(bundle.graphs)
    if not set(GRAPHS) <= found <= {*GRAPHS, *OPTIONAL_GRAPHS}:
        raise FieldError(
            f"graphs: expected {', '.join(GRAPHS)} and perhaps {', '.join(OPTIONAL_GRAPHS)}; "
            f"found {', '.join(bundle.graphs)}"
        )
    if not set(bundle.cpu_graphs) <= found:
        raise FieldError(f"cpu_graphs: {', '.join(bundle.cpu_graphs)} are not all in graphs")
    if bundle.query_tokens is None and "y_encoder" not in found:
        raise FieldError("query_tokens come from a y_encoder, but graphs has none")
    if not bundle.queries:
        raise FieldError("queries: there are none")


def _check_references(bundle: Bundle) -> None:
    for name in _used_files(bundle):
        if name not in bundle.files:
            cause = f"uses {name!r}, but 'files' does not list it"
            raise BundleError(bundle.root / MANIFEST, cause, COPY_AGAIN)


def _used_files(bundle: Bundle) -> Iterator[str]:
    yield from (*bundle.graphs.values(), *bundle.cpu_graphs.values())
    yield from (bundle.phrases.texts, bundle.phrases.embeddings)
    yield bundle.reference
    if bundle.tokenizer is not None:
        yield bundle.tokenizer
    for name in (bundle.words, bundle.known_clips, bundle.calibration):
        if name is not None:
            yield name
    if bundle.query_tokens is not None:
        yield bundle.query_tokens.known
        if bundle.query_tokens.table is not None:
            yield from (bundle.query_tokens.table.rows, bundle.query_tokens.table.tokenizer)
