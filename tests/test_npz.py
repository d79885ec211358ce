"""An archive of NumPy that holds one array is a picture, and a result goes into one of the same name."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from pictures import noise
from scans import same

from diptych import images
from diptych.data import open_data, recognise
from diptych.errors import DataError
from diptych.serve.uploads import pictures_in


def archive(packed: bool = False, **arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("packed", [False, True])
def test_one_array_is_read_and_written_without_loss(dtype: str, channels: int, packed: bool, tmp_path: Path) -> None:
    array = noise(20, 24, channels, dtype)
    (tmp_path / "a.npz").write_bytes(archive(packed, heights=array))
    picture, header = images.read(tmp_path / "a.npz"), images.header(tmp_path / "a.npz")
    np.testing.assert_array_equal(picture.array, array, strict=True)
    assert header[:5] == (24, 20, channels, dtype, "NPZ")
    picture.save(tmp_path / "out" / "b.npz")
    with np.load(tmp_path / "out" / "b.npz") as found:
        assert found.files == ["heights"]
        np.testing.assert_array_equal(found["heights"], array, strict=True)


def test_the_rules_are_those_of_a_single_array() -> None:
    flat, first = noise(20, 24, 1), noise(20, 24, 3)
    np.testing.assert_array_equal(images.read(archive(arr_0=flat[..., 0])).array, flat)
    np.testing.assert_array_equal(images.read(archive(arr_0=np.moveaxis(first, -1, 0))).array, first)
    assert images.read(archive(arr_0=flat.astype(np.float64))).notes == ("float64 converted to float32",)
    with pytest.raises(DataError, match="C H W as it seems"):
        images.read(archive(arr_0=noise(20, 24, 7).transpose(2, 0, 1)))


@pytest.mark.parametrize("name", ["file", "allow_pickle", "depth map"])
def test_a_result_keeps_the_name_of_the_array_whatever_it_is(name: str) -> None:
    metadata = same("uint8", 0, 255)(images.read(archive(x=noise(20, 24, 1)))).metadata
    assert metadata.array_name == "x"
    named = images.encode(noise(), "NPZ", metadata=replace(metadata, array_name=name))
    assert np.load(io.BytesIO(named)).files == [name]
    assert np.load(io.BytesIO(images.encode(noise(), "NPZ"))).files == ["arr_0"]


def test_the_command_keeps_the_format(tmp_path: Path) -> None:
    same("int16", -1024, 1000).save(tmp_path / "model")
    array = noise(20, 24, 1, "int16") % 900
    (tmp_path / "a.npz").write_bytes(archive(ct=array))
    said = diptych(
        "translate", tmp_path / "model", tmp_path / "a.npz", "--plugin", "odd.same", "--out", tmp_path / "out"
    )
    assert said.code == 0, said.err
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "a.npz")["ct"], array)


def test_they_are_learned_from(tmp_path: Path) -> None:
    for number in range(3):
        for side in ("a", "b"):
            (tmp_path / side).mkdir(exist_ok=True)
            (tmp_path / side / f"{number}.npz").write_bytes(archive(x=noise(20, 24, 1, "float32", seed=number)))
    (tmp_path / "a" / "3.npz").write_bytes(archive(image=noise(), label=noise()))
    data = open_data(folder=str(tmp_path), direction="a2b", size=16, val=0)
    assert len(data.train) == 3
    assert any("a/3.npz holds 2 arrays (image, label): keep the one" in note for note in data.notes)


def test_a_job_takes_an_archive_for_a_picture_and_not_for_a_zip_of_some() -> None:
    data = archive(x=noise())
    ((name, found),) = pictures_in("a.NPZ", io.BytesIO(data), largest=10**6, room=10**6, left_out=[])
    assert (name, found) == ("a.NPZ", data)


# --- What is refused -------------------------------------------------------------------------------------------------


def test_several_arrays_are_refused_with_their_names() -> None:
    with pytest.raises(DataError, match=r"holds 2 arrays \(image, label\): keep the one that is the picture"):
        images.read(archive(image=noise(), label=noise()))
    with pytest.raises(DataError, match=r"holds 12 arrays \(a0, .*a8, \.\.\.\)"):
        images.header(archive(**{f"a{number}": noise(4, 4) for number in range(12)}))


def test_objects_are_never_unpickled() -> None:
    with pytest.raises(DataError, match="holds values of type object"):
        images.read(archive(x=np.array([[{}]], dtype=object)))


def test_what_is_damaged_or_too_large_is_refused() -> None:
    whole = archive(packed=True, x=np.zeros((400, 400), np.uint8))
    with pytest.raises(DataError, match="over the limit"):
        images.read(whole, limit_mp=0.1)
    for data in (whole[:-30], whole[:60]):
        with pytest.raises(DataError, match="damaged or cut short"):
            images.read(data)
    plain = bytearray(archive(x=noise()))
    plain[400] ^= 255
    with pytest.raises(DataError, match=r"damaged or cut short \(Bad CRC"):
        images.read(bytes(plain))


def test_another_zip_is_no_picture(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "words.docx", "w") as file:
        file.writestr("word/document.xml", "<xml/>")
    with pytest.raises(DataError, match="is not a picture that can be read"):
        images.read(tmp_path / "words.docx")
    (tmp_path / "a.png").write_bytes(images.encode(noise(), "PNG"))
    assert recognise(tmp_path).left_out == "1 .docx"
