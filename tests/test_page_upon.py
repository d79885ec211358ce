"""What one paints or drags upon a picture on the page, in a real browser: masks, borders; and how large results are."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import needs_browser, opened, reach, result, settled, stroke
from models import model
from pictures import noise, save
from PIL import Image
from serving import Server, serving
from test_photo_tasks import translator

from diptych import images

pytestmark = needs_browser

PHOTO = noise(48, 64, 3)
MIDDLE = 24, 32


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("upon")
    for task in ("fill", "extend", "enlarge"):
        translator(task).save(place / task)
    model(place / "plain")
    save(place / "photo.png", PHOTO)
    save(place / "other.png", noise(40, 40, 3, seed=1))
    save(place / "mask.png", 255 * top_half(48, 64))
    return place


@pytest.fixture(scope="module")
def server(place: Path) -> Any:
    with serving(place / "server", *(place / name for name in ("fill", "extend", "enlarge", "plain"))) as client:
        yield client


def top_half(height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width, 1), np.uint8)
    mask[: height // 2] = 1
    return mask


def put(page: Any, picture: Path) -> None:
    """Give a picture upon which something is to be done before it is translated."""
    page.set_input_files(".giving input[type=file]", str(picture))
    page.wait_for_function("name => document.querySelector('.given img')?.alt === name", arg=picture.name)
    page.wait_for_selector(".hint:not(:empty)")


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def choose(page: Any, tool: str) -> None:
    page.get_by_role("radio", name=tool, exact=True).check(force=True)


def translated(page: Any, server: Server, work: Callable[[], Any] | None = None) -> tuple[Any, dict[str, Any]]:
    """What the picture becomes, and the controls that were sent, of which pictures are arrays."""
    with page.expect_response(lambda answer: "/translate" in answer.url) as answer:
        (work or (lambda: page.click("#translate")))()
    assert answer.value.status == 200, answer.value.text()
    past = server.get(f"/v1/history/{answer.value.headers['x-history-id']}").json()
    settled(page)
    files = {name: url for name, url in past["controls"].items() if str(url).startswith("/v1/history/")}
    sent = {name: images.read(server.get(url).content).array for name, url in files.items()}
    return images.read(server.get(past["result"]["url"]).content).array, {**past["controls"], **sent}


def test_what_is_to_be_filled_is_painted_over_the_picture(browser: Any, server: Server, place: Path) -> None:
    with opened(browser, server, model="fill") as page:
        asked = []
        page.on("request", lambda request: "/translate" in request.url and asked.append(request.url))
        put(page, place / "photo.png")
        assert page.locator(".hint").inner_text() == "Paint over what is to be filled, then press Translate."
        assert page.get_by_label("Box").is_hidden(), "it is among the settings"
        stroke(page)
        made, sent = translated(page, server)
        mask = sent["mask"]
        assert len(asked) == 1, "nothing is translated before there is a mask"
        assert mask.shape == (48, 64, 1)
        assert set(np.unique(mask)) == {0, 255}
        assert mask[MIDDLE] == 255
        assert (mask > 0).mean() < 0.1
        assert np.array_equal(np.where(mask, 0, made), np.where(mask, 0, PHOTO)), "outside it is as it was"
        assert not np.array_equal(made, PHOTO)
        choose(page, "Eraser")
        stroke(page, length=1)
        erased = translated(page, server)[1]["mask"]
        assert erased[MIDDLE] == 0
        assert 0 < erased.sum() < mask.sum()
        press(page, "Undo")
        assert np.array_equal(translated(page, server)[1]["mask"], mask)
        press(page, "Invert")
        assert np.array_equal(translated(page, server)[1]["mask"], 255 - mask)
        press(page, "Clear")
        page.click("#translate")
        page.locator(".said", has_text="Paint over what is to be filled").wait_for()
        assert page.get_by_role("alert").count() == 0


def test_a_mask_goes_with_its_picture_and_comes_back_with_it(browser: Any, server: Server, place: Path) -> None:
    with opened(browser, server, model="fill", width=320, height=640) as page:
        page.set_input_files("input[name=mask]", str(place / "mask.png"))
        _, sent = translated(
            page, server, lambda: page.set_input_files(".giving input[type=file]", place / "photo.png")
        )
        assert np.array_equal(sent["mask"], 255 * top_half(48, 64)), "a file, given before its picture"
        choose(page, "Eraser")
        stroke(page, -page.locator(".sheet > canvas").bounding_box()["height"] / 4)
        mask = translated(page, server)[1]["mask"]
        assert 0 < mask.sum() < 255 * 24 * 64, "and is painted on"
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        put(page, place / "other.png")
        page.set_input_files("input[name=mask]", str(place / "mask.png"))
        page.get_by_text("This mask has 64 × 48 pixels, the picture 40 × 40").wait_for()
        press(page, "Clear")
        stroke(page)
        assert translated(page, server)[1]["mask"].shape == (40, 40, 1)
        result(page, lambda: page.locator(".strip button.thumb").nth(1).click())
        page.wait_for_function("() => document.querySelector('.sheet > canvas').width === 64")
        assert np.array_equal(translated(page, server)[1]["mask"], mask)
        choose(page, "Rectangle")
        stroke(page, length=100)
        more = translated(page, server)[1]["mask"]
        assert (more >= mask).all(), "what came back is painted on"
        assert more.sum() > mask.sum()


def test_a_mask_is_painted_by_keyboard_alone(browser: Any, server: Server, place: Path) -> None:
    with opened(browser, server, model="fill") as page:
        put(page, place / "photo.png")
        reach(page, ".sheet > canvas")
        for key in ("r", "Space", *["ArrowRight"] * 4, *["ArrowDown"] * 3, "Space", "e", "[", "[", "[", "Space"):
            page.keyboard.press(key)
        _, sent = translated(page, server, lambda: page.keyboard.press("Control+Enter"))
        wanted = np.zeros((48, 64), np.uint8)
        wanted[24:31, 32:41] = 255
        wanted[30, 40] = 0
        assert np.array_equal(sent["mask"][..., 0], wanted)


def test_a_mask_has_the_size_that_the_server_sees(browser: Any, server: Server, place: Path) -> None:
    save(place / "deep.png", noise(48, 64, 3, dtype="uint16"))
    save(place / "large.png", np.full((40, 3200, 3), 99, np.uint8))
    turned, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PHOTO).save(turned, "JPEG", exif=exif, dpi=(300, 300))
    (place / "turned.jpg").write_bytes(turned.getvalue())
    with opened(browser, server, model="fill") as page:
        for name, size in {"deep.png": (48, 64), "large.png": (40, 3200), "turned.jpg": (64, 48)}.items():
            page.set_input_files(".giving input[type=file]", str(place / name))
            page.locator(".hint:not(:empty)").wait_for()
            stroke(page)
            made, sent = translated(page, server)
            assert sent["mask"].shape == (*size, 1), name
            assert sent["mask"][size[0] // 2, size[1] // 2] == 255
            seen = images.read(place / name).array
            assert np.array_equal(np.where(sent["mask"], 0, made), np.where(sent["mask"], 0, seen)), name


def test_other_models_change_a_picture_only_in_places_if_one_asks_for_it(
    browser: Any, server: Server, place: Path
) -> None:
    with opened(browser, server, model="plain") as page:
        whole, _ = translated(
            page, server, lambda: page.set_input_files(".giving input[type=file]", place / "photo.png")
        )
        page.click("summary:has-text('Settings')")
        press(page, "Only in places …")
        page.locator(".sheet > canvas").wait_for()
        stroke(page)
        made, sent = translated(page, server)
        assert sent["where"].shape == (48, 64, 1)
        assert np.array_equal(np.where(sent["where"], 0, made), np.where(sent["where"], 0, PHOTO))
        press(page, "Everywhere")
        assert page.locator(".sheet").count() == 0
        made, sent = translated(page, server)
        assert np.array_equal(made, whole)
        assert sent.get("where") is None


def rectangle(page: Any, name: str) -> dict[str, float]:
    return page.locator(name).bounding_box()


def test_borders_are_dragged_and_before_and_after_register(browser: Any, server: Server, place: Path) -> None:
    with opened(browser, server, model="extend") as page:
        put(page, place / "photo.png")
        page.click("#translate")
        page.locator(".said", has_text="Drag an edge outwards, or choose a shape").wait_for()
        assert page.get_by_role("alert").count() == 0
        handle, picture = rectangle(page, ".handle.right i"), rectangle(page, ".frame .inside")
        x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + picture["width"] / 8, y + 30, steps=3)
        page.mouse.up()
        right = int(page.get_by_label("Right", exact=True).input_value())
        assert abs(right - 8) <= 1
        assert page.get_by_role("slider", name="Right edge").get_attribute("aria-valuenow") == str(right)
        reach(page, ".handle.top")
        for key in ("ArrowUp", "ArrowUp", "Shift+ArrowUp", "ArrowLeft", "ArrowDown"):
            page.keyboard.press(key)
        assert page.get_by_label("Top", exact=True).input_value() == "2"
        page.get_by_label("Left", exact=True).fill("12")
        assert page.locator(".measure").inner_text() == f"64 × 48 becomes {76 + right} × 50"
        made, sent = translated(page, server)
        assert [sent[edge] for edge in ("left", "right", "top", "bottom")] == [12, right, 2, 0]
        assert made.shape == (50, 76 + right, 3)
        assert np.array_equal(made[2:, 12:76], PHOTO)
        stage, before = rectangle(page, ".stage"), rectangle(page, ".before img")
        scale = stage["width"] / (76 + right)
        wanted = {"x": stage["x"] + 12 * scale, "y": stage["y"] + 2 * scale, "width": 64 * scale, "height": 48 * scale}
        assert before == pytest.approx(wanted, abs=0.5)


def test_a_shape_is_chosen_and_comes_back_from_the_history(browser: Any, server: Server, place: Path) -> None:
    with opened(browser, server, model="extend", width=320, height=640) as page:
        put(page, place / "photo.png")
        press(page, "16:9")
        assert [page.get_by_label(edge, exact=True).input_value() for edge in ("Left", "Right", "Top")] == [
            "10",
            "11",
            "0",
        ]
        made, sent = translated(page, server)
        assert (made.shape, sent["aspect"]) == ((48, 85, 3), "16:9")
        assert np.array_equal(made[:, 10:74], PHOTO)
        page.get_by_label("Bottom", exact=True).fill("4")
        made, sent = translated(page, server)
        assert (made.shape, sent["right"], sent.get("aspect")) == ((52, 85, 3), 11, None), "from there it is dragged on"
        press(page, "4:3")
        assert "has this shape already" in page.locator(".hint").inner_text()
        result(page, lambda: page.locator(".strip button.thumb").nth(1).click())
        assert page.get_by_role("button", name="16:9").get_attribute("aria-pressed") == "true"
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        again = translated(page, server, lambda: page.set_input_files(".giving input[type=file]", place / "other.png"))
        assert again[0].shape == (40, 71, 3)


def test_how_large_a_result_is_stands_beside_the_picture(browser: Any, server: Server, place: Path) -> None:
    with opened(browser, server, model="enlarge") as page:
        assert page.locator(".lead").inner_text() == "Makes photos twice as wide and as high."
        made, _ = translated(
            page, server, lambda: page.set_input_files(".giving input[type=file]", place / "photo.png")
        )
        assert page.locator(".measure").inner_text() == "64 × 48 becomes 128 × 96"
        assert made.shape == (96, 128, 3)
        assert rectangle(page, ".before img") == pytest.approx(rectangle(page, ".stage"), abs=0.5)


def test_controls_say_what_is_done_upon_a_picture(server: Server) -> None:
    known = {one["name"]: one for one in server.get("/v1/models").json()}
    assert {name: one["task"] for name, one in known.items()} == {
        "fill": "fill", "extend": "extend", "enlarge": "enlarge", "plain": "pairs",
    }  # fmt: skip
    controls = {one["name"]: one for name in ("fill", "extend", "plain") for one in known[name]["controls"]}
    masks = {name: one["aside"] for name, one in controls.items() if one["map"] == "mask"}
    assert masks == {"mask": False, "where": True}
    frame = {one["frame"]: name for name, one in controls.items() if one["frame"]}
    assert frame == {name: name for name in ("left", "right", "top", "bottom", "aspect")}
