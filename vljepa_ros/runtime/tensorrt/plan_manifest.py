# SPDX-License-Identifier: Apache-2.0
"""The manifest beside a stored engine: what it was made of, for what, and what it takes and gives.

The sha256 of the engine finds damage and mix-ups. That nobody else wrote both files is what
:mod:`vljepa_ros.runtime.tensorrt.trust` is for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vljepa_ros.fields import FieldError, FieldReader
from vljepa_ros.runtime.tensorrt.plan_key import PlanIdentity

FORMAT = 2
FREE = -1
"""A size that is fixed when an engine runs, such as the number of queries."""


@dataclass(frozen=True)
class TensorInfo:
    """One input or output: its TensorRT type, such as ``FLOAT``, and shape, which may be FREE."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class PlanManifest:
    """What is known about one engine.

    Attributes:
        identity: what it was built of and for.
        plan_sha256: digest of the engine.
        plan_bytes: its size.
        inputs: type and shape of each input, by name.
        outputs: type and shape of each output, by name.
        build_seconds: how long the build took.
        parity: cosine of the whole model's embeddings, run with this engine, to those that ONNX
            Runtime gave when the bundle was made; None before they were compared.
    """

    identity: PlanIdentity
    plan_sha256: str
    plan_bytes: int
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    build_seconds: float
    parity: float | None = None

    def to_json(self) -> bytes:
        """Return the content of the file."""
        fields = {"format": FORMAT, **asdict(self)}
        return (json.dumps(fields, indent=2, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes) -> PlanManifest:
        """Read the content of the file.

        Raises:
            FieldError: it is not JSON, of another format, or a field is missing or malformed.
        """
        try:
            reader = FieldReader(json.loads(content))
        except (ValueError, RecursionError) as error:
            raise FieldError(f"is not valid JSON ({error})") from error
        found = reader.whole("format")
        if found != FORMAT:
            raise FieldError(f"has format {found}, but this release reads format {FORMAT}")
        return cls(
            identity=_identity(reader.section("identity")),
            plan_sha256=reader.sha256("plan_sha256"),
            plan_bytes=reader.whole("plan_bytes"),
            inputs=_tensors(reader.section("inputs")),
            outputs=_tensors(reader.section("outputs")),
            build_seconds=reader.amount("build_seconds"),
            parity=reader.number_or_none("parity"),
        )


def _identity(reader: FieldReader) -> PlanIdentity:
    numbers = {"clips": reader.whole("clips"), "queries": tuple(reader.whole_list("queries"))}
    texts = {name: reader.text(name) for name in reader.names() if name not in numbers}
    try:
        return PlanIdentity(**numbers, **texts)  # type: ignore[arg-type]
    except TypeError as error:
        raise FieldError(f"identity: {error}") from error


def _tensors(reader: FieldReader) -> dict[str, TensorInfo]:
    sections: dict[str, Any] = {name: reader.section(name) for name in reader.names()}
    return {
        name: TensorInfo(section.text("dtype"), tuple(section.whole_list("shape", at_least=-1)))
        for name, section in sections.items()
    }
