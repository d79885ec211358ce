"""Emoji as data: pairs that lie on each other, skin tones together, nothing from elsewhere, words where it fails."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import diptych
from PIL import Image

from diptych.data.samples import emoji, fluent, write_emoji
from diptych.data.samples.emoji import PACKAGES, emoji_of, split_of
from diptych.errors import ConfigError, DataError

NAMES = ("cook", "cook-dark", "woman-cook-medium-light", "house", "left-arrow", "star", "moon", "police-car-light")
GLOW = '<filter id="glow"><feGaussianBlur stdDeviation="1"/></filter>'
BODIES = {
    "silhouette": '<rect x="8" y="4" width="16" height="24" fill="currentColor"/>',
    "flat": '<rect x="8" y="4" width="16" height="24" fill="#f00"/>',
    "shaded": f'<g filter="url(#glow)"><rect x="8" y="4" width="16" height="24" fill="#a00"/></g><defs>{GLOW}</defs>',
}


def icons(side: str, **more: Any) -> dict[str, Any]:
    """A package of the side, as Iconify writes it: silhouettes have no skin tones."""
    names = [name for name in NAMES if side != "silhouette" or emoji_of(name) == name]
    drawings = {name: {"body": BODIES[side]} for name in names}
    return {"prefix": PACKAGES[side].prefix, "icons": drawings, "width": 32, "height": 32} | more


def put(folder: Path, side: str, **more: Any) -> Path:
    place = folder / "@iconify-json" / PACKAGES[side].prefix
    place.mkdir(parents=True)
    (place / "icons.json").write_text(json.dumps(icons(side, **more)))
    (place / "package.json").write_text(json.dumps({"version": "7.8.9"}))
    return folder


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    for side in BODIES:
        put(tmp_path / "node_modules", side)
    return tmp_path / "node_modules"


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def names_of(root: Path, side: str) -> dict[str, str]:
    """Each emoji's split."""
    return {path.stem: path.parts[-3] for path in root.glob(f"*/{side}/*.png")}


def test_both_sides_of_a_pair_are_drawn_in_one_place_on_white(packages: Path, tmp_path: Path) -> None:
    write_emoji(tmp_path / "out", sides=("silhouette", "flat"), size=32, source=packages)
    black, red = (pixels(next((tmp_path / "out").glob(f"*/{side}/house.png"))) for side in ("silhouette", "flat"))
    assert black.shape == (32, 32)
    assert red.shape == (32, 32, 3)
    assert (black[4:28, 8:24] == 0).all()
    assert (red[4:28, 8:24] == (255, 0, 0)).all()
    assert black[:4].min() == red[:4].min() == 255


def test_drawings_of_other_sizes_keep_their_place_in_the_common_frame(tmp_path: Path) -> None:
    put(tmp_path, "silhouette", height=64)
    put(tmp_path, "flat")
    write_emoji(tmp_path / "out", size=64, source=tmp_path)
    black, red = (pixels(next((tmp_path / "out").glob(f"*/{side}/house.png"))) for side in ("silhouette", "flat"))
    assert np.array_equal(black == 0, (red == (255, 0, 0)).all(axis=2))
    assert (black[4:28, 8:24] == 0).all()


def test_what_has_filters_is_drawn_finer_and_averaged(packages: Path, tmp_path: Path) -> None:
    write_emoji(tmp_path / "out", sides=("flat", "shaded"), size=32, source=packages)
    shaded = pixels(next((tmp_path / "out").glob("*/shaded/house.png")))
    assert shaded.shape == (32, 32, 3)
    assert (shaded[16, 16] == (170, 0, 0)).all()
    assert len(np.unique(shaded[16, :, 0])) > 3  # soft


def test_all_skin_tones_and_persons_of_an_emoji_are_in_one_split(packages: Path, tmp_path: Path) -> None:
    write_emoji(tmp_path / "out", sides=("flat", "shaded"), size=32, source=packages)
    splits = names_of(tmp_path / "out", "shaded")
    assert sorted(splits) == sorted(NAMES)
    assert splits["cook"] == splits["cook-dark"] == splits["woman-cook-medium-light"]
    assert emoji_of("woman-cook-medium-light") == "cook"
    assert split_of("optical-disk") == split_of("dvd")  # one silhouette
    assert emoji_of("people-holding-hands-dark-medium-light") == "holding-hands"


def test_splits_are_the_same_for_all_sides_and_counts(packages: Path, tmp_path: Path) -> None:
    write_emoji(tmp_path / "all", sides=("flat", "shaded"), size=32, source=packages)
    write_emoji(tmp_path / "few", size=32, count=3, source=packages)
    whole, some = names_of(tmp_path / "all", "flat"), names_of(tmp_path / "few", "flat")
    assert len(some) == 3
    assert some.items() <= whole.items()
    many = [split_of(f"thing-{number}") for number in range(2000)]
    shares = [many.count(split) / 2000 for split in ("train", "val", "test")]
    assert shares == pytest.approx([0.85, 0.05, 0.10], abs=0.03)


def test_the_folder_says_where_its_pictures_come_from_and_on_which_terms(packages: Path, tmp_path: Path) -> None:
    made = write_emoji(tmp_path / "out", size=32, source=packages)
    origin = json.loads((tmp_path / "out" / "origin.json").read_text())
    data = (packages / "@iconify-json" / PACKAGES["flat"].prefix / "icons.json").read_bytes()
    assert origin["sides"]["flat"] == {
        "package": "@iconify-json/fluent-emoji-flat",
        "version": "7.8.9",
        "icons.json sha256": hashlib.sha256(data).hexdigest(),
    }
    assert origin["pairs"] == made
    assert "Copyright (c) Microsoft Corporation" in (tmp_path / "out" / "LICENCE.txt").read_text()


def tarball(side: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in {"icons.json": icons(side), "package.json": {"version": "7.8.9"}}.items():
            data = json.dumps(content).encode()
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def test_npms_tarballs_do_as_they_are(tmp_path: Path) -> None:
    for side in ("silhouette", "flat"):
        (tmp_path / f"{side}.tgz").write_bytes(tarball(side))
    assert sum(write_emoji(tmp_path / "out", size=32, source=tmp_path).values()) == 5


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npm that gives the project's own packages, whose digests are the right ones; and a cache of its own."""
    place = tmp_path / "bin"
    place.mkdir()
    kept = {}
    for side, package in PACKAGES.items():
        (place / package.tarball).write_bytes(tarball(side))
        digest = hashlib.sha256((place / package.tarball).read_bytes()).hexdigest()
        kept[side] = fluent.Package(package.prefix, package.version, digest)
    script = f"""#!{sys.executable}
import pathlib, shutil, sys
name = sys.argv[-1].removeprefix("@").replace("/", "-").replace("@", "-") + ".tgz"
shutil.copy(pathlib.Path({str(place)!r}) / name, name)
"""
    (place / "npm").write_text(script)
    (place / "npm").chmod(0o755)
    monkeypatch.setattr(emoji, "PACKAGES", kept)
    monkeypatch.setenv("PATH", str(place))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return place


def test_packages_are_fetched_by_npm_once_and_kept(npm: Path, tmp_path: Path) -> None:
    write_emoji(tmp_path / "one", size=32)
    (npm / "npm").unlink()
    write_emoji(tmp_path / "two", size=32)
    assert names_of(tmp_path / "one", "flat") == names_of(tmp_path / "two", "flat")


def test_a_package_of_other_bytes_is_refused(npm: Path, tmp_path: Path) -> None:
    (npm / PACKAGES["flat"].tarball).write_bytes(tarball("shaded"))
    with pytest.raises(DataError, match=r"fluent-emoji-flat 1\.2\.6 as npm gives it is not what it should be"):
        write_emoji(tmp_path / "out", size=32)
    assert list((tmp_path / "out").iterdir()) == []


def test_without_npm_the_remedy_is_said_in_a_line(npm: Path, tmp_path: Path) -> None:
    (npm / "npm").unlink()
    said = diptych("data", "samples", "emoji", "--out", tmp_path / "out")
    assert said.code == 2
    assert said.err.strip().count("\n") == 0
    assert "install npm, or unpack @iconify-json/fluent-emoji-high-contrast 1.2.6 yourself" in said.err


def test_an_npm_that_fails_is_quoted(npm: Path, tmp_path: Path) -> None:
    (npm / "npm").write_text("#!/bin/sh\necho 'npm error code E404' >&2\nexit 1\n")
    with pytest.raises(DataError, match="npm error code E404"):
        write_emoji(tmp_path / "out", size=32)


def test_without_the_library_that_draws_its_extra_is_named(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(ConfigError, match=r"pip install 'diptych\[emoji\]'"):
        write_emoji(tmp_path / "out", source=packages)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "body", "fault"),
    [
        ("../up", "<path/>", "is no name of a drawing"),
        ("house", '<image href="beside/a.png"/>', "house draws on other files"),
        ("house", '<use href="other.svg#a"/>', "house draws on other files"),
        ("house", '<path fill="url(other.svg#a)"/>', "house draws on other files"),
        ("house", "<path", "is no SVG that can be drawn"),
        ("house", None, "is no icons.json of Iconify"),
    ],
)
def test_strange_drawings_are_refused(name: str, body: str | None, fault: str, tmp_path: Path) -> None:
    put(tmp_path, "silhouette", icons={name: {"body": body}})
    put(tmp_path, "flat", icons={name: {"body": "<path/>"}})
    with pytest.raises(DataError, match=fault):
        write_emoji(tmp_path / "out", size=32, source=tmp_path)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_draws_on_itself_alone_is_taken(tmp_path: Path) -> None:
    own = '<defs><path id="a" d="M0 0h9v9z"/></defs><use href="#a" fill="url(#b)" filter="url(\'#c\')"/>'
    for side in ("silhouette", "flat"):
        put(tmp_path, side, icons={"house": {"body": own}})
    assert sum(write_emoji(tmp_path / "out", size=32, source=tmp_path).values()) == 1


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"sides": ("flat", "night")}, "there is no side 'night' of emoji"),
        ({"sides": ("flat",)}, "choose two or more"),
        ({"size": 5000}, "choose 16 to 2048"),
        ({"count": 0}, "from 1 on"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options: dict[str, Any], fault: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=fault):
        write_emoji(tmp_path / "out", **options)


def test_a_folder_without_the_packages_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no icons\.json of @iconify-json/fluent-emoji-high-contrast"):
        write_emoji(tmp_path / "out", source=tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        write_emoji(tmp_path / "out2", source=tmp_path / "nothing")


def test_the_command_draws_from_a_folder_and_says_how_many(packages: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = diptych("data", "samples", "emoji", "--out", out, "--size", 32, "--sides", "flat,shaded", "--from", packages)
    assert said.code == 0, said.err
    assert f"in {out}" in said.out
    assert len(names_of(out, "flat")) == len(NAMES)


@pytest.mark.parametrize("options", [("--seed", 1), ("--unpaired",)])
def test_options_of_streets_are_refused_for_emoji(options: tuple[Any, ...], tmp_path: Path) -> None:
    said = diptych("data", "samples", "emoji", "--out", tmp_path / "out", *options)
    assert said.code == 2
    assert "leave --seed and --unpaired out" in said.err
