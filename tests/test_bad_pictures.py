"""Bad input: an error that names the file and the remedy, and nothing else is lost."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pictures import bomb, noise, ramp, save, side_by_side, two_folders

from diptych import images
from diptych.data import check, open_data, recognise
from diptych.errors import ConfigError, DataError


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "NPY", "AVIF"])
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.95])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, format: str, kept: float) -> None:
    data = images.encode(np.tile(noise(40, 40), (3, 3, 1)), format)
    path = tmp_path / "cut.bin"
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(DataError, match=r"cut\.bin: .*replace or remove it"):
        images.read(path)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_a_truncated_16_bit_file_is_refused(format: str) -> None:
    data = images.encode(noise(64, 64, 3, "uint16"), format)
    with pytest.raises(DataError, match="replace or remove it"):
        images.read(data[: len(data) * 7 // 10])


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture at all", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"II*\0", b"\x93NUMPY", b"\0" * 500],
)
def test_what_is_no_picture_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.png"
    path.write_bytes(content)
    for look in (images.read, images.header):
        with pytest.raises(DataError, match=r"odd\.png"):
            look(path)


def test_random_damage_never_escapes_as_another_error() -> None:
    rng = np.random.default_rng(0)
    for format in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "NPY", "AVIF"):
        whole = images.encode(ramp(), format)
        for _ in range(30):
            data = bytearray(whole)
            for position in rng.integers(0, min(len(data), 300), 4):
                data[position] = rng.integers(256)
            try:
                images.read(bytes(data), limit_mp=1)
            except DataError:
                continue


def test_a_tiff_that_lacks_the_table_of_its_parts_is_refused() -> None:
    """A decoder would make the parts black that it does not find."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, noise(64, 64), photometric="rgb", compression="zlib", rowsperstrip=16)
    with tifffile.TiffFile(io.BytesIO(stream.getvalue())) as tiff:
        entries = [tag.offset for tag in tiff.pages.first.tags if tag.name in ("StripOffsets", "StripByteCounts")]
    for entry in entries:
        data = bytearray(stream.getvalue())
        data[entry] ^= 128  # another tag, which nobody knows
        with pytest.raises(DataError, match="damaged or cut short"):
            images.read(bytes(data))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png: cannot be read \(No such file"):
        images.read(tmp_path / "gone.png")


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = bomb(tmp_path / "bomb.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match=r"bomb\.png: is 30000x30000, 900\.0 megapixels, over the limit of 50"):
            images.read(path)
    assert images.header(path).width == 30000


@pytest.mark.parametrize("format", ["TIFF", "NPY", "PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_the_limit_holds_for_every_format_and_can_be_raised(format: str) -> None:
    data = images.encode(noise(100, 100), format)
    with pytest.raises(DataError, match=r"0\.0 megapixels, over the limit of 0\.009: .*raise limit_mp"):
        images.read(data, limit_mp=0.009)
    assert images.read(data, limit_mp=0.01).array.shape[:2] == (100, 100)


def test_many_channels_count_against_the_limit() -> None:
    with pytest.raises(DataError, match="over the limit"):
        images.read(images.encode(noise(100, 100, 40), "NPY"), limit_mp=0.05)


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    array = noise(dtype="float32")
    array[3, 4] = np.inf
    with pytest.raises(DataError, match="not finite numbers"):
        images.read(save(tmp_path / "a.npy", array))
    np.save(tmp_path / "b.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"b\.npy: holds values of type object"):
        images.read(tmp_path / "b.npy")


# --- Folders ---------------------------------------------------------------------------------------------------------


def test_an_empty_folder_says_what_to_put_there(tmp_path: Path) -> None:
    for look in (recognise, check, lambda root: open_data(folder=str(root))):
        with pytest.raises(DataError, match=r"holds no pictures: put .*\.png"):
            look(tmp_path)
        with pytest.raises(DataError, match="does not exist"):
            look(tmp_path / "nowhere")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a file, not a folder"):
        recognise(save(tmp_path / "a.png"))


def test_a_folder_without_a_readable_picture_names_the_first_faults(tmp_path: Path) -> None:
    for i in range(5):
        (tmp_path / f"{i}.jpg").write_bytes(b"text")
    with pytest.raises(DataError, match=r"none of its files can be used.*0\.jpg .*; and 2 more"):
        recognise(tmp_path)


def test_bad_files_are_listed_skipped_and_counted(tmp_path: Path) -> None:
    side_by_side(tmp_path, 4)
    (tmp_path / "train" / "bad.jpg").write_bytes(b"text")
    (tmp_path / "train" / "notes.txt").write_text("hello")
    (tmp_path / "train" / ".hidden").write_text("hello")
    bomb(tmp_path / "train" / "bomb.png")
    folder = recognise(tmp_path)
    assert len(folder.splits["train"]) == 4
    assert {fault.path.name for fault in folder.faults} == {"bad.jpg", "notes.txt", "bomb.png"}


def test_nothing_is_left_out_in_silence(tmp_path: Path) -> None:
    two_folders(tmp_path)
    save(tmp_path / "preview.png")
    for name in "123":
        save(tmp_path / "extra" / f"{name}.png")
        (tmp_path / "train" / "label" / f"{name}.ppm").write_bytes(b"P6 1 1 255 abc")
    save(tmp_path / "train" / "beside.png")
    save(tmp_path / "train" / "label" / "bremen" / "1.png")
    save(tmp_path / "one" / "two" / "1.png")
    (tmp_path / "train" / "photo" / "dangling.png").symlink_to("nowhere.png")
    (tmp_path / "train" / "loop").symlink_to("loop")
    (tmp_path / "train" / "photo" / "4.png").mkdir()
    folder = recognise(tmp_path)
    assert len(folder.splits["train"]) == 6
    assert {str(folder.relative(path)): what.partition(":")[0] for path, what in folder.faults} == {
        "preview.png": "is called like a preview",
        "extra/1.png": "lies outside train/, val/ or test/",
        "train/label/1.ppm": "is .ppm, which is not read",
        "train/beside.png": "lies outside the folders of the sides",
        "train/label/bremen/1.png": "lies in a folder of its own, while most pictures lie beside that folder",
        "one/two/1.png": "lies outside train/, val/ or test/",
        "train/photo/dangling.png": "is a link to what is gone",
        "train/loop": "is a link to what is gone",
        "train/photo/4.png": "is no file, though called like a picture",
    }
    assert sum("(and 2 more there)" in fault.what for fault in folder.faults) == 2


def test_files_cut_short_are_left_out_of_training_and_evaluation(tmp_path: Path) -> None:
    root = side_by_side(side_by_side(tmp_path, 5), 3, split="test")
    for split in ("train", "test"):
        path = root / split / "001.png"
        path.write_bytes(path.read_bytes()[:-200])
    data = open_data(folder=str(root), size=16, val=0)
    data.prepare(cache_dir=tmp_path / "cache")
    assert [item.name for item in data.train] == ["000", "002", "003", "004"]
    assert [name for name, *_ in data.pairs("test")] == ["000", "002"]
    assert sum("001.png" in note for note in data.notes) == 2
    again = open_data(folder=str(root), size=16, val=0)
    again.prepare(cache_dir=tmp_path / "cache")
    assert again.train == data.train, "the cache remembers what cannot be decoded"


def test_training_without_a_decodable_pair_is_refused(tmp_path: Path) -> None:
    for path in sorted((side_by_side(tmp_path, 3) / "train").iterdir()):
        path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"no training pairs that can be decoded: .*000\.png"):
        open_data(folder=str(tmp_path), size=16, val=0).prepare()
    with pytest.raises(DataError, match=r"none of its pictures can be used: 000\.png"):
        check(tmp_path)


def test_pairs_of_different_sizes_are_left_out_by_name(tmp_path: Path) -> None:
    two_folders(tmp_path, 3)
    save(tmp_path / "train" / "label" / "001.png", noise(16, 18, 1))
    folder = recognise(tmp_path)
    assert [item.name for item in folder.splits["train"]] == ["000", "002"]
    assert [fault.path.name for fault in folder.faults] == ["001.png"]
    assert "is 18x16, its partner" in folder.faults[0].what
    assert "16x16: give both one size" in folder.faults[0].what


def test_when_every_pair_differs_in_size_it_is_an_error(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", noise(16, 18))
    save(tmp_path / "b" / "1.png", noise(16, 16))
    with pytest.raises(DataError, match=r"none of its files can be used as two folders: a/1\.png is 18x16"):
        recognise(tmp_path)


def test_a_missing_partner_is_named(tmp_path: Path) -> None:
    two_folders(tmp_path, 4)
    (tmp_path / "train" / "label" / "002.png").unlink()
    save(tmp_path / "train" / "label" / "alone.png", noise(channels=1))
    faults = {fault.path.name: fault.what for fault in recognise(tmp_path).faults}
    assert faults == {"002.png": "has no partner in label/", "alone.png": "has no partner in photo/"}


def test_a_name_that_occurs_twice_is_named(tmp_path: Path) -> None:
    two_folders(tmp_path, 3)
    save(tmp_path / "train" / "photo" / "001.bmp")
    folder = recognise(tmp_path)
    assert [fault.what for fault in folder.faults] == ["has a name that occurs twice"]
    assert len(folder.splits["train"]) == 3


def test_a_picture_that_is_no_pair_among_pairs_is_left_out(tmp_path: Path) -> None:
    side_by_side(tmp_path, 4)
    save(tmp_path / "train" / "square.png", noise(16, 16))
    folder = recognise(tmp_path)
    assert len(folder.splits["train"]) == 4
    assert folder.faults[0].path.name == "square.png"
    assert "twice as wide as high" in folder.faults[0].what


def test_another_depth_or_another_number_of_channels_is_left_out(tmp_path: Path) -> None:
    two_folders(tmp_path, 4)
    save(tmp_path / "train" / "photo" / "001.png", noise(16, 16, 3, "uint16"))
    save(tmp_path / "train" / "photo" / "002.tif", noise(16, 16, 5))
    (tmp_path / "train" / "photo" / "002.png").unlink()
    faults = {fault.path.name: fault.what for fault in recognise(tmp_path).faults}
    assert faults == {
        "001.png": "is uint16 among uint8 pictures: convert it",
        "002.tif": "has 5 channels among pictures of 3: convert it",
    }


def test_one_pair_is_not_enough_unless_validation_is_given_up(tmp_path: Path) -> None:
    side_by_side(tmp_path, 1)
    with pytest.raises(DataError, match=r"one training pair and none to validate with: add pairs, or set data\.val=0"):
        open_data(folder=str(tmp_path), size=16)
    assert len(open_data(folder=str(tmp_path), size=16, val=0).train) == 1


@pytest.mark.parametrize("resize", ["square", "short", "none"])
def test_pictures_smaller_than_the_crop_are_refused_unless_enlarged(tmp_path: Path, resize: str) -> None:
    side_by_side(tmp_path, 3)
    with pytest.raises(DataError, match=r"3 of 3 .*smaller than the crop, 32x32 .*000\.png, 16x16.*data\.enlarge=true"):
        open_data(folder=str(tmp_path), size=32, val=0, resize=resize)  # type: ignore[arg-type]
    data = open_data(folder=str(tmp_path), size=32, val=0, resize=resize, enlarge=True)  # type: ignore[arg-type]
    assert next(data.loader(seed=0, batch=2))["source"].shape == (2, 32, 32, 3)


@pytest.mark.parametrize(("wrong", "says"), [({"val": 1.5}, "is not a share"), ({"load": 8}, "data.load=8 is below")])
def test_impossible_options_are_refused(tmp_path: Path, wrong: dict[str, float], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        open_data(folder=str(side_by_side(tmp_path)), size=16, **wrong)  # type: ignore[arg-type]


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="split=dev is unknown: use one of train, val, test"):
        open_data(folder=str(side_by_side(tmp_path)), size=16).items("dev")
