"""`diptych serve`: translators for others, over HTTP and on a page."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from diptych.cli.options import Batch, Certificate, Mark

Host = Annotated[str, typer.Option(help="Address to listen at; other than this computer's own only with --token.")]
Acceleration = Annotated[str, typer.Option(help="How models run; `diptych bench MODEL` finds the fastest.")]
Seconds = Annotated[float, typer.Option(min=1, max=3600, help="Longest time that a picture may take, in seconds.")]
Megabytes = Annotated[float, typer.Option(min=0.001, max=1e6, help="Largest body of a request, in million bytes.")]
Place = Annotated[Path, typer.Option(help="The server's own folder: jobs, history, feedback.")]
Database = Annotated[str | None, typer.Option(help="Another database than the SQLite file in that folder, as URL.")]
Disk = Annotated[str, typer.Option(help="What visitors' files may take on the disk: 500MB, 10GB, unlimited.")]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(help="A name that clients know this server by, as that of a proxy in front of it; repeatable."),
]


class Log(StrEnum):
    """How requests are written down."""

    none = "none"
    text = "text"
    json = "json"


def register(app: typer.Typer) -> None:
    app.command()(serve)


def serve(
    models: Annotated[list[str], typer.Argument(metavar="MODEL|NAME=MODEL...")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 7860,
    host: Host = "127.0.0.1",
    token: Annotated[str | None, typer.Option(envvar="DIPTYCH_TOKEN", help="What clients must show.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that translate.")] = 1,
    queue: Annotated[int, typer.Option(min=1, help="Requests that may wait; more are refused.")] = 64,
    batch: Batch = 8,
    acceleration: Acceleration = "plain",
    memory_mb: Annotated[float | None, typer.Option(min=1, help="Room for weights in each worker.")] = None,
    limit_mp: Annotated[float, typer.Option(min=0.001, help="Largest picture accepted, in million pixels.")] = 50.0,
    limit_s: Seconds = 600.0,
    limit_mb: Megabytes = 100.0,
    place: Place = Path("diptych-server"),
    store: Database = None,
    keep: Annotated[str, typer.Option(help="How long jobs, results and history are kept: 12h, 7d, forever.")] = "7d",
    keep_feedback: Annotated[str, typer.Option(help="How long feedback is kept.")] = "forever",
    disk: Disk = "10GB",
    page: Annotated[bool, typer.Option(help="Serve the page at /.")] = True,
    allowed_host: AllowedHosts = None,
    log: Annotated[Log, typer.Option(help="Write a line for each request to standard error.")] = Log.none,
    provenance: Annotated[bool, typer.Option(help="Say in each result that a model made it.")] = True,
    certificate: Certificate = None,
    mark: Mark = False,
) -> None:
    """Serve models over HTTP: a page at /, the interface at /v1, its description at /docs and /openapi.json."""
    from diptych.cli.ready import at_hand
    from diptych.errors import need

    need("fastapi", extra="serve")
    from diptych.runtime.device import choose_device
    from diptych.runtime.precision import explain, fastest
    from diptych.serve.api.log import RequestLog
    from diptych.serve.api.middleware import Rules
    from diptych.serve.engine import Engine
    from diptych.serve.engine.versions import named
    from diptych.serve.keeping import Limits, read_duration, read_size
    from diptych.serve.server import run
    from diptych.serve.store import Store

    for given in models:
        at_hand(Path(given.rpartition("=")[2]))  # says which is meant, where a name may mean two
    engine = Engine(
        named(models), place=place, workers=workers, queue=queue, batch=batch, acceleration=acceleration,
        limit_mp=limit_mp, limit_s=limit_s, memory_mb=memory_mb, provenance=provenance, certificate=certificate,
        mark=mark,
    )  # fmt: skip
    if "bf16" in acceleration and not fastest(device := choose_device()).bf16:
        print(f"{explain(True, device)}: choose another --acceleration", file=sys.stderr)
    rules = Rules(token, body=int(limit_mb * 1e6), hosts=[name.lower() for name in allowed_host or ()])
    kept = read_duration("--keep", keep), read_duration("--keep-feedback", keep_feedback)
    limits = Limits(*kept, read_size("--disk", disk))
    run(engine, Store(place, store), rules, limits, RequestLog(log.value), host=host, port=port, page=page)
