"""A run's folder: whose it is, who may write there, and what a crash left in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from diptych.errors import ConfigError, TrainingError
from diptych.options.recipes import dump, merge, read_recipe
from diptych.storage.files import UNFINISHED, clean_unfinished, recover_folder, storing, write_bytes, write_text
from diptych.training import checkpoint
from diptych.training.recipe import differences

RECIPE, DONE, LOCK, STYLE = "recipe.yaml", "done", ".lock", "style"


def existing(folder: Path) -> Path:
    """The recipe of the run in `folder`. Raises ConfigError where there is none."""
    path = folder / RECIPE
    if not path.exists():
        raise ConfigError(f"there is no run to resume in {folder}: it has no {RECIPE}")
    return path


def check(folder: Path, recipe: dict[str, Any], *, but: Collection[str] = ()) -> None:
    """Raises ConfigError where the folder holds a run of another recipe or something else; writes nothing.

    but: options that may have changed.
    """
    path = folder / RECIPE
    begun = any((folder / name).exists() for name in (DONE, f"checkpoint/{checkpoint.NOTE}", "model"))
    if path.exists() and begun:
        different = [line for line in differences(read_recipe(path), recipe) if line.partition(":")[0] not in but]
        if different:
            raise ConfigError(
                f"{folder} holds a run with another recipe ({'; '.join(different)}): choose another --out "
                f"(in Python: out=...), or go on with that one by --resume"
            )
    elif folder.exists() and not path.exists() and not is_free(folder):
        raise ConfigError(f"{folder} exists and is not a run: choose another --out")


def is_free(folder: Path) -> bool:
    """Whether a new run may begin in `folder`: it is empty, but for what a crash left before anything was done."""
    return folder.is_dir() and all(path.name.startswith((UNFINISHED, LOCK)) for path in folder.iterdir())


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other run out of the folder; the system lifts the lock when the process ends, however it ends."""
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ConfigError(f"another process is training in {folder}: wait for it, or stop it") from None
    try:
        yield
    finally:
        lock.release()


def claim(folder: Path, recipe: dict[str, Any]) -> None:
    """Make the folder this run's, and clear away what a crash left in it. Raises StorageError."""
    write_text(folder / RECIPE, dump(recipe))  # first: by it the folder is known as a run's
    for name in ("model", "last"):
        recover_folder(folder / name)
    for place in (folder, folder / "cache"):
        clean_unfinished(place)
    checkpoint.clean(folder / "checkpoint")
    with storing(folder):
        (folder / "samples").mkdir(exist_ok=True)


def keep_style(folder: Path, style: Path | None) -> None:
    """Copy the picture whose style is learnt into the run's folder: it goes on where the picture is gone."""
    if style and kept_style(folder) is None:
        write_bytes(folder / f"{STYLE}{style.suffix.lower()}", style.read_bytes())


def kept_style(folder: Path) -> Path | None:
    return next(folder.glob(f"{STYLE}.*"), None)


def with_kept_style(given: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """A run's recipe, with the folder's own copy of the picture whose style is learnt where the picture is gone."""
    data = given.get("data") or {}
    gone = data.get("style") and not Path(str(data["style"])).exists()
    return merge(given, {"data": {"style": str(copy)}}) if gone and (copy := kept_style(folder)) else given


def must_be_there(folder: Path) -> None:
    """Raises TrainingError once the folder was removed or moved: half of it would come back with the next file."""
    if not (folder / RECIPE).exists():
        raise TrainingError(
            f"{folder} was removed or moved while it trained: the training ends. If it was moved, --resume goes on "
            f"from its last saved state"
        )
