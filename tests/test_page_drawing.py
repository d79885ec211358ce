"""The page's canvas in a real browser: what is drawn is a label map of the model's own classes, pixel by pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browser import drawn, needs_browser, opened, reach, result, settled, stroke
from models import picture, with_ends
from serving import Server, serving
from small import SMALL

from diptych import images
from diptych.images import Picture
from diptych.images.legend import Legend
from diptych.methods import find
from diptych.model.card import Card, Domain
from diptych.model.translator import Translator
from diptych.testing import bundle

pytestmark = needs_browser

PAINT = {"sky": (70, 130, 180), "wall": (190, 153, 153), "grass": (107, 142, 35)}
LEGEND = Legend(classes=[{"id": 3 * n, "name": name, "colour": c} for n, (name, c) in enumerate(PAINT.items())])
SKY, WALL, GRASS = 0, 3, 6


def painter(folder: Path, legend: Legend = LEGEND, examples: tuple[np.ndarray, ...] = ()) -> Path:
    """A model that paints label maps of these classes, with ids as examples."""
    torch.manual_seed(0)
    options = {**SMALL["spade"], "source_channels": legend.channels}
    sides = {
        "source": Domain(name="labels", channels=legend.channels, legend=legend),
        "target": Domain(name="photos", channels=3),
    }
    translator = Translator(find("spade")(**options), Card(method="spade", options=options, **sides), device="cpu")
    maps = [Picture(ids[..., None].astype(np.uint8), palette=legend.palette) for ids in examples]
    return translator.save(folder, examples=maps)


def street(height: int = 48, width: int = 64) -> np.ndarray:
    """Ids of a wall on grass below the sky."""
    ids = np.full((height, width), SKY)
    ids[height // 2 :] = GRASS
    ids[height // 4 : height // 2 + 4, width // 4 : width // 2] = WALL
    return ids


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drawing")


@pytest.fixture(scope="module")
def server(place: Path) -> Any:
    first = painter(place / "painter", examples=(street(), np.full((48, 64), WALL)))
    scenes = [painter(place / f"scene{count}", Legend(classes=classes(count))) for count in SCENES]
    with serving(place / "server", first, f"kept={first}", *scenes, *lines(place)) as client:
        yield client


SCENES = (2, 3, 30)
WICKED = ["${alert(1)}", "<img src=x onerror=alert(1)>", "sky", "road"]


def classes(count: int) -> list[dict[str, Any]]:
    """So many classes, whose names would do harm if they were taken for more than words."""
    names = WICKED + [f"thing {n}" for n in range(30)]
    return [{"id": n, "name": names[n], "colour": (n, 0, 90)} for n in range(count)]


def lines(place: Path) -> list[Path]:
    """Models of pictures in one channel: of lines, and of none."""
    translator = bundle(find("pix2pix"), {**SMALL["pix2pix"], "source_channels": 1})
    folders = []
    for name in ("lines", "thermal"):
        side = Domain(name=name, channels=1)
        translator.card = with_ends(translator.card, source=side)
        folders.append(translator.save(place / name))
    return folders


def radio(page: Any, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).check(force=True)


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_a_label_model_opens_on_a_drawing_of_its_example_and_shows_what_becomes_of_it(
    browser: Any, server: Server
) -> None:
    with opened(browser, server) as page:
        settled(page)
        assert page.locator(".stage .after img").is_visible(), "there is a result before anybody has done anything"
        assert page.locator(".past").is_hidden(), "which is not kept"
        for name in PAINT:
            assert page.get_by_text(name, exact=True).is_visible()
        assert (drawn(page, server, lambda: page.click("#translate")) == street()).all()


def test_each_stroke_is_of_one_class_and_is_translated_at_once(browser: Any, server: Server) -> None:
    with opened(browser, server, width=360, height=740) as page:
        settled(page)
        radio(page, "grass")
        ids = drawn(page, server, lambda: stroke(page))
        assert ids[24, 32] == GRASS
        assert set(np.unique(ids)) == {SKY, WALL, GRASS}, "edges are not smoothed: each pixel is of a class"
        radio(page, "Fill")
        radio(page, "wall")
        filled = drawn(page, server, lambda: page.locator(".sheet canvas").click(position={"x": 5, "y": 5}))
        assert (filled == np.where(ids == SKY, WALL, ids)).all()
        assert (drawn(page, server, lambda: press(page, "Undo")) == ids).all()
        assert (drawn(page, server, lambda: press(page, "Redo")) == filled).all()
        assert set(np.unique(drawn(page, server, lambda: press(page, "Clear")))) == {WALL}
        assert (drawn(page, server, lambda: press(page, "Reset")) == street()).all()


def test_lines_and_rectangles_go_from_where_one_presses_to_where_one_lets_go(browser: Any, server: Server) -> None:
    with opened(browser, server) as page:
        settled(page)
        radio(page, "grass")
        radio(page, "Rectangle")
        box = page.locator(".sheet canvas").bounding_box()
        scale = box["width"] / 64
        for x, y in ((10, 4), (40, 30), (20, 12)):  # by a detour, of which nothing stays
            page.mouse.move(box["x"] + (x + 0.5) * scale, box["y"] + (y + 0.5) * scale)
            page.mouse.down()
        ids = drawn(page, server, lambda: page.mouse.up())
        expected = street()
        expected[4:13, 10:21] = GRASS
        assert (ids == expected).all()
        radio(page, "Line")
        page.locator(".sheet canvas").focus()
        page.keyboard.press("Space")
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        ids = drawn(page, server, lambda: page.keyboard.press("Space"))
        assert (ids[12, 20:27] == GRASS).all()


def test_one_can_draw_by_keyboard(browser: Any, server: Server) -> None:
    with opened(browser, server) as page:
        settled(page)
        reach(page, ".sheet canvas")
        page.keyboard.press("ArrowDown")
        ids = drawn(page, server, lambda: page.keyboard.press("Shift+ArrowRight"))
        assert (ids[26, 33], street()[26, 33]) == (WALL, GRASS)
        assert (drawn(page, server, lambda: page.keyboard.press("Control+z")) == street()).all()
        assert (drawn(page, server, lambda: page.keyboard.press("Control+Shift+z")) == ids).all()


def test_an_example_that_is_clicked_is_drawn_and_translated(browser: Any, server: Server) -> None:
    with opened(browser, server) as page:
        settled(page)
        assert (drawn(page, server, lambda: page.locator(".examples button").nth(1).click()) == WALL).all()
        assert (drawn(page, server, lambda: stroke(page)) != WALL).any(), "and one can draw on it"


def test_a_stroke_takes_the_place_of_the_one_before_in_the_history(browser: Any, server: Server, place: Path) -> None:
    with opened(browser, server, model="kept") as page:
        kept = lambda: len(server.get("/v1/history", params={"model": "kept"}).json())  # noqa: E731
        settled(page)
        for shift in (0, 30, 60):
            drawn(page, server, lambda shift=shift: stroke(page, shift))
        assert kept() == 1
        drawn(page, server, lambda: page.click("#translate"))
        assert kept() == 1, "what was drawn is kept"
        drawn(page, server, lambda: stroke(page, -40))
        assert kept() == 2
        drawn(page, server, lambda: page.locator(".examples button").first.click())
        assert kept() == 3


def test_a_photograph_given_to_a_label_model_is_warned_of_and_can_be_made_a_drawing(
    browser: Any, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "photo.png").write_bytes(picture(3, size=64))
    with opened(browser, server) as page:
        settled(page)
        page.get_by_role("tab", name="Give a picture").click()
        page.set_input_files(".giving input[type=file]", str(tmp_path / "photo.png"))
        page.get_by_role("alert").get_by_text("This looks like a photograph").wait_for()
        ids = drawn(page, server, lambda: press(page, "Make a drawing of it"))
        assert (ids.shape, set(np.unique(ids))) == ((64, 64), {SKY, WALL, GRASS})
        assert page.get_by_role("tab", name="Draw", selected=True).is_visible()


def test_what_one_sees_is_translated_a_drawing_or_a_picture(browser: Any, server: Server, tmp_path: Path) -> None:
    given = np.full((40, 40, 1), GRASS, np.uint8)
    given[:20] = WALL
    (tmp_path / "map.png").write_bytes(images.encode(given, "PNG"))  # of ids: as a picture it would be black
    with opened(browser, server) as page:
        settled(page)
        drawing = drawn(page, server, lambda: stroke(page))
        page.get_by_role("tab", name="Give a picture").click()
        ids = drawn(page, server, lambda: page.set_input_files(".giving input[type=file]", str(tmp_path / "map.png")))
        assert (ids == given[..., 0]).all()
        page.get_by_role("tab", name="Draw").click()
        assert (drawn(page, server, lambda: page.click("#translate")) == drawing).all()
        result(page, lambda: page.locator(".strip button.thumb").nth(1).click())
        assert page.get_by_role("tab", name="Give a picture", selected=True).is_visible()
        assert not page.locator("#again").is_visible(), "no label map comes out"
        result(page, lambda: page.locator(".strip button.thumb").first.click())
        assert (drawn(page, server, lambda: page.click("#translate")) == drawing).all(), "a drawing is drawn again"
        page.get_by_role("tab", name="Give a picture").click()
        assert (drawn(page, server, lambda: press(page, "Draw on it")) == given[..., 0]).all()


def test_another_finger_and_keys_do_not_meddle_with_a_stroke_and_its_paint_ends_at_the_edge(
    browser: Any, server: Server
) -> None:
    with opened(browser, server) as page:
        settled(page)

        def meddled() -> None:
            points = [("down", 1, 32, 30), ("down", 2, 5, 5), ("move", 2, 10, 40), ("up", 2, 10, 40)]
            points += [("move", 1, 100, 30), ("move", 1, 100, 45), ("move", 1, 32, 45), ("up", 1, 32, 45)]
            for kind, finger, x, y in points:
                page.locator(".sheet canvas").press("Control+z")
                page.evaluate(POINTER, [kind, finger, x, y])

        ids = drawn(page, server, meddled)
        assert (ids[30, 50], ids[45, 50], ids[5, 5], ids[37, 62]) == (WALL, WALL, SKY, GRASS)
        assert page.get_by_role("button", name="Undo").is_enabled()


POINTER = """([kind, pointerId, x, y]) => {
  const canvas = document.querySelector(".sheet canvas"), box = canvas.getBoundingClientRect();
  canvas.setPointerCapture = () => {};  // these fingers are made up
  const at = { clientX: box.left + (x * box.width) / 64, clientY: box.top + (y * box.height) / 48 };
  canvas.dispatchEvent(new PointerEvent(`pointer${kind}`, { pointerId, button: 0, ...at }));
}"""


@pytest.mark.parametrize("count", SCENES)
def test_a_model_without_examples_begins_with_a_scene_of_its_classes(count: int, browser: Any, server: Server) -> None:
    with opened(browser, server, model=f"scene{count}") as page:
        settled(page)
        ids = drawn(page, server, lambda: page.click("#translate"))
        assert (ids.shape, len(np.unique(ids)) >= min(count, 5)) == ((256, 256), True)
        assert page.get_by_text(WICKED[1], exact=True).is_visible(), "names of classes do nothing"
        if count == 30:
            assert (ids[0, 0], ids[255, 255]) == (2, 3), "the sky above, the road below"


def test_lines_are_drawn_with_a_pen_on_white_but_the_page_opens_on_a_picture(browser: Any, server: Server) -> None:
    with opened(browser, server, model="lines") as page:
        assert page.get_by_role("tab", name="Give a picture", selected=True).is_visible()
        page.get_by_role("tab", name="Draw").click()
        line = drawn(page, server, lambda: stroke(page))
        assert (line.min(), line.max(), line[0, 0], line[127, 127]) == (0, 255, 255, 0)
        page.locator("#model").select_option("thermal")
        page.get_by_text("Turns thermal pictures into").wait_for()
        assert not page.get_by_role("tab", name="Draw").is_visible(), "one channel alone is no drawing"
        page.locator("#model").select_option("lines")
        page.get_by_role("tab", name="Draw").wait_for()
        again = drawn(page, server, lambda: stroke(page, 40))
        assert (again[line == 0] == 0).all(), "what was drawn is still there when its model is chosen again"
        assert (again == 0).sum() > (line == 0).sum()
