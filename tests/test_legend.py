"""What a legend says of label maps in each of their forms, and how well label maps agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from labelled import LEGEND, ids
from pictures import save
from PIL import Image

from diptych import images
from diptych.data.labels import parsed
from diptych.errors import ConfigError, DataError
from diptych.images import Picture
from diptych.images.legend import borders, from_one_hot, to_one_hot
from diptych.metrics import confusion, pixel_accuracy


def test_channels_are_one_where_the_class_is_and_void_has_none() -> None:
    one_hot = to_one_hot(np.array([[[0], [3], [7], [255]]], np.uint8), LEGEND)
    assert one_hot.shape == (3, 1, 4)
    assert one_hot[:, 0].T.tolist() == [[1, -1, -1], [-1, 1, -1], [-1, -1, 1], [-1, -1, -1]]
    assert from_one_hot(one_hot, LEGEND).array[0, :3, 0].tolist() == [0, 3, 7]


def test_borders_are_where_a_neighbour_is_another_thing() -> None:
    things = torch.tensor([[1, 1, 2], [1, 1, 2], [1, 1, 1]])[..., None]
    assert borders(things)[..., 0].int().tolist() == [[0, 1, 1], [0, 1, 1], [0, 0, 1]]
    one_hot = to_one_hot(np.zeros((3, 3, 1), np.uint8), LEGEND.model_copy(update={"edges": True}), things)
    assert one_hot.shape == (4, 3, 3)
    assert torch.equal(one_hot[3] > 0, borders(things)[..., 0])


@pytest.mark.parametrize("form", ["ids", "palette", "another palette", "colours", "16 bits"])
def test_every_form_of_a_label_map_holds_the_same_ids(form: str, tmp_path: Path) -> None:
    there, path = ids(), tmp_path / "map.png"
    match form:
        case "ids":
            save(path, there)
        case "palette":
            Picture(there, palette=LEGEND.palette, ids=True).save(path)
        case "another palette":  # as a paint program orders it: the colours say what is meant
            ranks = np.searchsorted([0, 3, 7, 255], there).astype(np.uint8)
            Picture(ranks, palette=np.array([c.colour for c in LEGEND.classes], np.uint8)).save(path)
        case "colours":
            save(path, Picture(there, palette=LEGEND.palette).visible)
        case "16 bits":
            save(path, there.astype(np.uint16))
    assert np.array_equal(LEGEND.read(images.read(path, indices=True)).array, there)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"classes": [{"id": 0, "name": "sky", "colour": [1, 2]}]}, "is not red, green and blue"),
        ({"classes": [{"id": 0, "name": "sky", "color": [1, 2, 3]}]}, "did you mean colour"),
        ({"classes": [{"id": 0, "name": False, "colour": [1, 2, 3]}]}, "put it in quotes"),
        ({"classes": [{"id": -1, "name": "sky", "colour": [1, 2, 3]}]}, "class 0: id"),
        ({"classes": [{"id": 0, "name": "sky", "colour": [1, 2, 3], "void": True}]}, "no class that is not void"),
        (
            {"classes": [{"id": n, "name": str(n), "colour": [1, 2, 3]} for n in range(2)]},
            "two classes have the colour",
        ),
        ({"klasses": []}, "no list called classes"),
        ("sky", "its form is classes"),
    ],
)
def test_a_faulty_legend_says_what_is_wrong(content: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parsed(content, "legend.yaml")


def test_confusion_counts_what_is_known() -> None:
    target = np.array([[0, 0, 3, 255]], np.uint8)
    output = np.array([[0, 3, 3, 3]], np.uint8)
    table = confusion.confusion(output, target, [0, 3, 7])
    assert table.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    scores = confusion.scores(table)
    assert scores["pixel_accuracy"] == pytest.approx(2 / 3)
    assert scores["class_accuracy"] == pytest.approx(0.75)
    assert scores["mean_iou"] == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_an_interval_of_equal_pictures_has_no_width_and_one_of_different_ones_has() -> None:
    one = confusion.confusion(ids(seed=1), ids(seed=2), [0, 3, 7])
    other = confusion.confusion(ids(seed=3), ids(seed=3), [0, 3, 7])
    assert len(set(confusion.intervals([one, one])["mean_iou"])) == 1
    value, low, high = confusion.intervals([one, other])["mean_iou"]
    assert low < value < high


def test_pixel_accuracy_leaves_void_out() -> None:
    target = to_one_hot(np.array([[[0], [3], [255]]], np.uint8), LEGEND)[None]
    output = to_one_hot(np.array([[[0], [0], [0]]], np.uint8), LEGEND)[None]
    assert pixel_accuracy.measure(output, target).tolist() == [0.5]


def test_a_palette_png_is_what_any_program_shows(tmp_path: Path) -> None:
    Picture(ids(), palette=LEGEND.palette, ids=True).save(tmp_path / "map.png")
    shown = np.asarray(Image.open(tmp_path / "map.png").convert("RGB"))
    assert np.array_equal(shown, Picture(ids(), palette=LEGEND.palette).visible)


def test_numbers_of_any_type_are_ids_where_they_are_whole(tmp_path: Path) -> None:
    for dtype in ("int64", "int16", "uint16", "float32"):
        np.save(tmp_path / "map.npy", ids().astype(dtype))
        assert np.array_equal(LEGEND.read(images.read(tmp_path / "map.npy", indices=True)).array, ids())
    with pytest.raises(DataError, match="no ids, from 0 to 1"):
        LEGEND.read(Picture(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8, 1)))
    with pytest.raises(DataError, match="has 12 channels"):
        LEGEND.read(Picture(np.zeros((8, 8, 12), np.uint8)))
