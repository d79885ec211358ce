"""The page as people see it: pictures of it at each width, in light and dark, and its faults for those who hear it.

    npm pack axe-core && tar xzf axe-core-*.tgz
    python benchmarks/page_looks.py MODEL... --axe package/axe.min.js --out looks

Ends with status 1 where the page is wider than its window, or axe finds a serious or critical fault.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from itertools import product
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from browser import CHROMIUM, FLAGS, opened, settled, stroke  # noqa: E402
from serving import serving  # noqa: E402

SIZES = ((320, 640), (360, 740), (1280, 720), (1920, 1080))
SCHEMES = ("light", "dark")


def faults(page: Page, axe: str) -> list[str]:
    """The serious and critical faults that axe finds, each with where it is."""
    page.evaluate(axe)
    found = page.evaluate("() => axe.run()")["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:120]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def used(page: Page) -> None:
    """Translate an example, several times where answers differ, upon which is done what has to be, and open all that
    can be opened."""
    answers = page.get_by_role("spinbutton", name="Answers")
    if answers.is_visible():
        answers.fill("3")
    page.locator(".examples button").first.click()
    page.wait_for_selector(".hint:not(:empty), .stage :is(img, canvas)")
    if page.locator(".hint:not(:empty)").count():
        page.get_by_role("button", name="16:9").click() if page.locator(".frame").count() else stroke(page)
        page.click("#translate")
    settled(page)
    page.evaluate("() => document.querySelectorAll('details').forEach((one) => (one.open = true))")
    page.wait_for_timeout(300)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--axe", type=Path, help="axe.min.js")
    parser.add_argument("--out", type=Path, default=Path("looks"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    axe = asked.axe.read_text(encoding="utf-8") if asked.axe else ""
    wrong: list[str] = []
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as place:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        with serving(Path(place) / "server", *asked.models) as server:
            names = [model["name"] for model in server.get("/v1/models").json()]
            for name, (width, height), scheme in product(names, SIZES, SCHEMES):
                looks = {"width": width, "height": height, "color_scheme": scheme, "bypass_csp": True}
                with opened(browser, server, model=name, **looks) as page:
                    page.wait_for_timeout(1500)
                    for state in ("opened", "used"):
                        used(page) if state == "used" else None
                        here = f"{name}-{width}-{scheme}-{state}"
                        page.screenshot(path=asked.out / f"{here}.png", full_page=state == "used")
                        if page.evaluate("document.documentElement.scrollWidth") > width:
                            wrong.append(f"{here}: wider than its window")
                        wrong += [f"{here}: {fault}" for fault in (faults(page, axe) if axe else [])]
        browser.close()
    print("\n".join(wrong) or f"nothing is wrong; pictures are in {asked.out}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
