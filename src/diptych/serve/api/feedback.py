"""What users think of results: kept for later trainings, and nothing else is done with it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from diptych.serve.api.forms import read_model
from diptych.serve.engine import Engine
from diptych.serve.errors import BadPicture, BadRequest
from diptych.serve.keeping import Keeper
from diptych.serve.store import Feedback, Store, new_id
from diptych.storage.files import write_bytes

PICTURES = ("source", "result", "corrected")
"""Files that may come with it: what was translated, what came out, what should have come out."""


async def formats_of(engine: Engine, given: Mapping[str, Any]) -> dict[str, str]:
    """The formats of the pictures that come with feedback. Raises BadRequest, BadPicture."""
    found = {}
    for name in PICTURES:
        if name in given:
            if not isinstance(given[name], bytes):
                raise BadRequest(f"{name} must be sent as a file")
            try:
                found[name] = (await engine.looker.look(given[name])).format
            except BadPicture as error:
                raise BadPicture(f"{name}: {error}") from None
    return found


def take_feedback(
    store: Store, keeper: Keeper, engine: Engine, given: Mapping[str, Any], formats: Mapping[str, str]
) -> str:
    """Store feedback: model, rating from -1 to 1, and perhaps version, comment, controls and pictures; its id.

    formats: of the pictures, by their names. Raises UnknownModel, BadRequest, StorageFull.
    """
    served = engine.find(read_model(given))
    if str(given.get("rating", "")) not in ("-1", "0", "1"):
        raise BadRequest("rating must be -1 (bad), 0 or 1 (good)")
    unknown = set(given) - {"model", "rating", "version", "comment", "controls", *PICTURES}
    if unknown:
        raise BadRequest(f"{', '.join(sorted(unknown))[:200]}: not a field of feedback")
    id = new_id()
    keeper.take(sum(len(given[name]) for name in formats))
    names = {name: keep(store, id, name, format, given[name]) for name, format in formats.items()}
    store.add(
        Feedback(
            id=id,
            created=time.time(),
            model=served.current.name,
            version=text(given, "version", served.current.version)[:40],
            rating=int(given["rating"]),
            comment=text(given, "comment", "")[:10_000],
            controls=read_json(text(given, "controls", "{}")),
            pictures=names,
        )
    )
    return id


def text(given: Mapping[str, Any], name: str, default: str) -> str:
    value = given.get(name, default)
    if not isinstance(value, str):
        raise BadRequest(f"{name} must be a value, not a file")
    return value


def read_json(words: str) -> dict[str, Any]:
    try:
        value = json.loads(words)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or len(words) > 10_000:
        raise BadRequest('controls must be a JSON object, as {"seed": 7}')
    return value


def keep(store: Store, id: str, name: str, format: str, data: bytes) -> str:
    """Write a picture beside the database, under a name of ours."""
    file = f"{id}/{name}.{format.lower()}"
    write_bytes(store.place / "feedback" / file, data)
    return file
