"""The page in a real browser: it works, remembers, and asks nobody else for anything."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from models import model, picture
from serving import Server, serving
from small import SMALL

from diptych import images
from diptych.card import Card, Side
from diptych.legend import Legend
from diptych.methods import find
from diptych.provenance import read_settings, verify
from diptych.testing import bundle
from diptych.translator import Translator

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
FLAGS += ["--disable-sync", "--no-first-run", "--disable-quic"]

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("page")
    model(place / "houses", "bicyclegan")
    for number, name in enumerate(("a.png", "b.png")):
        (place / name).write_bytes(picture(number, size=64))
    return place


@contextmanager
def opened(browser: object, server: Server, *, width: int = 1280) -> Iterator[object]:
    """The page; whatever goes wrong in the browser's console or leaves for elsewhere fails the test."""
    page, wrong = browser.new_page(viewport={"width": width, "height": 900}), []
    here = str(server.base_url).rstrip("/")
    page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith((here, "data:", "blob:")) or wrong.append(asked.url))
    page.goto(here)
    page.wait_for_selector("#translate")
    yield page
    page.close()
    assert wrong == []


def give(page: object, picture: Path) -> None:
    page.set_input_files("#picture input[type=file]", str(picture))
    page.wait_for_selector("#picture img")


def saved(page: object, place: Path) -> bytes:
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(place)
    return place.read_bytes()


def test_a_picture_becomes_a_result_that_can_be_saved_and_is_there_after_a_restart(
    browser: object, place: Path, tmp_path: Path
) -> None:
    with serving(place / "server", place / "houses") as server, opened(browser, server) as page:
        give(page, place / "a.png")
        page.fill("#seed input", "7")
        page.click("#translate")
        page.wait_for_selector("#slider img")
        page.wait_for_selector("#save:not([disabled])")
        file = saved(page, tmp_path / "result.png")
        assert verify(file).state == "intact"
        assert read_settings(file)["controls"]["seed"] == 7
        direct = server.post(
            "/v1/models/houses/translate", files={"image": (place / "a.png").read_bytes()}, data={"seed": "7"}
        )
        assert (images.read(file).array == images.read(direct.content).array).all()
    with serving(place / "server", place / "houses") as server, opened(browser, server) as page:
        page.wait_for_selector("#history img")
        page.click("#history button:has(img)")
        page.wait_for_selector("#slider img")
        page.wait_for_function("document.querySelector('#seed input').value == '7'")
        assert saved(page, tmp_path / "again.png") == file


def test_a_drawing_in_the_models_own_classes_is_translated_after_each_stroke(browser: object, tmp_path: Path) -> None:
    painter(tmp_path / "painter", LEGEND)
    with serving(tmp_path / "server", tmp_path / "painter") as server, opened(browser, server, width=360) as page:
        for name in PAINT:
            assert page.get_by_text(name, exact=True).is_visible()
        page.get_by_text("grass", exact=True).click()
        ids = drawn(page, server, lambda: stroke(page))
        assert (ids[127, 127], ids[0, 0], ids[127, 250]) == (2, 0, 0)
        assert set(np.unique(ids)) == {0, 2}, "edges are not smoothed: each pixel is of a class"
        page.get_by_label("Fill").check()
        page.get_by_text("wall", exact=True).click()
        filled = drawn(page, server, lambda: page.locator("#canvas canvas").click(position={"x": 5, "y": 5}))
        assert (filled == np.where(ids == 2, 2, 1)).all()
        assert (drawn(page, server, lambda: page.locator("#canvas").get_by_text("Undo").click()) == ids).all()
        page.locator("#canvas").get_by_text("Clear").click()
        page.click("#translate")
        page.get_by_text("There is no picture yet").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_one_can_draw_by_keyboard(browser: object, tmp_path: Path) -> None:
    painter(tmp_path / "painter", LEGEND)
    with serving(tmp_path / "server", tmp_path / "painter") as server, opened(browser, server) as page:
        reach(page, "#canvas canvas")
        page.keyboard.press("ArrowDown")
        ids = drawn(page, server, lambda: page.keyboard.press("Shift+ArrowRight"))
        assert (ids[136, 132], ids[40, 132]) == (2, 0)
        page.keyboard.press("Control+z")
        page.click("#translate")
        page.get_by_text("There is no picture yet").wait_for()


def test_a_picture_given_right_after_a_stroke_stays(browser: object, tmp_path: Path) -> None:
    painter(tmp_path / "painter", LEGEND)
    (tmp_path / "map.png").write_bytes(images.encode(np.full((64, 64, 1), 1, np.uint8), "PNG"))
    with serving(tmp_path / "server", tmp_path / "painter") as server, opened(browser, server) as page:
        give_in_tab(page, tmp_path / "map.png")
        page.get_by_role("tab", name="Draw").click()
        drawn(page, server, lambda: stroke(page))
        assert page.locator("#picture img").count() == 0, "a picture makes room for what is drawn"
        stroke(page, 30)
        give_in_tab(page, tmp_path / "map.png")
        page.wait_for_timeout(1500)
        assert page.locator("#picture img").count() == 1


def test_lines_are_drawn_for_models_of_lines_and_names_of_classes_do_nothing(browser: object, tmp_path: Path) -> None:
    translator = bundle(find("pix2pix"), {**SMALL["pix2pix"], "source_channels": 1})
    translator.card = translator.card.model_copy(update={"source": Side(name="lines", channels=1)})
    translator.save(tmp_path / "lines")
    wicked = ["${alert(1)}", "{{this}}", "<img src=x onerror=alert(1)>", "`"]
    classes = [{"id": number, "name": name, "colour": (number, 0, 0)} for number, name in enumerate(wicked)]
    painter(tmp_path / "painter", Legend(classes=classes))
    with serving(tmp_path / "server", tmp_path / "lines") as server, opened(browser, server) as page:
        line = drawn(page, server, lambda: stroke(page))
        assert (line.min(), line.max(), line[0, 0], line[127, 127]) == (0, 255, 255, 0)
    with serving(tmp_path / "server2", tmp_path / "painter") as server, opened(browser, server) as page:
        for name in wicked:
            assert page.get_by_text(name, exact=True).is_visible()


def stroke(page: object, shift: int = 0) -> None:
    """A line through the middle of the canvas, or below it."""
    page.wait_for_selector("#canvas canvas")
    page.wait_for_timeout(500)  # until the page has its final size
    box = page.locator("#canvas canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2 + shift
    page.mouse.move(x - 20, y)
    page.mouse.down()
    page.mouse.move(x + 20, y, steps=5)
    page.mouse.up()


def drawn(page: object, server: Server, work: object) -> np.ndarray:
    """What was drawn, as the history keeps it, once the result of `work` is there."""
    shown = "Array.from(document.querySelectorAll('#slider img')).map(one => one.src).join()"
    before = page.evaluate(shown)
    work()
    page.wait_for_function(
        f"before => document.querySelectorAll('#slider img').length && {shown} != before", arg=before
    )
    source = page.locator("#slider img").first.get_attribute("src")
    return images.read(server.get(source).content, indices=True).array[..., 0]


def give_in_tab(page: object, picture: Path) -> None:
    page.get_by_role("tab", name="Give a picture").click()
    give(page, picture)


PAINT = {"sky": (70, 130, 180), "wall": (190, 153, 153), "grass": (107, 142, 35)}
LEGEND = Legend(classes=[{"id": n, "name": name, "colour": c} for n, (name, c) in enumerate(PAINT.items())])


def painter(folder: Path, legend: Legend) -> None:
    """A model that paints label maps of these classes."""
    torch.manual_seed(0)
    options = {**SMALL["spade"], "source_channels": legend.planes}
    sides = {
        "source": Side(name="labels", channels=legend.planes, legend=legend),
        "target": Side(name="photos", channels=3),
    }
    Translator(find("spade")(**options), Card(method="spade", options=options, **sides), device="cpu").save(folder)


def test_an_example_that_came_with_the_model_becomes_the_input_by_keyboard_alone(
    browser: object, place: Path, tmp_path: Path
) -> None:
    with serving(tmp_path / "server", place / "houses") as server, opened(browser, server) as page:
        page.wait_for_selector("#examples img")
        reach(page, "#examples button:has(img)")
        page.keyboard.press("Enter")
        page.wait_for_selector("#picture img")
        reach(page, "#translate")
        page.keyboard.press("Enter")
        page.wait_for_selector("#save:not([disabled])")
        assert verify(saved(page, tmp_path / "result.png")).state == "intact"


def reach(page: object, wanted: str) -> None:
    """Press Tab until something that is wanted has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(f"{wanted} cannot be reached by Tab")


def test_several_answers_are_shown_and_many_pictures_become_a_zip(browser: object, place: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "server", place / "houses") as server, opened(browser, server) as page:
        give(page, place / "a.png")
        page.fill("#samples input[type=number]", "3")
        page.click("#translate")
        page.wait_for_function("document.querySelectorAll('#answers img').length == 3")
        page.get_by_role("button", name="Many pictures").click()
        page.set_input_files("#files input[type=file]", [str(place / "a.png"), str(place / "b.png")])
        page.click("#all")
        page.get_by_text("done: 2 of 2").wait_for()
        with page.expect_download() as download:
            page.click("#zip")
        with zipfile.ZipFile(download.value.path()) as made:
            assert sorted(made.namelist()) == ["a.png", "b.png"]


def test_a_token_is_asked_for_once(browser: object, place: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "server", place / "houses", token="secret") as server:
        page = browser.new_page()
        page.goto(str(server.base_url))
        page.fill("input[name=token]", "wrong")
        page.click("button")
        assert page.get_by_role("alert").inner_text().startswith("That is not")
        page.fill("input[name=token]", "secret")
        page.click("button")
        page.wait_for_selector("#translate")
        page.close()
        for path in ("/gradio_api/info", "/config", "/gradio_api/file=/etc/passwd"):
            assert server.get(path, headers={"Authorization": ""}).status_code == 401


def test_the_page_gives_no_file_of_the_servers(place: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "server", place / "houses") as server:
        for path in ("/etc/passwd", str(tmp_path / "server/diptych.sqlite"), str(place / "houses/card.json")):
            assert server.get(f"/gradio_api/file={path}").status_code in (403, 404)
        assert server.get("/v1/nothing").json()["error"]["code"] == "not_found"
        assert server.get("/v1/models/houses/translate").json()["error"]["code"] == "bad_method"
        answer = server.get("/")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        for forged in ("/etc/passwd", str(place / "a.png")):
            said = ask_the_page(server, {"path": forged, "meta": {"_type": "gradio.FileData"}}, 1, 0, "", None, 0)
            assert '"success":false' in said
            assert forged not in said
        kept = {path.name for path in (tmp_path / "server/page").rglob("*")}
        assert not kept & {"passwd", "a.png"}


def ask_the_page(server: Server, *values: object) -> str:
    """What the button Translate says to these values, as a program that forges them would send them."""
    config = server.get("/config").json()
    (button,) = (one["id"] for one in config["components"] if one["props"].get("elem_id") == "translate")
    (event,) = (one["id"] for one in config["dependencies"] if [button, "click"] in one["targets"])
    asked = {"data": values, "fn_index": event, "session_hash": "forged"}
    server.post("/gradio_api/queue/join", json=asked).raise_for_status()
    with server.stream("GET", "/gradio_api/queue/data", params={"session_hash": "forged"}) as events:
        return next(line for line in events.iter_lines() if "process_completed" in line)
