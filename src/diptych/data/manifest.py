"""A manifest: a line for each file of a data set, with its sha256, where it comes from, and under which licence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from diptych import images
from diptych.data.finding import MANIFEST
from diptych.data.folders import Folder
from diptych.errors import DataError
from diptych.storage import shards
from diptych.storage.files import write_text
from diptych.storage.prefetch import ahead

Line = dict[str, Any]


def lines(
    folder: Folder, places: Mapping[Path, Path], *, source: str | None = None, licence: str | None = None
) -> Iterator[Line]:
    """What there is to say of files, with their places in the data set.

    source, licence: of all of them; by default what the folder's own manifest says of each.
    """
    known, splits, sides = read_all(folder), split_of(folder), domain_of(folder)
    digests = ahead(shards.digest, places)
    for (path, place), digest in zip(places.items(), digests, strict=True):
        before = known.get(folder.relative(path).as_posix(), {})
        yield {
            "path": place.as_posix(),
            "split": splits.get(path),
            "domain": sides.get(path),
            "bytes": shards.stamp(path)[0],
            "sha256": digest,
            "source": before.get("source") if source is None else source,
            "licence": before.get("licence") if licence is None else licence,
        }


def write(path: Path, content: Iterable[Line]) -> None:
    """Write a manifest. Raises StorageError where that fails."""
    write_text(path, "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in content))


def read_all(folder: Folder) -> dict[str, Line]:
    """The manifests of a folder, or of two, by the files' places. Raises DataError for one that is none."""
    found: dict[str, Line] = {}
    for name, root in folder.roots.items():
        if (path := root / MANIFEST).is_file():
            found |= {(Path(name) / place).as_posix(): line for place, line in read(path).items()}
    return found


def read(path: Path) -> dict[str, Line]:
    """A manifest by the files' places. Raises DataError where it is none."""
    found: dict[str, Line] = {}
    try:
        for number, words in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            line = json.loads(words)
            if not isinstance(line, dict) or not isinstance(line.get("path"), str):
                raise DataError(f"{path}: line {number} names no path: correct or remove the file")
            found[line["path"]] = line
    except (ValueError, OSError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is no manifest ({error}): correct or remove it") from None
    return found


def split_of(folder: Folder) -> dict[Path, str]:
    """The split of each file, those of maps too."""
    tables = ((split, item) for table in folder.tables for split, items in table.items() for item in items)
    return {images.file_of(path): split for split, item in tables for path in item.files}


def domain_of(folder: Folder) -> dict[Path, str]:
    """What each file shows: a domain, the two of a pair side by side, or a kind of map."""
    sides: dict[Path, str] = {}
    for item in folder.items():
        sides |= {images.file_of(path): kind for kind, path in item.maps.items()}
    for side, name in reversed(list(enumerate(folder.names))):
        sides |= dict.fromkeys(map(images.file_of, folder.files(side)), name)
    both = " and ".join(folder.names)
    return dict.fromkeys(sides, both) if folder.kind == "side by side" else sides
