"""A checkpoint is one file of complete training state, and a note beside it that says which file is whole.

The note is replaced last. Killed at any moment, a run finds its newest complete checkpoint again.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import IO, Any, cast

import torch

from diptych.errors import ModelError
from diptych.storage.files import atomic, clean_unfinished, write_text

NOTE = "latest.json"


def write(folder: Path, state: dict[str, Any]) -> Path:
    """Write `state` to `folder`; the previous checkpoint, of fewer `images_seen`, goes once this one is complete.

    Raises StorageError when it cannot be written; the previous checkpoint then stays.
    """
    path = folder / f"{state['images_seen']:010d}.pt"
    with atomic(path) as file:
        torch.save(state, cast(IO[bytes], file))
    write_text(folder / NOTE, json.dumps({"file": path.name, "sha256": file.sha256.hexdigest()}))
    clean(folder)
    return path


def read(folder: Path) -> dict[str, Any] | None:
    """The newest complete state in `folder`, on the CPU; None where there is none.

    Raises ModelError when the file is missing or is not what was written; nothing in it is executed.
    """
    if not (folder / NOTE).exists():
        return None
    name, digest = read_note(folder)
    path = folder / name
    if not path.is_file() or sha256(path) != digest:
        raise ModelError(f"{path} is missing or damaged: remove {folder} to begin again, or restore the file")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(f"{path} is not a checkpoint, it holds more than numbers and names: {error}") from None


def read_note(folder: Path) -> tuple[str, str]:
    """Name and sha256 of the newest complete file. Raises ModelError when the note is damaged."""
    try:
        note = json.loads((folder / NOTE).read_bytes())
        return str(note["file"]), str(note["sha256"])
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"{folder / NOTE} is damaged: remove {folder} to begin again, or restore the file") from None


def clean(folder: Path) -> None:
    """Remove what interrupted writes and older checkpoints left. Raises ModelError when the note is damaged."""
    clean_unfinished(folder)
    if (folder / NOTE).exists():
        newest, _ = read_note(folder)
        for path in folder.glob("*.pt"):
            if path.name != newest:
                path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
