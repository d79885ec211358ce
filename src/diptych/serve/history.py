"""Translations that are kept to come back to: pictures as files, the rest in the store, also after a restart."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diptych.images import SUFFIX_OF
from diptych.serve.api.names import stem_of
from diptych.serve.engine import Answer
from diptych.serve.errors import NotFound
from diptych.serve.keeping import Keeper
from diptych.serve.store import Past, Store, new_id
from diptych.storage.files import write_bytes

KEPT = 200
"""Translations of each model that are remembered."""


@dataclass(frozen=True)
class Given:
    """A picture as a client sends it: its name there, its file, and what format that has."""

    name: str
    data: bytes
    format: str


class History:
    """The latest translations that clients asked to keep; all who use a server share it."""

    def __init__(self, store: Store, keeper: Keeper) -> None:
        self.store, self.keeper = store, keeper
        self.place = store.place / "history"

    def add(
        self,
        model: str,
        source: Given,
        controls: Mapping[str, Any],
        formats: Mapping[str, str],
        answer: Answer,
        name: str,
    ) -> str:
        """Remember a translation, its pictures byte by byte; its id. name: what its result is to be called.

        formats: of the controls that are pictures. Raises StorageFull, StorageAway.
        """
        id = new_id()
        before = f"source/{stem_of(source.name)}{SUFFIX_OF[source.format]}"
        files = {before: source.data, f"result/{name}": answer.data}
        kept: dict[str, Any] = {}
        for control, value in controls.items():
            if isinstance(value, bytes):
                files[f"control-{control}{SUFFIX_OF[formats[control]]}"] = value
            kept[control] = {"file": list(files)[-1]} if isinstance(value, bytes) else value
        self.keeper.take(sum(map(len, files.values())))
        for file, data in files.items():
            write_bytes(self.place / id / file, data, durable=False)
        self.store.add(
            Past(
                id=id, created=time.time(), model=model, version=answer.version, controls=kept,
                source=f"{id}/{before}", result=f"{id}/result/{name}",
            )
        )  # fmt: skip
        self.keeper.remove("history", self.store.forget_history(model, KEPT))
        return id

    def find(self, id: str) -> Past:
        """Raises NotFound."""
        past = self.store.past(id)
        if past is None:
            raise NotFound("this translation is not kept any more: only the latest are")
        return past

    def latest(self, model: str, limit: int) -> list[dict[str, Any]]:
        """A model's translations, newest first."""
        return [self.report(past) for past in self.store.history(model, limit)]

    def report(self, past: Past) -> dict[str, Any]:
        """A translation: when, by what, with which settings, and where its pictures are."""
        here = f"/v1/history/{past.id}"
        controls = {
            name: f"{here}/controls/{name}" if isinstance(value, dict) else value
            for name, value in past.controls.items()
        }
        return {
            "id": past.id,
            "created": past.created,
            "model": past.model,
            "version": past.version,
            "controls": controls,
            "source": {"name": Path(past.source).name, "url": f"{here}/source"},
            "result": {"name": Path(past.result).name, "url": f"{here}/result"},
        }

    def file(self, past: Past, which: str) -> Path:
        """Where the file of a source or a result is."""
        return self.place / (past.source if which == "source" else past.result)

    def control(self, past: Past, name: str) -> Path:
        """Where the picture that was a control is. Raises NotFound."""
        value = past.controls.get(name)
        if not isinstance(value, dict):
            raise NotFound(f"{name[:40]!r} was no picture of this translation")
        return self.place / past.id / value["file"]

    def delete(self, id: str) -> None:
        """Forget a translation, its files as well; nothing happens where there is none of that id."""
        if self.store.past(id):  # or a stranger's words would be taken for a folder
            self.store.forget(id)
            self.keeper.remove("history", [id])
