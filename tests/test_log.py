"""What an operator reads: a line for each request, failures by code, and the names that the server goes by."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from models import model, picture
from serving import Server, code, serving

from diptych.serve.api.log import TOLD, Entry, RequestLog
from diptych.serve.server import names


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    hosts = ["--allowed-host", "Diptych.example", "--allowed-host", "other.example"]
    folder = model(place / "houses")
    with serving(place / "server", folder, "--no-page", "--limit-mb", 1, "--log", "json", *hosts) as client:
        yield client


def entries(place: Path) -> dict[str, dict[str, Any]]:
    """The lines of the log, by the ids of their requests."""
    lines = [line for line in (place / "server.log").read_text().splitlines() if line.startswith("{")]
    return {one["id"]: one for one in map(json.loads, lines)}


def translate(server: Server, data: bytes, **fields: str) -> Any:
    return server.post("/v1/models/houses/translate", files={"image": data}, data=fields)


def test_each_request_is_a_line_with_what_became_of_it(server: Server, place: Path) -> None:
    good = translate(server, picture())
    answers = {
        "ok": good,
        "bad_picture": translate(server, b"no picture"),
        "bad_control": translate(server, picture(), style_strength="2"),
        "too_large": translate(server, bytes(1_100_000)),
        "unknown_model": server.get("/v1/models/none"),
        "not_found": server.get("/v1/x%0A{forged%1b"),
        "wrong_host": server.get("/v1/models", headers={"Host": "evil.example"}),
        "cross_site": server.post("/v1/jobs", headers={"Origin": "http://evil.example"}),
    }
    known = entries(place)
    for outcome, answer in answers.items():
        entry = known[answer.headers["x-request-id"]]
        assert (entry["outcome"], entry["status"], entry["client"]) == (outcome, answer.status_code, "127.0.0.1")
        assert entry["sent"] == len(answer.content)
    entry = known[good.headers["x-request-id"]]
    assert entry["model"] == "houses"
    assert entry["version"] == good.headers["x-model-version"]
    assert entry["received"] > len(picture())
    assert 0 < sum(entry["stages"].values()) <= entry["seconds"]
    assert len({answer.headers["x-request-id"] for answer in answers.values()}) == len(answers)


def test_failures_are_counted_by_code(server: Server) -> None:
    translate(server, picture(), style_strength="2")
    translate(server, b"no picture")
    server.get("/v1/models/none")
    metrics = server.get("/metrics").text
    for status, name in ((422, "bad_control"), (422, "bad_picture"), (404, "unknown_model"), (200, "ok")):
        assert re.search(rf'diptych_answers_total{{code="{name}",status="{status}"}} [1-9]', metrics), name


def test_a_server_answers_to_the_names_that_it_is_given(server: Server) -> None:
    for name in ("diptych.example", "other.example:443", "localhost", "127.0.0.1:1"):
        assert server.get("/v1/models", headers={"Host": name}).status_code == 200
    assert code(server.get("/v1/models", headers={"Host": "diptych.example.evil"})) == (421, "wrong_host")
    proxied = {"Host": "diptych.example", "Origin": "https://diptych.example", "Sec-Fetch-Site": "same-origin"}
    assert server.post("/v1/models/houses/reload", headers=proxied).status_code == 200


@pytest.mark.parametrize(
    ("host", "allowed", "known"),
    [("127.0.0.1", [], True), ("::1", ["a.example"], True), ("0.0.0.0", ["a.example"], True), ("0.0.0.0", [], False)],
)
def test_a_check_of_health_on_the_same_computer_needs_no_name(host: str, allowed: list[str], known: bool) -> None:
    hosts = names(host, allowed)
    assert ("127.0.0.1" in hosts, bool(hosts)) == (known, known)
    assert set(allowed) <= set(hosts)


def test_the_description_for_people_needs_nothing_from_elsewhere(server: Server) -> None:
    page = server.get("/docs")
    assert page.status_code == 200
    assert not re.search(r"https?://|<script|<link", page.text)
    for path, operations in server.get("/openapi.json").json()["paths"].items():
        assert all(f"{method.upper()} {path}" in page.text for method in operations)
    assert "image, seed, where, feather, strength, format, deadline" in page.text


def test_in_words_a_line_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = RequestLog("text")
    scope = {"method": "GET", "path": "/a\nb\x1b[2J", "client": ("192.0.2.1", 1), TOLD: {"model": "m"}}
    log.note(Entry(scope, id="abc", status=404, code="not_found", sent=5))
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"\S+Z abc 404 not_found GET /a\\nb\\x1b\[2J received=0 sent=5 seconds=\S+ client=192\.0\.2\.1 model=m", line
    )
    log.note(Entry(scope, id="abc"))
    assert "client_gone" in capsys.readouterr().err
    assert log.answers[404, "not_found"] == 1
