"""The HTTP interface: pictures in, pictures out; jobs, models, feedback; errors as a code and a sentence."""

from __future__ import annotations

import errno
import logging
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from diptych import __version__
from diptych.errors import StorageError, printable
from diptych.model.folder import examples
from diptych.serve.api import openapi
from diptych.serve.api.feedback import formats_of, take_feedback
from diptych.serve.api.forms import (
    MANY,
    ONE,
    fields,
    name_of,
    read_controls,
    read_deadline,
    read_format,
    read_model,
    read_seeds,
    read_switch,
    unless_gone,
)
from diptych.serve.api.log import CODE, RequestLog, tell
from diptych.serve.api.middleware import BodyRejected, Rules
from diptych.serve.api.names import disposition, name_of_result
from diptych.serve.api.pictures import FOREVER, As, Side, add_history, add_views, file_or_view
from diptych.serve.api.prometheus import Monitor
from diptych.serve.engine import Engine, Served
from diptych.serve.errors import BadRequest, ServeError, StorageAway, StorageFull
from diptych.serve.history import Given, History
from diptych.serve.jobs import Jobs
from diptych.serve.keeping import Keeper, Limits
from diptych.serve.store import Store


def build_app(
    engine: Engine, store: Store, rules: Rules, limits: Limits | None = None, log: RequestLog | None = None
) -> FastAPI:
    """The application around an engine, which it starts and stops."""
    keeper = Keeper(store, limits or Limits())
    jobs = Jobs(engine, store, keeper, largest=rules.body, unpacked=rules.job)
    monitor = Monitor(engine, log or RequestLog())

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        keeper.start()
        jobs.start()
        yield
        await keeper.stop()
        await jobs.stop()
        await engine.stop(8.0)
        store.close()

    app = FastAPI(title="diptych", version=__version__, lifespan=life, docs_url=None, redoc_url=None)
    history = History(store, keeper)
    add_errors(app)
    add_models(app, engine)
    add_translation(app, engine, history)
    add_views(app, engine)
    add_history(app, engine, history)
    add_jobs(app, engine, jobs)

    @app.get("/healthz", response_class=PlainTextResponse, summary="Whether the server lives")
    async def healthz() -> str:
        return "alive"

    @app.get("/readyz", response_class=PlainTextResponse, summary="Whether it can translate now")
    async def readyz() -> Response:
        ready = engine.status().ready and store.whole
        return PlainTextResponse("ready" if ready else "not ready", 200 if ready else 503)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(openapi.page(app.openapi()))

    @app.get("/metrics", response_class=PlainTextResponse, summary="Numbers for Prometheus")
    async def metrics() -> Response:
        return Response(monitor.text(), media_type="text/plain; version=0.0.4")

    @app.post("/v1/feedback", status_code=201, summary="Say what you think of a result; it is stored, nothing else")
    async def feedback(request: Request) -> dict[str, str]:
        async with request.form(max_files=3, max_fields=20) as form:
            given = await fields(form)
        formats = await formats_of(engine, given)
        return {"id": await run_in_threadpool(take_feedback, store, keeper, engine, given, formats)}

    app.openapi = partial(openapi.describe, app, engine)
    return app


def add_models(app: FastAPI, engine: Engine) -> None:
    """What is served."""

    def described(name: str, served: Served) -> dict[str, Any]:
        return openapi.model(name, served, answers_differ=engine.answers_differ(name))

    @app.get("/v1/models", summary="The models: what each turns into what, with its controls as data")
    async def models() -> list[dict[str, Any]]:
        return [described(name, served) for name, served in engine.served.items()]

    @app.get("/v1/models/{name}", summary="What a model is: its card, controls, licence and uses")
    async def model(name: str) -> dict[str, Any]:
        served = engine.find(name)
        return {**described(name, served), "card": served.current.card.model_dump()}

    @app.get("/v1/models/{name}/card", response_class=PlainTextResponse, summary="The model card, for people")
    async def card(name: str) -> Response:
        return Response(engine.find(name).current.card.to_markdown(), media_type="text/markdown; charset=utf-8")

    @app.get("/v1/models/{name}/preview", summary="Pictures of what it does")
    async def preview(name: str) -> Response:
        path = engine.find(name).current.folder / "preview.png"
        if not path.exists():
            raise HTTPException(404, f"{name} has no preview")
        return FileResponse(path, media_type="image/png")

    @app.get("/v1/models/{name}/examples/{file}", summary="A picture to try it on", response_class=Response)
    async def example(name: str, file: str, side: Side = None, form: As = "png") -> Response:
        for path in examples(engine.find(name).current.folder):
            if path.name == file:
                return await file_or_view(engine, path, side, form, {})
        raise HTTPException(404, f"{name} has no example of that name")

    @app.post("/v1/models/{name}/reload", summary="Serve what is in the model's folder now")
    async def reload(name: str) -> dict[str, Any]:
        return described(name, await engine.reload(name))

    @app.post("/v1/models/{name}/rollback", summary="Serve the version before again")
    async def rollback(name: str) -> dict[str, Any]:
        return described(name, await engine.rollback(name))


def add_translation(app: FastAPI, engine: Engine, history: History) -> None:
    """One picture."""

    @app.post("/v1/models/{name}/translate", summary="Translate a picture", response_class=Response)
    async def translate(name: str, request: Request) -> Response:
        tell(request.scope, model=name)
        engine.admit(name)  # before its form is read: what is refused should cost nothing
        served = engine.find(name)
        async with request.form(max_files=8, max_fields=50) as form:
            given, called = await fields(form), name_of(form, "image")
        image = given.get("image")
        if not isinstance(image, bytes):
            raise BadRequest("the picture is missing: send it as the file `image` of a form (multipart/form-data)")
        controls = read_controls(served, given, besides=ONE)
        keep, instead_of = read_switch("keep", given.get("keep")), str(given.get("instead_of", ""))
        format, deadline = read_format(given.get("format")), read_deadline(given.get("deadline"))
        answer = await unless_gone(request, engine.translate(name, image, controls, format=format, deadline=deadline))
        spent = ", ".join(f"{stage};dur={1e3 * seconds:.1f}" for stage, seconds in answer.seconds.items())
        tell(request.scope, version=answer.version, stages=rounded(answer.seconds))
        result = name_of_result(called, served.current.ends(controls.get("to"))[1].name, answer.format)
        headers = {"X-Model-Version": answer.version, "Server-Timing": spent}
        headers["Content-Disposition"] = disposition(result)
        notes = answer.notes
        if keep:
            try:
                pictures = {control: value for control, value in controls.items() if isinstance(value, bytes)}
                formats = {control: (await engine.looker.look(value)).format for control, value in pictures.items()}
                source = Given(called, image, answer.came_as)
                kept = partial(history.add, name, source, controls, formats, answer, result)
                headers["X-History-Id"] = await run_in_threadpool(kept)
                if instead_of:
                    await run_in_threadpool(history.delete, instead_of)
            except (StorageFull, StorageAway) as error:  # the result is there all the same
                notes = (*notes, f"it is not kept: {error}")
        if notes:
            headers["X-Notes"] = printable("; ".join(notes)).encode("ascii", "replace").decode()
        return Response(answer.data, media_type=answer.media_type, headers=headers)


def add_jobs(app: FastAPI, engine: Engine, jobs: Jobs) -> None:
    """Many pictures at once."""

    @app.post("/v1/jobs", status_code=202, summary="Translate many pictures: files, or zips of files")
    async def make(request: Request) -> dict[str, Any]:
        async with request.form(max_files=1000, max_fields=50) as form:
            given = await fields(form, without=("images",))
            name = read_model(given)
            served = engine.find(name)
            controls = read_controls(served, given, besides=MANY)
            seeds = read_seeds(given.get("samples"), served, controls)
            uploads = [(one.filename or "", one.file) for one in form.getlist("images") if isinstance(one, UploadFile)]
            add = partial(jobs.add, name, controls, read_format(given.get("format")), uploads, seeds)
            tell(request.scope, model=name, files=len(uploads))
            job = await run_in_threadpool(add)
        jobs.wake.set()
        return await run_in_threadpool(jobs.report, job)

    @app.get("/v1/jobs/{job}", summary="How far a job is")
    async def report(job: str) -> dict[str, Any]:
        return await run_in_threadpool(jobs.report, job)

    @app.get("/v1/jobs", summary="The latest jobs, newest first")
    async def latest() -> list[dict[str, Any]]:
        return await run_in_threadpool(jobs.latest)

    @app.post("/v1/jobs/{job}/cancel", summary="Stop a job; what is done stays")
    async def cancel(job: str) -> dict[str, Any]:
        await run_in_threadpool(jobs.cancel, job)
        return await run_in_threadpool(jobs.report, job)

    @app.delete("/v1/jobs/{job}", summary="Stop a job, and delete its pictures and results")
    async def delete(job: str) -> dict[str, Any]:
        return await jobs.delete(job)

    @app.get("/v1/jobs/{job}/items/{number}", summary="One result", response_class=Response)
    async def item(job: str, number: Annotated[int, Path(ge=0)], side: Side = None, form: As = "png") -> Response:
        path = await run_in_threadpool(jobs.result, job, number)
        return await file_or_view(engine, path, side, form, FOREVER)

    @app.get("/v1/jobs/{job}/results", summary="All results so far, as a zip", response_class=Response)
    async def results(job: str) -> Response:
        pieces = await run_in_threadpool(jobs.results, job)
        headers = {"Content-Disposition": f'attachment; filename="{job}.zip"'}
        return Pieces(pieces, media_type="application/zip", headers=headers)


class Pieces(StreamingResponse):
    """An answer made while it is sent, whose files are closed also when its reader goes away."""

    def __init__(self, pieces: Generator[bytes, None, None], **named: Any) -> None:
        super().__init__(pieces, **named)
        self.pieces = pieces

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.pieces.close()


def add_errors(app: FastAPI) -> None:
    """Every error is a code for programs and a sentence for people."""

    @app.exception_handler(ServeError)
    async def served(request: Request, error: ServeError) -> Response:
        headers = {"Retry-After": str(int(error.retry_after))} if error.retry_after else None
        return fault(error.status, error.code, str(error), headers)

    @app.exception_handler(BodyRejected)
    async def cut(request: Request, error: BodyRejected) -> Response:
        return fault(error.status, error.code, str(error), {"Connection": "close"})

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        said = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
        return fault(422, "bad_request", said)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "bad_method", 400: "bad_request"}.get(error.status_code, "refused")
        headers = dict(error.headers or {})
        if error.status_code == 405:  # the framework names the methods of one route alone
            headers["Allow"] = ", ".join(sorted(methods_at(app, request.url.path)))
        return fault(error.status_code, code, str(error.detail), headers)

    @app.exception_handler(StorageError)
    @app.exception_handler(OSError)
    async def unwritten(request: Request, error: Exception) -> Response:
        cause = error if isinstance(error, OSError) else error.__cause__
        logging.error("a file could not be written: %s", error)
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return fault(StorageFull.status, StorageFull.code, "the server's disk is full: try again later")
        return fault(StorageAway.status, StorageAway.code, "the server cannot write files now: try again later")

    @app.exception_handler(Exception)
    async def ours(request: Request, error: Exception) -> Response:
        return fault(500, "internal", "a fault of the server's: its log has more")


def methods_at(app: FastAPI, path: str) -> set[str]:
    """The methods that an address takes."""
    described = [route for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]
    routes = [route for route in described if route.path_regex.match(path)]
    return {method for route in routes for method in route.methods}


def rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {stage: round(spent, 4) for stage, spent in seconds.items()}


def fault(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status, {CODE: code, **(headers or {})})
