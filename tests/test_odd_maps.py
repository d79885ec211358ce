"""A method of others that asks for a mask, from a folder with masks to a training, a model, and every way to use it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from odd.masked import Masked
from odd.region import Region
from pictures import noise, save

from diptych import Translator, images, kinds
from diptych.data.opening import open_data
from diptych.errors import ConfigError, DataError
from diptych.methods.method import Step
from diptych.model.controls import describe_controls
from diptych.serve.api.openapi import schema_of
from diptych.serve.engine.worker import Batch, Done, Models, Plan, answer
from diptych.testing import bundle, check_method
from diptych.tiling import Tiling


def mask(height: int, width: int) -> np.ndarray:
    made = np.zeros((height, width, 1), np.uint8)
    made[height // 4 : height // 2, width // 4 : width // 2] = 255
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for number in range(6):
        for side, shift in (("input", 0), ("output", 1)):
            save(root / "train" / side / f"{number}.png", noise(40, 48, 3, seed=2 * number + shift))
        save(root / "train" / "where" / f"{number}.png", mask(40, 48))
    return root


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    options = ["data.maps.mask=where", "data.size=32", "data.val=0.3", "train.images=8", "train.batch=2"]
    said = diptych("train", "odd.masked", "--plugin", "odd.masked", "--data", folder, "--out", out, *options)
    assert said.code == 0, said.err
    return out


def check(source: np.ndarray, result: np.ndarray) -> None:
    inside = mask(*source.shape[:2])[..., 0] > 0
    assert np.array_equal(result[~inside], source[~inside])
    assert not np.array_equal(result[inside], source[inside])


def test_it_passes_the_battery() -> None:
    check_method(Masked)


def test_masks_are_cropped_and_mirrored_with_their_pictures(folder: Path) -> None:
    data = open_data(folder=str(folder), maps={"mask": "where"}, size=32, load=40, val=0)
    batch = next(data.loader(seed=1, batch=12))
    ready = data.tensors(("source", "target"), batch)
    assert ready["mask"].shape == (12, 1, 32, 32)
    assert set(ready["mask"].unique().tolist()) == {0.0, 1.0}
    assert len({one.numpy().tobytes() for one in ready["mask"]}) > 6


def test_the_command_line_and_the_server_use_the_mask(run: Path, folder: Path, tmp_path: Path) -> None:
    source = folder / "train" / "input" / "0.png"
    for place in (folder / "train" / "where", folder / "train" / "where" / "0.png"):
        given = ["translate", "--overwrite", run, source, "--mask", place, "--plugin", "odd.masked"]
        said = diptych(*given, "--out", tmp_path / "a.png")
        assert said.code == 0, said.err
        check(images.read(source).array, images.read(tmp_path / "a.png").array)
    models = Models(Plan({"m": run / "model"}, provenance=False))
    controls = {"mask": images.encode(mask(40, 48), "PNG")}
    with ThreadPoolExecutor(1) as pool:
        (served,) = answer(models, Batch("m", [source.read_bytes()], controls, None), pool)
    assert isinstance(served, Done)
    assert np.array_equal(images.read(served.data).array, images.read(tmp_path / "a.png").array)


def test_a_form_has_a_field_for_it() -> None:
    made = bundle(Masked, {})
    shown = describe_controls(made.method, made.card)[0]
    assert (shown.name, shown.widget, schema_of(shown)["format"]) == ("mask", "picture", "binary")


def test_python_batches_and_tiles_use_the_mask(run: Path) -> None:
    source = noise(96, 128, 3, seed=5)
    for tiling in (Tiling("off"), Tiling("exact", size=64, halo=16, blend=8)):
        translator = Translator.load(run, tiling=tiling)
        check(source, translator(source, mask=mask(96, 128)).array)
        whole = translator(source).array
        assert not np.array_equal(whole, translator(source, mask=mask(96, 128)).array)


def test_it_is_evaluated_with_its_masks(run: Path, folder: Path, tmp_path: Path) -> None:
    given = [
        "evaluate",
        run,
        "--data",
        folder,
        "--split",
        "train",
        "--plugin",
        "odd.masked",
        "--out",
        tmp_path / "seen",
    ]
    said = diptych(*given)
    assert said.code == 0, said.err


def test_a_mask_that_does_not_fit_is_refused(run: Path, folder: Path, tmp_path: Path) -> None:
    source, translator = noise(40, 48, 3), Translator.load(run)
    with pytest.raises(DataError, match="the mask is 20x10, and the picture 48x40: it needs the same size"):
        translator(source, mask=mask(10, 20))
    with pytest.raises(DataError, match="a mask is black and white, and this is a colour picture"):
        translator(source, mask=noise(40, 48, 3))
    with pytest.raises(
        DataError, match=r"the kind mask \(nowhere/\) are asked for, and there is no folder of that name"
    ):
        open_data(folder=str(folder), maps={"mask": "nowhere"}, direction="input2output", size=32, val=0)
    with pytest.raises(ConfigError, match=r"no kind of map is called 'maks'; did you mean 'mask'\?"):
        open_data(folder=str(folder), maps={"maks": "where"}, size=32, val=0)


def test_masks_of_another_size_are_said_and_a_method_without_masks_refuses_them(folder: Path, tmp_path: Path) -> None:
    for number in range(6):
        save(folder / "train" / "small" / f"{number}.png", mask(20, 24))
    data = open_data(folder=str(folder), maps={"mask": "small"}, direction="input2output", size=32, val=0)
    assert any("6 of 6 maps of the kind mask (small/) have another size than their pair" in note for note in data.notes)
    small = ["method.width=4", "method.levels=2", "method.network=none", "data.size=32", "--direction", "input2output"]
    said = diptych("train", "paired", "--data", folder, *small, "data.maps.mask=where", "--out", tmp_path / "no")
    assert said.code == 2
    assert "data.maps.mask: paired learns from no mask" in said.err


def test_info_says_what_a_control_takes(run: Path) -> None:
    said = diptych("info", run, "--plugin", "odd.masked")
    assert "--mask  a picture file, its mask, or a folder of such: what is meant, in white" in said.out


def test_of_two_values_the_larger_is_inside_and_of_more_what_is_bright() -> None:
    read = kinds.find("mask").read
    for inside in (1, 3, 255):
        assert read(np.array([[[0], [inside]]], np.uint8)).ravel().tolist() == [0, 1]
    assert read(np.array([[[0], [2], [3]]], np.uint8)).ravel().tolist() == [0, 0, 0]
    assert read(np.array([[[10], [120], [250]]], np.uint8)).ravel().tolist() == [0, 0, 1]
    assert read(np.zeros((1, 2, 1), np.uint8)).ravel().tolist() == [0, 0]
    assert read(np.full((1, 2, 1), 9, np.uint8)).ravel().tolist() == [1, 1]


@pytest.mark.parametrize("name", kinds.names())
def test_every_kind_of_map_reads_its_files_and_becomes_a_tensor(name: str) -> None:
    import torch

    kind = kinds.find(name)
    read = kind.read(mask(8, 12))
    assert (read.shape, read.dtype) == ((8, 12, 1), np.dtype(kind.dtype))
    tensor = kind.tensor(torch.from_numpy(read.astype(np.int32))[None].movedim(-1, -3))
    assert tensor.shape == (1, 1, 8, 12)
    with pytest.raises(DataError):
        kind.read(noise(8, 12, 3))


def test_several_answers_and_many_pictures_take_a_mask_each(run: Path) -> None:
    translator = Translator.load(run)
    with pytest.raises(ConfigError, match="mask lies on the pixels of one picture: give it with each, by with_maps"):
        list(translator.many([noise(40, 48, 3)] * 2, mask=mask(40, 48)))
    pictures = [translator.with_maps(noise(40, 48, 3, seed=seed), {"mask": mask(40, 48)}) for seed in (1, 2)]
    for picture, made in zip(pictures, translator.many(pictures), strict=True):
        check(picture.array, made.array)
    with pytest.raises(ConfigError, match="has one answer to a picture"):
        translator.samples(noise(40, 48, 3), 2, mask=mask(40, 48))


def test_a_map_may_be_called_otherwise_and_be_required(folder: Path, tmp_path: Path) -> None:
    check_method(Region)
    given = ["train", "odd.region", "--plugin", "odd.region", "--data", folder, "--out", tmp_path / "run"]
    small = ["data.size=32", "data.val=0.3", "train.images=4", "train.batch=2", "--direction", "input2output"]
    said = diptych(*given, *small)
    assert said.code == 2
    assert "odd.region learns from mask, and the data has none" in said.err
    assert "data.maps.mask=FOLDER" in said.err
    said = diptych(*given, *small, "data.maps.mask=where")
    assert said.code == 0, said.err
    source, translator = noise(40, 48, 3), Translator.load(tmp_path / "run")
    made = translator(source, region=mask(40, 48)).array
    assert (made[mask(40, 48)[..., 0] == 0] == 128).all()
    data = open_data(folder=str(folder), maps={"mask": "where"}, direction="input2output", size=32, val=0)
    _, prepared, _ = next(data.pairs("train"))
    made = next(translator.many([prepared])).array
    assert (made[mask(40, 48)[..., 0] == 0] == 128).all(), "in data it goes by its kind"


def test_what_a_method_learns_from_must_be_a_kind_of_data(folder: Path, tmp_path: Path, monkeypatch) -> None:
    def steps(self, source, target, weight_map=None):
        yield Step("G", l1=(self.g(source) - target).abs().mean())

    monkeypatch.setattr(Region, "steps", steps)
    said = diptych("train", "odd.region", "--plugin", "odd.region", "--data", folder, "--out", tmp_path / "no",
                   "data.size=32", "--direction", "input2output")  # fmt: skip
    assert said.code == 2
    assert "no kind of map is called 'weight_map'" in said.err


def test_maps_of_numbers_keep_their_fractions_and_large_ones_their_size() -> None:
    from diptych.model.beside import signed

    assert signed(np.array([0.7], np.float32)).tolist() == [pytest.approx(0.7)]
    assert signed(np.array([65535], np.uint16)).tolist() == [65535]
    assert signed(np.array([1], np.uint8)).dtype == np.uint8


ASTRAY = """
from diptych.methods.method import Domains, Images, Masks, Method, Step, Texts
from torch import nn


class Astray(Method):
    keep = ("g",)

    def __init__(self, *, {0}_channels: int = 3, {1}_channels: int = 3) -> None:
        super().__init__()
        self.g = nn.Conv2d(3, 3, 1)

    def groups(self):
        return {{"G": [self.g]}}

    def steps(self, {0}: Images, {1}: Images, {2}):
        yield Step("G", l1=(self.g({0}) - {1}).abs().mean())

    def translate(self, x):
        return self.g(x)
"""
"""A method that asks for what does not go with its images."""


@pytest.mark.parametrize(
    ("names", "asked", "more", "said"),
    [
        (("a", "b"), "prompt: Texts", [], "learns from text, and none goes with a and b in data"),
        (("source", "target"), "of: Domains", [], "learns from domain, and none goes with source and target in data"),
        (("a", "b"), "where: Masks", [], "learns from mask, and none goes with a and b in data"),
        (("a", "b"), "where: Masks | None = None", ["data.maps.mask=where"], "mask go with pairs, and astray"),
    ],
    ids=["text", "domains", "mask", "optional mask"],
)
def test_what_does_not_go_with_the_images_of_a_method_is_refused(
    names: tuple[str, str], asked: str, more: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"astray{abs(hash((names, asked)))}"
    (tmp_path / f"{module}.py").write_text(ASTRAY.format(*names, asked))
    monkeypatch.syspath_prepend(tmp_path)
    for number in range(4):
        for side in ("input", "output"):
            place = tmp_path / "data" / "train" / side / f"{number}.png"
            save(place, noise(40, 48, 3, seed=number)).with_suffix(".txt").write_text("words")
        save(tmp_path / "data" / "train" / "where" / f"{number}.png", mask(40, 48))
    given = ["train", module, "--plugin", module, "--data", tmp_path / "data", "--out", tmp_path / "no", "data.size=32"]
    answer = diptych(*given, "--direction", "input2output", "data.kind=two folders", *more)
    assert answer.code == 2
    assert said in answer.err.replace(module, "astray")
