"""Addresses of pictures: as they are, or small and as every browser shows them; and of translations that are kept."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from diptych.images import FORMATS, MEDIA_TYPES
from diptych.serve.api.forms import fields, read_model
from diptych.serve.api.names import disposition
from diptych.serve.engine import Engine
from diptych.serve.engine.viewing import LARGEST, SMALLEST, USUAL, Form, Order, View
from diptych.serve.errors import BadControl, BadRequest, NotFound
from diptych.serve.history import History

Side = Annotated[
    int | None,
    Query(ge=SMALLEST, le=LARGEST, description="pixels of the longer side at most: a view instead of the file"),
]
As = Annotated[
    Form, Query(alias="as", description="of a view: png, jpeg, or npy, the values themselves (of the first 3 channels)")
]
FOREVER = {"Cache-Control": "private, max-age=604800, immutable"}
"""Of a picture whose address never has another one."""


async def file_or_view(engine: Engine, path: Path, side: int | None, form: Form, headers: dict[str, str]) -> Response:
    """A picture file of ours as it is, or a view of it. Raises NotFound where it is gone."""
    if not path.is_file():
        raise NotFound("the picture is not kept any more")
    headers = {**headers, "Content-Disposition": disposition(path.name)}
    if side is None:
        return FileResponse(path, media_type=MEDIA_TYPES[FORMATS[path.suffix]], headers=headers)
    engine.looker.admit()
    view = await engine.looker.view(await run_in_threadpool(path.read_bytes), Order(side, form))
    return answer(view, {**headers, "Content-Disposition": "inline"})


def answer(view: View, headers: dict[str, str]) -> Response:
    """A view, in whose header X-Picture stands what the picture itself is."""
    media_type = MEDIA_TYPES[view.form.upper()]
    return Response(view.data, media_type=media_type, headers={**headers, "X-Picture": json.dumps(view.facts)})


def add_views(app: FastAPI, engine: Engine) -> None:
    """Pictures shown without being translated or kept."""

    @app.post("/v1/view", summary="A picture as every browser shows it, or its values", response_class=Response)
    async def view(request: Request) -> Response:
        engine.looker.admit()  # before the form is read: what is refused should cost nothing
        async with request.form(max_files=1, max_fields=8) as form:
            given = await fields(form)
        image = given.pop("image", None)
        if not isinstance(image, bytes):
            raise BadRequest("the picture is missing: send it as the file `image` of a form (multipart/form-data)")
        return answer(await engine.looker.view(image, read_order(engine, given)), {"Cache-Control": "no-store"})


def read_order(engine: Engine, given: dict[str, str | bytes]) -> Order:
    """What a form wants to see of a picture. Raises BadControl, UnknownModel."""
    if unknown := sorted(set(given) - {"model", "to", "side", "as"}):
        raise BadControl(f"{', '.join(unknown)[:200]}: not a field of a view")
    side, form = given.get("side", str(USUAL)), given.get("as", "png")
    if not isinstance(side, str) or not side.isdecimal() or not SMALLEST <= int(side[:9]) <= LARGEST:
        raise BadControl(f"side: give pixels, from {SMALLEST} to {LARGEST}")
    wanted = next((known for known in get_args(Form) if known == form), None)
    if wanted is None:
        raise BadControl(f"as: there are {', '.join(get_args(Form))}")
    legend = None
    if "model" in given:
        source, _ = engine.find(read_model(given)).current.ends(given.get("to"))
        legend = source.legend
    return Order(int(side), wanted, legend)


def add_history(app: FastAPI, engine: Engine, history: History) -> None:
    """Translations that clients asked to keep, by the field `keep`."""

    @app.get("/v1/history", summary="A model's latest translations that were kept, newest first")
    async def latest(
        model: Annotated[str, Query(description="the model's name")],
        limit: Annotated[int, Query(ge=1, le=200, description="how many at most")] = 50,
    ) -> list[dict[str, Any]]:
        engine.find(model)
        return await run_in_threadpool(history.latest, model, limit)

    @app.get("/v1/history/{id}", summary="A translation that was kept: its settings, and where its pictures are")
    async def one(id: str) -> dict[str, Any]:
        return history.report(await run_in_threadpool(history.find, id))

    @app.delete("/v1/history/{id}", summary="Forget a translation, and delete its pictures")
    async def delete(id: str) -> dict[str, str]:
        await run_in_threadpool(history.find, id)
        await run_in_threadpool(history.delete, id)
        return {"id": id}

    @app.get("/v1/history/{id}/source", summary="The picture that was translated", response_class=Response)
    async def source(id: str, side: Side = None, form: As = "png") -> Response:
        past = await run_in_threadpool(history.find, id)
        return await file_or_view(engine, history.file(past, "source"), side, form, FOREVER)

    @app.get("/v1/history/{id}/result", summary="What became of it", response_class=Response)
    async def result(id: str, side: Side = None, form: As = "png") -> Response:
        past = await run_in_threadpool(history.find, id)
        return await file_or_view(engine, history.file(past, "result"), side, form, FOREVER)

    @app.get("/v1/history/{id}/controls/{name}", summary="A picture that was a control", response_class=Response)
    async def control(id: str, name: str, side: Side = None, form: As = "png") -> Response:
        past = await run_in_threadpool(history.find, id)
        path = await run_in_threadpool(partial(history.control, past, name))
        return await file_or_view(engine, path, side, form, FOREVER)
