"""The page as a reader meets it, in headless Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from test_report import HEADLINE, HOSTILE, a_report, hostile_report

from views.report import write_report
from views.report_model import Report

CHROMIUM = shutil.which("chromium")
QUIET = ("--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking")
QUIETER = ("--disable-component-update", "--disable-sync")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *QUIETER])
        yield browser
        browser.close()


@dataclass
class Seen:
    page: Page
    console: list[str] = field(default_factory=list[str])
    requests: list[str] = field(default_factory=list[str])


def opened(browser: Browser, folder: Path, report: Report, width: int = 1440, height: int = 900) -> Seen:
    path = write_report(folder, report)
    page = browser.new_page(viewport={"width": width, "height": height})
    seen = Seen(page)
    page.on("console", lambda message: seen.console.append(message.text))
    page.on("pageerror", lambda error: seen.console.append(str(error)))
    page.on("dialog", lambda dialog: seen.console.append(dialog.message))
    page.on("request", lambda request: seen.requests.append(request.url))
    page.goto(path.as_uri())
    return seen


@pytest.mark.parametrize("report", [a_report(), hostile_report()], ids=["plain", "hostile"])
def test_the_page_opens_in_silence_and_asks_for_nothing(browser: Browser, tmp_path: Path, report: Report) -> None:
    seen = opened(browser, tmp_path, report)
    seen.page.wait_for_load_state("networkidle")
    assert seen.console == []
    assert seen.requests == [(tmp_path / "index.html").as_uri()]
    seen.page.close()


def test_the_answer_is_on_the_first_screen(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, a_report()).page
    for text in (HEADLINE, "Known spend"):
        box = page.get_by_text(text, exact=True).first.bounding_box()
        assert box is not None
        assert 0 <= box["y"] <= box["y"] + box["height"] <= 900
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 1440
    page.close()


def test_the_policy_lets_the_style_sheet_through(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, a_report()).page
    assert page.locator(".headlines").evaluate("one => getComputedStyle(one).listStyleType") == "none"
    page.close()


@pytest.mark.parametrize("report", [a_report(), hostile_report()], ids=["plain", "hostile"])
@pytest.mark.parametrize("width", [390, 768, 1440])
def test_the_page_never_scrolls_sideways(browser: Browser, tmp_path: Path, width: int, report: Report) -> None:
    page = opened(browser, tmp_path, report, width=width, height=844).page
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()


def test_markup_in_names_is_read_as_text(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, hostile_report()).page
    assert HOSTILE.partition("\x00")[0] in page.locator("h1").inner_text()
    assert page.locator("script, img, iframe, [onerror]").count() == 0
    page.close()


def test_the_keyboard_reaches_the_answer_first_and_every_table_that_scrolls(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, a_report()).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the answer"
    assert page.locator(".skip").bounding_box()["x"] >= 0  # pyright: ignore[reportOptionalSubscript]
    assert page.locator(".box:not([tabindex='0'][aria-label])").count() == 0
    page.close()


def test_dark_and_light_readers_get_their_own_colours(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, a_report()).page
    colours: dict[str, list[str]] = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        script = "one => getComputedStyle(one).%s"
        colours[scheme] = [
            page.locator("body").evaluate(script % "backgroundColor"),
            page.locator(".drawing text").first.evaluate(script % "fill"),
        ]
    assert not set(colours["light"]) & set(colours["dark"])
    page.close()
