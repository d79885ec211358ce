"""Label maps in every file that holds the same ids: read as the same ids, by all commands, or refused."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import diptych
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import ids, write_legend
from pictures import noise, pixels, save
from PIL import Image
from stored import bmp, encoded, png, rgb_profile, tiff

from diptych import images
from diptych.data import open_data
from diptych.data.labels import Survey, survey
from diptych.data.recognising import recognise
from diptych.errors import DataError
from diptych.images import Picture
from diptych.images.legend import Class, Legend, coding
from diptych.model.preparing import open_picture

LEGEND = Legend(
    classes=(
        Class(id=0, name="sky", colour=(10, 20, 200)),
        Class(id=1, name="road", colour=(90, 90, 90)),
        Class(id=3, name="car", colour=(200, 30, 30)),
        Class(id=11, name="void", colour=(0, 0, 0), void=True),
    )
)
NUMBERS = (0, 1, 3, 11)
COLOURS = np.array([c.colour for c in LEGEND.classes], np.uint8)


def ranks(there: np.ndarray) -> np.ndarray:
    return np.searchsorted(NUMBERS, there[..., 0]).astype(np.uint8)


def forms(there: np.ndarray) -> dict[str, bytes]:
    """The same ids in every kind of file."""
    seen = LEGEND.palette[there[..., 0]]
    turned = np.array([2, 0, 3, 1], np.uint8)  # another order, as an optimiser makes it
    greys = np.array(NUMBERS, np.uint8)[:, None].repeat(3, axis=1)
    gif = io.BytesIO()
    image = Image.fromarray(ranks(there), "P")
    image.putpalette(COLOURS.tobytes())
    image.save(gif, "GIF")
    return {
        "grey PNG": png(there, 8),
        "4-bit PNG": png(there, 4),
        "16-bit PNG": png(there, 16),
        "4-bit BMP": bmp(there[..., 0], 4, [(17 * n,) * 3 for n in range(16)]),
        "4-bit TIFF": tiff(there, 4, 1),
        "4-bit TIFF, white is zero": tiff(15 - there, 4, 0),
        "12-bit TIFF": tiff(there, 12, 1),
        "grey TIFF": encoded(there[..., 0], "TIFF"),
        "palette of greys": png(turned[ranks(there)], 2, palette=greys[np.argsort(turned)].tobytes()),
        "palette of all greys": png(there, 8, palette=bytes(n for n in range(256) for _ in range(3))),
        "palette": png(there, 8, palette=LEGEND.palette.tobytes()),
        "palette in another order": png(turned[ranks(there)], 4, palette=COLOURS[np.argsort(turned)].tobytes()),
        "palette BMP": bmp(ranks(there), 8, [tuple(map(int, colour)) for colour in COLOURS]),  # type: ignore[misc]
        "palette GIF": gif.getvalue(),
        "RGB PNG": encoded(seen, "PNG"),
        "RGB PNG with a profile": encoded(seen, "PNG", icc_profile=rgb_profile()),
        "RGB WebP": encoded(seen, "WEBP", lossless=True),
        "RGB TIFF": encoded(seen, "TIFF"),
        "RGB TIFF with a profile": encoded(seen, "TIFF", icc_profile=rgb_profile()),
    }


FORMS = forms(ids(numbers=NUMBERS))
SUFFIX = {"PNG": ".png", "TIFF": ".tif", "BMP": ".bmp", "GIF": ".gif", "WEBP": ".webp"}


def put(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name + SUFFIX[images.format_of(data)])
    path.write_bytes(data)
    return path


def labels_and_photos(root: Path, form: str, *, count: int = 4, legend: bool = True) -> Path:
    for number in range(count):
        for split in ("train", "test"):
            put(root / split / "label", str(number), forms(ids(seed=number, numbers=NUMBERS))[form])
            save(root / split / "photo" / f"{number}.png", noise(32, 32, seed=number))
    if legend:
        write_legend(root / "legend.yaml", LEGEND)
    return root


def opened(root: Path, **options: Any) -> Any:
    return open_data(folder=str(root), direction="label2photo", labels="label", size=16, val=0, **options)


def looked_at(root: Path) -> Survey:
    return survey(recognise(root, labels="label"), 0, None, limit_mp=9, snap=False)


@settings(max_examples=60, deadline=None)
@given(form=st.sampled_from(sorted(FORMS)), seed=st.integers(0, 99))
def test_the_same_ids_are_read_from_every_kind_of_file(form: str, seed: int) -> None:
    there = ids(seed=seed, numbers=NUMBERS)
    picture = images.read(forms(there)[form], indices=True)
    np.testing.assert_array_equal(LEGEND.read(picture).array, there)


@pytest.mark.parametrize("form", [form for form in FORMS if form not in ("4-bit BMP", "12-bit TIFF")])
def test_an_image_of_pillow_holds_the_ids_of_its_file(form: str) -> None:
    image = Image.open(io.BytesIO(FORMS[form]))
    np.testing.assert_array_equal(LEGEND.read(open_picture(image, indices=True)).array, ids(numbers=NUMBERS))


@pytest.mark.parametrize("form", FORMS)
def test_training_and_its_check_see_the_ids_of_every_kind_of_file(form: str, tmp_path: Path) -> None:
    root = labels_and_photos(tmp_path, form)
    found = [source.array for _, source, _ in opened(root).pairs("test")]
    for number, array in enumerate(found):
        np.testing.assert_array_equal(array, ids(seed=number, numbers=NUMBERS))
    folder = recognise(root, labels="label")
    plain = survey(
        recognise(labels_and_photos(tmp_path / "b", "grey PNG"), labels="label"), 0, None, limit_mp=9, snap=False
    )
    assert survey(folder, 0, None, limit_mp=9, snap=False).shares == plain.shares


@pytest.mark.parametrize("form", [form for form in FORMS if "RGB" not in form])
def test_without_a_legend_numbers_and_greys_are_ids_and_other_palettes_indices(form: str, tmp_path: Path) -> None:
    data = opened(labels_and_photos(tmp_path, form, legend=False))
    rank = images.read(FORMS[form], indices=True).palette is not None and "greys" not in form and form != "palette"
    assert [c.id for c in data.legends[0].classes] == ([0, 1, 2, 3] if rank else [0, 1, 3, 11])
    for number, (_, source, _) in enumerate(data.pairs("test")):
        there = ids(seed=number, numbers=NUMBERS)
        if form == "palette in another order":
            there = np.array([2, 0, 3, 1])[ranks(there)][..., None]
        np.testing.assert_array_equal(source.array, ranks(there)[..., None] if rank and "order" not in form else there)


def test_a_model_makes_one_picture_of_all_files_of_the_same_ids_and_scores_them_alike(tmp_path: Path) -> None:
    small = ["data.size=32", "method.generator=unet_32", "method.width=4", "method.discriminator_width=4"]
    options = ["data.labels=label", "data.val=0", "train.images=4", "train.batch=2", *small]
    root, run, out = labels_and_photos(tmp_path / "grey PNG", "grey PNG"), tmp_path / "run", tmp_path / "out"
    said = diptych("train", "pix2pix", "--data", root, "--direction", "label2photo", "--out", run, *options)
    assert said.code == 0, said.err
    for number, data in enumerate(FORMS.values()):
        put(tmp_path / "given", str(number), data)
    assert diptych("translate", run, tmp_path / "given", "--out", out).code == 0
    made = [pixels(path) for path in out.iterdir() if path.suffix in (".png", ".tif", ".bmp")]  # without loss
    assert len(made) == len(FORMS) - 2
    assert len(set(made)) == 1
    scores = []
    for form in ("grey PNG", "palette in another order", "4-bit PNG"):
        root = labels_and_photos(tmp_path / form, form)
        scored = diptych("evaluate", run, "--data", root, "--json", "--out", tmp_path / f"report {form}")
        assert scored.code == 0, scored.err
        scores.append(json.loads(scored.out)["metrics"])
    assert scores[0] == scores[1] == scores[2]


# --- Refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unknown", [(1, 2, 3), (77, 77, 77)])
@pytest.mark.parametrize("stored", ["palette", "RGB"])
def test_a_colour_that_is_no_class_is_refused_in_a_palette_as_in_rgb(
    stored: str, unknown: tuple[int, int, int], tmp_path: Path
) -> None:
    there = ids(numbers=NUMBERS[:3])
    index = ranks(there)
    index[5, 9] = 3
    colours = np.array([*COLOURS[:3], unknown], np.uint8)
    data = png(index, 2, palette=colours.tobytes()) if stored == "palette" else encoded(colours[index], "PNG")
    said = rf"the colour \({', '.join(map(str, unknown))}\) at the pixel x=9, y=5, which no class"
    with pytest.raises(DataError, match=said):
        LEGEND.read(images.read(data, indices=True))
    root = labels_and_photos(tmp_path, "RGB PNG")
    path = put(root / "train" / "label", "1", data)
    with pytest.raises(DataError, match=rf"{path} has {said}"):
        opened(root)
    checked = diptych("data", "check", root, "--labels", "label")
    assert checked.code != 0
    assert "x=9, y=5" in checked.err


def test_a_palette_of_few_colours_of_classes_is_never_read_by_its_indices() -> None:
    """A void and an unknown grey: the whole palette says that colours are meant."""
    there = np.array([[0, 1], [1, 0]], np.uint8)
    colours = np.array([(0, 0, 0), (3, 3, 3), (200, 30, 30)], np.uint8)
    with pytest.raises(DataError, match=r"the colour \(3, 3, 3\)"):
        LEGEND.read(images.read(png(there, 2, palette=colours.tobytes()), indices=True))


def test_an_index_without_a_colour_is_named_and_not_taken_for_black(tmp_path: Path) -> None:
    """As of void pixels, 255, in a file whose palette has the colours of the classes alone."""
    there = ids(numbers=NUMBERS[:3])
    index = ranks(there)
    index[4, 7] = 9
    data = png(index, 8, palette=COLOURS[:3].tobytes())
    said = r"has the index 9 at the pixel x=7, y=4, for which its palette of 3 colours has none"
    with pytest.raises(DataError, match=said):
        LEGEND.read(images.read(data, indices=True))
    root = labels_and_photos(tmp_path, "palette", legend=False)
    for number in range(4):
        for split in ("train", "test"):
            put(root / split / "label", str(number), data)
    assert [c.id for c in opened(root).legends[0].classes] == [0, 1, 2, 9]  # indices are ids there
    write_legend(root / "legend.yaml", LEGEND)
    with pytest.raises(DataError, match=said):
        opened(root)


@pytest.mark.parametrize("palette", [(0, 1, 3, 11), range(256), (0, 77)])
def test_one_grey_that_is_a_class_and_the_colour_of_another_is_the_id_if_the_palette_says_so(palette: Any) -> None:
    """A sky alone, whose id is the grey of the void."""
    there = np.zeros((5, 6), np.uint8)
    greys = bytes(grey for grey in palette for _ in range(3))
    assert not LEGEND.read(images.read(png(there, 8, palette=greys), indices=True)).array.any()


def test_a_grey_that_may_be_an_id_or_a_colour_is_refused() -> None:
    there = np.zeros((5, 6), np.uint8)
    with pytest.raises(DataError, match="whose 0 is the id of one class and the colour of another"):
        LEGEND.read(images.read(png(there, 8, palette=bytes(3)), indices=True))
    assert (LEGEND.read(images.read(encoded(np.zeros((5, 6, 3), np.uint8), "PNG"), indices=True)).array == 11).all()


@pytest.mark.parametrize("colours", [((255,) * 3, (0,) * 3), ((1,) * 3, (0,) * 3)])
def test_a_legend_in_greys_reads_what_is_written_in_its_own_palette(colours: Any) -> None:
    legend = Legend(classes=tuple(Class(id=n, name=str(n), colour=colour) for n, colour in enumerate(colours)))
    for there in (np.zeros((5, 6, 1), np.uint8), np.ones((5, 6, 1), np.uint8), ids(numbers=(0, 1))):
        data = images.encode(there, "PNG", palette=legend.palette)
        np.testing.assert_array_equal(legend.read(images.read(data, indices=True)).array, there)


def test_palettes_that_contradict_each_other_need_a_legend(tmp_path: Path) -> None:
    root = labels_and_photos(tmp_path, "palette", legend=False)
    put(root / "train" / "label", "2", forms(ids(seed=2, numbers=NUMBERS))["palette in another order"])
    with pytest.raises(DataError, match=r"2\.png: the index \d+ of its palette is .*Write legend\.yaml"):
        opened(root)
    write_legend(root / "legend.yaml", LEGEND)
    for number, (_, source, _) in enumerate(opened(root).pairs("train")):
        np.testing.assert_array_equal(source.array, ids(seed=number, numbers=NUMBERS))


# --- Beside them -----------------------------------------------------------------------------------------------------


def test_how_each_file_is_coded_can_be_asked(tmp_path: Path) -> None:
    root = labels_and_photos(tmp_path, "grey PNG")
    put(root / "train" / "label", "2", FORMS["palette"])
    put(root / "train" / "label", "3", FORMS["palette of greys"])
    put(root / "test" / "label", "3", FORMS["RGB PNG"])
    assert {name: len(paths) for name, paths in looked_at(root).codings.items()} == {
        "numbers": 5,
        "palette": 1,
        "palette of greys": 1,
        "colours": 1,
    }
    assert coding(Picture(noise(channels=1))) == "numbers"


@pytest.mark.parametrize("side_by_side", [False, True])
def test_the_photo_beside_a_label_map_keeps_its_colour_management(side_by_side: bool, tmp_path: Path) -> None:
    photo, there = noise(32, 32), ids(numbers=NUMBERS)
    profile = rgb_profile()
    managed = images.read(encoded(photo, "PNG", icc_profile=profile)).array
    seen = LEGEND.palette[there[..., 0]]
    names = {"a": seen, "b": photo}
    if side_by_side:
        put(tmp_path / "train", "1", encoded(np.concatenate([seen, photo], axis=1), "PNG", icc_profile=profile))
    else:
        for name, array in names.items():
            put(tmp_path / "train" / name, "1", encoded(array, "PNG", icc_profile=profile))
    write_legend(tmp_path / "legend.yaml", LEGEND)
    labels = "left" if side_by_side else "a"
    data = open_data(folder=str(tmp_path), labels=labels, size=16, val=0)
    _, source, target = next(data.pairs("train"))
    np.testing.assert_array_equal(source.array, there)
    np.testing.assert_array_equal(target.array, managed)
