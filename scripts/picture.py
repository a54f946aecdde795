"""Takes the picture of the report that the README shows: demo-report/index.html into docs/report.png."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def take(browser: Browser, report: Path, picture: Path) -> None:
    """The first screen of a report, as a PNG."""
    page = browser.new_page(viewport={"width": 1440, "height": 1330})
    page.goto(report.as_uri())
    page.screenshot(path=picture)
    page.close()


def main() -> None:
    """Opens the report in Debian's Chromium and takes its first screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(QUIET))
        take(browser, ROOT / "demo-report" / "index.html", ROOT / "docs" / "report.png")
        browser.close()


if __name__ == "__main__":
    main()
