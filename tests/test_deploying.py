"""The files in deploy/ are what Docker, systemd and nginx take, and say what the server understands."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import typer
from models import model, picture
from serving import Server, code, serving

from diptych.cli.serve import serve
from diptych.provenance.making import make

HERE = Path(__file__).parents[1] / "deploy"


def options_of(command: list[str]) -> set[str]:
    return {word for word in command if word.startswith("--")}


def known_options() -> set[str]:
    app = typer.Typer()
    app.command()(serve)
    return {name for one in typer.main.get_command(app).params for name in one.opts}


def instructions() -> list[tuple[str, str]]:
    lines = (HERE / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip() and not line.startswith("#")]


def test_the_image_is_built_without_a_network_and_runs_as_a_user_of_its_own() -> None:
    found = instructions()
    assert {name for name, _ in found} <= {
        "FROM", "RUN", "USER", "WORKDIR", "ENV", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD",
    }  # fmt: skip
    (install,) = (words for name, words in found if name == "RUN" and "pip install" in words)
    assert "--no-index" in install
    assert not re.search(r"apt|curl|wget|https?://", " ".join(words for name, words in found if name == "RUN"))
    assert [words for name, words in found if name == "USER"] == ["10001"]
    (entry,) = (json.loads(words) for name, words in found if name == "ENTRYPOINT")
    assert options_of(entry) <= known_options()
    health = next(words for name, words in found if name == "HEALTHCHECK")
    compile(json.loads(health.partition("CMD ")[2])[2], "healthcheck", "exec")


@pytest.mark.skipif(not shutil.which("hadolint"), reason="no hadolint")
def test_hadolint_finds_nothing_wrong_with_the_dockerfile() -> None:
    done = subprocess.run(["hadolint", str(HERE / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_unit_starts_what_the_server_understands() -> None:
    unit = (HERE / "diptych.service").read_text()
    command = shlex.split(re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)[1])
    assert command[1] == "serve"
    assert options_of(command) <= known_options()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = (HERE / "diptych.service").read_text().replace("/opt/diptych/bin/diptych", sys.executable)
    (tmp_path / "diptych.service").write_text(unit)
    command = ["systemd-analyze", "verify", str(tmp_path / "diptych.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def proxied(server: Server, place: Path) -> Iterator[httpx.Client]:
    """A client of the server through nginx as deploy/nginx.conf has it, at other ports."""
    place.mkdir()
    pem = make(timedelta(days=1))
    for name in ("fullchain.pem", "key.pem"):
        (place / name).write_bytes(pem)
    plain, secure = free_port(), free_port()
    site = (HERE / "nginx.conf").read_text().replace("/etc/ssl/diptych", str(place))
    site = site.replace("listen 80;", f"listen 127.0.0.1:{plain};").replace("listen 443", f"listen 127.0.0.1:{secure}")
    site = site.replace("127.0.0.1:7860", f"127.0.0.1:{server.base_url.port}")
    paths = "".join(f"{kind}_temp_path {place};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (place / "nginx.conf").write_text(
        f"pid {place}/pid; error_log stderr; events {{}} http {{ access_log off; {paths}\n{site}\n}}"
    )
    command = ["nginx", "-e", "stderr", "-p", str(place), "-c", str(place / "nginx.conf")]
    tried = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert "test is successful" in tried.stderr, tried.stderr
    assert not re.search(r"\[(warn|emerg)\]", tried.stderr), tried.stderr
    process = subprocess.Popen([*command, "-g", "daemon off; master_process off;"])
    try:
        for _ in range(100):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", secure)) == 0:
                    break
            time.sleep(0.05)
        named = {"Host": "diptych.example"}
        with httpx.Client(base_url=f"https://127.0.0.1:{secure}", verify=False, timeout=60, headers=named) as client:
            assert httpx.get(f"http://127.0.0.1:{plain}/v1", headers=named).headers["location"].startswith("https://")
            yield client
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx")
def test_a_proxy_with_tls_passes_requests_on_and_everything_that_guards_still_does(tmp_path: Path) -> None:
    arguments = [model(tmp_path / "houses"), "--no-page", "--allowed-host", "diptych.example", "--log", "json"]
    with (
        serving(tmp_path / "server", *arguments, token="secret") as server,
        proxied(server, tmp_path / "nginx") as client,
    ):
        shown = {"Authorization": "Bearer secret"}
        answer = client.post("/v1/models/houses/translate", files={"image": picture()}, headers=shown)
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"]
        assert code(client.get("/v1/models")) == (401, "no_token")
        own, other = ({"Origin": f"https://{name}"} for name in ("diptych.example", "evil.example"))
        assert client.post("/v1/models/houses/reload", headers=shown | own).status_code == 200
        assert code(client.post("/v1/models/houses/reload", headers=shown | other)) == (403, "cross_site")
        lines = [json.loads(line) for line in (tmp_path / "server.log").read_text().splitlines() if line[0] == "{"]
        assert lines[0]["id"] == answer.headers["x-request-id"]
        assert {line["client"] for line in lines} == {"127.0.0.1"}


def backup_command() -> str:
    """What docs/deploying.md says to run for a copy of the database."""
    page = (HERE.parent / "docs/deploying.md").read_text()
    return re.search(r'python -c "(import sqlite3.*?)"', page)[1]


def test_a_copy_made_under_load_is_a_server_that_goes_on_with_its_jobs(tmp_path: Path) -> None:
    folder = model(tmp_path / "houses")
    with serving(tmp_path / "server", folder, "--no-page") as server:
        files = [("images", (f"{number}.png", picture(number))) for number in range(30)]
        job = server.post("/v1/jobs", data={"model": "houses"}, files=files).json()["id"]
        copy = tmp_path / "copy"
        copy.mkdir()
        script = backup_command().replace("/var/lib/diptych", str(tmp_path / "server")).replace("/backup", str(copy))
        subprocess.run([sys.executable, "-c", script], check=True)
        ignore = shutil.ignore_patterns("diptych.sqlite*", ".unfinished-*")
        shutil.copytree(tmp_path / "server", copy, ignore=ignore, dirs_exist_ok=True)
        server.process.kill()
    assert sqlite3.connect(copy / "diptych.sqlite").execute("pragma integrity_check").fetchall() == [("ok",)]
    with serving(copy, folder, "--no-page") as server:
        for _ in range(600):
            report = server.get(f"/v1/jobs/{job}").json()
            if report["state"] == "done":
                break
            time.sleep(0.1)
        assert (report["done"], report["failed"]) == (30, 0)
