# SPDX-License-Identifier: Apache-2.0
"""Letters that Roboto lacks come from the fonts of the machine, which fontconfig names."""

from __future__ import annotations

from pathlib import Path

import pytest

from vljepa_ros.views.system_fonts import ROBOTO, SystemFonts, font_of, has_glyph

CHINESE = "\u4e2d\u6587"


@pytest.fixture
def fontconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the log of a fontconfig that always names Roboto."""
    log = tmp_path / "asked"
    log.touch()
    program = tmp_path / "fc-match"
    program.write_text(f"""#!/bin/sh\necho "$2" >> {log}\nprintf '{ROBOTO.path}\\n0'\n""")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return log


def test_roboto_has_latin_greek_and_cyrillic() -> None:
    assert {font_of(letter) for letter in "aäéñøЖλ€±"} == {ROBOTO}


def test_a_real_fontconfig_names_a_font_that_has_the_letter() -> None:
    file = SystemFonts().find(CHINESE[0])
    if file is None:
        pytest.skip("not tried: no font here has Chinese (sudo apt install fonts-noto-cjk)")
    assert all(has_glyph(file, letter) for letter in CHINESE)
    assert not has_glyph(file, "\U0010fffd")


def test_a_font_without_the_letter_is_not_taken_and_asked_for_once(fontconfig: Path) -> None:
    fonts = SystemFonts()
    assert [fonts.find(letter) for letter in ("\u4e2d", "\u4e2e", "\u0628")] == [None] * 3
    assert [line[:25] for line in fontconfig.read_text().splitlines()] == [
        "sans-serif:charset=4e2d:s",
        "sans-serif:charset=628:sc",
    ]


def test_a_font_that_was_found_is_not_asked_for_again(fontconfig: Path) -> None:
    fonts = SystemFonts()
    assert [fonts.find(letter) for letter in "aλ"] == [ROBOTO, ROBOTO]
    assert len(fontconfig.read_text().splitlines()) == 1


@pytest.mark.parametrize("answer", ["exit 1", "echo", "printf '/no/such/font.ttf\\n0'"])
def test_a_fontconfig_that_knows_nothing_is_no_font(fontconfig: Path, answer: str) -> None:
    fontconfig.with_name("fc-match").write_text(f"#!/bin/sh\n{answer}\n")
    assert SystemFonts().find(CHINESE[0]) is None


def test_without_fontconfig_common_fonts_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert SystemFonts().find(CHINESE[0]) is None
    (tmp_path / "fonts").mkdir()
    (tmp_path / "fonts" / "DejaVuSans.ttf").symlink_to(ROBOTO.path)
    found = SystemFonts().find("a")
    assert found is not None
    assert found.path.endswith("DejaVuSans.ttf")
