"""A DICOM is read as what was measured, and a result is one that lies in its place and tells of nobody."""

from __future__ import annotations

import io
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from commands import diptych
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import noise
from pydicom.data import get_testdata_file
from scans import PLACE, SECRET, dicom, opened, same

from diptych import images
from diptych.data import open_data
from diptych.errors import DataError
from diptych.images import dicom as reading
from diptych.images.metadata import Metadata
from diptych.serve.engine.worker import Batch, Translation

SHIPPED = [
    "CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm", "693_J2KI.dcm",
    "examples_palette.dcm", "examples_overlay.dcm",
    "image_dfl.dcm", "J2K_pixelrep_mismatch.dcm", "SC_rgb_rle_16bit.dcm", "SC_rgb_jpeg.dcm",
    "SC_ybr_full_422_uncompressed.dcm", "rtdose_1frame.dcm", "SC_jpeg_no_color_transform_2.dcm", "SC_rgb_gdcm_KY.dcm",
]  # fmt: skip
"""Files that come with pydicom, and that it decodes by itself or by Pillow."""

NAMING = (
    "PatientName", "PatientID", "OtherPatientIDs", "InstitutionName", "ReferringPhysicianName", "OperatorsName",
    "StationName", "StudyDescription", "SeriesDescription", "PatientComments", "ImageComments", "ProtocolName",
    "DeviceSerialNumber",
)  # fmt: skip


def shipped(name: str) -> Path:
    return Path(get_testdata_file(name, download=False))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_file_of_pydicom_is_what_it_says(name: str) -> None:
    picture, header, tags = images.read(shipped(name)), images.header(shipped(name)), opened(shipped(name))
    expected = pydicom.pixels.pixel_array(tags)
    if tags.PhotometricInterpretation == "PALETTE COLOR":
        expected = pydicom.pixels.apply_color_lut(expected, tags)
    expected = pydicom.pixels.apply_modality_lut(expected, tags)
    np.testing.assert_array_equal(picture.array.squeeze(), expected)
    assert header[:4] == (*picture.array.shape[1::-1], picture.array.shape[2], picture.array.dtype.name)
    assert header.notes == picture.notes


@pytest.mark.parametrize("name", ["MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm", "MR_small_RLE.dcm"])
def test_packed_without_loss_it_is_the_same(name: str) -> None:
    np.testing.assert_array_equal(images.read(shipped(name)).array, images.read(shipped("MR_small.dcm")).array)


@pytest.mark.parametrize("name", ["JPGExtended.dcm", "SC_rgb_jpeg_gdcm.dcm", "JPEGLSNearLossless_16.dcm"])
def test_what_pydicom_alone_cannot_unpack_is_read(name: str) -> None:
    array = images.read(shipped(name)).array
    assert array.std() > 0


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(["uint8", "uint16", "int16"]),
    bits=st.integers(9, 16),
    slope=st.sampled_from([1, 1, 2, 0.25, 0.0123]),
    intercept=st.sampled_from([0, 0, -1024, 3.5, 100]),
    dark=st.booleans(),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 99),
)
def test_numbers_are_rescaled_and_come_back_exactly(
    dtype: str, bits: int, slope: float, intercept: float, dark: bool, size: tuple[int, int], seed: int
) -> None:
    bits = 8 if dtype == "uint8" else bits
    least = -(1 << bits - 1) if dtype == "int16" else 0
    most = least + (1 << bits) - 1
    stored = np.random.default_rng(seed).integers(least, most, size, endpoint=True).astype(dtype)
    scale = {"RescaleSlope": slope, "RescaleIntercept": intercept}
    file = dicom(stored, BitsStored=bits, PhotometricInterpretation=f"MONOCHROME{1 if dark else 2}", **scale, **PLACE)
    meant = (least + most - stored.astype(float) if dark else stored.astype(float)) * slope + intercept
    if slope == 1 and intercept == -1024 and (meant.min() < -32768 or meant.max() > 32767):
        with pytest.raises(DataError, match="beyond signed ones of 16 bits"):
            images.read(file)
        return
    picture = images.read(file)
    np.testing.assert_allclose(picture.array[..., 0], meant, rtol=1e-7)
    plain = slope == 1 and intercept == 0
    assert picture.array.dtype.kind == (
        "f" if picture.array.dtype == "float32" else "u" if plain and least == 0 else "i"
    )
    again = images.read(images.encode(picture.array, "DICOM", metadata=picture.metadata))
    np.testing.assert_array_equal(again.array.astype(np.float64), picture.array, strict=False)
    assert not images.lost("DICOM", picture)


def test_bits_above_those_stored_are_no_part_of_a_number() -> None:
    stored = np.array([[5, 5 | 1 << 12, 4095]], np.uint16)
    assert images.read(dicom(stored, BitsStored=12)).array.ravel().tolist() == [5, 5, 4095]
    signed = np.array([[0x0FFF, 5]], np.int16)
    assert images.read(dicom(signed, BitsStored=12)).array.ravel().tolist() == [-1, 5]


def test_the_sign_is_that_of_the_file_whatever_packed_it() -> None:
    signed = np.array([[-2048, -1, 0, 2047]] * 4, np.int16)
    whole = opened(dicom(signed, BitsStored=12))
    packed = imagecodecs.jpegls_encode(signed.view(np.uint16) & 0x0FFF)
    whole.PixelData = pydicom.encaps.encapsulate([packed])
    whole["PixelData"].is_undefined_length = True
    whole.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLSLossless
    stream = io.BytesIO()
    whole.save_as(stream)
    np.testing.assert_array_equal(images.read(stream.getvalue()).array[..., 0], signed)


def test_colours_come_back_too() -> None:
    picture = images.read(dicom(noise()))
    np.testing.assert_array_equal(picture.array, noise())
    again = images.read(images.encode(picture.array, "DICOM", metadata=picture.metadata))
    np.testing.assert_array_equal(again.array, noise())


def test_floats_beside_the_steps_are_rounded_and_that_is_said() -> None:
    array = noise(dtype="float32", channels=1) * 900 - 7
    (note,) = images.lost("DICOM", images.Picture(array))
    assert note == "written as DICOM: values are rounded to the nearest of 65536"
    again = images.read(images.encode(array, "DICOM"))
    assert np.abs(again.array - array).max() <= 900 / 65535 / 2 + 1e-4


# --- What becomes of results -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return same("int16", -1024, 4000).save(tmp_path_factory.mktemp("model") / "model")


def test_a_result_is_a_derived_image_in_the_same_place(model: Path, tmp_path: Path) -> None:
    said = diptych("translate", model, shipped("CT_small.dcm"), "--plugin", "odd.same", "--out", tmp_path / "out")
    assert said.code == 0, said.err
    before, after = opened(shipped("CT_small.dcm")), opened(tmp_path / "out" / "CT_small.dcm")
    a, b = (pydicom.pixels.apply_modality_lut(tags.pixel_array, tags) for tags in (before, after))
    np.testing.assert_array_equal(a.clip(-1024, 4000), b)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "Modality"):
        assert after[name].value == before[name].value
    assert after.ImageType[:2] == ["DERIVED", "SECONDARY"]
    assert "model" in after.SeriesDescription
    assert "machine-learned" in after.DerivationDescription
    for name in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert after[name].value != before[name].value
        assert after[name].value.is_valid
    assert after.PatientName == after.PatientID == ""
    assert "DICOM has no room for content credentials" in said.err


def test_nothing_that_tells_of_somebody_goes_into_a_result() -> None:
    tags = dict.fromkeys(NAMING, SECRET)
    private = pydicom.Dataset()
    private.PatientName = SECRET
    file = dicom(noise(8, 8, 1)[..., 0], **tags, StudyDate="19990101", RequestAttributesSequence=[private])
    whole = opened(file)
    whole.private_block(0x0011, SECRET, create=True).add_new(1, "LO", SECRET)
    stream = io.BytesIO()
    whole.save_as(stream)
    picture = images.read(stream.getvalue())
    written = images.encode(picture.array, "DICOM", metadata=picture.metadata)
    assert SECRET.encode() in stream.getvalue()
    assert SECRET.encode() not in written
    assert b"19990101" not in written
    assert b"1.2.3.4" not in written


def test_a_larger_result_lies_nowhere() -> None:
    picture = images.read(dicom(noise(8, 8, 1)[..., 0], **PLACE))
    tags = opened(images.encode(picture.array.repeat(2, axis=0), "DICOM", metadata=picture.metadata))
    assert "PixelSpacing" not in tags
    assert "ImagePositionPatient" not in tags
    assert tags.SliceThickness == 2.5


def test_results_of_one_series_are_one_series() -> None:
    results = []
    for series in ("1.2.3.4", "1.2.3.4", "1.2.3.5"):
        picture = images.read(dicom(noise(8, 8, 1)[..., 0], SeriesInstanceUID=series))
        results.append(opened(images.encode(picture.array, "DICOM", metadata=picture.metadata)))
    first, second, other = (tags.SeriesInstanceUID for tags in results)
    assert first == second != other
    assert len({tags.SOPInstanceUID for tags in results}) == 3


def test_padding_holds_nothing_and_stays() -> None:
    stored = noise(16, 16, 1, "int16")[..., 0] % 900
    stored[:4] = -2000
    file = dicom(stored, PixelPaddingValue=-2000, RescaleIntercept=-24, RescaleSlope=1)
    made = same("int16", -24, 900)(images.read(file))
    assert made.metadata.no_data == -2024
    assert (made.array[:4] == -2024).all()
    assert not made.notes
    again = images.read(images.encode(made.array, "DICOM", metadata=made.metadata))
    assert again.metadata.no_data == -2024
    np.testing.assert_array_equal(again.array, made.array)


def test_what_has_no_number_there_is_left_out_or_refused(tmp_path: Path) -> None:
    array = noise(8, 8, 1, "float32")
    for number in (-9999.0, -3.4e38, np.nan):
        file = images.encode(array, "DICOM", metadata=Metadata(no_data=number))
        assert images.read(file).metadata.no_data is None
    array[2, 2] = np.nan
    with pytest.raises(DataError, match=r"a\.dcm: DICOM has no number for NaN: write it as TIFF or NPY"):
        images.write(tmp_path / "a.dcm", array)


def test_a_server_answers_a_dicom_with_one(tmp_path: Path) -> None:
    stored = noise(16, 16, 1, "int16")[..., 0] // 32
    with ThreadPoolExecutor(1) as pool:
        for format in (None, "TIFF"):
            batch = Batch("model", [dicom(stored)], {}, format)
            (outcome,) = Translation(same("int16", -1024, 1024), None, batch, 50, pool).outcomes()
            assert outcome.format == (format or "DICOM")
            np.testing.assert_array_equal(images.read(outcome.data).array[..., 0], stored)


def test_a_folder_of_them_is_learned_from(tmp_path: Path) -> None:
    for number in range(3):
        for side, top in (("ct", 1000), ("mr", 200)):
            place = tmp_path / "train" / side
            place.mkdir(parents=True, exist_ok=True)
            stored = np.random.default_rng(number).integers(0, top, (16, 16), np.uint16)
            (place / f"1.3.12.{number}").write_bytes(dicom(stored, RescaleIntercept=-24 if side == "ct" else 0))
    data = open_data(folder=str(tmp_path), size=16, direction="mr2ct", val=0)
    assert data.dtype == ("uint16", "int16")
    assert data.range[1][0] < 0 < 900 < data.range[1][1] < 976
    batch = next(data.loader(seed=0, batch=2))
    assert str(batch["target"].dtype) == "torch.int16"


def test_the_number_of_a_file_is_no_suffix(model: Path, tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"1.3.12.{number}").write_bytes(dicom(noise(16, 16, 1, "int16")[..., 0] // 64))
    files = [tmp_path / f"1.3.12.{number}" for number in range(2)]
    assert diptych("translate", model, *files, "--plugin", "odd.same", "--out", tmp_path / "out").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1.3.12.0.dcm", "1.3.12.1.dcm"]


def test_the_window_shows_and_changes_nothing() -> None:
    stored = np.arange(256, dtype=np.uint16).reshape(16, 16) * 16
    picture = images.read(dicom(stored, WindowCenter=[1000, 40], WindowWidth=[200, 400]))
    assert picture.metadata.window == (900, 1100)
    np.testing.assert_array_equal(picture.array[..., 0], stored)
    shown = picture.windowed
    assert shown.dtype == np.uint8
    assert (shown[stored < 900] == 0).all()
    assert (shown[stored > 1100] == 255).all()
    assert 120 < shown[..., 0].flat[63] < 140
    assert same("uint16", 0, 4095)(picture).metadata.window is None


# --- A series ---------------------------------------------------------------------------------------------------------

ROW, COLUMN = np.array([0.8, 0.6, 0]), np.array([0, 0, -1.0])
"""An oblique view."""


def series(folder: Path, *, step: float = 2.5, **tags: object) -> np.ndarray:
    """Five slices in files that are called in another order; their numbers `H W N` as they lie."""
    folder.mkdir()
    volume = np.random.default_rng(0).integers(-900, 900, (12, 9, 5)).astype(np.int16)
    for number, name in enumerate("caebd"):
        place = np.array([5, -7, 30]) + number * step * np.cross(ROW, COLUMN)
        lies = {"ImagePositionPatient": place.tolist(), "ImageOrientationPatient": [*ROW, *COLUMN]}
        file = dicom(np.ascontiguousarray(volume[..., number]), **{**PLACE, **lies, **tags})
        (folder / f"{name}.dcm").write_bytes(file)
    return volume


def test_a_series_becomes_a_volume_in_its_place(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    volume = series(tmp_path / "head")
    same("int16", -1024, 1000).save(tmp_path / "model")
    given = ["translate", tmp_path / "model", tmp_path / "head", "--plugin", "odd.same"]
    said = diptych(*given, "--out", tmp_path / "head.nii.gz")
    assert said.code == 0, said.err
    made = nibabel.load(tmp_path / "head.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(made.dataobj), volume.transpose(1, 0, 2))
    for row, column, number in ((0, 0, 0), (3, 7, 4)):
        place = np.array([5, -7, 30]) + 2.5 * number * np.cross(ROW, COLUMN) + 0.5 * column * ROW + 0.7 * row * COLUMN
        np.testing.assert_allclose(
            made.affine @ [column, row, number, 1], [-place[0], -place[1], place[2], 1], atol=1e-5
        )
    assert made.header.get_xyzt_units()[0] == "mm"


def test_what_is_no_series_is_refused_in_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    series(tmp_path / "head")
    other = dicom(noise(12, 9, 1)[..., 0], SeriesInstanceUID="1.9")
    same("int16", -1024, 1000).save(tmp_path / "model")

    def said(folder: str) -> str:
        given = ["translate", tmp_path / "model", tmp_path / folder, "--plugin", "odd.same"]
        found = diptych(*given, "--out", tmp_path / "no.nii")
        assert found.code == 2
        return found.err

    (tmp_path / "head" / "z.dcm").write_bytes(other)
    assert "head holds 2 series: give the folder of one" in said("head")
    series(tmp_path / "flat", step=0)
    assert "two slices lie in one place" in said("flat")
    series(tmp_path / "lost", PixelSpacing=None)
    assert "do not say where they lie: translate them as pictures, to a folder" in said("lost")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.dcm").write_bytes(other)
    assert "holds no series of DICOM files" in said("one")


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"NumberOfFrames": 3}, "a DICOM of 3 frames, a volume: diptych translate takes it as it is"),
        ({"Rows": None}, r"a DICOM without pixels \(CT Image Storage\): leave it out"),
    ],
)
def test_what_is_no_single_image_is_refused_in_a_sentence(tags: dict[str, object], said: str, tmp_path: Path) -> None:
    whole = opened(dicom(noise(8, 8, 1)[..., 0]))
    for name, value in tags.items():
        if value is None:
            del whole[name], whole.PixelData
        else:
            setattr(whole, name, value)
    whole.save_as(tmp_path / "a.dcm")
    for look in (images.header, images.read):
        with pytest.raises(DataError, match=rf"a\.dcm: is {said}"):
            look(tmp_path / "a.dcm")


def test_an_unknown_compression_is_named_with_what_to_do() -> None:
    whole = opened(shipped("SC_rgb_rle.dcm"))
    whole.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    stream = io.BytesIO()
    whole.save_as(stream)
    with pytest.raises(DataError, match=r"compressed in a way that is not read \(MPEG2.*: unpack it, as by gdcmconv"):
        images.read(stream.getvalue())


def test_words_in_its_pixels_are_warned_of() -> None:
    picture = images.read(dicom(noise(8, 8, 1)[..., 0], BurnedInAnnotation="YES"))
    assert picture.notes == (
        "words are burned into its pixels (BurnedInAnnotation): look for names before you give it away",
    )
    assert opened(images.encode(picture.array, "DICOM", metadata=picture.metadata)).BurnedInAnnotation == "YES"


def test_without_the_library_the_install_line_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    reading.library.cache_clear()
    with pytest.raises(DataError, match=r"is DICOM: this needs the library 'pydicom': pip install 'diptych\[dicom\]'"):
        images.header(shipped("CT_small.dcm"))
    reading.library.cache_clear()


def test_a_damaged_file_is_refused_or_read_and_never_another_error() -> None:
    whole, rng = dicom(noise(16, 16, 1, "int16")[..., 0], **PLACE), np.random.default_rng(0)
    for cut in (140, 300, 500, len(whole) - 3):
        with pytest.raises(DataError):
            images.read(whole[:cut])
    for _ in range(60):
        data = bytearray(whole)
        for position in rng.integers(132, 700, 4):
            data[position] = rng.integers(256)
        try:
            images.read(bytes(data), limit_mp=1)
        except DataError:
            continue
