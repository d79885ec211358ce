"""A server that strangers may talk to: pictures come back as files, and everything else is answered by a sentence."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import stat
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from models import model, picture
from serving import Server, code, serving

from diptych import images
from diptych.model.translator import Translator
from diptych.provenance import verify


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("serve")
    model(place / "walls", "bicyclegan")
    model(place / "houses")
    return place


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    arguments = [place / "houses", f"paint={place / 'walls'}", "--no-page", "--limit-mp", 4, "--limit-mb", 1]
    with serving(place / "server", *arguments) as client:
        yield client


def translate(server: Server, name: str = "houses", *, image: bytes | None = None, **fields: object) -> object:
    files = {"image": ("a.png", picture() if image is None else image)}
    return server.post(f"/v1/models/{name}/translate", files=files, data={k: str(v) for k, v in fields.items()})


def test_a_picture_goes_in_and_the_translators_own_comes_out(server: Server, place: Path) -> None:
    answer = translate(server, seed=3)
    expected = Translator.load(place / "houses", device="cpu")(images.read(picture()), seed=3)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert np.array_equal(images.read(answer.content).array, expected.array)
    verdict = verify(answer.content)
    assert (verdict.model, verdict.controls) == ("houses", {"seed": 3})
    assert verdict.version == answer.headers["x-model-version"]
    again = translate(server, seed=3)
    assert np.array_equal(images.read(again.content).array, expected.array)


def test_formats_styles_and_numbers_are_fields_of_the_form(server: Server) -> None:
    assert translate(server, format="webp").headers["content-type"] == "image/webp"
    files = {"image": picture(), "style": picture(7)}
    styled = server.post("/v1/models/paint/translate", files=files, data={"style_strength": "0.5"})
    assert styled.status_code == 200
    assert not np.array_equal(images.read(styled.content).array, images.read(translate(server, "paint").content).array)


BAD_FORMS: list[tuple[dict[str, object], tuple[int, str], str]] = [
    ({"seed": -1}, (422, "bad_control"), "greater than or equal to 0"),
    ({"seed": "abc"}, (422, "bad_control"), "whole number"),
    ({"sed": 1}, (422, "bad_control"), "did you mean seed"),
    ({"samples": 2}, (422, "bad_control"), "samples"),
    ({"format": "exe"}, (422, "bad_control"), "there are avif"),
    ({"deadline": "nan"}, (422, "bad_control"), "give seconds"),
    ({"image": b""}, (422, "bad_picture"), "empty"),
    ({"image": b"GIF89a" + b"\0" * 50}, (422, "bad_picture"), "damaged"),
    ({"image": images.encode(np.zeros((3000, 3000, 1), np.uint8), "PNG")}, (413, "too_large"), "9.0 megapixels"),
    ({"image": b"\0" * 2_000_000}, (413, "too_large"), "1,000,000 bytes"),
    ({"name": "nobody"}, (404, "unknown_model"), "there are houses, paint"),
    ({"name": "../houses"}, (404, "not_found"), ""),
]


@pytest.mark.parametrize(("fields", "expected", "words"), BAD_FORMS)
def test_wrong_forms_are_answered_in_words(
    server: Server, fields: dict[str, object], expected: tuple[int, str], words: str
) -> None:
    answer = translate(server, **fields)
    assert code(answer) == expected
    assert words in answer.json()["error"]["message"]


def test_other_wrong_requests_too(server: Server) -> None:
    assert code(server.post("/v1/models/houses/translate", data={"image": "text"})) == (422, "bad_request")
    assert code(server.post("/v1/models/houses/translate", json={"image": 1})) == (422, "bad_request")
    twice = [("image", picture()), ("image", picture())]
    assert code(server.post("/v1/models/houses/translate", files=twice)) == (422, "bad_request")
    assert code(server.get("/v1/models/houses/translate")) == (405, "bad_method")
    assert code(server.get("/nothing")) == (404, "not_found")
    assert code(server.post("/v1/models/houses/rollback")) == (409, "nothing_before")


def test_the_fields_of_one_picture_are_not_those_of_many(server: Server) -> None:
    data = {"model": "houses", "deadline": "3"}
    answer = server.post("/v1/jobs", files={"images": picture()}, data=data)
    assert code(answer) == (422, "bad_control")
    assert "deadline" in answer.json()["error"]["message"]


def test_models_say_what_they_are(server: Server, place: Path) -> None:
    models = {one["name"]: one for one in server.get("/v1/models").json()}
    assert set(models) == {"houses", "paint"}
    assert [one["name"] for one in models["paint"]["controls"]] == [
        "seed",
        "interpolate_to_seed",
        "style",
        "style_strength",
        "where",
        "feather",
        "strength",
    ]
    assert models["houses"]["licence"] == "not stated"
    assert server.get("/v1/models/houses").json()["card"]["method"] == "pix2pix"
    assert server.get("/v1/models/houses/card").text.startswith("# ")
    assert images.read(server.get("/v1/models/houses/preview").content).array.shape == (64, 64, 3)
    assert len(models["houses"]["examples"]) == 2
    for place_of_one in models["houses"]["examples"]:
        answer = translate(server, image=server.get(place_of_one).content)
        assert images.read(answer.content).array.shape == (48, 64, 3)
    assert code(server.get("/v1/models/houses/examples/card.json")) == (404, "not_found")
    said = server.get("/openapi.json").json()
    form = said["paths"]["/v1/models/paint/translate"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert form["schema"]["properties"]["style_strength"]["maximum"] == 1


def test_every_answer_has_the_headers_that_keep_browsers_safe(server: Server) -> None:
    for answer in (server.get("/v1/models"), server.get("/nothing"), translate(server), server.get("/healthz")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers


def test_other_names_and_other_sites_are_refused(server: Server) -> None:
    assert code(server.get("/v1/models", headers={"Host": "evil.example"})) == (421, "wrong_host")
    for elsewhere in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        assert code(server.post("/v1/models/houses/reload", headers=elsewhere)) == (403, "cross_site")
    own = str(server.base_url).rstrip("/")
    for here in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": own}):
        assert server.post("/v1/models/houses/reload", headers=here).status_code == 200


def test_health_and_metrics(server: Server) -> None:
    translate(server)
    assert server.get("/healthz").text == "alive"
    assert server.get("/readyz").status_code == 200
    metrics = server.get("/metrics").text
    assert "diptych_ready 1.0" in metrics
    assert 'diptych_requests_total{code="ok",model="houses"}' in metrics


def test_a_body_is_cut_where_it_is_too_long_also_when_it_does_not_say_so(server: Server) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        for _ in range(100):
            yield b"\0" * 100_000

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = server.post("/v1/models/houses/translate", content=chunks(), headers=headers)
    assert code(answer) == (413, "too_large")


def finished(server: Server, job: str) -> dict[str, object]:
    for _ in range(200):
        report = server.get(f"/v1/jobs/{job}").json()
        if report["state"] in ("done", "cancelled"):
            return report
        time.sleep(0.05)
    raise AssertionError(report)


def archive(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as zipped:
        for name, data in files.items():
            zipped.writestr(name.replace("_", "."), data)
    return stream.getvalue()


def test_a_job_translates_files_and_zips_and_one_bad_file_stops_nothing(server: Server) -> None:
    zipped = archive(**{"in/b_png": picture(2), "bad_png": b"no picture", "notes_txt": b"not looked at"})
    files = [("images", ("a.png", picture(1))), ("images", ("more.zip", zipped))]
    made = server.post("/v1/jobs", files=files, data={"model": "houses", "seed": "5", "samples": "2"})
    assert made.status_code == 202
    report = finished(server, made.json()["id"])
    assert (report["total"], report["done"], report["failed"]) == (6, 4, 2)
    assert {item["name"] for item in report["items"] if item["fault"]} == {"bad.png"}
    results = server.get(f"/v1/jobs/{report['id']}/results")
    with zipfile.ZipFile(io.BytesIO(results.content)) as zipped_results:
        assert sorted(zipped_results.namelist()) == ["a-5.png", "a-6.png", "in/b-5.png", "in/b-6.png"]
        same = translate(server, image=picture(2), seed=6)
        inside = images.read(zipped_results.read("in/b-6.png")).array
        assert np.abs(inside.astype(int) - images.read(same.content).array).max() <= 1
    one = server.get(f"/v1/jobs/{report['id']}/items/0")
    for number, words in ((99, "from 0 to 5"), (4, "failed: ")):
        none = server.get(f"/v1/jobs/{report['id']}/items/{number}")
        assert (none.status_code, words in none.json()["error"]["message"]) == (404, True)
    assert verify(one.content).controls == {"seed": 5}
    assert code(server.get(f"/v1/jobs/{report['id']}/items/99")) == (404, "not_found")
    assert code(server.get("/v1/jobs/none")) == (404, "not_found")


def test_names_in_a_zip_lead_nowhere(server: Server, place: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as zipped:
        for name in ("../../../escaped.png", "/etc/escaped.png", "..\\..\\escaped.png"):
            zipped.writestr(name, picture())
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        zipped.writestr(link, "/etc/passwd")
    made = server.post("/v1/jobs", files={"images": ("a.zip", stream.getvalue())}, data={"model": "houses"})
    report = finished(server, made.json()["id"])
    assert [item["name"] for item in report["items"]] == ["escaped.png", "etc/escaped.png", "escaped.png"]
    assert not list(place.parent.rglob("escaped.png"))
    with zipfile.ZipFile(io.BytesIO(server.get(f"/v1/jobs/{report['id']}/results").content)) as zipped:
        assert zipped.namelist() == ["escaped.png", "etc/escaped.png", "escaped (2).png"]


def test_a_zip_that_unpacks_to_something_huge_is_refused_and_leaves_nothing(server: Server, place: Path) -> None:
    stream, before = io.BytesIO(), sorted((place / "server" / "jobs").glob("*"))
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("bomb.png", bytes(2_000_000))
    answer = server.post("/v1/jobs", files={"images": ("a.zip", stream.getvalue())}, data={"model": "houses"})
    assert code(answer) == (413, "too_large")
    assert "bomb.png in the zip has more than 1,000,000 bytes" in answer.json()["error"]["message"]
    assert sorted((place / "server" / "jobs").glob("*")) == before


def test_a_job_and_feedback_need_the_name_of_a_model(server: Server) -> None:
    for answer in (
        server.post("/v1/jobs", files={"images": picture()}),
        server.post("/v1/feedback", data={"rating": "1"}),
    ):
        assert code(answer) == (422, "bad_request")
        assert "send its name as the field `model`" in answer.json()["error"]["message"]


def test_a_file_in_the_place_of_a_value_is_not_repeated(server: Server) -> None:
    answer = server.post("/v1/models/houses/translate", files={"image": picture(), "seed": picture()})
    assert answer.json()["error"]["message"] == "seed must be sent as a value, not as a file"
    unknown = server.post("/v1/models/houses/translate", files={"image": picture(), "sed": picture()})
    assert code(unknown) == (422, "bad_control")
    assert unknown.json()["error"]["message"] == "sed is not an option; did you mean seed?"


@pytest.mark.parametrize("data", [b"PK\x03\x04 and no more", archive(a_png=picture())[:-30], archive()])
def test_a_zip_that_is_damaged_or_empty_is_refused(server: Server, data: bytes) -> None:
    answer = server.post("/v1/jobs", files={"images": ("a.zip", data)}, data={"model": "houses"})
    assert code(answer) == (422, "bad_picture")


def test_a_job_can_be_stopped(server: Server) -> None:
    files = [("images", (f"{n}.png", picture(n, size=64))) for n in range(60)]
    job = server.post("/v1/jobs", files=files, data={"model": "houses"}).json()["id"]
    assert server.delete(f"/v1/jobs/{job}").json()["state"] == "cancelled"
    done = server.get(f"/v1/jobs/{job}").json()["done"]
    time.sleep(0.3)
    assert server.get(f"/v1/jobs/{job}").json()["done"] <= done + 8 < 60


def test_feedback_is_stored_and_nothing_else(server: Server, place: Path) -> None:
    files = {"corrected": ("../../x.png", picture())}
    given = {"model": "houses", "rating": "-1", "comment": "too blue", "controls": json.dumps({"seed": 3})}
    id = server.post("/v1/feedback", data=given, files=files).json()["id"]
    assert (place / "server" / "feedback" / id / "corrected.png").read_bytes() == picture()
    for wrong in ({"rating": "7"}, {"model": "nobody"}, {"controls": "[1]"}, {"other": "x"}):
        assert server.post("/v1/feedback", data={**given, **wrong}).status_code in (404, 422)


def test_a_killed_server_goes_on_with_its_jobs_and_loses_or_doubles_nothing(tmp_path: Path) -> None:
    model(tmp_path / "houses")
    files = [("images", (f"{n}.png", picture(n, size=64))) for n in range(60)]
    with serving(tmp_path / "server", tmp_path / "houses", "--no-page") as server:
        job = server.post("/v1/jobs", files=files, data={"model": "houses"}).json()["id"]
        time.sleep(0.2)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    with serving(tmp_path / "server", tmp_path / "houses", "--no-page") as server:
        report = finished(server, job)
        assert (report["done"], report["total"]) == (60, 60)
        names = zipfile.ZipFile(io.BytesIO(server.get(f"/v1/jobs/{job}/results").content)).namelist()
        assert sorted(names) == sorted(f"{n}.png" for n in range(60))


def test_sigterm_finishes_what_is_in_flight(tmp_path: Path) -> None:
    model(tmp_path / "houses")
    with serving(tmp_path / "server", tmp_path / "houses", "--no-page") as server:
        body = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        body += picture(size=512) + b"\r\n--x--\r\n"
        head = f"POST /v1/models/houses/translate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        head += "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        with socket.create_connection((server.base_url.host, server.base_url.port)) as connection:
            connection.sendall(head.encode() + body)
            time.sleep(0.1)
            server.process.terminate()
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        start = time.monotonic()
        server.process.wait(10)
        assert time.monotonic() - start < 10
        headers, _, content = answer.partition(b"\r\n\r\n")
        assert headers.startswith(b"HTTP/1.1 200")
        assert images.read(content).array.shape == (512, 512, 3)


def test_a_token_is_asked_for_everywhere(tmp_path: Path) -> None:
    model(tmp_path / "houses")
    with serving(tmp_path / "server", tmp_path / "houses", "--no-page", token="secret") as server:
        assert server.get("/v1/models").status_code == 200
        for wrong in ("", "Bearer", "Bearer secreT", "Basic secret", "Bearer sécret"):
            header = {"Authorization": wrong.encode("latin-1")}
            for path in ("/v1/models", "/metrics", "/openapi.json", "/"):
                assert code(server.get(path, headers=header)) == (401, "no_token")
        assert server.get("/healthz", headers={"Authorization": ""}).status_code == 200


def test_what_cannot_begin_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DIPTYCH_TOKEN", raising=False)
    model(tmp_path / "houses")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = diptych("serve", "houses", "--port", port)
        assert (said.code, "try another --port" in said.err) == (2, True)
    assert "give a --token" in diptych("serve", "houses", "--host", "0.0.0.0").err
    assert "try another --host" in diptych("serve", "houses", "--host", "203.0.113.5", "--token", "a").err
    assert "holds no translator" in diptych("serve", "nothing", "--port", 0).err
    assert "another name" in diptych("serve", "houses", "houses", "--port", 0).err
    assert "there is no acceleration" in diptych("serve", "houses", "--acceleration", "warp", "--port", 0).err
    assert "cannot be opened" in diptych("serve", "houses", "--store", "nonsense://x", "--port", 0).err
    (tmp_path / "bad.pem").write_text("nothing")
    assert "bad.pem must hold a private key" in diptych("serve", "houses", "--certificate", "bad.pem", "--port", 0).err
    secret = diptych("serve", "houses", "--store", "postgresql+psycopg://u:geheim@127.0.0.1:1/x", "--port", 0).err
    assert ("cannot be opened" in secret, "geheim" in secret) == (True, False)
    assert "'--limit-mb'" in diptych("serve", "houses", "--limit-mb", "inf", "--port", 0).err
    assert "--place bad.pem cannot be a folder" in diptych("serve", "houses", "--place", "bad.pem", "--port", 0).err
    assert "'--limit-mb'" in diptych("serve", "houses", "--limit-mb", "-1", "--port", 0).err
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".unfinished")]
