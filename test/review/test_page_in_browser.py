# SPDX-License-Identifier: Apache-2.0
"""The review page in a real browser: Debian's Chromium, driven by Playwright's library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from support.browser import browser, expect, needs_browser, visit
from support.full_disk import full_disk
from support.review_site import serving, small_review
from support.small_store import Part
from vljepa_ros.review.page_file import write_page
from vljepa_ros.review.page_server import ReviewServer

__all__ = ["browser", "visit"]  # fixtures

pytestmark = needs_browser


@pytest.fixture
def server(tmp_path: Path, colour_bundle: Path) -> Iterator[ReviewServer]:
    with serving(small_review(tmp_path, colour_bundle)) as server:
        yield server


COUNT_RECTANGLES = """async () => {
  const kind = CanvasRenderingContext2D.prototype, fill = kind.fillRect;
  let count = 0;
  kind.fillRect = function (...area) { count++; fill.apply(this, area); };
  document.querySelector("canvas").dispatchEvent(new WheelEvent("wheel", {deltaY: 1e5}));
  await new Promise(requestAnimationFrame);
  return count;
}"""
"""How many rectangles one picture of all of the timeline takes."""


def now(page: Any, text: str) -> None:
    """Wait until the chosen lane says this."""
    expect(page.locator(".state[aria-pressed=true] .text")).to_have_text(text)


def corrections(server: ReviewServer) -> list[tuple[str, float, float, str]]:
    file = server.store.folder / "corrections" / "film.jsonl"
    lines = map(json.loads, file.read_text("utf-8").splitlines())
    return [(one["query"], one["start"], one["end"], one["label"]) for one in lines]


def saved(page: Any, server: ReviewServer, *spans: tuple[float, float, str]) -> None:
    """Wait until the page has saved, and check what is on the disk."""
    expect(page.locator("#said")).to_contain_text("a person said")
    assert corrections(server) == [("colour", *span) for span in spans]


def test_a_recording_may_be_named_by_its_path(server: ReviewServer, visit: Any) -> None:
    """The report of `vljepa teach` links to moments like this."""
    with urlopen(f"{server.address}api/recordings") as answer:
        path = json.load(answer)[0]["path"]
    page = visit(f"{server.address}#{urlencode({'recording': path, 't': 4.5})}")
    expect(page.locator("#clock")).to_have_text("0:04.50 / 0:12.00")


def test_a_recording_opens_at_a_moment_and_plays(server: ReviewServer, visit: Any) -> None:
    page = visit(f"{server.address}#recording=film&t=4.5&query=colour")
    expect(page.locator("video")).to_be_visible()
    expect(page.locator("#clock")).to_have_text("0:04.50 / 0:12.00")
    now(page, "green")
    page.keyboard.press("n")
    now(page, "抽屉是开着的")
    page.keyboard.press("p")
    page.keyboard.press("ArrowLeft")
    now(page, "red")
    page.keyboard.press(".")
    expect(page.locator("#clock")).to_contain_text("0:02.6")
    page.keyboard.press("ArrowDown")
    now(page, "bright")
    page.keyboard.press("n")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")  # plays to the end, and stops there
    expect(page.locator("#clock")).to_have_text("0:12.00 / 0:12.00")
    expect(page.locator("[data-do=play]")).to_have_text("Play")
    expect(page.locator("video")).to_have_js_property("ended", True)
    page.wait_for_url("**query=brightness")


def test_the_timeline_seeks_zooms_and_moves_ends(server: ReviewServer, visit: Any) -> None:
    page = visit(f"{server.address}#t=1&query=colour")
    expect(page.locator("video")).to_be_visible()
    box = page.locator("canvas").bounding_box()
    at = lambda time, lane=0: (  # noqa: E731
        box["x"] + 118 + time / 12 * (box["width"] - 118),
        box["y"] + 22 + 38 * lane + 19,
    )
    page.mouse.click(*at(10))
    now(page, "blue")
    page.mouse.click(*at(10, 1))
    now(page, "no words")
    page.mouse.move(*at(3))
    page.mouse.down()
    page.mouse.move(*at(3.5))
    page.mouse.move(*at(4))
    page.mouse.up()
    page.mouse.click(*at(3.5))
    now(page, "✎ red")
    (_, _, first, _), (_, second, _, _) = corrections(server)
    assert first == second == pytest.approx(4, abs=0.05)
    x, y = at(3.5)  # a real wheel may turn after the click that follows
    page.locator("canvas").dispatch_event("wheel", {"deltaY": -2000, "clientX": x, "clientY": y})
    page.mouse.click(at(12)[0] - 5, y)
    expect(page.locator("#clock")).to_contain_text("0:03.")  # half a second fills the width


def test_corrections_by_keyboard_are_on_the_disk_at_once(server: ReviewServer, visit: Any) -> None:
    page = visit(f"{server.address}#t=4&query=colour")
    expect(page.locator("video")).to_be_visible()
    page.keyboard.press("e")
    expect(page.locator("#phrases option")).to_have_count(6)
    page.keyboard.type("dark green")
    page.keyboard.press("Enter")
    now(page, "✎ dark green")
    saved(page, server, (3, 6, "dark green"))
    page.keyboard.press("s")
    expect(page.locator("#said")).to_contain_text("0:04.00 to 0:06.00")
    page.keyboard.press("x")
    now(page, "✎ nothing to say")
    saved(page, server, (3, 4, "dark green"), (4, 6, ""))
    page.keyboard.press("Shift+J")
    expect(page.locator("#said")).to_contain_text("0:03.00 to 0:06.00")
    saved(page, server, (3, 6, ""))
    for _ in range(2):
        page.keyboard.press("z")
    expect(page.locator("#said")).to_contain_text("0:04.00 to 0:06.00")
    now(page, "✎ dark green")
    page.keyboard.press("Shift+Z")
    now(page, "✎ nothing to say")
    page.reload()
    now(page, "✎ nothing to say")
    assert corrections(server) == [("colour", 3, 4, "dark green"), ("colour", 4, 6, "")]
    page.keyboard.press("m")
    now(page, "green")


def test_two_windows_do_not_lose_each_other_s_edits(server: ReviewServer, visit: Any) -> None:
    one, other = (visit(f"{server.address}#t=4&query=colour") for _ in range(2))
    now(other, "green")
    one.keyboard.press("x")
    now(one, "✎ nothing to say")
    now(other, "✎ nothing to say")
    # A window on another machine hears nothing of the first.
    stranger = visit(f"{server.address}#t=4&query=colour")
    now(stranger, "✎ nothing to say")
    stranger.evaluate("BroadcastChannel.prototype.postMessage = () => {}")
    stranger.keyboard.press("n")
    stranger.keyboard.press("c")
    expect(stranger.locator("#said")).to_contain_text("0:06.00 to 0:09.00: a person said")
    one.keyboard.press("n")
    visit.faults.clear()
    one.keyboard.press("x")
    expect(one.locator("#notice")).to_contain_text("Another window")
    now(one, "✎ 抽屉是开着的")
    assert [label for *_, label in corrections(server)] == ["", "抽屉是开着的"]
    one.keyboard.press("z")  # what it did before can still be undone
    expect(one.locator("#said")).to_contain_text("a person said \u2068抽屉是开着的\u2069")
    expect(one.locator("#undo")).to_be_disabled()
    assert [label for *_, label in corrections(server)] == ["抽屉是开着的"]
    visit.faults.clear()  # the browser itself logs the answer 409


def test_a_full_disk_is_said_and_the_edit_can_be_made_again(
    server: ReviewServer, visit: Any
) -> None:
    page = visit(f"{server.address}#t=4&query=colour")
    now(page, "green")
    with full_disk():
        page.keyboard.press("x")
        expect(page.locator("#notice")).to_contain_text("Not saved")
    now(page, "green")
    page.get_by_role("button", name="Try again").click()
    now(page, "✎ nothing to say")
    expect(page.locator("#notice")).to_be_hidden()
    saved(page, server, (3, 6, ""))
    visit.faults.clear()  # the browser itself logs the answer 507


def test_search_and_the_least_certain_lead_to_their_moments(
    server: ReviewServer, visit: Any
) -> None:
    page = visit(server.address)
    now(page, "red")
    page.keyboard.press("/")
    page.keyboard.type("a green scene")
    page.keyboard.press("Enter")
    results = page.locator("#found .moment")
    expect(results).to_have_count(6)
    page.locator("#found .moment", has_text="抽屉是开着的").click()
    now(page, "抽屉是开着的")
    page.keyboard.press("u")
    now(page, "no words")
    page.keyboard.press("Home")
    now(page, "bright")
    page.get_by_role("tab", name="Least certain").click()
    expect(page.locator("#doubtful .moment")).to_have_count(6)
    page.locator("#doubtful .moment").first.click()
    now(page, "no words")


def test_an_address_that_names_no_recording_says_so_and_shows_another(
    server: ReviewServer, visit: Any
) -> None:
    page = visit(f"{server.address}#recording=nobody")
    expect(page.locator("#notice")).to_contain_text("nobody")
    now(page, "red")
    visit.faults.clear()  # the browser itself logs the answer 404


def test_segments_are_exported(server: ReviewServer, visit: Any) -> None:
    page = visit(server.address)
    for ending, begin in (
        ("CSV", b"query,start"),
        ("VTT", b"WEBVTT"),
        ("SRT", b"1\n"),
        ("JSON", b"{"),
    ):
        with page.expect_download() as download:
            page.get_by_role("link", name=ending).click()
        assert download.value.suggested_filename == f"film.{ending.lower()}"
        assert Path(download.value.path()).read_bytes().startswith(begin)


@pytest.mark.parametrize("limit", [20_000_000, 100])
def test_the_exported_page_needs_nothing_else(
    server: ReviewServer, visit: Any, tmp_path: Path, monkeypatch: Any, limit: int
) -> None:
    monkeypatch.setattr("vljepa_ros.review.page_file.VIDEO_LIMIT", limit)
    write_page(server.store, tmp_path / "page.html")
    page = visit(f"{(tmp_path / 'page.html').as_uri()}#t=4&query=colour")
    now(page, "green")
    expect(page.locator("video" if limit > 100 else ".stage img")).to_be_visible()
    page.keyboard.press("x")
    expect(page.locator("#editor")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("抽屉")
    page.keyboard.press("Enter")
    page.locator("#found .moment").click()
    now(page, "抽屉是开着的")


def test_ten_thousand_segments_stay_fast(tmp_path: Path, colour_bundle: Path, visit: Any) -> None:
    store = small_review(tmp_path, colour_bundle, {"colour": [Part(0.0, 1000.0, "red")]})
    line = {"clip": "film.mp4", "query": "colour"}
    texts = [
        {"start": n / 10, "end": (n + 1) / 10, "label": f"text {n % 40}"} for n in range(10_000)
    ]
    (store.folder / "corrections").mkdir()
    (store.folder / "corrections" / "film.jsonl").write_text(
        "".join(json.dumps({**line, **text}) + "\n" for text in texts)
    )
    with serving(store) as server:
        page = visit(f"{server.address}#t=500.05&query=colour")
        now(page, "✎ text 0")
        for number in range(20):
            page.locator("canvas").dispatch_event("wheel", {"deltaY": (-1) ** number * 100})
        assert page.evaluate(COUNT_RECTANGLES) < 6 * 1280  # a few for each pixel of the width
        page.keyboard.press("x")
        now(page, "✎ nothing to say")


def test_everything_has_a_name_for_screen_readers(server: ReviewServer, visit: Any) -> None:
    page = visit(server.address)
    now(page, "red")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, canvas, section, a")]
             .filter((one) => one.checkVisibility())
             .filter((one) => !(one.innerText?.trim() || one.getAttribute("aria-label")
               || one.title || one.labels?.length)).map((one) => one.outerHTML)"""
    )
    assert nameless == []


def test_what_was_found_is_reached_by_keys(server: ReviewServer, visit: Any) -> None:
    page = visit(server.address)
    now(page, "red")
    page.keyboard.press("/")
    page.keyboard.type("a green scene")
    page.keyboard.press("Enter")
    rows = page.locator("#found .moment")
    expect(rows).to_have_count(6)
    page.keyboard.press("ArrowDown")
    expect(rows.nth(0)).to_be_focused()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    expect(rows.nth(1)).to_be_focused()
    expect(page.locator(".state[aria-pressed=true] .name")).to_have_text("colour")
    text = rows.nth(1).locator("b").text_content()
    page.keyboard.press("Enter")
    now(page, text)


def test_a_gap_says_why_and_offers_only_what_can_be_done(
    tmp_path: Path, colour_bundle: Path, visit: Any
) -> None:
    lanes = {
        "colour": [Part(0.0, 6.0, "red", 0.9, 0.1), Part(6.0, 12.0, "blue", 0.9, 0.999)],
        "brightness": [Part(0.0, 4.0, "bright")],
    }
    with serving(small_review(tmp_path, colour_bundle, lanes)) as server:
        page = visit(f"{server.address}#t=5&query=brightness")
        now(page, "–")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        now(page, "? unfamiliar scene")
        expect(page.locator("[data-do=nothing]")).to_be_enabled()
        for name in ("confirm", "joinPrevious", "beginHere", "revert"):
            expect(page.locator(f"[data-do={name}]")).to_be_disabled()
        page.keyboard.press("p")
        now(page, "bright")
        expect(page.locator("[data-do=confirm]")).to_be_enabled()
        expect(page.locator("[data-do=revert]")).to_be_disabled()


def test_with_the_colours_of_the_system_what_is_chosen_has_a_frame(
    server: ReviewServer, browser: Any
) -> None:
    context = browser.new_context(forced_colors="active")
    page = context.new_page()
    page.goto(server.address)
    now(page, "red")
    for chosen in (".state[aria-pressed=true]", "[role=tab][aria-selected=true]"):
        expect(page.locator(chosen)).to_have_css("outline-width", "3px")
    context.close()


def test_long_texts_leave_room_for_the_buttons(
    tmp_path: Path, colour_bundle: Path, visit: Any
) -> None:
    lanes = {f"query {n}": [Part(0.0, 12.0, "a long text " * 30)] for n in range(5)}
    with serving(small_review(tmp_path, colour_bundle, lanes)) as server:
        page = visit(server.address)
        expect(page.locator("#editor .about")).to_contain_text("a long text")
        for selector in ("[data-do=revert]", ".state[aria-pressed=true]"):
            expect(page.locator(selector)).to_be_in_viewport(ratio=0.9)
