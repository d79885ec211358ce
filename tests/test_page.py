"""The page in a real browser: it works, remembers, fits any screen, and asks nobody else for anything."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import give, needs_browser, opened, reach, result, saved
from models import model, picture
from serving import Server, serving
from small import SMALL

from diptych import images
from diptych.images import Picture
from diptych.methods import find
from diptych.model.card import Card, Domain
from diptych.model.translator import Translator
from diptych.provenance import read_settings, verify

pytestmark = needs_browser


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("page")
    model(place / "houses", "bicyclegan")
    model(place / "plain")
    scans(place / "scans")
    for number, name in enumerate(("house.png", "b.png")):
        (place / name).write_bytes(picture(number, size=64))
    return place


def scans(folder: Path) -> Path:
    """A model of measurements of 16 bits in one channel, with an example."""
    options = {**SMALL["pix2pix"], "source_channels": 1, "target_channels": 1}
    side = {"channels": 1, "dtype": "uint16", "high": 4095.0}
    sides = {"source": Domain(name="ct", **side), "target": Domain(name="mri", **side)}
    card = Card(method="pix2pix", options=options, licence="CC0", **sides)
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64, 1)
    return Translator(find("pix2pix")(**options), card, device="cpu").save(folder, examples=[Picture(ramp)])


@pytest.fixture(scope="module")
def server(place: Path) -> Any:
    with serving(place / "server", place / "houses", place / "plain", place / "scans") as client:
        yield client


def test_a_picture_becomes_a_result_named_after_it_and_both_are_there_after_a_restart(
    browser: Any, place: Path
) -> None:
    with serving(place / "other", place / "houses") as server, opened(browser, server) as page:
        page.locator("input[name=seed]").fill("7")
        give(page, place / "house.png")
        assert page.locator("#save").inner_text().startswith("Save house-")
        file = saved(page)
        assert verify(file).state == "intact"
        assert read_settings(file)["controls"]["seed"] == 7
        direct = server.post(
            "/v1/models/houses/translate", files={"image": (place / "house.png").read_bytes()}, data={"seed": "7"}
        )
        assert (images.read(file).array == images.read(direct.content).array).all()
    with serving(place / "other", place / "houses") as server, opened(browser, server) as page:
        page.wait_for_selector(".strip img")
        assert result(page, lambda: page.locator(".strip button.thumb").click()) == file
        assert page.locator("input[name=seed]").input_value() == "7"
        assert page.locator(".given img").get_attribute("alt") == "house.png"


def test_a_click_on_an_example_translates_it_also_by_keyboard_alone(browser: Any, server: Server) -> None:
    with opened(browser, server) as page:
        reach(page, ".examples button")
        assert verify(result(page, lambda: page.keyboard.press("Enter"))).state == "intact"
        other = result(page, lambda: page.locator(".examples button").nth(1).click())
        assert images.read(other).array.shape == (48, 64, 3)
        assert page.locator("#save").get_attribute("download").startswith("example-2-")


def test_before_and_after_lie_under_a_slider_that_keys_move(browser: Any, server: Server) -> None:
    with opened(browser, server) as page:
        result(page, lambda: page.locator(".examples button").first.click())
        slider = page.get_by_role("slider", name="Where the picture before ends")
        shown = "document.querySelector('.before').getBoundingClientRect().width * 0 + getComputedStyle("
        shown += "document.querySelector('.before')).clipPath"
        before = page.evaluate(shown)
        slider.focus()
        for _ in range(10):
            page.keyboard.press("ArrowRight")
        assert slider.input_value() == "60"
        assert page.evaluate(shown) != before
        assert [page.locator(f".{one} img").get_attribute("alt") for one in ("before", "after")] == [
            "Before: example-1.png",
            f"After: {page.locator('#save').get_attribute('download')}",
        ]


def test_several_answers_are_offered_where_they_differ_and_one_is_chosen(
    browser: Any, server: Server, place: Path
) -> None:
    with opened(browser, server) as page:
        page.get_by_role("spinbutton", name="Answers").fill("3")
        give(page, place / "house.png")
        answers = page.locator(".answers button")
        answers.nth(2).wait_for()
        files = {result(page, lambda number=number: answers.nth(number).click()) for number in (2, 1, 0)}
        assert len(files) == 3
        assert page.locator("#save").get_attribute("download").endswith("-0.png")
        page.locator("#model").select_option("plain")
        page.wait_for_selector("#translate")
        assert not page.get_by_role("spinbutton", name="Answers").is_visible(), "a model with one answer to a picture"


def test_many_pictures_become_a_gallery_and_a_zip_and_faults_are_sentences(
    browser: Any, server: Server, place: Path
) -> None:
    (place / "bad.png").write_bytes(b"no picture")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as zipped:
        zipped.writestr("in/c.png", picture(3, size=64))
    (place / "more.zip").write_bytes(stream.getvalue())
    with opened(browser, server) as page:
        page.locator("summary", has_text="Many pictures").click()
        files = [str(place / name) for name in ("house.png", "b.png", "bad.png", "more.zip")]
        page.set_input_files(".many input[type=file]", files)
        page.get_by_text("All done: 4 of 4").wait_for()
        assert "bad.png: " in page.locator(".faults").inner_text()
        assert page.locator(".gallery img").count() == 3
        with page.expect_download() as download:
            page.get_by_text("Save all as a zip").click()
        with zipfile.ZipFile(download.value.path()) as made:
            assert sorted(made.namelist()) == ["b.png", "house.png", "in/c.png"]


def test_measurements_are_seen_through_a_window(browser: Any, server: Server) -> None:
    with opened(browser, server, model="scans") as page:
        page.locator(".examples button").first.wait_for()
        file = result(page, lambda: page.locator(".examples button").first.click())
        assert images.read(file).array.dtype == np.uint16
        middle = "(() => { const c = document.querySelector('.before canvas');"
        middle += "return c.getContext('2d').getImageData(32, 32, 1, 1).data[0]; })()"
        usual = page.evaluate(middle)
        before = page.locator(".levels", has_text="Before")
        assert 110 < usual < 145
        before.get_by_label("White").fill("2100")
        assert page.evaluate(middle) > 240
        before.get_by_text("Fit").click()
        assert page.evaluate(middle) == usual


def test_what_is_wrong_is_said_in_words(browser: Any, server: Server, place: Path) -> None:
    (place / "text.png").write_bytes(b"this is no picture")
    with opened(browser, server) as page:
        page.click("#translate")
        page.get_by_role("alert").get_by_text("There is no picture yet").wait_for()
        page.set_input_files(".giving input[type=file]", str(place / "text.png"))
        said = server.post("/v1/models/houses/translate", files={"image": b"this is no picture"}).json()
        page.get_by_role("alert").get_by_text(said["error"]["message"]).wait_for()


def test_what_takes_long_can_be_stopped(browser: Any, server: Server, place: Path) -> None:
    with opened(browser, server) as page:
        page.route("**/translate", lambda route: None)  # it never answers
        page.set_input_files(".giving input[type=file]", str(place / "house.png"))
        page.get_by_role("button", name="Stop").first.click()
        page.get_by_text("Stopped.").wait_for()
        assert page.locator("#translate").inner_text() == "Translate"


def test_an_opinion_is_stored_with_picture_result_and_settings(browser: Any, server: Server, place: Path) -> None:
    with opened(browser, server) as page:
        give(page, place / "house.png")
        page.get_by_role("button", name="Not good").click()
        page.get_by_label("What is good or wrong?").fill("too blue")
        page.get_by_role("button", name="Send").click()
        page.get_by_text("Thank you").wait_for()
        (folder,) = (place / "server/feedback").iterdir()
        assert (folder / "source.png").read_bytes() == (place / "house.png").read_bytes()
        assert verify((folder / "result.png").read_bytes()).state == "intact"


def test_the_same_can_be_done_from_a_program(browser: Any, server: Server, place: Path) -> None:
    with opened(browser, server) as page:
        page.locator("input[name=style]").set_input_files(str(place / "b.png"))
        page.locator("summary", has_text="The same from a program").click()
        shell = page.locator(".code code").first.inner_text()
        assert shell.startswith("curl -F image=@picture.png -F seed=0")
        assert "-F style=@style.png" in shell
        python = page.locator(".code code").nth(1).inner_text().replace("picture.png", str(place / "house.png"))
        made = place / "made.png"
        exec(python.replace("style.png", str(place / "b.png")).replace("result.png", str(made)), {})
        assert verify(made.read_bytes()).state == "intact"


def test_a_style_picture_is_sent_and_comes_back_from_the_history(browser: Any, server: Server, place: Path) -> None:
    with opened(browser, server) as page:
        page.locator("input[name=style]").set_input_files(str(place / "b.png"))
        styled = result(page, lambda: page.set_input_files(".giving input[type=file]", str(place / "house.png")))
        page.get_by_role("button", name="None").click()
        assert result(page, lambda: page.click("#translate")) != styled
        result(page, lambda: page.locator(".strip button.thumb").nth(1).click())
        again = images.read(result(page, lambda: page.click("#translate")))
        assert (again.array == images.read(styled).array).all()


def test_a_card_says_in_plain_words_what_is_stated_and_nothing_else(browser: Any, server: Server) -> None:
    with opened(browser, server, model="scans") as page:
        assert page.locator(".lead").inner_text() == "Turns ct pictures into mri pictures."
        page.locator("summary", has_text="About this model").click()
        page.get_by_text("pictures of one channel of 16 bits").first.wait_for()
        about = page.locator(".about").inner_text()
        assert "CC0" in about
        assert "not stated" not in about


@pytest.mark.parametrize("width", [320, 360, 1280, 1920])
def test_it_fits_the_screen_with_examples_and_translate_in_sight(width: int, browser: Any, server: Server) -> None:
    height = 720 if width > 400 else 740
    with opened(browser, server, width=width, height=height) as page:
        for name in ("#translate", ".examples button >> nth=0"):
            box = page.locator(name).bounding_box()
            assert box["y"] + box["height"] <= height, name
        result(page, lambda: page.locator(".examples button").first.click())
        page.evaluate("() => document.querySelectorAll('details').forEach((one) => (one.open = true))")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_token_is_asked_for_once(browser: Any, place: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "server", place / "plain", token="secret") as server:
        page = browser.new_page()
        page.goto(str(server.base_url))
        page.fill("input[name=token]", "wrong")
        page.click("button")
        assert page.get_by_role("alert").inner_text().startswith("That is not")
        assert page.evaluate("getComputedStyle(document.querySelector('button')).fontWeight") == "600", "it has a style"
        page.fill("input[name=token]", "secret")
        page.click("button")
        page.wait_for_selector("#translate")
        page.close()
        for path in ("/page/main.js", "/v1/models", "/v1/history?model=plain", "/v1/view"):
            assert server.get(path, headers={"Authorization": ""}).status_code == 401
