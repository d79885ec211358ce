"""What the page needs of /v1, and any other client may ask: views, the history, and no more than is allowed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from models import model, picture
from serving import Server, code, serving
from small import SMALL

from diptych import images
from diptych.images.legend import Legend
from diptych.methods import find
from diptych.model.card import Card, Domain
from diptych.model.translator import Translator
from diptych.serve.api.names import disposition, name_of_result, stem_of
from diptych.serve.api.openapi import is_lines

LEGEND = Legend(classes=[{"id": n, "name": f"thing {n}", "colour": (80 * n, 0, 200)} for n in range(3)])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guard")


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    options = {**SMALL["spade"], "source_channels": 3}
    sides = {"source": Domain(name="labels", channels=3, legend=LEGEND), "target": Domain(name="day", channels=3)}
    card = Card(method="spade", options=options, **sides)
    painter = Translator(find("spade")(**options), card, device="cpu").save(place / "painter")
    with serving(place / "server", model(place / "houses", "bicyclegan"), painter, "--limit-mb", 1) as client:
        yield client


def test_pages_run_scripts_and_show_pictures_of_the_server_alone(server: Server) -> None:
    for path in ("/", "/page/main.js", "/page/base.css", "/login.css"):
        answer = server.get(path)
        assert (answer.status_code if path != "/login.css" else 200) == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert not re.search(r"https?:|\*", policy)
    assert "script-src" not in server.get("/v1/models").headers["content-security-policy"]


def test_the_pages_files_hold_no_script_in_markup_and_no_address_of_others() -> None:
    folder = Path(__file__).parents[1] / "src/diptych/serve/page"
    for path in folder.iterdir():
        if path.suffix not in (".js", ".html", ".css"):
            continue
        words = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|innerHTML|insertAdjacentHTML|\beval\(|document\.write|style=|\son\w+=", words)


@pytest.mark.parametrize("path", ["/page/__init__.py", "/page/../serve/api/app.py", "/page/nothing.js", "/page/"])
def test_the_page_gives_its_own_files_alone(path: str, server: Server) -> None:
    assert server.get(path).status_code == 404


def test_a_browser_asks_for_the_pages_files_once(server: Server) -> None:
    tag = server.get("/page/main.js").headers["etag"]
    assert server.get("/page/main.js", headers={"If-None-Match": tag}).status_code == 304


def view(server: Server, data: bytes, **fields: object) -> object:
    return server.post("/v1/view", files={"image": ("a", data)}, data={k: str(v) for k, v in fields.items()})


FORMATS = ["PNG", "JPEG", "TIFF", "NPY", "WEBP", "BMP"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("form", ["png", "jpeg", "npy"])
def test_a_picture_of_any_format_can_be_seen_in_a_browser(format: str, form: str, server: Server) -> None:
    answer = view(server, picture(size=64, format=format), **{"as": form, "side": 32})
    seen = images.read(answer.content)
    assert (seen.format, seen.array.shape) == (form.upper(), (32, 32, 3))
    assert json.loads(answer.headers["x-picture"]) == {"width": 64, "height": 64, "channels": 3, "dtype": "uint8"}


@pytest.mark.parametrize(("dtype", "channels"), [("uint16", 1), ("float32", 1), ("float32", 7), ("uint16", 2)])
def test_measurements_are_given_as_they_are_and_as_a_picture(dtype: str, channels: int, server: Server) -> None:
    array = (np.random.default_rng(0).random((32, 24, channels)) * 4000).astype(dtype)
    file = images.encode(array, "TIFF")
    assert (images.read(view(server, file, **{"as": "npy"}).content).array == array[..., :3]).all()
    shown = images.read(view(server, file).content).array
    assert (shown.dtype, shown.shape) == (np.uint8, (32, 24, 3))


def test_a_label_map_is_seen_in_the_colours_of_its_classes_and_a_photograph_is_told_from_one(server: Server) -> None:
    ids = np.random.default_rng(0).integers(0, 3, (16, 16, 1), np.uint8)
    seen = images.read(view(server, images.encode(ids, "PNG"), model="painter").content)
    assert (seen.visible == LEGEND.palette[ids[..., 0]]).all()
    assert code(view(server, picture(size=64), model="painter")) == (422, "no_label_map")
    assert view(server, picture(size=64), model="houses").status_code == 200


BAD_VIEWS: list[tuple[dict[str, object], tuple[int, str]]] = [
    ({"side": 0}, (422, "bad_control")),
    ({"side": "x"}, (422, "bad_control")),
    ({"side": 10**30}, (422, "bad_control")),
    ({"as": "exe"}, (422, "bad_control")),
    ({"seed": 1}, (422, "bad_control")),
    ({"model": "nobody"}, (404, "unknown_model")),
]


@pytest.mark.parametrize(("fields", "expected"), BAD_VIEWS)
def test_wrong_views_are_answered_in_words(
    fields: dict[str, object], expected: tuple[int, str], server: Server
) -> None:
    assert code(view(server, picture(), **fields)) == expected


KINDS = {
    "text": b"this is no picture",
    "cut png": picture(size=64)[:2000],
    "cut tif": picture(size=64, format="TIFF")[:900],
    "empty": b"",
    "film": b"\0\0\0\x20ftypisom" + bytes(100),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_picture_that_cannot_be_shown_gets_the_same_sentence_as_one_that_cannot_be_translated(
    name: str, server: Server
) -> None:
    said = server.post("/v1/models/houses/translate", files={"image": KINDS[name]})
    shown = view(server, KINDS[name])
    assert shown.status_code == said.status_code == 422
    assert shown.json() == said.json()


def test_views_have_the_limits_of_all_uploads(server: Server) -> None:
    assert code(view(server, b"\0" * 2_000_000)) == (413, "too_large")
    large = images.encode(np.zeros((8000, 8000, 1), np.uint8), "PNG")
    assert len(large) < 1_000_000
    answer = view(server, large)
    assert answer.status_code == 422
    assert "64.0 megapixels" in answer.json()["error"]["message"]
    elsewhere = server.post("/v1/view", files={"image": picture()}, headers={"Origin": "http://evil.example"})
    assert code(elsewhere) == (403, "cross_site")


def keep(server: Server, name: str = "house.png", **fields: str) -> str:
    files = {"image": (name, picture(size=64))}
    answer = server.post("/v1/models/houses/translate", files=files, data={"keep": "true", **fields})
    return str(answer.raise_for_status().headers["x-history-id"])


def test_a_translation_is_kept_when_asked_for_and_given_back_with_its_settings(server: Server, place: Path) -> None:
    before = server.get("/v1/history", params={"model": "houses"}).json()
    server.post("/v1/models/houses/translate", files={"image": picture()}).raise_for_status()
    assert server.get("/v1/history", params={"model": "houses"}).json() == before, "nothing is kept unasked"
    style = {"image": ("../../my house.jpg", picture(2, format="JPEG")), "style": picture(7)}
    answer = server.post("/v1/models/houses/translate", files=style, data={"keep": "true", "seed": "7"})
    id = answer.headers["x-history-id"]
    one = server.get(f"/v1/history/{id}").json()
    assert (one["controls"]["seed"], one["source"]["name"]) == (7, "my house.jpg")
    assert one["result"]["name"].startswith("my house-")
    assert server.get(one["source"]["url"]).content == style["image"][1]
    assert server.get(one["result"]["url"]).content == answer.content
    assert server.get(one["controls"]["style"]).content == picture(7)
    small = server.get(one["result"]["url"], params={"side": 16, "as": "jpeg"})
    assert images.read(small.content).array.shape == (16, 16, 3)
    assert server.get("/v1/history", params={"model": "houses"}).json()[0] == one


def test_a_translation_takes_the_place_of_another_and_can_be_forgotten(server: Server, place: Path) -> None:
    first = keep(server)
    second = keep(server, instead_of=first)
    assert code(server.get(f"/v1/history/{first}")) == (404, "not_found")
    assert not (place / "server/history" / first).exists()
    assert server.delete(f"/v1/history/{second}").status_code == 200
    assert not (place / "server/history" / second).exists()
    for path in (second, f"{second}/source", f"{second}/controls/style", "..%2f..%2fetc"):
        assert server.get(f"/v1/history/{path}").status_code == 404
    assert code(server.get("/v1/history", params={"model": "nobody"})) == (404, "unknown_model")


@pytest.mark.parametrize("outside", ["..", "../..", ".", "", "x/../.."])
def test_nobody_forgets_more_than_one_translation(outside: str, server: Server, place: Path) -> None:
    kept = keep(server)
    keep(server, instead_of=outside)
    assert server.get(f"/v1/history/{kept}").status_code == 200
    assert (place / "server/diptych.sqlite").exists()


def test_the_history_counts_as_what_visitors_files_take(tmp_path: Path, place: Path) -> None:
    with serving(tmp_path / "server", place / "houses", "--disk", "20KB", "--no-page") as server:
        answers = [
            server.post("/v1/models/houses/translate", files={"image": picture(size=64)}, data={"keep": "true"})
            for _ in range(3)
        ]
        assert {answer.status_code for answer in answers} == {200}, "a result is given all the same"
        assert "x-history-id" not in answers[-1].headers
        assert "it is not kept" in answers[-1].headers["x-notes"]


def test_results_are_called_after_their_pictures() -> None:
    assert name_of_result("C:\\my pictures\\house.jpeg", "day", "PNG") == "house-day.png"
    assert name_of_result("", "a b/c", "TIFF", 7) == "picture-a-b-c-7.tif"
    assert stem_of("../../.bashrc") == "bashrc"
    assert disposition('a"b\u20ac.png') == "inline; filename=\"a_b_.png\"; filename*=UTF-8''a%22b%E2%82%AC.png"
    assert len(name_of_result("x" * 500 + ".png", "y" * 500, "PNG")) < 200


def test_what_one_draws_with_a_pen_is_known_by_its_name() -> None:
    assert all(map(is_lines, ("edges", "Edge", "lines", "sketch", "silhouette", "outlines")))
    assert not any(map(is_lines, ("day", "photo", "e", "", "thermal", "sky")))


def test_models_say_what_goes_in_and_what_comes_out(server: Server) -> None:
    painter = server.get("/v1/models/painter").json()
    assert painter["source"]["classes"][1] == {"id": 1, "name": "thing 1", "colour": "#5000c8"}
    assert (painter["source"]["drawn_with"], painter["target"]["classes"]) == ("classes", None)
    assert painter["answers_differ"] is False
    assert server.get("/v1/models/houses").json()["answers_differ"] is True
    described = server.get("/openapi.json").json()["paths"]
    assert {"/v1/view", "/v1/history", "/v1/history/{id}/result"} <= described.keys()
    form = described["/v1/models/houses/translate"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert {"keep", "instead_of"} <= form["schema"]["properties"].keys()
