"""The page in a real browser: its speed, and its pictures in docs: `python benchmarks/page.py MODEL PICTURE`.

MODEL makes photos of label maps, and PICTURE is one of those: the one is made by `diptych train
recipes/published/street.yaml data.labels=labels`, the other is in its data.
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from serving import serving  # noqa: E402
from test_page import CHROMIUM, FLAGS  # noqa: E402


def stroke(page: Page, shift: float) -> None:
    box = page.locator("#canvas canvas").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 60, y + shift)
    page.mouse.down()
    page.mouse.move(x + 60, y + shift, steps=6)
    page.mouse.up()


def pen_up_to_result(page: Page) -> float:
    """Median milliseconds from the end of a stroke to another result."""
    times = []
    for number in range(8):
        before = page.locator("#slider img").last.get_attribute("src") if page.locator("#slider img").count() else ""
        stroke(page, 12 * number - 40)
        start = time.perf_counter()
        page.wait_for_function(
            "before => { const all = document.querySelectorAll('#slider img');"
            " return all.length && all[all.length - 1].src != before }",
            arg=before,
            polling=10,
        )
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times[2:])


def main() -> None:
    model, picture = sys.argv[1:3]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as place:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        with serving(Path(place) / "server", model) as server:
            for width in (1280, 360):
                page = browser.new_page(viewport={"width": width, "height": 800})
                page.goto(str(server.base_url))
                page.wait_for_selector("#canvas canvas")
                page.wait_for_timeout(1500)
                if width == 1280:
                    print(f"from the end of a stroke to the result: {pen_up_to_result(page):.0f} ms")
                    numbers = re.findall(r'_seconds_(?:sum|count){.*"translating"} (\S+)', server.get("/metrics").text)
                    count, total = map(float, numbers)
                    print(f"of which the model: {1e3 * total / count:.0f} ms")
                    page.goto(str(server.base_url))
                    page.wait_for_selector("#canvas canvas")
                    page.wait_for_timeout(1500)
                page.get_by_role("tab", name="Give a picture").click()
                page.set_input_files("#picture input[type=file]", picture)
                page.wait_for_selector("#picture img")
                page.wait_for_timeout(1000)
                page.click("#translate")
                page.wait_for_timeout(3000)
                path = ROOT / "docs" / "pictures" / f"page-{width}.png"
                page.screenshot(path=path, full_page=True)
                Image.open(path).convert("RGB").quantize(128, dither=0).save(path, optimize=True)
                page.close()
        browser.close()


if __name__ == "__main__":
    main()
