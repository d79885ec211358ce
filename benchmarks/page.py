"""The page in a real browser: its speed, and its pictures in docs: `python benchmarks/page.py MODEL`.

MODEL makes photos of label maps: `make demo` makes one, demo/run.
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
from browser import CHROMIUM, FLAGS, opened, settled, stroke  # noqa: E402
from serving import Server, serving  # noqa: E402


def pen_up_to_result(page: Page) -> float:
    """Median milliseconds from the end of a stroke to another result."""
    times = []
    for number in range(8):
        before = page.locator("#save").get_attribute("href")
        stroke(page, 12 * number - 40, length=120)
        start = time.perf_counter()
        page.wait_for_function("before => document.querySelector('#save').href != before", arg=before, polling=10)
        times.append(time.perf_counter() - start)
        settled(page)
    return 1e3 * statistics.median(times[2:])


def model_alone(server: Server) -> float:
    """Mean milliseconds of the model itself, as the server counts them."""
    numbers = re.findall(r'_seconds_(?:sum|count){.*"translating"} (\S+)', server.get("/metrics").text)
    count, total = map(float, numbers)
    return 1e3 * total / count


def take_picture(page: Page, name: str) -> None:
    """A picture for docs, of few colours, which keeps the file small."""
    path = ROOT / "docs" / "pictures" / name
    page.screenshot(path=path)
    Image.open(path).convert("RGB").quantize(200, dither=0).save(path, optimize=True)


def main() -> None:
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as place:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        with serving(Path(place) / "server", sys.argv[1]) as server:
            with opened(browser, server) as page:
                settled(page)
                print(f"from the end of a stroke to the result: {pen_up_to_result(page):.0f} ms")
                print(f"of which the model: {model_alone(server):.0f} ms")
            for one in server.get("/v1/history", params={"model": server.get("/v1/models").json()[0]["name"]}).json():
                server.delete(f"/v1/history/{one['id']}")
            for width, height in ((1280, 860), (360, 740)):
                with opened(browser, server, width=width, height=height) as page:
                    settled(page)
                    if width == 1280:
                        for number in (2, 1):
                            page.locator(".examples button").nth(number).click()
                            settled(page)
                    take_picture(page, f"page-{width}.png")
        browser.close()


if __name__ == "__main__":
    main()
