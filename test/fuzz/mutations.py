# SPDX-License-Identifier: Apache-2.0
"""Ways to spoil bytes, numbers and texts that an honest writer made."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

_LENGTHS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xdd\0\0\x0c")
_NUMBERS = (0, -1, 1, 2**31 - 1, 2**31, 2**32, 2**63, -(2**63), 10**30, 1e308, -0.5, 3.5)
_TEXTS = ("", " ", "\0", "\n\nforged line", "‮txt", "a" * 5000, "../..", "/etc/passwd", "\ud800")


def spoiled(rng: np.random.Generator, content: bytes) -> bytes:
    """Return bytes with a few flipped, overwritten, cut out, doubled or cut off."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        if not data:
            break
        at = int(rng.integers(len(data)))
        kind = int(rng.integers(6))
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at : at + 4] = _LENGTHS[int(rng.integers(len(_LENGTHS)))]
        elif kind == 2:
            del data[at : at + int(rng.integers(1, 64))]
        elif kind == 3:
            data[at:at] = data[at : at + int(rng.integers(1, 64))]
        elif kind == 4:
            del data[at:]
        else:
            data[at : at + 16] = rng.bytes(16)
    return bytes(data)


def early(rng: np.random.Generator, content: bytes, head: int = 512) -> bytes:
    """Spoil the first bytes only, in which formats keep their sizes."""
    return spoiled(rng, content[:head]) + content[head:]


def strange_text(rng: np.random.Generator) -> str:
    """Return a text that nobody would write."""
    chosen = int(rng.integers(len(_TEXTS) + 1))
    if chosen < len(_TEXTS):
        return _TEXTS[chosen]
    points = rng.integers(1, 0x3000, int(rng.integers(1, 40)))
    return "".join(chr(point) for point in points)


def strange_json(rng: np.random.Generator, value: Any) -> Any:
    """Return a JSON value in which one place holds something else."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = list(value)[int(rng.integers(len(value)))]
        if rng.random() < 0.1:
            return {name: one for name, one in value.items() if name != key}
        return {**value, key: strange_json(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = int(rng.integers(len(value)))
        return [*value[:at], strange_json(rng, value[at]), *value[at + 1 :]]
    others = (None, True, [], {}, [[]], {"a": 1}, strange_text(rng).replace("\ud800", ""))
    choice = int(rng.integers(len(others) + len(_NUMBERS)))
    return others[choice] if choice < len(others) else _NUMBERS[choice - len(others)]


def strange_json_text(rng: np.random.Generator, text: str) -> bytes:
    """Return JSON with a strange value, or bytes that are hardly JSON any more."""
    if rng.random() < 0.2:
        return spoiled(rng, text.encode())
    return json.dumps(strange_json(rng, json.loads(text))).encode()
