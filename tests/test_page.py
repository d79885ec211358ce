"""The page in a real browser: it works, remembers, and asks nobody else for anything."""

from __future__ import annotations

import base64
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
from diptych.errors import DataError
from diptych.legend import Legend
from diptych.methods import find
from diptych.provenance import read_settings, verify
from diptych.serve.page import drawing
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
        assert (ids[136, 132], ids[40, 132]) == (1, 0)
        page.keyboard.press("Control+z")
        page.click("#translate")
        page.get_by_text("There is no picture yet").wait_for()


def test_what_one_sees_is_translated_a_drawing_or_a_picture(browser: object, tmp_path: Path) -> None:
    painter(tmp_path / "painter", LEGEND)
    (tmp_path / "map.png").write_bytes(images.encode(np.full((64, 64, 1), 2, np.uint8), "PNG"))
    with serving(tmp_path / "server", tmp_path / "painter") as server, opened(browser, server) as page:
        drawing = drawn(page, server, lambda: stroke(page))
        page.get_by_role("tab", name="Give a picture").click()
        give(page, tmp_path / "map.png")
        assert drawn(page, server, lambda: page.click("#translate")).shape == (64, 64)
        page.get_by_role("tab", name="Draw").click()
        assert (drawn(page, server, lambda: page.click("#translate")) == drawing).all()
        page.locator("#history button:has(img)").nth(1).click()
        page.get_by_role("tab", name="Give a picture", selected=True).wait_for()
        assert page.locator("#picture img").count() == 1
        assert not page.locator("#again").is_visible(), "no label map comes out"


def test_a_stroke_takes_the_place_of_the_one_before_in_the_history(browser: object, tmp_path: Path) -> None:
    painter(tmp_path / "painter", LEGEND)
    with serving(tmp_path / "server", tmp_path / "painter") as server, opened(browser, server) as page:
        for shift in (0, 30, 60):
            drawn(page, server, lambda shift=shift: stroke(page, shift))
        assert page.locator("#history button:has(img)").count() == 1
        drawn(page, server, lambda: page.click("#translate"))
        page.locator("#canvas").get_by_text("Clear").click()
        drawn(page, server, lambda: stroke(page))
        assert page.locator("#history button:has(img)").count() == 3
        assert len([path for path in (tmp_path / "server/history").iterdir() if path.name != "models"]) == 3
        page.locator("#canvas").get_by_text("Undo").click()
        page.wait_for_timeout(700)
        assert page.get_by_text("There is no picture yet").count() == 0, "nothing was asked for"


def test_another_finger_and_keys_do_not_meddle_with_a_stroke_and_its_paint_ends_at_the_edge(
    browser: object, tmp_path: Path
) -> None:
    painter(tmp_path / "painter", LEGEND)
    with serving(tmp_path / "server", tmp_path / "painter") as server, opened(browser, server) as page:
        page.wait_for_selector("#canvas canvas")

        def meddled() -> None:
            points = [("down", 1, 128, 128), ("down", 2, 20, 20), ("move", 2, 40, 200), ("up", 2, 40, 200)]
            points += [("move", 1, 400, 128), ("move", 1, 400, 250), ("move", 1, 128, 250), ("up", 1, 128, 250)]
            for kind, finger, x, y in points:
                page.locator("#canvas canvas").press("Control+z")
                page.evaluate(POINTER, [kind, finger, x, y])

        ids = drawn(page, server, meddled)
        assert (ids[128, 200], ids[250, 200], ids[20, 20], ids[120, 30], ids[190, 254]) == (1, 1, 0, 0, 0)
        assert page.locator("#canvas").get_by_text("Undo").is_enabled()


POINTER = """([kind, pointerId, x, y]) => {
  const canvas = document.querySelector("#canvas canvas"), box = canvas.getBoundingClientRect();
  canvas.setPointerCapture = () => {};  // these fingers are made up
  const at = { clientX: box.left + (x * box.width) / 256, clientY: box.top + (y * box.height) / 256 };
  canvas.dispatchEvent(new PointerEvent(`pointer${kind}`, { pointerId, button: 0, ...at }));
}"""


def test_a_drawing_is_still_there_when_its_model_is_chosen_again(browser: object, place: Path, tmp_path: Path) -> None:
    painter(tmp_path / "painter", LEGEND)
    both = (tmp_path / "painter", place / "houses")
    with serving(tmp_path / "server", *both) as server, opened(browser, server) as page:
        before = drawn(page, server, lambda: stroke(page))
        for name in ("houses", "painter"):
            page.click("#model input")
            page.get_by_role("option", name=name).click()
        page.wait_for_selector("#canvas canvas")
        page.wait_for_timeout(300)
        after = drawn(page, server, lambda: stroke(page, 40))
        assert (after[before == 1] == 1).all()
        assert (after == 1).sum() > (before == 1).sum()


def test_forged_drawings_are_refused_in_words() -> None:
    side, start = Side(name="labels", channels=3, legend=LEGEND), "data:image/png;base64,"
    others = [
        start + base64.b64encode(images.encode(np.zeros((size, size, 3), np.uint8), format)).decode()
        for format, size in (("PNG", 255), ("JPEG", 256), ("PNG", 4096))
    ]
    for forged in ("x", 5, {"a": 1}, f"{start}!!", start + "A" * 2_000_000, *others):
        with pytest.raises(DataError, match="draw it again"):
            drawing.drawn(forged, side)
    assert drawing.drawn("", side) is None


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
            asked = {
                "data": [{"path": forged, "meta": {"_type": "gradio.FileData"}}],
                "fn_index": 0,
                "session_hash": "a",
            }
            answer = server.post("/gradio_api/queue/join", json=asked)
            assert (answer.status_code, forged in answer.text) == (422, False)
        kept = {path.name for path in (tmp_path / "server/page").rglob("*")}
        assert not kept & {"passwd", "a.png"}
