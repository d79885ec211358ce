"""What was translated on the page: pictures as files, the rest in the store; it is there again after a restart."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from diptych import model_folder
from diptych.files import write_bytes
from diptych.images import SUFFIX_OF, SUFFIXES
from diptych.serve.engine import Answer, Served
from diptych.serve.store import Past, Store, new_id

KEPT = 200
"""Translations of each model that are remembered."""
SHOWN = 48
"""Those that the page shows."""


class History:
    """The latest translations, newest first."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.place = store.place / "history"
        self.place.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.place / "models", ignore_errors=True)

    def add(self, model: str, source: bytes, suffix: str, controls: Mapping[str, Any], answer: Answer) -> Past:
        """Remember a translation: its source and its result as they are, byte by byte."""
        id = new_id()
        before, after = f"{id}/source{suffix}", f"{id}/{model}{SUFFIX_OF[answer.format]}"
        write_bytes(self.place / before, source, durable=False)
        write_bytes(self.place / after, answer.data, durable=False)
        words = {name: value for name, value in controls.items() if not isinstance(value, bytes)}
        past = Past(
            id=id, created=time.time(), model=model, version=answer.version, controls=words, source=before, result=after
        )
        self.store.add(past)
        for old in self.store.forget_history(model, KEPT):
            shutil.rmtree(self.place / old, ignore_errors=True)
        return past

    def examples(self, served: Served) -> list[str]:
        """Pictures that a model can be tried on, from where the page may show them."""
        return [self.lent(served, path) for path in model_folder.examples(served.current.folder)]

    def preview(self, served: Served) -> str | None:
        """The path of a picture of what a model does."""
        path = served.current.folder / "preview.png"
        return self.path(self.lent(served, path)) if path.exists() else None

    def lent(self, served: Served, path: Path) -> str:
        """A file of a model's, beside the history's own."""
        name = f"models/{served.current.version}/{path.name}"
        if not (self.place / name).exists():
            write_bytes(self.place / name, path.read_bytes(), durable=False)
        return name

    def latest(self, model: str) -> list[Past]:
        return self.store.history(model, SHOWN)

    def forget(self, ids: Iterable[str]) -> None:
        """Remove what something newer has replaced."""
        for id in ids:
            self.store.forget(id)
            shutil.rmtree(self.place / id, ignore_errors=True)

    def path(self, name: str) -> str:
        """Where a picture of the history is."""
        return str((self.place / name).resolve())

    def find(self, id: str) -> Past | None:
        return self.store.past(id)


def suffix_of(path: Path | str) -> str:
    """The suffix of a picture file as it is to be kept, or that of a PNG."""
    suffix = Path(path).suffix.lower()
    return suffix if suffix in SUFFIXES else ".png"
