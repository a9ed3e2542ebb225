"""What a browser makes of report pages: `python look.py CHROMIUM SCREENSHOTS PAGE...`, JSON out.

Runs in an environment of its own, which holds Playwright and axe, and nothing of ours. Every page
is opened from its file, offline, at three widths, dark and printed, and used by mouse and keyboard.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Page, Request, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
WIDTHS = {"phone": 390, "tablet": 820, "desktop": 1280}
FIGURES = """() => Object.fromEntries([...document.querySelectorAll('.card')].map((card) => {
    const number = card.querySelector('.value .number');
    const change = card.querySelector('[data-change]');
    return [card.dataset.measure, {
        text: card.querySelector('.value').textContent,
        value: number ? number.dataset.value : null,
        change: change ? change.dataset.change : null,
    }];
}))"""
TABLES = """() => [...document.querySelectorAll('table[data-query]')].map((table) => ({
    query: table.dataset.query,
    caption: table.dataset.caption,
    rows: [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => {
        const number = cell.querySelector('.number');
        return number ? number.dataset.value : cell.textContent;
    })),
}))"""
LOST = """() => [...document.querySelectorAll('a[href^="#"]')]
    .filter((link) => !document.getElementById(decodeURIComponent(link.hash.slice(1))))
    .map((link) => link.hash)"""
UNLINKED = """() => [...document.querySelectorAll('.card .value, td.right')]
    .filter((place) => /\\d/.test(place.textContent) && !place.querySelector('a.number'))
    .map((place) => place.textContent)"""
COLUMNS = """() => [...document.querySelectorAll('figure svg')].map((svg) =>
    [...svg.querySelectorAll('.column')].map((column) => ({
        title: column.querySelector('title').textContent,
        is_complete: !column.classList.contains('unfinished'),
    })))"""
FOCUSED = """() => {
    const { id, className, name } = document.activeElement;
    return id || className || name;
}"""


def main() -> None:
    """Look at each page; print what was seen of each."""
    chromium, screenshots, *pages = sys.argv[1:]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        seen = {page: looked_at(browser, Path(page), Path(screenshots)) for page in pages}
        browser.close()
    json.dump(seen, sys.stdout)


def looked_at(browser: Browser, path: Path, screenshots: Path) -> dict[str, Any]:
    """All that is to be known of one page."""
    troubles: list[str] = []
    page = opened(browser, path, troubles)
    seen = {
        "text": page.inner_text("body"),
        "choices": choices(page),
        "sorted": sorting(page),
        "keyboard": keyboard(page),
        "violations": violations(page),
        "links": [link.get_attribute("href") for link in page.locator("a:not([href^='#'])").all()],
        "images": page.locator("img, iframe, object").count(),
    }
    page.context.close()
    seen["overflows"] = [
        name
        for name, width in WIDTHS.items()
        if photographed(browser, path, screenshots, troubles, name=name, width=width)
    ]
    for scheme, media in (("dark", "screen"), ("light", "print")):
        name = "dark" if scheme == "dark" else "print"
        photographed(
            browser, path, screenshots, troubles, name=name, width=1280, scheme=scheme, media=media
        )
    return {**seen, "troubles": troubles}


def opened(
    browser: Browser, path: Path, troubles: list[str], width: int = 1280, scheme: str = "light"
) -> Page:
    """The page in a context of its own; requests, errors and dialogs are troubles."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()

    def refuse(dialog: Dialog) -> None:
        troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def note(sent: Request) -> None:
        if sent.url != path.as_uri() and not sent.url.startswith("data:"):
            troubles.append(f"request: {sent.url}")

    page.on("console", lambda said: troubles.append(f"console: {said.text}"))
    page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
    page.on("dialog", refuse)
    page.on("request", note)
    page.goto(path.as_uri())
    page.wait_for_function("!document.querySelector('figure') || document.querySelector('svg')")
    return page


def photographed(
    browser: Browser,
    path: Path,
    screenshots: Path,
    troubles: list[str],
    *,
    name: str,
    width: int,
    scheme: str = "light",
    media: str = "screen",
) -> bool:
    """Take its picture; whether it is wider than the window."""
    page = opened(browser, path, troubles, width, scheme)
    page.emulate_media(media=media, color_scheme=scheme)
    page.screenshot(path=screenshots / f"{path.stem}-{name}.png", full_page=True)
    wide: bool = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    page.context.close()
    return wide


def choices(page: Page) -> list[dict[str, Any]]:
    """What is shown for each organization and period, chosen by hand."""
    seen = []
    options = page.locator("#organizations option")
    for place in range(options.count()):
        page.select_option("#organizations", index=place)
        for radio in page.locator("#periods input").all():
            radio.check()
            page.wait_for_function("document.querySelectorAll('figure svg').length === 2")
            seen.append(
                {
                    "organization": place,
                    "period": int(radio.get_attribute("value") or 0),
                    "status": page.inner_text("#shown"),
                    "figures": page.evaluate(FIGURES),
                    "tables": page.evaluate(TABLES),
                    "columns": page.evaluate(COLUMNS),
                    "lost": page.evaluate(LOST),
                    "unlinked": page.evaluate(UNLINKED),
                }
            )
    return seen


def sorting(page: Page) -> dict[str, Any] | None:
    """The backlog, sorted by sessions twice: which way it says that it is, and the column."""
    table = page.locator("table[data-query=action_items]")
    if not table.count():
        return None
    seen: dict[str, Any] = {}
    for _ in range(2):
        table.get_by_role("button", name="Sessions").click()
        way = table.locator("th[aria-sort]").get_attribute("aria-sort") or ""
        cells = table.locator("tbody tr td:nth-child(4) a").all()
        seen[way] = [float(cell.get_attribute("data-value") or "nan") for cell in cells]
    return seen


def keyboard(page: Page) -> list[str]:
    """What the Tab key comes to first; then a period chosen by arrow, and what is shown then."""
    page.reload()
    stops = []
    for _ in range(3):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(FOCUSED))
    if page.locator("#periods input").count():
        page.focus("#periods input:checked")
        page.keyboard.press("ArrowLeft")
        stops.append(page.inner_text("#shown"))
    return stops


def violations(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 A and AA and its best practices, light and dark."""
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        results = Axe().run(page)
        for violation in results.response["violations"]:
            places = [node["target"] for node in violation["nodes"][:3]]
            found.append(f"{scheme}: {violation['id']} ({violation['impact']}): {places}")
    return found


if __name__ == "__main__":
    main()
