"""Every picture gets a place of its own for its result, and nothing that nobody named is touched."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import clips
import numpy as np
import pytest
from commands import Said, diptych
from models import model
from odd.same import Same
from pictures import noise

from diptych import images
from diptych.errors import ConfigError, DataError
from diptych.images import Picture
from diptych.inference import destinations as places
from diptych.inference.destinations import Job, folds_case, plan, refuse_clashes
from diptych.model.translator import Translator
from diptych.serve.engine.worker import Batch, Translation
from diptych.testing import bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("x.png", "x.jpg", "deep/y.jpg"):
        images.write(tmp_path / "in" / name, np.zeros((4, 5, 3), np.uint8))
    return tmp_path / "in"


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("model") / "model")


def never_jpeg(suffix: str, alpha: bool) -> bool:
    return suffix != ".jpg"


def jobs(given: list[Path], out: Path, **options: object) -> list[Job]:
    return plan(given, out, **options).jobs


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- Names and formats -----------------------------------------------------------------------------------------------


def test_results_keep_the_folders_own_structure(folder: Path, tmp_path: Path) -> None:
    targets = {job.target.relative_to(tmp_path / "out").as_posix() for job in jobs([folder], tmp_path / "out")}
    assert targets == {"x.png", "x.jpg", "deep/y.jpg"}


def test_a_format_that_cannot_hold_the_result_is_replaced_under_a_free_name(folder: Path, tmp_path: Path) -> None:
    found = jobs([folder], tmp_path / "out", fits=never_jpeg)
    assert {job.source.name: job.target.name for job in found} == {
        "x.png": "x.png",
        "x.jpg": "x.jpg.png",
        "y.jpg": "y.png",
    }
    assert [job.notes for job in found if job.notes] == [
        ("written as .png: .jpg cannot hold it unchanged",),
        ("written as x.jpg.png: .jpg cannot hold it unchanged",),
    ]


NAMED = {
    "photo.jfif": ("JPEG", "photo.jfif"),
    "photo.jpe": ("JPEG", "photo.jpe"),
    "photo": ("JPEG", "photo.jpg"),
    "photo.ppm": ("PNG", "photo.png"),
    "photo.gz": ("WEBP", "photo.webp"),
    "photo.png~": ("TIFF", "photo.tif"),
    "photo.psd": ("BMP", "photo.bmp"),
    "photo.of.2024": ("NPY", "photo.of.2024.npy"),
    ".photo": ("GIF", ".photo.gif"),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_name_that_says_no_format_is_translated_by_what_is_in_it(name: str, translator: Path, tmp_path: Path) -> None:
    format, result = NAMED[name]
    (tmp_path / name).write_bytes(images.encode(noise(32, 32), format))
    said = diptych("translate", translator, tmp_path / name, "--out", tmp_path / "out")
    assert said.code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == [result]
    assert images.header(tmp_path / "out" / result).format == format
    assert ("names no format" in said.err) == (result != name)


@pytest.mark.parametrize("name", ["scan", "scan.psd", "scan.gz", "scan.ppm", "scan.heic", "scan.png"])
def test_what_is_no_picture_is_said_in_a_sentence_under_any_name(name: str, translator: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"P6 1 1 255 abc")
    said = diptych("translate", translator, tmp_path / name, "--out", tmp_path / "out")
    assert said.code == 2
    assert f"{name}: is not a picture that can be read" in said.err
    assert "failed: 1 refused file" in said.err


CLEAR = {
    ("a.bmp", "BMP"): "a.png",
    ("a.jpg", "PNG"): "a.png",  # a PNG by its content
    ("a.png", "PNG"): "a.png",
    ("a.webp", "WEBP"): "a.webp",
}


def bmp_with_alpha(array: np.ndarray) -> bytes:
    """Version 4 of the header, with a mask for alpha, which Pillow reads and does not write."""
    height, width, _ = array.shape
    fields = [108, width, height, 1 | 32 << 16, 3, array.size, 0, 0, 0, 0, 0xFF0000, 0xFF00, 0xFF, 0xFF000000]
    info = np.array(fields, "<u4").tobytes().ljust(108, b"\0")
    head = b"BM" + np.array([14 + 108 + array.size, 0, 14 + 108], "<u4").tobytes()
    return head + info + array[::-1, :, [2, 1, 0, 3]].tobytes()


@pytest.mark.parametrize(("name", "format"), CLEAR)
def test_transparency_is_not_lost_to_a_format_without_room_for_it(
    name: str, format: str, translator: Path, tmp_path: Path
) -> None:
    array = noise(32, 32, 4)
    data = bmp_with_alpha(array) if format == "BMP" else images.encode(array[..., :3], format, alpha=array[..., 3])
    (tmp_path / name).write_bytes(data)
    assert np.array_equal(images.read(data).alpha, array[..., 3])
    said = diptych("translate", translator, tmp_path / name, "--out", tmp_path / "out")
    assert said.code == 0
    written = images.read(tmp_path / "out" / CLEAR[name, format])
    assert np.array_equal(written.alpha, array[..., 3])
    assert ("cannot hold its transparency" in said.err) == (CLEAR[name, format] != name)


@pytest.mark.parametrize("name", ["o.jpg", "o.bmp", "o.npy"])
def test_a_name_for_the_result_that_cannot_hold_its_transparency_gets_another_suffix(
    name: str, translator: Path, tmp_path: Path
) -> None:
    images.write(tmp_path / "a.png", noise(32, 32), alpha=noise(32, 32, 1)[..., 0])
    said = diptych("translate", translator, tmp_path / "a.png", "--out", tmp_path / name)
    assert said.code == 0
    assert images.read(tmp_path / "o.png").alpha is not None
    assert "written as .png" in said.err


@pytest.mark.parametrize(("name", "format"), [*CLEAR, ("a.npy", "NPY"), ("a.tif", "TIFF"), ("a.gif", "GIF")])
def test_a_server_answers_in_a_format_that_holds_the_result(name: str, format: str, sixteen: Translator) -> None:
    array = noise(32, 32, 4)
    clear = format not in ("NPY", "GIF")
    if format == "BMP":
        data = bmp_with_alpha(array)
    else:
        data = images.encode(array[..., :3], format, alpha=array[..., 3] if clear else None)
    for made, dtype in ((bundle(Same, {}), "uint8"), (sixteen, "uint16")):
        with ThreadPoolExecutor(1) as pool:
            (done,) = Translation(made, None, Batch("model", [data], {}, None), 50, pool).outcomes()
        written = images.read(done.data)
        assert (written.array.dtype, written.alpha is not None) == (dtype, clear)
        kept = done.format == format
        assert kept == (images.can_hold(images.SUFFIX_OF[format], dtype, 3, alpha=clear))
        assert kept or f"written as {done.format}: {format} cannot hold it" in done.notes
        assert ("written as GIF: its colours are the nearest of 256" in done.notes) == (done.format == "GIF")


@pytest.mark.parametrize(
    ("channels", "alpha", "said"), [(3, False, "nearest of 256"), (3, True, "of 256 and its transparency")]
)
def test_that_a_gif_holds_few_colours_is_said(
    channels: int, alpha: bool, said: str, translator: Path, tmp_path: Path
) -> None:
    clear = noise(32, 32, 1)[..., 0] if alpha else None
    (tmp_path / "a.gif").write_bytes(images.encode(noise(32, 32, channels), "GIF", alpha=clear))
    assert said in diptych("translate", translator, tmp_path / "a.gif", "--out", tmp_path / "out").err
    assert images.lost("GIF", Picture(noise(channels=1))) == images.lost("PNG", Picture(noise())) == ()


@pytest.fixture
def sixteen() -> Translator:
    made = bundle(Same, {})
    source, target = made.card.domains
    domains = [source, target.model_copy(update={"dtype": "uint16", "high": 65535.0})]
    return Translator(made.method, made.card.model_copy(update={"domains": domains}), device="cpu")


# --- Files that are there --------------------------------------------------------------------------------------------


def translate(translator: Path, *words: object) -> Said:
    return diptych("translate", translator, *words)


@pytest.mark.parametrize("suffix", ["png", "tif", "mp4"])
def test_a_file_that_is_there_is_replaced_only_when_asked_to(suffix: str, translator: Path, tmp_path: Path) -> None:
    source, large = tmp_path / f"a.{suffix}", ("--limit-mp", 0.0001)
    if suffix == "mp4":
        clips.write(source, count=2, sound=None)
    else:
        images.write(source, noise(32, 32))
    arguments = [source, "--out", tmp_path / "out", *(large if suffix == "tif" else ())]
    if suffix == "tif":
        pytest.importorskip("pyvips")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / source.name).write_bytes(b"mine")
    said = translate(translator, *arguments)
    assert (said.code, (tmp_path / "out" / source.name).read_bytes()) == (2, b"mine")
    assert f"{source.name} exists: choose another --out, or replace what is there by --overwrite" in said.err
    assert translate(translator, *arguments, "--overwrite").code == 0
    assert (tmp_path / "out" / source.name).stat().st_size > 100


def test_one_sentence_says_how_many_results_are_there(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "out")
    with pytest.raises(ConfigError, match=r"y\.jpg exists, and 2 more of the results: choose another"):
        plan([folder], tmp_path / "out")
    assert len(plan([folder], tmp_path / "out", overwrite=True).jobs) == 3


def test_a_result_that_takes_another_suffix_replaces_nothing_either(folder: Path, tmp_path: Path) -> None:
    images.write(tmp_path / "out" / "y.png", np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(ConfigError, match=r"y\.png exists"):
        plan([folder / "deep" / "y.jpg"], tmp_path / "out", fits=never_jpeg)


def test_a_link_to_what_is_gone_is_a_file_that_is_there(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.png").symlink_to("gone")
    with pytest.raises(ConfigError, match=r"x\.png exists"):
        plan([folder / "x.png"], tmp_path / "out")


# --- Results and sources ---------------------------------------------------------------------------------------------


def test_sources_and_results_do_not_fall_on_one_another(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is one of the pictures to translate"):
        plan([folder / "x.png"], folder)
    with pytest.raises(ConfigError, match="is one of the pictures to translate"):
        plan([folder / "x.png"], folder, overwrite=True)
    with pytest.raises(ConfigError, match="would both become"):
        plan([folder / "x.png", *plan_copy(folder, tmp_path)], tmp_path / "out")


def plan_copy(folder: Path, tmp_path: Path) -> list[Path]:
    """The same name from another folder."""
    return [images.write(tmp_path / "other" / "x.png", images.read(folder / "x.png").array)]


@pytest.mark.parametrize("out", ["in", "in/out", "in/deep", "in/deep/../out", "link", "link/out"])
@pytest.mark.parametrize("more", [(), ("--overwrite",)])
def test_results_are_never_mixed_into_the_folder_that_is_translated(
    out: str, more: tuple[str, ...], folder: Path, translator: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("in")
    before = contents(folder)
    said = translate(translator, folder, "--out", tmp_path / out, *more)
    assert said.code == 2
    assert "which is to be translated: choose another --out" in said.err
    assert contents(folder) == before


def test_a_folder_cannot_be_a_result_too(folder: Path, tmp_path: Path) -> None:
    images.write(tmp_path / "other" / "x.png" / "b.png", np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(ConfigError, match=r"x\.png, which .*b\.png needs as a folder"):
        refuse_clashes([(folder / "x.png", tmp_path / "x.png"), (Path("b.png"), tmp_path / "x.png" / "b.png")])
    with pytest.raises(ConfigError, match=r"x\.png is a folder"):
        plan([folder / "x.png"], tmp_path / "other", overwrite=True)


def test_where_capitals_make_no_difference_names_that_differ_by_them_clash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [(Path(f"in/{name}"), tmp_path / "out" / name) for name in ("a.png", "A.png", "e\u0301.png", "\u00e9.png")]
    refuse_clashes(names)
    monkeypatch.setattr(places, "folds_case", lambda folder: True)
    for some in (names[:2], names[2:]):
        with pytest.raises(ConfigError, match="would both become"):
            refuse_clashes(some)


def test_this_systems_folders_tell_capitals_apart(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert folds_case(tmp_path / "new" / "newer") == (tmp_path / "A").exists()


def test_a_file_is_no_place_for_a_folder_of_results(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"notes\.txt is a file: give a folder"):
        plan([folder], tmp_path / "notes.txt")
    with pytest.raises(DataError, match="does not exist"):
        plan([folder / "z.png"], tmp_path / "out")
    with pytest.raises(DataError, match="cannot be read: File name too long"):
        plan([folder / ("z" * 300)], tmp_path / "out")


# --- What is left out ------------------------------------------------------------------------------------------------


def test_what_is_left_out_of_a_folder_and_what_failed_is_counted_by_kind(
    folder: Path, translator: Path, tmp_path: Path
) -> None:
    for name in ("notes.txt", "a.psd", "b.psd", "._x.jpg", ".unfinished-0123abcd-x.png", "deep/Thumbs.db"):
        (folder / name).write_bytes(b"text")
    for name in ("cut.png", "text.jpg"):
        (folder / name).write_bytes(b"\x89PNG")
    (folder / "scan").write_bytes(images.encode(noise(32, 32), "PNG"))
    said = translate(translator, folder, "--out", tmp_path / "out")
    assert said.code == 1
    assert "4 of 6 pictures translated" in said.out
    (line,) = (line for line in said.err.splitlines() if line.startswith("left out: "))
    counts = line.removeprefix("left out: ").split(", ")
    assert sorted(counts) == ["1 .txt", "1 hidden file", "2 .psd", "2 system files"]
    assert "failed: 2 refused files" in said.err
    assert sorted(contents(tmp_path / "out")) == ["deep/y.jpg", "scan.png", "x.jpg", "x.png"]


def test_a_folder_of_other_files_says_which(translator: Path, tmp_path: Path) -> None:
    for name in ("a.psd", "b.psd", "c.txt"):
        images.write(tmp_path / "in" / "x.png", noise())
        (tmp_path / "in" / name).write_text("text")
    (tmp_path / "in" / "x.png").unlink()
    said = translate(translator, tmp_path / "in", "--out", tmp_path / "out")
    assert said.code == 2
    assert "left out: 2 .psd, 1 .txt" in said.err
