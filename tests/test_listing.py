"""Which files of a folder are pictures, and what is left out, by kind."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from pictures import noise, save

from diptych import images
from diptych.images import kind_of, list_pictures, listing

JUNK = [
    "._x.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX/x.jpg", "__MACOSX/deep/._x.jpg", "@eaDir/x.png",
    ".thumbnails/x.png", ".ipynb_checkpoints/x-checkpoint.png", "#recycle/x.png", ".unfinished-1a2b-x.png",
    ".hidden.png", ".hidden/x.png", "preview.png", "previews/x.png", "Thumbnails/x.png", "a/b/._x.png",
    "a/@eaDir/x.jpg/SYNOPHOTO_THUMB_XL.jpg", "$RECYCLE.BIN/x.png", "~$x.png", "Icon\r",
]  # fmt: skip


def bytes_of(suffix: str, tmp_path: Path) -> bytes:
    return save(tmp_path / "elsewhere" / f"x{suffix}", noise()).read_bytes()


@pytest.mark.parametrize("name", JUNK)
def test_what_systems_put_beside_pictures_is_no_picture_in_a_folder_and_in_a_zip(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    save(root / "x.png")
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(bytes_of(".jpg", tmp_path))
    found = list_pictures(root)
    assert found.pictures == [root / "x.png"]
    assert {entry.kind.split()[0] for entry in found.left_out} & {"system", "hidden", "preview"}
    assert kind_of(name, lambda: bytes_of(".jpg", tmp_path))


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JIF", "", ".jpg_large", ".psd", ".webp", ".1"])
def test_a_picture_is_known_by_its_content_where_its_suffix_says_nothing(tmp_path: Path, suffix: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / f"photo{suffix}").write_bytes(bytes_of(".jpg", tmp_path))
    assert list_pictures(root).pictures == [root / f"photo{suffix}"]
    assert kind_of(f"photo{suffix}", lambda: bytes_of(".jpg", tmp_path)) == ""


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".jif"])
def test_all_suffixes_of_jpeg_are_written_as_jpeg(tmp_path: Path, suffix: str) -> None:
    assert images.read(save(tmp_path / f"x{suffix}")).format == "JPEG"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("notes.txt", b"BMW and other cars are in the folder beside this one", ".txt"),
        ("scan.psd", b"8BPS" + bytes(128), ".psd"),
        ("x.ppm", b"P6 1 1 255 abc", ".ppm"),
        ("raw.NEF", b"II*\0" + bytes(40), ".nef"),
        ("x.png.crdownload", b"\x89PNG\r\n\x1a\n", ".crdownload"),
        ("nothing", b"", "suffixless file"),
        ("x.png~", b"\x89PNG\r\n\x1a\n", "suffixless file"),
        ("x.\x1b[31m", b"red", "suffixless file"),
    ],
)
def test_what_is_no_picture_is_left_out_by_kind(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert list_pictures(tmp_path).left_out == [(tmp_path / name, kind)]
    assert kind_of(name, lambda: content) == kind


def test_what_is_left_out_is_counted_the_most_frequent_first(tmp_path: Path) -> None:
    for name in ("a.psd", "b.PSD", "c.psd", "._1.png", "._2.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"?")
    os.mkfifo(tmp_path / "x.png")
    assert list_pictures(tmp_path).counted() == "3 .psd, 2 system files, 1 .txt, 1 FIFO"


@pytest.mark.filterwarnings("error")
def test_links_in_circles_broken_links_and_what_is_no_file_are_said_and_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    save(root / "a" / "1.png")
    save(tmp_path / "elsewhere" / "2.png")
    (root / "again").symlink_to(root)
    (root / "itself").symlink_to(root / "itself")
    (root / "gone.png").symlink_to(root / "nowhere.png")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "b").symlink_to(tmp_path / "ring")
    (tmp_path / "ring").mkdir()
    (tmp_path / "ring" / "back").symlink_to(root / "a")
    (root / "y.png").mkdir()
    (root / "empty").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket.png"))
        found = list_pictures(root)
    assert found.pictures == [root / "a" / "1.png", root / "linked" / "2.png"]
    assert {path.relative_to(root).as_posix(): kind for path, kind in found.left_out} == {
        "again": "circular link", "itself": "broken link", "gone.png": "broken link", "a/b/back": "circular link",
        "y.png": "misnamed folder", "empty": "empty folder", "socket.png": "socket",
    }  # fmt: skip


def test_folders_that_link_to_each_other_end(tmp_path: Path) -> None:
    for i in range(6):
        save(tmp_path / f"{i}" / "x.png")
        for j in range(6):
            (tmp_path / f"{i}" / f"to{j}").symlink_to(tmp_path / f"{j}")
    assert len(list_pictures(tmp_path).pictures) < 6**5


def test_a_folder_that_cannot_be_listed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a" / "1.png")
    save(tmp_path / "b" / "2.png")
    scan = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(listing.os, "scandir", refusing)
    found = list_pictures(tmp_path)
    assert (found.pictures, found.left_out) == ([tmp_path / "a" / "1.png"], [(tmp_path / "b", "unreadable folder")])
