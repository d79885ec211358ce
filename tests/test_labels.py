"""Label maps: read in each of their forms, refused where they are wrong, learned from, made and scored."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import diptych
from labelled import LEGEND, folder, ids, write_legend
from pictures import noise, pixels, save

from diptych import Translator, images
from diptych.data import open_data
from diptych.data.samples import write_samples
from diptych.errors import ConfigError, DataError
from diptych.images import Picture

SMALL = ["data.size=32", "method.generator=unet_32", "method.width=4", "method.discriminator_width=4"]


def opened(root: Path, **options: Any) -> Any:
    return open_data(folder=str(root), direction="label2photo", labels="label", size=32, val=0, **options)


def train(root: Path, out: Path, *options: str, direction: str = "label2photo", method: str = "pix2pix") -> Any:
    places = ["--data", root, "--direction", direction, "--out", out, "data.labels=label"]
    return diptych("train", method, *places, "data.val=0", "train.images=4", "train.batch=2", *SMALL, *options)


# --- Data ------------------------------------------------------------------------------------------------------------


def test_label_maps_travel_as_one_byte_a_pixel_and_become_one_hot_on_the_device(tmp_path: Path) -> None:
    data = opened(folder(tmp_path))
    batch = next(data.loader(seed=0, batch=2))
    assert batch["source"].shape == (2, 32, 32, 1)
    assert batch["source"].dtype == torch.uint8
    ready = data.tensors(("source", "target"), batch)
    assert ready["source"].shape == (2, 3, 32, 32)
    assert set(ready["source"].unique().tolist()) == {-1.0, 1.0}
    assert set(batch["source"].unique().tolist()) <= {0, 3, 7, 255}, "resized by mixing ids"


@pytest.mark.parametrize("colours", [False, True])
def test_a_class_outside_the_legend_names_the_file_the_pixel_and_what_is_allowed(colours: bool, tmp_path: Path) -> None:
    root = folder(tmp_path, colours=colours)
    wrong = ids(seed=3)
    wrong[5, 9] = 9
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(LEGEND.palette)] = LEGEND.palette
    palette[9] = (1, 2, 3)
    save(root / "train" / "label" / "3.png", Picture(wrong, palette=palette).visible if colours else wrong)
    said = train(root, tmp_path / "run")
    assert said.code == 2
    assert "Traceback" not in said.err
    assert str(root / "train" / "label" / "3.png") in said.err
    assert "x=9, y=5" in said.err
    assert ("colour (1, 2, 3)" if colours else "the id 9") in said.err
    assert colours or "0, 3, 7, 255" in said.err
    assert not (tmp_path / "run" / "model").exists()


def test_smeared_colours_are_recognised_and_can_be_snapped(tmp_path: Path) -> None:
    root = folder(tmp_path / "data", colours=True, suffix=".jpg")
    said = train(root, tmp_path / "run")
    assert said.code == 2
    assert "smeared" in said.err
    assert "--snap-colours" in said.err
    assert train(root, tmp_path / "run", "--snap-colours").code == 0
    one = root / "test" / "label" / "0.jpg"
    assert "smeared" in diptych("translate", tmp_path / "run", one, "--out", tmp_path / "out").err
    assert diptych("translate", tmp_path / "run", one, "--out", tmp_path / "out", "--snap-colours").code == 0
    assert diptych("evaluate", tmp_path / "run", "--data", root).code == 0


def test_without_a_legend_the_numbers_are_the_classes_and_colours_are_asked_for(tmp_path: Path) -> None:
    data = opened(folder(tmp_path / "ids", legend=False))
    assert [c.id for c in data.legends[0].classes] == [0, 3, 7, 255]
    with pytest.raises(DataError, match="which is which class"):
        opened(folder(tmp_path / "colours", colours=True, legend=False))
    for photo in (tmp_path / "ids" / "train" / "label").iterdir():
        save(photo, noise(32, 32, 1))
    with pytest.raises(DataError, match="more than label maps usually have"):
        opened(tmp_path / "ids")


def test_a_label_map_of_another_size_is_brought_to_its_photo_by_the_nearest_pixel(tmp_path: Path) -> None:
    root = folder(tmp_path)
    for path in (root / "train" / "label").iterdir():
        save(path, images.resize(images.read(path).array, 16, 16, nearest=True))
    data = opened(root)
    assert any("6 of 8 pictures in label: brought to the size of its partner" in note for note in data.notes)
    _, source, target = next(data.pairs("train"))
    assert source.array.shape[:2] == target.array.shape[:2] == (32, 32)
    assert set(np.unique(source.array)) <= {0, 3, 7, 255}
    save(root / "train" / "label" / "0.png", ids(32, 16))
    assert any("is 16x32, its partner" in note for note in opened(root).notes)


def test_missing_maps_of_instances_are_counted(tmp_path: Path) -> None:
    root = folder(tmp_path)
    with pytest.raises(DataError, match="there is no folder of that name"):
        opened(root, instances="things")
    shutil.copytree(root / "train" / "label", root / "train" / "things")
    with pytest.raises(DataError, match=r"2 of 8 pairs have none there \(the first: test/"):
        opened(root, instances="things")
    shutil.copytree(root / "test" / "label", root / "test" / "things")
    data = opened(root, instances="things")
    assert data.channels == (4, 3)
    batch = next(data.loader(seed=0, batch=2))
    assert data.tensors(("source", "target"), batch)["instances"].shape == (2, 1, 32, 32)


def test_labels_that_no_side_is_and_options_without_labels_are_refused(tmp_path: Path) -> None:
    root = folder(tmp_path)
    with pytest.raises(ConfigError, match=r"data\.labels=lable is no side"):
        open_data(folder=str(root), direction="label2photo", labels="lable")
    with pytest.raises(ConfigError, match=r"say data\.labels"):
        open_data(folder=str(root), direction="label2photo", snap_colours=True)


# --- Training and use ------------------------------------------------------------------------------------------------


def test_a_class_that_no_training_picture_showed_is_named_when_it_is_met(tmp_path: Path) -> None:
    root = folder(tmp_path / "data")
    for path in (root / "train" / "label").iterdir():
        save(path, ids(seed=int(path.stem), numbers=(0, 3)))
    said = train(root, tmp_path / "run")
    assert "no training picture shows car" in said.err
    card = Translator.load(tmp_path / "run").card
    assert card.source.legend is not None
    assert [c.name for c in card.source.legend.classes] == ["sky", "road", "car", "void"]
    said = diptych("translate", tmp_path / "run", root / "test" / "label" / "0.png", "--out", tmp_path / "out")
    assert said.code == 0
    assert said.err.count("no training picture showed car") == 1


def test_a_label_map_given_to_a_model_is_checked_as_in_training(tmp_path: Path) -> None:
    root = folder(tmp_path / "data")
    assert train(root, tmp_path / "run").code == 0
    wrong = save(tmp_path / "wrong.png", np.full((16, 16, 1), 8, np.uint8))
    said = diptych("translate", tmp_path / "run", wrong, "--out", tmp_path / "out")
    assert said.code == 2
    assert f"{wrong} has the id 8 at the pixel x=0, y=0" in said.err
    assert train(root, tmp_path / "back", direction="photo2label").code == 0
    back = Translator.load(tmp_path / "back")
    with pytest.raises(ConfigError, match="instances is not an option"):
        back(root / "test" / "photo" / "0.png", instances=wrong)


def test_photos_become_label_maps_with_exact_ids_and_are_scored_as_such(tmp_path: Path) -> None:
    root = folder(tmp_path / "data")
    assert train(root, tmp_path / "run", direction="photo2label").code == 0
    photo = save(tmp_path / "photo.jpg", noise(20, 24))
    said = diptych("translate", tmp_path / "run", photo, "--out", tmp_path / "out")
    assert said.code == 0
    made = images.read(tmp_path / "out" / "photo.png", indices=True)
    assert made.array.shape == (20, 24, 1)
    assert set(np.unique(made.array)) <= {0, 3, 7}
    assert np.array_equal(made.palette[[0, 3, 7]], LEGEND.palette[[0, 3, 7]])  # type: ignore[index]
    said = diptych("evaluate", tmp_path / "run", "--data", root, "--json")
    assert {"pixel_accuracy", "class_accuracy", "mean_iou"} == set(json.loads(said.out)["metrics"])


def test_photos_made_of_labels_are_read_back_by_a_segmenter_beside_the_real_ones(tmp_path: Path) -> None:
    root = folder(tmp_path / "data")
    assert train(root, tmp_path / "run").code == 0
    assert train(root, tmp_path / "reader", direction="photo2label").code == 0
    said = diptych("evaluate", tmp_path / "run", "--data", root, "--reader", tmp_path / "reader")
    assert said.code == 0
    assert "fcn_mean_iou" in said.out
    assert "real photos" in said.out
    said = diptych("evaluate", tmp_path / "reader", "--data", root, "--reader", tmp_path / "run")
    assert said.code == 2


def test_maps_of_instances_draw_borders_for_the_networks(tmp_path: Path) -> None:
    write_samples("street", tmp_path / "data", count=6, size=32, sides=("labels", "day", "instances"))
    places = ["--data", tmp_path / "data", "--direction", "labels2day", "--out", tmp_path / "run"]
    options = ["data.labels=labels", "data.instances=instances", "train.images=2", *SMALL]
    said = diptych("train", "pix2pix", *places, *options)
    assert said.code == 0, said.err
    assert "classes and edges" in said.err
    assert diptych("evaluate", tmp_path / "run", "--data", tmp_path / "data").code == 0
    label, things = (tmp_path / "data" / "test" / side / "0001.png" for side in ("labels", "instances"))
    bare = diptych("translate", tmp_path / "run", label, "--out", tmp_path / "bare.png")
    assert bare.err.count("no map of instances is given") == 1
    given = diptych("translate", tmp_path / "run", label, "--instances", things.parent, "--out", tmp_path / "given.png")
    assert given.code == 0
    assert pixels(tmp_path / "bare.png") != pixels(tmp_path / "given.png")
    wrong = {"a map of instances has one channel": noise(8, 8), "it needs the same size": noise(8, 8, 1)}
    for fault, values in wrong.items():
        file = save(tmp_path / "wrong.png", values)
        said = diptych("translate", tmp_path / "run", label, "--instances", file, "--out", tmp_path / "out")
        assert said.code == 2
        assert fault in said.err
    several = [tmp_path / "data" / "train" / "labels", "--instances", things, "--out", tmp_path / "several"]
    assert "give a folder with one for each" in diptych("translate", tmp_path / "run", *several).err


def test_an_evaluation_can_bring_all_pictures_to_the_size_of_the_training(tmp_path: Path) -> None:
    root = folder(tmp_path / "data")
    assert train(root, tmp_path / "run").code == 0
    data = opened(root)
    data.shown = (24, 16)
    _, source, target = next(data.pairs("test"))
    assert source.array.shape == (24, 16, 1)
    assert target.array.shape == (24, 16, 3)
    assert set(np.unique(source.array)) <= {0, 3, 7, 255}
    assert diptych("evaluate", tmp_path / "run", "--data", root, "--size", "16x24").code == 0
    assert diptych("evaluate", tmp_path / "run", "--data", root, "--size", "16by24").code == 2


def test_a_run_says_how_many_bytes_travel_for_each_pair(tmp_path: Path) -> None:
    data = opened(folder(tmp_path))
    batch = next(data.loader(seed=0, batch=2))
    assert data.bytes_of(("source", "target")) == sum(x[0].numel() * x.itemsize for x in batch.values()) == 32 * 32 * 4


def test_a_style_picture_is_refused_by_a_model_without_an_encoder(tmp_path: Path) -> None:
    root = folder(tmp_path / "data")
    options = ["method.width=2", "method.hidden=4", "method.upsampling=fewer", "method.discriminator_width=4"]
    places = ["--data", root, "--direction", "label2photo", "--out", tmp_path / "run"]
    said = diptych("train", "spade", *places, "data.size=32", "data.val=0", "train.images=2", *options)
    assert said.code == 0, said.err
    label, photo = root / "test" / "label" / "0.png", root / "test" / "photo" / "0.png"
    said = diptych("translate", tmp_path / "run", label, "--style", photo, "--out", tmp_path / "out.png")
    assert said.code == 2
    assert "encoder" in said.err
    said = diptych("translate", tmp_path / "run", label, "--samples", 2, "--out", tmp_path / "out")
    assert said.code == 2
    assert "one answer" in said.err
    said = diptych(
        "train", "spade", "--data", root, "--direction", "photo2label", "--out", tmp_path / "back", "data.size=32"
    )
    assert said.code == 2


def test_pix2pixhd_grows_from_coarse_to_fine_and_gives_each_thing_a_look(tmp_path: Path) -> None:
    root = write_samples("street", tmp_path / "data", count=6, size=64, sides=("labels", "day", "instances"))
    small = ["downs=2", "encoder_downs=2", "blocks=1", "width=4", "encoder_width=4", "discriminator_width=4"]
    options = [*(f"method.{option}" for option in [*small, "discriminator_layers=2", "encoder=true"]), "train.images=2"]
    places = ["--data", root, "--direction", "labels2day", "data.instances=instances"]
    said = diptych("train", "pix2pixhd", *places, "--out", tmp_path / "coarse", "data.size=32", *options)
    assert said.code == 0, said.err
    finer = ["method.enhancers=1", "method.scales=3", "method.fix_global=0.5", "data.size=64"]
    start = f"train.start={tmp_path / 'coarse'}"
    said = diptych("train", "pix2pixhd", *places, "--out", tmp_path / "fine", start, *options, *finer)
    assert said.code == 0, said.err
    assert "g.enhancers, d.networks.2: begun anew" in said.err
    label, day, things = (root / "test" / side / "0001.png" for side in ("labels", "day", "instances"))
    made = {}
    for name, more in {
        "plain": [],
        "things": ["--instances", things],
        "styled": ["--instances", things, "--style", day],
    }.items():
        out = tmp_path / f"{name}.png"
        said = diptych("translate", tmp_path / "fine", label, *more, "--out", out)
        assert said.code == 0, said.err
        made[name] = pixels(out)
    assert len(set(made.values())) == 3
    said = diptych("translate", tmp_path / "fine", label, "--samples", 2, "--out", tmp_path / "several")
    assert said.code == 0, said.err
    assert diptych("evaluate", tmp_path / "fine", "--data", root, "--samples", 2).code == 0


def test_a_check_says_how_much_of_the_pictures_each_class_has(tmp_path: Path) -> None:
    root = folder(tmp_path / "data", count=2)
    for path in (root / "train" / "label").iterdir():
        save(path, np.concatenate([np.zeros((32, 24, 1), np.uint8), np.full((32, 8, 1), 3, np.uint8)], axis=1))
    said = diptych("data", "check", root, "--labels", "label")
    assert said.code == 0, said.err
    assert "75.00% of the training pixels, in 2 pictures: sky" in said.out
    assert "25.00% of the training pixels, in 2 pictures: road" in said.out
    assert "0.00% of the training pixels, in 0 pictures: car" in said.out
    assert "almost black" not in said.out
    save(root / "train" / "label" / "0.png", np.full((32, 32, 1), 9, np.uint8))
    assert "the id 9" in diptych("data", "check", root, "--labels", "label").err


def test_a_photo_given_as_a_label_map_is_told_from_smeared_colours(tmp_path: Path) -> None:
    root = folder(tmp_path / "data", colours=True)
    places = ["--data", root, "--direction", "label2photo", "--out", tmp_path / "run", "data.size=32", "data.val=0"]
    for more in ([], ["--snap-colours"]):
        said = diptych("train", "segment", *places, *more)
        assert said.code == 2
        assert "is it a photo" in said.err
        assert "turn the direction" in said.err


def test_what_is_true_of_all_pictures_is_said_once(tmp_path: Path) -> None:
    root = folder(tmp_path / "data")
    for path in (root / "train" / "label").iterdir():
        save(path, np.zeros((32, 32, 1), np.uint8))
    said = train(root, tmp_path / "run")
    assert "show one class alone" in said.err
    labels = root / "train" / "label"
    for path in labels.iterdir():
        save(path, np.full((32, 32, 1), 7, np.uint8))
    said = diptych("translate", tmp_path / "run", labels, "--out", tmp_path / "out")
    assert said.code == 0
    assert said.err.count("no training picture showed car") == 2
    assert "likewise of 5 more" in said.err
    said = diptych("translate", tmp_path / "run", labels, "--instances", labels / "0.png", "--out", tmp_path / "more")
    assert said.code == 2
    assert "instances is not an option" in said.err, "nothing asks for them here"


def test_a_model_of_single_photos_is_scored_on_single_photos(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for i in range(3):
            save(tmp_path / "photos" / split / f"{i}.png", noise(32, 32, seed=i))
    small = ["method.width=4", "method.downs=2", "method.code=4", "data.size=32", "data.val=0", "train.images=2"]
    places = ["--data", tmp_path / "photos", "--out", tmp_path / "run", "--task", "itself"]
    said = diptych("train", "autoencoder", *places, *small)
    assert said.code == 0, said.err
    said = diptych("evaluate", tmp_path / "run", "--data", tmp_path / "photos")
    assert said.code == 0, said.err
    assert "psnr" in said.out


def test_imported_label_maps_get_their_legend_and_their_borders(tmp_path: Path) -> None:
    root = write_samples("street", tmp_path / "data", count=6, size=32, sides=("labels", "day", "instances"))
    small = ["method.downs=2", "method.blocks=1", "method.width=4", "method.discriminator_width=4"]
    places = ["--data", root, "--direction", "labels2day", "data.instances=instances", "--out", tmp_path / "run"]
    said = diptych("train", "pix2pixhd", *places, "data.size=32", "train.images=2", *small)
    assert said.code == 0, said.err
    assert diptych("convert", tmp_path / "run", "--to", "pix2pixhd", "--out", tmp_path / "theirs").code == 0
    files = sorted((tmp_path / "theirs").iterdir())
    said = diptych("convert", tmp_path / "theirs", "--out", tmp_path / "wrong")
    assert "give its files" in said.err
    said = diptych("convert", *files, "--out", tmp_path / "bare")
    assert "do not say what their 17 channels mean" in said.out
    said = diptych("convert", *files, "--legend", root / "legend.yaml", "--out", tmp_path / "back")
    assert said.code == 0, said.err
    label, things = (root / "test" / side / "0001.png" for side in ("labels", "instances"))
    for model in ("run", "back"):
        out = tmp_path / f"{model}.png"
        assert diptych("translate", tmp_path / model, label, "--instances", things, "--out", out).code == 0
    assert pixels(tmp_path / "run.png") == pixels(tmp_path / "back.png")
    few = write_legend(tmp_path / "few.yaml")
    said = diptych("convert", *files, "--legend", few, "--out", tmp_path / "few")
    assert said.code == 2
    assert "the legend has 3 classes" in said.err


def test_what_would_have_no_meaning_for_label_maps_as_the_target_is_refused(tmp_path: Path) -> None:
    root = folder(tmp_path / "data")
    for split in ("train", "test"):
        shutil.copytree(root / split / "label", root / split / "things")
    said = train(root, tmp_path / "run", "data.instances=things", direction="photo2label")
    assert said.code == 2
    assert "data.instances goes with label maps as the source" in said.err
    for split in ("train", "test"):
        shutil.rmtree(root / split / "things")
    assert train(root, tmp_path / "run", direction="photo2label").code == 0
    said = diptych("evaluate", tmp_path / "run", "--data", root, "--samples", 3)
    assert said.code == 2
    assert "one to a picture" in said.err
