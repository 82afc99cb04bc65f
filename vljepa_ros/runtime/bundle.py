# SPDX-License-Identifier: Apache-2.0
"""A model bundle: a folder with a manifest that names every file, its size and its sha256.

A model that is half copied, edited or mixed with another release gives answers that look right
and are not. So nothing is used before it was compared with the manifest, and :meth:`Bundle.read`
hands out exactly the bytes that it compared: a file swapped after loading is refused as well.
Every error names the file, the cause and the remedy.

The checksums find damage and mix-ups. They do not prove who made a bundle: whoever can rewrite the
manifest can rewrite the checksums. Links are followed, because ``colcon build --symlink-install``
installs links; what they lead to must still have the manifest's checksum.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from vljepa_ros.runtime.manifest import FieldReader, ManifestError

FORMAT = 1
MANIFEST = "manifest.json"
GRAPHS = ("frame_encoder", "x_encoder", "predictor", "y_encoder")
BUNDLE_VARIABLE = "VLJEPA_BUNDLE"

_UNLISTED = frozenset({MANIFEST, "README.md"})
_RIGHTS = "check its permissions"
_COPY_AGAIN = "copy or export the bundle again"


class BundleError(RuntimeError):
    """A bundle cannot be used. The message names the file, the cause and the remedy."""

    def __init__(self, file: Path, cause: str, remedy: str) -> None:
        """Keep the three parts of the message as attributes."""
        super().__init__(f"{file}: {cause}; {remedy}")
        self.file = file
        self.cause = cause
        self.remedy = remedy


@dataclass(frozen=True)
class FrameSize:
    """Pixels of the image that the frame encoder takes."""

    height: int
    width: int


@dataclass(frozen=True)
class ClipShape:
    """How many frames the model looks at, and their rate in Hz."""

    frames: int
    rate_hz: float


@dataclass(frozen=True)
class PhraseFiles:
    """Names of the phrase bank's files: texts (JSON) and embeddings (npy)."""

    texts: str
    embeddings: str


@dataclass(frozen=True)
class FileEntry:
    """What the manifest says about one file."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. The fields are the manifest's; ``root`` is its folder."""

    root: Path
    name: str
    version: str
    space_id: str
    dimension: int
    logit_scale: float
    frame: FrameSize
    clip: ClipShape
    stream_rate_hz: float
    queries: Mapping[str, str]
    graphs: Mapping[str, str]
    tokenizer: str
    max_query_tokens: int
    max_text_tokens: int
    phrases: PhraseFiles
    precision: str
    licences: Mapping[str, str]
    files: Mapping[str, FileEntry]

    @classmethod
    def load(cls, path: Path | str) -> Bundle:
        """Read the manifest in the folder ``path`` and verify every file that it lists.

        Raises:
            BundleError: a file is missing, damaged or outside the folder, or the manifest is bad.
        """
        root = Path(path).expanduser().resolve()
        bundle = _parse(root, _read_manifest(root))
        for name in bundle.files:
            bundle.read(name)
        return bundle

    def read(self, name: str) -> bytes:
        """Return the content of a listed file, compared with its size and sha256.

        Raises:
            BundleError: the file is missing, not a file, or not what the manifest says.
        """
        file, entry = self.root / name, self.files[name]
        data = _read_exactly(file, entry.bytes)
        if len(data) != entry.bytes:
            size = "more" if len(data) > entry.bytes else str(len(data))
            raise BundleError(
                file, f"{size} bytes, but the manifest says {entry.bytes}", _COPY_AGAIN
            )
        found = hashlib.sha256(data).hexdigest()
        if found != entry.sha256:
            cause = f"sha256 is {found[:12]}..., but the manifest says {entry.sha256[:12]}..."
            raise BundleError(file, cause, _COPY_AGAIN)
        return data


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
    candidates = list(_default_candidates())
    for candidate in candidates:
        if (candidate / MANIFEST).is_file():
            return candidate
    raise BundleError(
        candidates[0],
        "no default bundle here" + "".join(f", nor in {other}" for other in candidates[1:]),
        f"set {BUNDLE_VARIABLE} or the parameter 'bundle' to a bundle's folder",
    )


def write_manifest(path: Path | str, fields: Mapping[str, Any]) -> Bundle:
    """Write ``manifest.json`` for the files that lie in the folder ``path`` and load the result.

    Args:
        path: folder with every file of the bundle.
        fields: the manifest without ``format`` and ``files``; these two are filled in here.

    Raises:
        BundleError: the fields do not make a valid manifest.
    """
    root = Path(path).resolve()
    manifest = {"format": FORMAT, **fields, "files": _describe_files(root)}
    part = root / (MANIFEST + ".part")
    part.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(root / MANIFEST)
    return Bundle.load(root)


def _default_candidates() -> Iterator[Path]:
    yield Path(__file__).resolve().parents[2] / "engines" / "default"
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix:
            yield Path(prefix) / "share" / "vljepa_ros" / "engines" / "default"


def _describe_files(root: Path) -> dict[str, dict[str, Any]]:
    entries = {}
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root).as_posix()
        if file.is_file() and name not in _UNLISTED and not name.endswith(".part"):
            data = file.read_bytes()
            entries[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    return entries


def _read_manifest(root: Path) -> Any:
    file = root / MANIFEST
    if not root.is_dir():
        raise BundleError(root, "no such folder", "check the parameter 'bundle'")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        remedy = "check the parameter 'bundle': a bundle is a folder with a manifest.json"
        raise BundleError(file, "the file is missing", remedy) from error
    except OSError as error:
        raise BundleError(file, f"cannot be read ({error.strerror})", _RIGHTS) from error
    except (ValueError, RecursionError) as error:
        raise BundleError(file, f"is not valid JSON ({error})", _COPY_AGAIN) from error


def _read_exactly(file: Path, size: int) -> bytes:
    """Read at most one byte more than ``size``, so that a wrong file costs no memory."""
    if not file.exists():
        raise BundleError(file, "the file is missing", _COPY_AGAIN)
    if not file.is_file():
        raise BundleError(file, "is not a regular file", _COPY_AGAIN)
    try:
        with file.open("rb") as stream:
            return stream.read(size + 1)
    except OSError as error:
        raise BundleError(file, f"cannot be read ({error.strerror})", _RIGHTS) from error


def _parse(root: Path, manifest: Any) -> Bundle:
    try:
        reader = FieldReader(manifest)
        _check_format(reader)
        return _bundle_from(root, reader)
    except ManifestError as error:
        raise BundleError(root / MANIFEST, error.cause, error.remedy) from error


def _check_format(reader: FieldReader) -> None:
    found = reader.whole("format")
    if found != FORMAT:
        raise ManifestError(
            f"has format {found}, but this release reads format {FORMAT}",
            "use the release of vljepa_ros that exported it, or export it again",
        )


def _bundle_from(root: Path, reader: FieldReader) -> Bundle:
    frame, clip, phrases = (reader.section(key) for key in ("frame", "clip", "phrases"))
    files = _file_entries(reader)
    bundle = Bundle(
        root=root,
        name=reader.text("name"),
        version=reader.text("version"),
        space_id=reader.text("space_id"),
        dimension=reader.whole("dimension"),
        logit_scale=reader.positive("logit_scale"),
        frame=FrameSize(frame.whole("height"), frame.whole("width")),
        clip=ClipShape(clip.whole("frames"), clip.positive("rate_hz")),
        stream_rate_hz=reader.positive("stream_rate_hz"),
        queries=reader.texts("queries"),
        graphs=reader.texts("graphs"),
        tokenizer=reader.text("tokenizer"),
        max_query_tokens=reader.whole("max_query_tokens"),
        max_text_tokens=reader.whole("max_text_tokens"),
        phrases=PhraseFiles(phrases.text("texts"), phrases.text("embeddings")),
        precision=reader.text("precision"),
        licences=reader.texts("licences"),
        files=files,
    )
    _check_references(bundle)
    return bundle


def _file_entries(reader: FieldReader) -> dict[str, FileEntry]:
    entries = {}
    section = reader.section("files")
    for name in section.names():
        path = PurePosixPath(name)
        if not name or path.is_absolute() or ".." in path.parts or "\\" in name:
            raise ManifestError(
                f"lists the file {name!r}, which leaves the folder",
                "do not use this bundle unless you know who made it",
            )
        entry = section.section(name)
        entries[name] = FileEntry(entry.sha256("sha256"), entry.whole("bytes", at_least=0))
    return entries


def _check_references(bundle: Bundle) -> None:
    if set(bundle.graphs) != set(GRAPHS):
        raise ManifestError(
            f"graphs: expected exactly {', '.join(GRAPHS)}; found {', '.join(bundle.graphs)}",
            "export the bundle again",
        )
    if not bundle.queries:
        raise ManifestError("queries: there are none", "export the bundle again")
    phrases = bundle.phrases
    for name in (*bundle.graphs.values(), bundle.tokenizer, phrases.texts, phrases.embeddings):
        if name not in bundle.files:
            raise ManifestError(f"uses {name!r}, but 'files' does not list it", _COPY_AGAIN)
