"""A DICOM of many frames is a volume: each frame is read in its unit and place, and comes back in one DICOM."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from commands import diptych
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedCTImageStorage, JPEGLSLossless, RLELossless
from scans import PLACE, SECRET, dicom, opened, same
from test_neighbours import expected, weighed

from diptych import images
from diptych.data import open_data
from diptych.errors import ConfigError, DataError
from diptych.inference.volume import translate_volume

FRAMES, SIZE = 5, (12, 9)


def stored(dtype: str = "int16", seed: int = 0, frames: int = FRAMES) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (frames, *SIZE)).astype(dtype)


def many(path: Path, array: np.ndarray, **tags: Any) -> Path:
    """A DICOM of frames `N H W [3]`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = opened(dicom(array[0], **tags))
    whole.NumberOfFrames = len(array)
    whole.PixelData = array.tobytes() + b"\0" * (array.nbytes % 2)
    whole.save_as(path)
    return path


def group(**tags: Any) -> list[Dataset]:
    made = Dataset()
    for name, value in tags.items():
        setattr(made, name, value)
    return [made]


def enhanced(path: Path, array: np.ndarray, scales: list[tuple[float, float]]) -> Path:
    """One with functional groups: each frame has a place, and slope and intercept of its own."""
    shared = group(
        PixelMeasuresSequence=group(PixelSpacing=PLACE["PixelSpacing"], SliceThickness=2.5),
        PlaneOrientationSequence=group(ImageOrientationPatient=PLACE["ImageOrientationPatient"]),
    )
    frames = []
    for number, (slope, intercept) in enumerate(scales):
        frames += group(
            PlanePositionSequence=group(ImagePositionPatient=[1, 2, 2.5 * number]),
            PixelValueTransformationSequence=group(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="HU"),
            FrameVOILUTSequence=group(WindowCenter=40, WindowWidth=400),
            FrameContentSequence=group(FrameComments=SECRET),
        )
    return many(
        path, array, SOPClassUID=EnhancedCTImageStorage, PatientName=SECRET,
        SharedFunctionalGroupsSequence=shared, PerFrameFunctionalGroupsSequence=frames,
    )  # fmt: skip


def values(path: Path) -> np.ndarray:
    """The measured numbers of all frames, as this package reads them."""
    return np.stack([images.read(one).array[..., 0] for one in images.slices(path)])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize("dark", [False, True])
def test_an_identity_gives_the_frames_back(dtype: str, dark: bool, tmp_path: Path) -> None:
    array = stored(dtype)
    path = many(tmp_path / "a.dcm", array, PhotometricInterpretation=f"MONOCHROME{1 if dark else 2}", FrameTime=40)
    whole = opened(path)
    whole.FrameIncrementPointer = pydicom.tag.Tag("FrameTime")
    whole.save_as(path)
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    meant = least + most - array.astype(int) if dark else array
    np.testing.assert_array_equal(values(path), meant)
    made = same(dtype, int(meant.min()), int(meant.max()) + 1)
    notes = translate_volume(made, path, tmp_path / "b.dcm", made.checked({}), batch=2)
    assert any("slices are translated one by one" in note for note in notes)
    after = opened(tmp_path / "b.dcm")
    np.testing.assert_array_equal(after.pixel_array, meant, strict=False)
    assert int(after.NumberOfFrames) == FRAMES
    assert after.FrameTime == 40
    assert after.FrameIncrementPointer == pydicom.tag.Tag("FrameTime")
    assert after.ImageType[:2] == ["DERIVED", "SECONDARY"]
    assert [one.name for one in tmp_path.iterdir() if one.name not in ("a.dcm", "b.dcm")] == []


@pytest.mark.parametrize(
    ("scales", "dtype"),
    [
        ([(1, -24)] * FRAMES, "int16"),
        ([(0.5, -24)] * FRAMES, "float32"),
        ([(0.25 * (number + 1), 3.5) for number in range(FRAMES)], "float32"),
        ([(1, 0), *[(1, -24)] * (FRAMES - 1)], "float32"),
    ],
)
def test_each_frame_is_rescaled_by_its_own_numbers(
    scales: list[tuple[float, float]], dtype: str, tmp_path: Path
) -> None:
    array = stored("uint16")
    path = enhanced(tmp_path / "a.dcm", array, scales)
    meant = np.stack(
        [one.astype(float) * slope + intercept for one, (slope, intercept) in zip(array, scales, strict=True)]
    )
    first = images.read(images.slices(path)[0])
    assert first.array.dtype == dtype
    assert first.metadata.window == (-160, 240)
    np.testing.assert_array_equal(values(path), meant)
    made = same(dtype, -100, 400)
    notes = translate_volume(made, path, tmp_path / "b.dcm", made.checked({}))
    assert not any("rounded" in note for note in notes)
    np.testing.assert_allclose(values(tmp_path / "b.dcm"), meant, rtol=1e-6)


def test_a_result_lies_frame_by_frame_where_its_source_does_and_names_nobody(tmp_path: Path) -> None:
    path = enhanced(tmp_path / "a.dcm", stored("uint16"), [(1, -24)] * FRAMES)
    made = same("int16", -100, 400)
    translate_volume(made, path, tmp_path / "b.dcm", made.checked({}))
    assert SECRET.encode() in path.read_bytes()
    assert SECRET.encode() not in (tmp_path / "b.dcm").read_bytes()
    after = opened(tmp_path / "b.dcm")
    assert after.SOPClassUID == EnhancedCTImageStorage
    shared, frames = after.SharedFunctionalGroupsSequence[0], after.PerFrameFunctionalGroupsSequence
    assert shared.PixelMeasuresSequence[0].PixelSpacing == PLACE["PixelSpacing"]
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == PLACE["ImageOrientationPatient"]
    assert [one.PlanePositionSequence[0].ImagePositionPatient[2] for one in frames] == [0, 2.5, 5, 7.5, 10]
    assert "ImagePositionPatient" not in after
    assert "PixelMeasuresSequence" not in frames[0]
    assert images.read(tmp_path / "b.dcm" / "f0000").metadata.dpi is not None


def test_floats_beside_all_steps_are_rounded_once_for_all_frames_and_that_is_said(tmp_path: Path) -> None:
    path = enhanced(tmp_path / "a.dcm", stored("uint16"), [(0.5, -24)] * FRAMES)
    made = weighed(1, -100, 400)
    notes = translate_volume(made, path, tmp_path / "b.dcm", made.checked({}))
    assert "written as DICOM: values are rounded to the nearest of 65536" in notes
    meant = expected(stored("uint16") * 0.5 - 24, 1)
    np.testing.assert_allclose(values(tmp_path / "b.dcm"), meant, atol=np.ptp(meant) / 65535)


@pytest.mark.parametrize("name", ["SC_rgb_rle_2frame.dcm"])
def test_frames_of_colours_come_back(name: str, tmp_path: Path) -> None:
    path = Path(get_testdata_file(name, download=False))
    whole = opened(path).pixel_array
    for number, one in enumerate(images.slices(path)):
        np.testing.assert_array_equal(images.read(one).array, whole[number])
    made = same("uint8", 0, 255, 3)
    translate_volume(made, path, tmp_path / "b.dcm", made.checked({}))
    after = opened(tmp_path / "b.dcm")
    np.testing.assert_array_equal(after.pixel_array, whole)
    assert after.SOPClassUID.name == "Multi-frame True Color Secondary Capture Image Storage"


@pytest.mark.parametrize("table", [False, True])
def test_packed_frames_are_told_apart(table: bool, tmp_path: Path) -> None:
    array = stored("uint16")
    whole = opened(many(tmp_path / "a.dcm", array))
    packed = [imagecodecs.jpegls_encode(frame) for frame in array]
    whole.file_meta.TransferSyntaxUID = JPEGLSLossless
    if table:
        whole.PixelData, whole.ExtendedOffsetTable, whole.ExtendedOffsetTableLengths = (
            pydicom.encaps.encapsulate_extended(packed)
        )
    else:
        whole.PixelData = pydicom.encaps.encapsulate(packed, has_bot=False)
    whole["PixelData"].is_undefined_length = True
    whole.save_as(tmp_path / "b.dcm")
    np.testing.assert_array_equal(values(tmp_path / "b.dcm"), array)
    other = opened(many(tmp_path / "c.dcm", array))
    other.compress(RLELossless)
    other.save_as(tmp_path / "c.dcm")
    np.testing.assert_array_equal(values(tmp_path / "c.dcm"), array)


def test_frames_have_neighbours_too(tmp_path: Path) -> None:
    made = weighed(1, 0, 255, "uint8")
    path = many(tmp_path / "a.dcm", stored("uint8"))
    translate_volume(made, path, tmp_path / "b.dcm", made.checked({}))
    np.testing.assert_allclose(values(tmp_path / "b.dcm"), expected(stored("uint8"), 1), atol=0.51)


def test_the_command_translates_frames_whatever_the_file_is_called(tmp_path: Path) -> None:
    same("int16", -1024, 1000).save(tmp_path / "model")
    for name in ("heart.dcm", "1.3.12.7"):
        many(tmp_path / "in" / name, stored())
    given = ["translate", tmp_path / "model", "--plugin", "odd.same"]
    said = diptych(*given, tmp_path / "in", "--out", tmp_path / "out")
    assert said.code == 0, said.err
    assert "heart.dcm translated slice by slice into" in said.out
    assert "DICOM has no room for content credentials" in said.err
    for name in ("heart.dcm", "1.3.12.7.dcm"):
        np.testing.assert_array_equal(values(tmp_path / "out" / name), stored())
    wrong = diptych(*given, tmp_path / "in" / "heart.dcm", "--out", tmp_path / "b.tif")
    assert wrong.code == 2
    assert "is written as .dcm or .dicom: give such a name" in wrong.err


def test_files_of_frames_are_pairs_of_slices(tmp_path: Path) -> None:
    for number in range(4):
        many(tmp_path / "mr" / f"{number}.dcm", stored("uint16", number))
        many(tmp_path / "ct" / f"{number}.dcm", stored("int16", number + 10))
    data = open_data(folder=str(tmp_path), direction="mr2ct", size="9x12", val=0.25)
    assert (len(data.train), len(data.val)) == (3 * FRAMES, FRAMES)
    for name, source, target in data.pairs("val"):
        number, place = int(name[0]), int(name[-1])
        assert name == f"{number}/f{place:04d}"
        np.testing.assert_array_equal(source.array[..., 0], stored("uint16", number)[place])
        np.testing.assert_array_equal(target.array[..., 0], stored("int16", number + 10)[place])


# --- What is refused -------------------------------------------------------------------------------------------------


def test_what_cannot_be_a_volume_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = many(tmp_path / "a.dcm", stored())
    for source in (path, path.read_bytes()):
        with pytest.raises(DataError, match="is a DICOM of 5 frames, a volume: diptych translate takes it as it is"):
            images.read(source)
    with pytest.raises(DataError, match="is none of the 5 images"):
        images.read(path / "f0005")
    with pytest.raises(DataError, match="over the limit"):
        images.read(path / "f0000", limit_mp=1e-5)
    colours = same("uint16", 0, 255, 3)
    with pytest.raises(ConfigError, match="a result of 3 channels has no room in a DICOM"):
        translate_volume(colours, path, tmp_path / "b.dcm", colours.checked({}))
    (tmp_path / "cut.dcm").write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"cut\.dcm/f0004: is damaged or cut short"):
        images.read(tmp_path / "cut.dcm" / "f0004")
    made = same("int16", 0, 255)
    with pytest.raises(DataError, match="is damaged or cut short"):
        translate_volume(made, tmp_path / "cut.dcm", tmp_path / "b.dcm", made.checked({}))
    without = opened(path)
    del without.PixelData
    stream = io.BytesIO()
    without.save_as(stream)
    with pytest.raises(DataError, match="is a DICOM without pixels"):
        images.read(stream.getvalue())
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.dcm", "cut.dcm"]
