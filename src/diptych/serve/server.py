"""The server process: listens, says what it serves, and ends without leaving anything half done."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import socket
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

import uvicorn
import uvloop

from diptych.errors import ConfigError, printable, reason_of
from diptych.provenance.certificate import find_certificate
from diptych.serve.api.app import build_app
from diptych.serve.api.auth import add_login
from diptych.serve.api.connection import PatientConnection
from diptych.serve.api.guesses import Guesses
from diptych.serve.api.log import RequestLog
from diptych.serve.api.middleware import Gate, Rules
from diptych.serve.engine import Engine
from diptych.serve.keeping import Limits
from diptych.serve.page import add_page
from diptych.serve.store import Store

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def run(
    engine: Engine, store: Store, rules: Rules, limits: Limits, log: RequestLog, *, host: str, port: int, page: bool
) -> None:
    """Serve until a signal says to stop. Raises ConfigError, ModelError, StorageError for what cannot begin."""
    if not is_loopback(host) and not rules.token:
        raise ConfigError(f"--host {host} lets others in: give a --token that they must show, or leave --host out")
    if engine.plan.provenance:
        find_certificate(engine.plan.certificate)
    listener = listen(host, port)
    rules = replace(rules, hosts=names(host, rules.hosts))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ending(engine, serve(engine, store, rules, limits, log, listener, page=page)))


async def ending(engine: Engine, work: Coroutine[Any, Any, None]) -> None:
    """Do the work, and end the engine's processes however it ends: they would stay."""
    try:
        await work
    finally:
        await engine.stop(0)


def names(host: str, allowed: Sequence[str]) -> Sequence[str]:
    """The names that a server at this address answers to: this computer's, and those that are allowed; empty: all."""
    return (*LOOPBACK, *allowed) if allowed or is_loopback(host) else ()


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A socket at this address. Raises ConfigError where it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, or asyncio leaves Nagle's algorithm on, which costs 40 ms a request.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        nowhere = isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL
        wrong_host = isinstance(error, socket.gaierror) or nowhere
        remedy = "--host" if wrong_host else "--port"
        raise ConfigError(f"{host}:{port} cannot be listened at ({reason_of(error)}): try another {remedy}") from None
    return listener


async def serve(
    engine: Engine,
    store: Store,
    rules: Rules,
    limits: Limits,
    log: RequestLog,
    listener: socket.socket,
    *,
    page: bool,
) -> None:
    await engine.start()
    app, guesses = build_app(engine, store, rules, limits, log), Guesses()
    if rules.token:
        add_login(app, rules, guesses)
    if page:
        add_page(app)
    gate = Gate(app, rules, guesses, log)
    config = uvicorn.Config(
        gate,
        http=PatientConnection,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=8,
    )
    server = uvicorn.Server(config)
    listening(listener, engine, rules, page=page)
    await server.serve(sockets=[listener])


def listening(listener: socket.socket, engine: Engine, rules: Rules, *, page: bool) -> None:
    """Say what is served where, and what is not as one might expect."""
    host, port = listener.getsockname()[:2]
    for name, served in engine.served.items():
        current, card = served.current, served.current.card
        print(printable(f"{name}, version {current.version}: {card.turns()}; licence: {card.licence}"))
    plan = engine.plan
    print(
        f"{engine.pool.size} worker(s), acceleration {plan.acceleration}, {'a' if rules.token else 'no'} token needed"
    )
    if not plan.provenance:
        print("without content credentials, as asked for: nothing in the results says that a model made them")
        logging.getLogger("diptych").warning("results carry no content credentials")
    shown = f"[{host}]" if ":" in host else host
    print(f"{'page' if page else 'listening'}: http://{shown}:{port}/  interface: /v1, described at /docs")
    sys.stdout.flush()
