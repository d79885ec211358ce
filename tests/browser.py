"""The page in a real browser, and what one does there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import Server

from diptych import images

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
FLAGS += ["--disable-sync", "--no-first-run", "--disable-quic"]

needs_browser = pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium")


@contextmanager
def opened(
    browser: Any, server: Server, *, model: str = "", width: int = 1280, height: int = 800, **looks: Any
) -> Iterator[Any]:
    """The page of a model; whatever goes wrong in the browser's console or leaves for elsewhere fails the test."""
    context = browser.new_context(viewport={"width": width, "height": height}, **looks)
    page, wrong = context.new_page(), []
    here = str(server.base_url).rstrip("/")
    page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith((here, "data:", "blob:")) or wrong.append(asked.url))
    page.goto(f"{here}/#model={model}" if model else here)
    page.wait_for_selector("#translate")
    yield page
    context.close()
    refused = "Failed to load resource: the server responded with a status of 4"  # said in words on the page
    assert [one for one in wrong if not one.startswith(refused)] == []


def settled(page: Any) -> None:
    """Wait until nothing is being translated, and what came out is seen."""
    page.wait_for_function(
        "() => document.querySelector('#save')?.href && document.querySelector('.workplace[aria-busy=false]')"
    )


def give(page: Any, picture: Path) -> None:
    """Give the page a picture, which it translates at once."""
    result(page, lambda: page.set_input_files(".giving input[type=file]", str(picture)))


def result(page: Any, work: Callable[[], Any]) -> bytes:
    """The file of the result that there is after `work`, another one than before."""
    now = "document.querySelector('#save').href"
    before = page.evaluate(now)
    work()
    page.wait_for_function(f"before => {now} && {now} != before", arg=before)
    return saved(page)


def saved(page: Any) -> bytes:
    """The file that the page offers to save."""
    with page.expect_download() as download:
        page.click("#save")
    return Path(download.value.path()).read_bytes()


def drawn(page: Any, server: Server, work: Callable[[], Any]) -> np.ndarray:
    """The ids that were drawn, as the history keeps them, once the result of `work` is there."""
    with page.expect_response(lambda answer: "/translate" in answer.url and answer.status == 200) as answer:
        work()
    id = answer.value.headers["x-history-id"]
    settled(page)
    return images.read(server.get(f"/v1/history/{id}/source").content, indices=True).array[..., 0]


def stroke(page: Any, shift: float = 0, *, length: float = 40) -> None:
    """A line through the middle of the canvas, or below it."""
    page.locator(".sheet > canvas").scroll_into_view_if_needed()
    box = page.locator(".sheet > canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2 + shift
    page.mouse.move(x - length / 2, y)
    page.mouse.down()
    page.mouse.move(x + length / 2, y, steps=5)
    page.mouse.up()


def reach(page: Any, wanted: str) -> None:
    """Press Tab until something that is wanted has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(f"{wanted} cannot be reached by Tab")
