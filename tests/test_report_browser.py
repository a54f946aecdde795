"""The page as a reader meets it, in headless Chromium."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY
from playwright.sync_api import Browser, Page, sync_playwright
from test_pages import PLANTED, flipping, hostile_jobs
from test_report import HEADLINE, HOSTILE, a_report, a_trial, a_variant, hostile_report

from views.report import Site, write_report
from views.report_model import Report
from views.tables import TRIALS, frame

CHROMIUM = shutil.which("chromium")
sys.path.insert(0, str(REPOSITORY / "scripts"))
from picture import QUIET, take  # noqa: E402

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@dataclass
class Seen:
    page: Page
    console: list[str] = field(default_factory=list[str])
    requests: list[str] = field(default_factory=list[str])


def opened(browser: Browser, folder: Path, report: Report, width: int = 1440, height: int = 900) -> Seen:
    path = write_report(folder, Site(report, pages="all"))
    page = browser.new_page(viewport={"width": width, "height": height})
    seen = Seen(page)
    listen(seen)
    page.goto(path.as_uri())
    return seen


def listen(seen: Seen) -> None:
    """Hears all that the page says, and sees all that it asks for."""
    page = seen.page
    page.on("console", lambda message: seen.console.append(message.text))
    page.on("pageerror", lambda error: seen.console.append(str(error)))
    page.on("dialog", lambda dialog: seen.console.append(dialog.message))
    page.on("request", lambda request: seen.requests.append(request.url))


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


def test_no_page_scrolls_sideways_on_a_phone_or_asks_for_anything(
    browser: Browser, tmp_path: Path, kilobench: Any
) -> None:
    folder = tmp_path / "report"
    root = flipping(tmp_path, text=PLANTED)
    hostile_jobs(root)
    kilobench("investigate", root, "--report", folder / "why")
    kilobench("compare", "--report", folder / "what", "--pages", "all")
    places = sorted({one.parent: one for one in folder.rglob("*.html")}.values())
    assert len(places) == 6
    page = browser.new_page(viewport={"width": 390, "height": 844})
    seen = Seen(page)
    listen(seen)
    for place in places:
        page.goto(place.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 390, place
        # A name in a table has room for a word.
        heads = page.locator(".box th[scope='row']:not(.n):visible").evaluate_all(
            "all => all.map(one => one.offsetWidth)"
        )
        assert min(heads, default=110) >= 110, place
    assert seen.console == []
    assert seen.requests == [place.as_uri() for place in places]
    page.close()


def test_markup_in_names_is_read_as_text(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, hostile_report()).page
    assert HOSTILE.partition("\x00")[0] in page.locator("h1").inner_text()
    assert page.locator("script").count() == 1
    assert page.locator("img, iframe, [onerror]").count() == 0
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


def test_a_reader_goes_from_the_verdict_to_the_step(browser: Browser, tmp_path: Path, kilobench: Any) -> None:
    """From the first page to a comparison, a flipped task, a trial and one of its steps: silently, and from disk."""
    folder = tmp_path / "report"
    kilobench("run", flipping(tmp_path, text=PLANTED), "--report", folder)
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    seen = Seen(page)
    listen(seen)
    page.goto((folder / "index.html").as_uri())
    page.locator(".headlines a").first.click()
    assert "task" in page.locator("#verdict ~ .headlines").inner_text()
    flipped = page.locator("table.flipped")
    assert flipped.locator("tbody tr").count() == 1
    flipped.locator("tbody th a").click()
    page.locator(".side").first.locator("tbody th a").first.click()
    assert page.locator("#step-2").count() == 1
    page.locator(".evidence a").first.click()
    step = page.url.rpartition("#")[2]
    assert page.locator(f"#{step}").bounding_box()["y"] < 900  # pyright: ignore[reportOptionalSubscript]
    assert page.locator(f"#{step} mark").first.is_visible()
    page.keyboard.press("j")
    assert page.url.rpartition("#")[2] == f"step-{int(step.partition('-')[2]) + 1}"
    assert seen.console == []
    assert all(url.startswith(folder.as_uri()) for url in seen.requests)
    page.close()


def test_a_table_sorts_by_a_column_and_back_and_filters(browser: Browser, tmp_path: Path) -> None:
    small = a_variant()
    costs = [0.5, None, 0.02, 3.0, 0.3, 0.1, 0.7, 0.9, 1.1]
    rows = [
        a_trial(n, small, cost_usd=cost, cost_provenance="unknown" if cost is None else "recorded", task=f"t{n}")
        for n, cost in enumerate(costs)
    ]
    report = replace(a_report(), trials=frame(rows, TRIALS), comparisons=())
    page = opened(browser, tmp_path, report).page
    page.get_by_role("link", name="All trials").click()
    head = page.get_by_role("columnheader", name="Cost").first
    cells = page.locator("table.trials tbody tr td.n:nth-of-type(7)")

    def shown() -> list[str]:
        return [text.strip() for text in cells.all_inner_texts()]

    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert shown() == ["$3.00", "$1.10", "$0.900", "$0.700", "$0.500", "$0.300", "$0.100", "$0.0200", "–"]
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert shown()[0] == "$0.0200"
    assert shown()[-1] == "–"
    page.get_by_role("searchbox").fill("t3")
    assert page.locator("table.trials tbody tr:visible").count() == 1
    assert page.get_by_role("status").inner_text().strip() == "1 of 9 rows"
    page.close()


def test_the_readme_s_picture_is_taken_of_the_examples_report(browser: Browser, tmp_path: Path, kilobench: Any) -> None:
    assert kilobench("run", REPOSITORY / "examples" / "jobs", "--report", tmp_path, "--pages", "none").code == 0
    take(browser, tmp_path / "index.html", tmp_path / "picture.png")
    shown = (REPOSITORY / "docs" / "report.png").read_bytes()
    taken = (tmp_path / "picture.png").read_bytes()
    assert taken[:24] == shown[:24]  # what a PNG begins with, and its width and height
    # Fonts differ between machines, the page does not: a blank or broken one would be far smaller.
    assert 0.5 < len(taken) / len(shown) < 2
