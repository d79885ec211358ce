"""What goes wrong in `diptych train` is one message with place and remedy, exit code 2, and nothing is lost."""

from __future__ import annotations

import errno
import math
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from commands import diptych
from pictures import side_by_side
from runs import NETWORKS, arguments, outcome, recipe, train

from diptych import images
from diptych.errors import ConfigError, DataError, ModelError, StorageError, TrainingError
from diptych.methods.pix2pix import Pix2Pix
from diptych.model.folder import examples
from diptych.model.translator import Translator
from diptych.storage.files import HashingFile
from diptych.training import checkpoint, log
from diptych.training.trainer import Trainer


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return side_by_side(tmp_path_factory.mktemp("pairs"), 6, 64)


def complaint(*args: str) -> tuple[int, str]:
    """The exit code of `diptych ARGS`, and what it said on standard error in one line."""
    said = diptych(*args)
    return said.code, " ".join(said.err.split())


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_wrong_option_is_named_at_once_with_the_nearest_right_one(pairs: Path, tmp_path: Path) -> None:
    wrong = ["train.bacth=2", "method.widht=4", "data.size=big", "sped.bf16=true", "train.lr_scale=-1"]
    code, said = complaint("train", "pix2pix", "--data", str(pairs), "--out", str(tmp_path / "run"), *wrong)
    assert code == 2
    for text in (
        "did you mean train.batch?",
        "did you mean method.width?",
        "did you mean speed?",
        "train.lr_scale = -1",
    ):
        assert text in said
    assert not (tmp_path / "run").exists()


def test_two_lengths_of_training_contradict_each_other(pairs: Path, tmp_path: Path) -> None:
    given = recipe(pairs, epochs=3)
    code, said = complaint(*arguments(given, tmp_path / "run"))
    assert code == 2
    assert said.startswith("diptych: train.images and train.epochs both say how long to train: give one of them (")


def test_resume_wants_a_run(tmp_path: Path) -> None:
    code, said = complaint("train", "--resume", "--out", str(tmp_path))
    assert code == 2
    assert f"no run to resume in {tmp_path}" in said
    assert complaint("train", "--resume")[0] == 2


def test_a_folder_that_holds_another_run_is_left_alone(pairs: Path, tmp_path: Path) -> None:
    train(recipe(pairs, images=2), tmp_path)
    before = everything(tmp_path)
    code, said = complaint(*arguments(recipe(pairs, images=2, seed=7), tmp_path), "method.width=8")
    assert code == 2
    assert "method.width: 4 there, 8 here; train.seed: 0 there, 7 here" in said
    assert "choose another --out" in said
    assert everything(tmp_path) == before


@pytest.mark.parametrize("options", [{}, {"dry_run": True}])
def test_a_place_that_is_no_run_is_left_alone(options: dict[str, bool], pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.tex").write_text("three years of work")
    before = everything(tmp_path)
    for place in (tmp_path / "notes", tmp_path / "notes" / "thesis.tex"):
        with pytest.raises(ConfigError, match=f"{place} exists and is not a run: choose another --out"):
            train(recipe(pairs), place, **options)
    assert everything(tmp_path) == before


def test_a_damaged_recipe_is_named(pairs: Path, tmp_path: Path) -> None:
    train(recipe(pairs, images=2), tmp_path)
    (tmp_path / "recipe.yaml").write_text("method: {name: [")
    for options in ({}, {"resume": True}):
        with pytest.raises(ConfigError, match=r"recipe\.yaml, line 1 is not YAML"):
            train(recipe(pairs, images=2), tmp_path, **options)


def test_a_dry_run_says_what_would_happen_and_writes_nothing(pairs: Path, tmp_path: Path) -> None:
    before = everything(pairs)
    said = train(recipe(pairs), tmp_path / "run", dry_run=True)
    assert "12 images in batches of 2" in said
    assert not (tmp_path / "run").exists()
    assert everything(pairs) == before


def test_a_size_that_the_networks_cannot_take_says_which_they_can(pairs: Path, tmp_path: Path) -> None:
    given = recipe(pairs, method={"generator": "unet_128"})
    with pytest.raises(ConfigError, match=r"data\.size = 64x64: pix2pix with these options needs multiples of 128"):
        train(given, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_data_that_cannot_be_used_leaves_no_run_behind(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        train(recipe(tmp_path / "empty"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_recipe_in_the_run_is_the_whole_recipe(pairs: Path, tmp_path: Path) -> None:
    train(recipe(pairs), tmp_path / "first")
    again = yaml.safe_load((tmp_path / "first" / "recipe.yaml").read_text())
    train(again, tmp_path / "second")
    assert outcome(tmp_path / "first") == outcome(tmp_path / "second")


def test_weights_to_begin_from_must_be_of_the_same_method_and_networks(pairs: Path, tmp_path: Path) -> None:
    train(recipe(pairs, images=2), tmp_path / "first")
    start = str(tmp_path / "first")
    train(recipe(pairs, images=2, start=start), tmp_path / "second")
    with pytest.raises(ModelError, match=r"does not fit its method: size mismatch"):
        train(recipe(pairs, images=2, start=start, method={"width": 8}), tmp_path / "third")


# --- Training that goes astray -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("images", "kept"), [(2, None), (8, 6)])
def test_a_loss_that_is_not_a_number_is_named_and_the_last_good_state_kept(
    images: int, kept: int | None, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Trainer.step

    def step(trainer: Trainer, batch: dict[str, torch.Tensor]) -> None:
        factor = math.nan if trainer.images_seen == images else 1.0
        original(trainer, {name: x * factor for name, x in batch.items()})

    monkeypatch.setattr(Trainer, "step", step)
    where = f"the last good state is in {tmp_path / 'checkpoint'}" if kept else "no state was saved before it"
    with pytest.raises(TrainingError) as raised:
        train(recipe(pairs), tmp_path)
    message = str(raised.value)
    for part in ("G.gan", "G.l1", f"not a number after {images + 2} images; {where}"):
        assert part in message
    assert "with a lower train.lr_scale" in message
    state = checkpoint.read(tmp_path / "checkpoint")
    assert (state and state["images_seen"]) == kept
    if state:
        monkeypatch.undo()
        assert "going on at 6" in train(recipe(pairs), tmp_path)
        Translator.load(tmp_path)


def test_weights_that_overflow_are_not_saved_as_a_good_state(pairs: Path, tmp_path: Path) -> None:
    """The losses of a step are those before its weights moved: the weights themselves have to be looked at."""
    given = recipe(pairs, lr_scale=1e30, tick_every=2, checkpoint_every=2, method={"gan": "none"})
    code, said = complaint(*arguments(given, tmp_path))
    assert code == 2
    assert "weights of G are beyond all bounds after 2 images; no state was saved before it. Begin a new run" in said
    assert checkpoint.read(tmp_path / "checkpoint") is None


# --- Disks that are full or locked ---------------------------------------------------------------------------------


def full_after(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """Let the disk be full as soon as a file whose name has `part` in it is written."""
    original = HashingFile.write

    def write(file: HashingFile, data: Any) -> int:
        if part in os.path.basename(str(file.file.name)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(file, data)

    monkeypatch.setattr(HashingFile, "write", write)


@pytest.mark.parametrize("part", ["0000000012.pt", "weights.safetensors", "recipe.yaml", "log.jsonl"])
def test_a_full_disk_ends_training_with_the_last_state_whole(
    part: str, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_after(monkeypatch, part)
    with pytest.raises(StorageError, match=rf"{part}.* could not be written: No space left on device.*Free some space"):
        train(recipe(pairs, validate_every=0), tmp_path / "run")
    monkeypatch.undo()
    train(recipe(pairs, validate_every=0), tmp_path / "run")
    train(recipe(pairs, validate_every=0), tmp_path / "undisturbed")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "undisturbed")


def test_a_log_that_cannot_grow_is_said_once_and_stops_nothing(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Path.open

    def full(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        return (
            open("/dev/full", mode)
            if (path.name, mode) == ("log.jsonl", "a")
            else original(path, mode, *args, **options)
        )

    monkeypatch.setattr(Path, "open", full)
    said = train(recipe(pairs), tmp_path)
    assert said.count("log.jsonl could not be written (No space left on device): the training goes on") == 1
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("place", ["samples", "tensorboard"])
def test_a_sample_that_cannot_be_written_is_said_once_and_stops_nothing(
    place: str, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "samples":
        full_after(monkeypatch, "000000")
    else:
        monkeypatch.setattr(log, "summary_writer", Broken)
    given = recipe(pairs, sample_every=2, checkpoint_every=0)
    said = train(given, tmp_path / "run")
    assert said.count("could not be written") == 1
    assert "the training goes on without it" in said
    monkeypatch.undo()
    train(given, tmp_path / "undisturbed")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "undisturbed")


class Broken:
    """TensorBoard's writer, whose thread has died."""

    def __init__(self, *args: object) -> None: ...

    def add_scalar(self, *args: object) -> None:
        raise RuntimeError("the writer's thread is gone")

    add_image = close = add_scalar


@pytest.mark.parametrize("moved", [False, True])
def test_a_run_folder_that_is_taken_away_ends_the_training_and_does_not_come_back(
    moved: bool, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Trainer.step

    def step(trainer: Trainer, batch: dict[str, torch.Tensor]) -> None:
        if trainer.images_seen == 8:
            (tmp_path / "run").rename(tmp_path / "elsewhere")
            if not moved:
                shutil.rmtree(tmp_path / "elsewhere")
        original(trainer, batch)

    monkeypatch.setattr(Trainer, "step", step)
    code, said = complaint(*arguments(recipe(pairs, sample_every=2), tmp_path / "run"))
    assert code == 2
    assert f"{tmp_path / 'run'} was removed or moved while it trained" in said
    assert not (tmp_path / "run").exists()
    monkeypatch.undo()
    if moved:
        assert "going on at 6 of 12" in train({}, tmp_path / "elsewhere", resume=True)


def test_a_place_where_nothing_can_be_written_is_named(pairs: Path) -> None:
    code, said = complaint(*arguments(recipe(pairs), Path("/proc/run")))
    assert code == 2
    assert "/proc/run" in said
    assert "could not be written" in said
    assert "check the folder's permissions" in said


def test_networks_that_fit_are_said_before_the_first_step(pairs: Path, tmp_path: Path) -> None:
    said = train(recipe(pairs, images=2), tmp_path)
    count = sum(p.numel() for p in Pix2Pix(**NETWORKS | {"generator": "unet_64"}).g.parameters())
    assert f"G {count / 1e6:.2f} M" in said
    assert images.read(tmp_path / "model" / "preview.png").array.shape[2] == 3
    assert [path.name for path in examples(tmp_path / "model")] == ["example-1.png", "example-2.png"]


def test_a_run_that_never_saved_anything_does_not_keep_its_folder(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError):
        train(recipe(pairs, lr_scale=1e30, checkpoint_every=0), tmp_path / "run")
    train(recipe(pairs), tmp_path / "run")
    assert (tmp_path / "run" / "done").exists()


def test_a_model_that_was_saved_before_any_state_is_not_replaced_by_another_run(pairs: Path, tmp_path: Path) -> None:
    train(recipe(pairs), tmp_path / "run")
    for name in ("done", "checkpoint/latest.json"):
        (tmp_path / "run" / name).unlink()
    before = everything(tmp_path / "run" / "model")
    with pytest.raises(ConfigError, match="holds a run with another recipe"):
        train(recipe(pairs, batch=4), tmp_path / "run")
    assert everything(tmp_path / "run" / "model") == before


def test_channels_that_contradict_the_data_are_named(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"method\.source_channels = 7, the data's are 3"):
        train(recipe(pairs, method={"source_channels": 7}), tmp_path / "run")


def test_a_discriminator_too_deep_for_the_pictures_is_refused_before_the_first_step(
    pairs: Path, tmp_path: Path
) -> None:
    given = recipe(pairs, method={"discriminator_layers": 12})
    with pytest.raises(ConfigError, match=r"cannot take pictures of 64x64.*networks with fewer layers"):
        train(given, tmp_path / "run", dry_run=True)


@pytest.mark.parametrize("text", ["method: 3", "method: [pix2pix, 3]", "1: {a: 2}", "method: {name: pix2pix, 1: 2}"])
def test_a_recipe_of_another_shape_is_refused_in_words(text: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(text)
    done = diptych("train", str(tmp_path / "recipe.yaml"), "--out", str(tmp_path / "run"))
    assert done.code == 2, done.err
    assert "must hold" in done.err or "method must be" in done.err


@pytest.mark.parametrize("name", ["..", "./ok", "a.b-c", "os..path"])
def test_a_name_that_is_no_name_is_answered_in_words(name: str) -> None:
    done = diptych("options", name)
    assert done.code == 2
    assert f"no method is called {name!r}" in done.err
