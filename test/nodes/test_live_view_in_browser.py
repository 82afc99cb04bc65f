# SPDX-License-Identifier: Apache-2.0
"""The live view in a real browser, fed by the real nodes over real DDS."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from support.browser import browser, expect, needs_browser, visit
from support.colour_bundle import colour_frame, phrase
from support.live_site import LiveSite
from support.ros import Bench
from vljepa_msgs.srv import ListPhrases

__all__ = ["browser", "visit"]  # fixtures
pytestmark = needs_browser
SECOND = 1_000_000_000
SHOTS = os.environ.get("LIVE_VIEW_SHOTS", "")  # a folder, for people who want to look


def shot(page: Any, name: str) -> None:
    """Keep a picture of the page, if somebody wants to look."""
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def says(page: Any, query: str, text: str) -> None:
    """Wait until the state of a query has this text."""
    row = page.locator(".state", has_text=query)
    expect(row.locator(".text")).to_have_text(text)


def test_what_is_seen_and_said_is_shown_as_it_comes_and_to_who_comes_late(
    ros: Bench, bundle: str, visit: Any
) -> None:
    site = LiveSite(ros, bundle)
    page = visit(site.address)
    expect(page.locator("#facts")).to_contain_text("onnxruntime")
    site.show("red")
    says(page, "colour", phrase("red"))
    expect(page.locator(".state", has_text="colour").locator(".note")).to_contain_text("since 0:0")
    expect(page.locator(".state", has_text="colour").locator(".score")).to_contain_text(".")
    site.show("green")
    says(page, "colour", phrase("green"))
    expect(page.locator("#curves li").first).to_contain_text(phrase("green"))
    expect(page.locator(".stage .message")).to_have_text("")
    pixel = "(one) => [...one.getContext('2d').getImageData(20, 20, 1, 1).data]"
    red, green, blue, _ = page.locator(".stage canvas").evaluate(pixel)
    assert green > 150 > max(red, blue)
    page.get_by_role("tab", name="Ended").click()
    expect(page.locator("#ended .moment", has_text="colour")).to_contain_text([phrase("red")])
    late = visit(site.address)
    says(late, "colour", phrase("green"))
    late.keyboard.press("ArrowLeft")
    late.keyboard.press("ArrowLeft")
    expect(late.locator("#moment")).to_contain_text(f"ago: {phrase('red')}, score")
    late.keyboard.press("Escape")
    expect(late.locator("#moment")).to_have_text("")
    late.fill("#search input", "the scene is red")
    late.keyboard.press("Enter")
    expect(late.locator("#found .moment").first).to_contain_text(phrase("red"))
    shot(late, "found")
    late.locator("#found .moment").first.click()
    expect(late.locator("#moment")).to_contain_text(phrase("red"))


def test_a_doubt_is_told_in_words_and_striped(ros: Bench, bundle: str, visit: Any) -> None:
    site = LiveSite(ros, bundle, picture=colour_frame)
    page = visit(site.address)
    site.show("red", 20)
    says(page, "colour", "? lens covered")
    expect(page.locator(".state.doubted", has_text="colour")).to_be_visible()
    expect(page.locator("#complaints")).to_contain_text("the lens has been covered")
    expect(page.locator("#complaints .remedy").first).to_contain_text("look at the lens")
    expect(page.locator("body.ill")).to_have_count(1)
    expect(page.locator("#curves figcaption")).to_contain_text("not to be trusted now")
    shot(page, "doubt")


def test_what_is_old_does_not_look_new(ros: Bench, bundle: str, visit: Any) -> None:
    site = LiveSite(ros, bundle)
    page = visit(site.address)
    site.show("red")
    says(page, "colour", phrase("red"))
    site.set_clock(site.films[""].next_ns + 10 * SECOND)  # and nothing is seen any more
    expect(page.locator(".state.over", has_text="colour")).to_contain_text("not seen for 0:10")
    expect(page.locator("#facts .bad", has_text="age")).to_be_visible()
    expect(page.locator(".stage.old")).to_contain_text("no new image for")
    expect(page.locator("body.ill #link")).to_contain_text("nothing new for 0:10")
    shot(page, "old")
    assert ros.transition("live_view", "deactivate")
    expect(page.locator("body.cut #link")).to_contain_text("/live_view is inactive")
    assert ros.transition("live_view", "cleanup")
    expect(page.locator("#link")).to_contain_text("no answer from the node for")
    shot(page, "cut")
    page.close()  # which would go on asking
    visit.faults.clear()  # the browser itself logs that nobody answers


def test_what_diagnostics_complain_of_comes_with_its_remedy(
    ros: Bench, bundle: str, visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vljepa_ros.nodes.common.listener.SILENCE_S", 0.2)
    site = LiveSite(ros, bundle)
    page = visit(site.address)
    line = page.locator("#complaints p", has_text="/embedder: no message for")
    expect(line.locator(".remedy")).to_contain_text("ros2 topic hz on the publisher")
    expect(line.locator("code").first).to_have_text("ros2 topic hz")
    expect(page.locator("#link")).to_contain_text("not well")
    shot(page, "complaints")


def test_questions_are_asked_and_phrases_added_if_that_is_allowed(
    ros: Bench, bundle: str, visit: Any
) -> None:
    site = LiveSite(ros, bundle, web_write=True)
    site.show("blue")
    page = visit(site.address)
    says(page, "colour", phrase("blue"))
    page.keyboard.press("q")
    page.keyboard.type("What colour is the scene?")
    page.keyboard.press("Tab")
    page.keyboard.type("the scene is red\nthe scene is blue\n")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#question .best")).to_have_text("▸ the scene is blue")
    page.get_by_label("Phrase that may answer it").fill("the scene is <b>dark</b> blue")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#phrases .answer")).to_contain_text("may answer “colour” from now on")
    shot(page, "ask")
    listed = ros.call(ListPhrases, "describer/list_phrases", query="colour")
    assert "<b>dark</b> blue" in str(listed)
    assert page.locator("#phrases b").count() == 0


def test_a_page_that_may_only_look_says_so_and_fits_a_phone(
    ros: Bench, bundle: str, visit: Any
) -> None:
    site = LiveSite(ros, bundle, cameras=("front", "wrist"))
    page = visit(site.address)
    site.show("red", camera="front")
    site.show("blue", camera="wrist")
    says(page, "colour", phrase("red"))
    page.get_by_role("button", name="wrist").click()
    says(page, "colour", phrase("blue"))
    expect(page.get_by_role("button", name="wrist")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("tab", name="Ask").click()
    expect(page.get_by_role("button", name="Add")).to_be_disabled()
    expect(page.locator("#phrases .answer")).to_contain_text("web_write:=true")
    page.get_by_role("tab", name="Now").click()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, canvas, section")]
             .filter((one) => !(one.innerText?.trim() || one.getAttribute("aria-label")
               || one.title || one.labels?.length)).map((one) => one.outerHTML)"""
    )
    assert nameless == []
    page.set_viewport_size({"width": 390, "height": 844})
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) == 390
    shot(page, "phone")
