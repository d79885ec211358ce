"""What programs may send to the page's own addresses: no more than the page does, and errors are sentences."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt
from models import model, picture
from serving import Server, ask_the_page, code, serving, translate_button
from small import SMALL

from diptych import images
from diptych.card import WORDS, Card, Side
from diptych.methods import find
from diptych.serve.page.layout import card_of, describe
from diptych.serve.page.many import progress_line
from diptych.translator import Translator


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guard")


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    with serving(place / "server", model(place / "houses", "bicyclegan"), "--limit-mb", 1) as client:
        yield client


@pytest.fixture
def elsewhere() -> Iterator[socket.socket]:
    """Another server of this computer's; it fails the test if anybody connects to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener
        listener.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.accept()


def uploaded(server: Server, data: bytes, name: str = "a.png") -> dict[str, Any]:
    """A picture given to the page, as the page then names it."""
    (path,) = server.post("/gradio_api/upload", files={"files": (name, data)}).raise_for_status().json()
    return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}


def values(server: Server, image: object, *, model: int = 0) -> list[object]:
    """A picture with all controls of a model as the page has them at first."""
    config = server.get("/config").json()
    props = {one["id"]: one["props"] for one in config["components"]}
    _, *rest = translate_button(server, model)["inputs"]
    held = [props[one].get("value") for one in rest]
    return [image, *("give" if value == "draw" else value for value in held)]


def join(server: Server, **asked: object) -> tuple[int, str]:
    body = {"data": [], "fn_index": 0, "session_hash": "forged", **asked}
    return code(server.post("/gradio_api/queue/join", json=body))


@pytest.mark.parametrize("where", ["path", "path of a style", "path in an event", "url"])
def test_the_page_fetches_nothing_from_elsewhere(where: str, server: Server, elsewhere: socket.socket) -> None:
    address = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/a.png"
    file = {"path": address, "meta": {"_type": "gradio.FileData"}}
    fn = translate_button(server)["id"]
    if where == "path":
        assert join(server, fn_index=fn, data=values(server, file)) == (422, "bad_request")
    elif where == "path of a style":
        assert join(server, fn_index=fn, data=[[uploaded(server, picture())], {"deep": [file]}])[0] == 422
    elif where == "path in an event":
        assert join(server, fn_index=fn, event_data={"value": {"image": file}})[0] == 422
    else:
        own = uploaded(server, picture()) | {"url": address}
        assert '"success":true' in ask_the_page(server, *values(server, own))
    for path in (f"file={address}", f"proxy={address}", f"file={address.upper()}", f"file=ftp://{address[7:]}"):
        assert code(server.get(f"/gradio_api/{path}")) == (404, "not_found")


@pytest.mark.parametrize("number", [9999, -1, None, "0", "translate", [], {}, 1.5])
def test_what_is_not_on_the_page_cannot_be_asked_for(number: object, server: Server, place: Path) -> None:
    assert join(server, fn_index=number) == (422, "bad_request")
    assert "Traceback" not in (place / "server.log").read_text()


@pytest.mark.parametrize("body", [b"", b"x", b"[1]", b"1", b"[" * 900_000, b'{"data":' * 100_000, b"\xff"])
def test_what_is_no_request_of_the_page_is_answered_in_words(body: bytes, server: Server, place: Path) -> None:
    answer = server.post("/gradio_api/queue/join", content=body, headers={"Content-Type": "application/json"})
    assert code(answer) == (422, "bad_request")
    assert "Traceback" not in (place / "server.log").read_text()


def test_a_huge_request_to_the_page_is_refused_and_holds_up_nobody(server: Server) -> None:
    body = json.dumps({"data": [[0] * 200_000], "fn_index": 0, "session_hash": "a"}).encode()
    start = time.monotonic()
    assert code(server.post("/gradio_api/queue/join", content=body * 100)) == (413, "too_large")
    assert code(server.post("/gradio_api/queue/join", content=body)) == (422, "bad_request")
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "path",
    [
        "run/predict",
        "api/predict",
        "call/x",
        "call/v2/x",
        "stream/x",
        "component_server",
        "process_recording",
        "vibe-edit",
    ],
)
def test_the_page_has_no_further_addresses_to_send_to(path: str, server: Server) -> None:
    assert code(server.post(f"/gradio_api/{path}", json={})) == (404, "not_found")


def test_uploads_have_so_much_room_and_no_more_and_old_ones_make_it(tmp_path: Path) -> None:
    with serving(tmp_path / "full", model(tmp_path / "houses"), "--limit-mb", 0.1) as server:
        upload = lambda: server.post("/gradio_api/upload", files={"files": ("a.png", os.urandom(90_000))})  # noqa: E731
        statuses = [upload().status_code for _ in range(25)]
        assert set(statuses[:18]) == {200}
        assert statuses[-1] == 507
        assert code(upload()) == (507, "no_room")
        files = [path for path in (tmp_path / "full/page").rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) <= 2_000_000
        os.utime(files[0], (0, 0))
        assert upload().status_code == 200
        assert not files[0].exists()


KINDS = {
    "text.png": b"this is no picture",
    "cut.png": picture(size=64)[:2000],
    "cut.jpg": picture(size=64, format="JPEG")[:900],
    "cut.tif": picture(size=64, format="TIFF")[:900],
    "empty.png": b"",
    "number.npy": images.encode(np.zeros((4, 4, 1), np.float32), "NPY")[:-8],
    "film.mp4": b"\0\0\0\x20ftypisom" + bytes(100),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_picture_that_cannot_be_used_gets_the_same_sentence_as_from_a_program(name: str, server: Server) -> None:
    said = server.post("/v1/models/houses/translate", files={"image": KINDS[name]})
    assert said.status_code == 422
    shown = json.loads(ask_the_page(server, *values(server, uploaded(server, KINDS[name], name)))[6:])
    assert not shown["success"]
    assert shown["output"]["error"] == said.json()["error"]["message"]


def pixels(dtype: str, channels: int) -> np.ndarray:
    return (np.random.default_rng(0).random((32, 32, channels)) * 250).astype(dtype)


@pytest.fixture(scope="module")
def bands(place: Path) -> Iterator[Server]:
    """A server of models of measurements, of 1 and of 7 channels."""
    folders = []
    for channels in (1, 7):
        options = {**SMALL["pix2pix"], "source_channels": channels, "target_channels": channels}
        side = {"channels": channels, "dtype": "float32", "high": 1.0}
        card = Card(method="pix2pix", options=options, source=Side(name="a", **side), target=Side(name="b", **side))
        folders.append(place / f"bands{channels}")
        Translator(find("pix2pix")(**options), card, device="cpu").save(folders[-1])
    with serving(place / "bands", *folders) as client:
        yield client


@pytest.mark.parametrize("channels", [1, 7])
@pytest.mark.parametrize("name", ["a.tif", "a.npy"])
def test_what_a_browser_does_not_know_is_shown_as_what_it_does(channels: int, name: str, bands: Server) -> None:
    data = images.encode(pixels("float32", channels) / 250, "TIFF" if name == "a.tif" else "NPY")
    asked = values(bands, uploaded(bands, data, name), model=[1, 7].index(channels))
    shown = json.loads(ask_the_page(bands, *asked, model=[1, 7].index(channels))[6:])
    assert shown["success"], shown
    for one in shown["output"]["data"][0]:
        assert images.header(bands.get(one["url"]).content).format == "PNG"
    saved = bands.get(shown["output"]["data"][2]["value"]["url"]).content
    assert images.read(saved).array.shape == (32, 32, channels)


WICKED = (
    "![x](http://evil.example/a.png) [click](javascript:alert(1)) <b>x</b> # head *x* `x` $$x$$ http://evil.example "
    "| a | b |\n\n# Licence: free\n<script>alert(1)</script> &lt; \u202e"
)


def test_the_words_of_a_card_and_of_files_do_nothing_on_the_page() -> None:
    side = Side(name=WICKED, channels=3)
    told = dict.fromkeys(WORDS, WICKED)
    scores: dict[str, Any] = {WICKED: {"value": WICKED}, "b": WICKED}
    card = Card(
        method="pix2pix", options={"a": WICKED}, source=side, target=side, data={WICKED: 1}, scores=scores, **told
    )
    engine = SimpleNamespace(find=lambda name: SimpleNamespace(current=SimpleNamespace(card=card)))
    job = {"state": "done", "done": 0, "failed": 1, "total": 1, "seconds_left": None}
    line = progress_line({**job, "items": [{"name": f"{WICKED}.png", "fault": WICKED}]})
    for shown in (card_of(engine, "m"), describe(engine, "m"), line):
        page = MarkdownIt("commonmark").enable("table").render(shown)
        assert not re.search(r"<(img|a|b|script|code>x|em>x)\b", page)
        assert not re.search(r"<h\d>(head|Licence)", page)
        assert "![x](http://evil.example/a.png)" in page
        assert "http:" not in shown
        assert "$$" not in shown


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_the_preview_of_a_model_is_a_picture_that_browsers_show(dtype: str, channels: int, tmp_path: Path) -> None:
    translator = Translator.load(model(tmp_path / "m"))
    folder = translator.save(tmp_path / "n", preview=pixels(dtype, channels))
    shown = images.read(folder / "preview.png").array
    assert (shown.shape, shown.dtype) == ((32, 32, 3), np.uint8)
