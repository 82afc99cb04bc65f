# SPDX-License-Identifier: Apache-2.0
"""Fonts for any script: the Roboto that ships beside this file, then those of the machine.

Roboto has Latin, Greek and Cyrillic. For other letters fontconfig names a font, once for each
block of 256 characters; without fontconfig, common fonts are looked for by name.
"""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from PIL import ImageFont, features

_FOLDER = Path(__file__).parent / "fonts"
_COMMON = (  # if there is no fontconfig
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "DejaVuSans.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
)
_PATIENCE_S = 2.0  # for fontconfig, which answers in milliseconds unless its cache is cold
_PROBED = 24  # pixels
_BASIC_LAYOUT: Any = (
    0  # ImageFont.Layout.BASIC, spelled so that Pillow 9.0 (Ubuntu 22.04) knows it
)
RAQM_LAYOUT: Any = 1


class FontFile(NamedTuple):
    """A font in a file: its path, and its number if the file holds several."""

    path: str
    number: int = 0


ROBOTO = FontFile(str(_FOLDER / "Roboto-Regular.ttf"))
ROBOTO_BOLD = FontFile(str(_FOLDER / "Roboto-Bold.ttf"))


class SystemFonts:
    """The fonts that were needed so far, in the order in which they were found."""

    def __init__(self) -> None:
        """Begin without a font, or with the common ones if nobody can be asked."""
        self._fontconfig = shutil.which("fc-match")
        self._files = [] if self._fontconfig else _common_fonts()
        self._asked: set[int] = set()

    def find(self, character: str) -> FontFile | None:
        """Return a font that has a character, or None."""
        for file in self._files:
            if has_glyph(file, character):
                return file
        block = ord(character) >> 8
        if self._fontconfig is None or block in self._asked:
            return None
        self._asked.add(block)
        found = _match(self._fontconfig, character)
        if found is None or not has_glyph(found, character):
            return None
        self._files.append(found)
        return found


@lru_cache(maxsize=1)
def _system() -> SystemFonts:
    return SystemFonts()


@lru_cache(maxsize=4096)
def font_of(character: str) -> FontFile | None:
    """Return a font that has a character, Roboto if it does; None if no font here has it."""
    return ROBOTO if has_glyph(ROBOTO, character) else _system().find(character)


@lru_cache(maxsize=128)
def loaded(file: FontFile, size: int) -> ImageFont.FreeTypeFont:
    """Return a font at a size in pixels."""
    plain = file in (ROBOTO, ROBOTO_BOLD) or not _joins_letters()  # Raqm spaces Roboto unevenly
    layout = _BASIC_LAYOUT if plain else RAQM_LAYOUT
    return ImageFont.truetype(file.path, size, index=file.number, layout_engine=layout)


@lru_cache(maxsize=1)
def _joins_letters() -> bool:
    """Tell whether Pillow can join and reverse letters here, as Arabic or Devanagari need it."""
    return features.check("raqm") is True and features.check("fribidi") is not False


@lru_cache(maxsize=8192)
def has_glyph(file: FontFile, character: str) -> bool:
    """Tell whether a font has a picture of a character."""
    return _picture(file, character) not in _placeholders(file)


def _picture(file: FontFile, character: str) -> bytes:
    return bytes(_probe(file).getmask(character))


@lru_cache(maxsize=64)
def _probe(file: FontFile) -> ImageFont.FreeTypeFont:
    """Return a font that draws characters as they are; Raqm adds circles to lonely accents."""
    return ImageFont.truetype(file.path, _PROBED, file.number, layout_engine=_BASIC_LAYOUT)


@lru_cache(maxsize=64)
def _placeholders(file: FontFile) -> tuple[bytes, bytes]:
    """Return what a font shows for a character that no font has, and nothing at all."""
    return _picture(file, "\U0010fffd"), b""


def _match(fontconfig: str, character: str) -> FontFile | None:
    """Ask fontconfig for the font without serifs that has a character; colours are no outlines."""
    wanted = f"sans-serif:charset={ord(character):x}:scalable=true:color=false"
    command = [fontconfig, "--format=%{file}\n%{index}", wanted]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE_S, check=True
        )
        path, index = done.stdout.split("\n")
        file = FontFile(path, int(index) & 0xFFFF)  # the upper half names a variation
        _probe(file)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return file


def _common_fonts() -> list[FontFile]:
    found = []
    for name in _COMMON:
        try:
            found.append(FontFile(str(ImageFont.truetype(name, _PROBED).path)))
        except OSError:  # not installed
            continue
    return found
