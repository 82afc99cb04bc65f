# SPDX-License-Identifier: Apache-2.0
"""A real browser for tests of pages: Debian's Chromium, driven by Playwright's library."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
needs_browser = pytest.mark.skipif(
    not CHROMIUM, reason="the page is not tried: no chromium (sudo apt install chromium)"
)
playwright = pytest.importorskip(
    "playwright.sync_api", reason="the page is not tried: pip install playwright"
)
expect = playwright.expect
_PATIENCE_MS = 60_000  # on a busy machine
expect.set_options(timeout=_PATIENCE_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # root has none
    with playwright.sync_playwright() as library:
        browser = library.chromium.launch(
            executable_path=CHROMIUM, args=sandbox, timeout=_PATIENCE_MS
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a page; nothing may fail in it, nor leave this machine."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(_PATIENCE_MS)
    faults: list[str] = []
    allowed = ("http://127.0.0.1:", "data:", "file:")
    context.on(
        "request",
        lambda one: one.url.startswith(allowed) or faults.append(f"request to {one.url}"),
    )

    def visit(address: str) -> Any:
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda one: one.type == "error" and faults.append(one.text))
        page.goto(address)
        return page

    visit.faults = faults  # type: ignore[attr-defined]
    yield visit
    context.close()
    assert not faults, faults
