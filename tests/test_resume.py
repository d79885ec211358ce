"""A run that is stopped or killed anywhere and started again ends with the bits of one that was left alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from commands import diptych
from filelock import FileLock
from pictures import side_by_side
from runs import arguments, images_seen, outcome, recipe, start, train, wait_for

from diptych.errors import ConfigError, ModelError
from diptych.storage.files import UNFINISHED
from diptych.training import checkpoint, plan
from diptych.training.loop import Loop
from diptych.training.results import Results
from diptych.training.stopping import Stopped
from diptych.training.trainer import Trainer

LONG: dict[str, Any] = {
    "images": 160,
    "tick_every": 4,
    "validate_every": 80,
    "checkpoint_every": 30,
}  # enough to be met by a signal


class Killed(BaseException):
    """What a kill looks like from within: nothing is saved any more."""


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return side_by_side(tmp_path_factory.mktemp("pairs"), 10, 64)


@pytest.fixture(scope="module")
def undisturbed(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    train(recipe(pairs), out)
    return outcome(out)


def train_and_die(given: dict[str, Any], out: Path, owner: type, name: str, when: Any = lambda _: True) -> None:
    """Train until `owner.name` is called while `when(self)` holds; the process is gone before that."""
    original = getattr(owner, name)

    def deadly(self: Any, *args: Any, **options: Any) -> Any:
        if when(self):
            raise Killed
        return original(self, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, deadly)
        with pytest.raises(Killed):
            train(given, out)


@pytest.fixture(scope="module")
def ended(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed after its last step, before it wrote the results."""
    out = tmp_path_factory.mktemp("ended")
    train_and_die(recipe(pairs), out, Loop, "finish")
    return out


@pytest.fixture
def out(ended: Path, tmp_path: Path) -> Path:
    """A copy of it to be tampered with."""
    return shutil.copytree(ended, tmp_path / "run")


@pytest.mark.parametrize("images", [0, 8])
def test_killed_after_any_image_it_goes_on_to_the_same_bits(
    images: int, pairs: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    train_and_die(recipe(pairs), out, Trainer, "step", lambda trainer: trainer.images_seen == images)
    said = train(recipe(pairs), out)
    assert (f"going on at {images - images % 6} of 12" in said) == (images >= 6)
    assert outcome(out) == undisturbed


def test_killed_again_and_again_it_goes_on_to_the_same_bits(
    pairs: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    for images in (2, 8, 10):
        train_and_die(recipe(pairs), tmp_path / "run", Trainer, "step", lambda t, n=images: t.images_seen == n)
    train(recipe(pairs), tmp_path / "run")
    assert outcome(tmp_path / "run") == undisturbed


@pytest.mark.parametrize("place", ["validate", "save", "finish"])
def test_killed_between_steps_it_goes_on_to_the_same_bits(
    place: str, pairs: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    train_and_die(recipe(pairs), tmp_path / "run", Loop if place == "finish" else Results, place)
    train(recipe(pairs), tmp_path / "run")
    assert outcome(tmp_path / "run") == undisturbed


def test_a_whole_run_is_left_as_it_is(pairs: Path, tmp_path: Path) -> None:
    train(recipe(pairs, images=4), tmp_path)
    before = outcome(tmp_path)
    assert "this run is complete" in train(recipe(pairs, images=4), tmp_path)
    assert outcome(tmp_path) == before


def test_patience_ends_a_resumed_run_where_it_would_have_ended(pairs: Path, tmp_path: Path) -> None:
    given = recipe(
        pairs, images=24, patience=2, lr_scale=1e-9, checkpoint_every=4
    )  # nothing is learnt: no better score
    train(given, tmp_path / "undisturbed")
    assert images_seen(tmp_path / "undisturbed") == 12
    train_and_die(given, tmp_path / "early", Trainer, "step", lambda trainer: trainer.images_seen == 10)
    train_and_die(given, tmp_path / "at its end", Loop, "finish")
    for name in ("early", "at its end"):
        train(given, tmp_path / name)
        assert outcome(tmp_path / name) == outcome(tmp_path / "undisturbed")


def test_what_a_crash_left_behind_is_cleaned_at_the_start(pairs: Path, out: Path) -> None:
    orphans = [out / f"{UNFINISHED}1-log.jsonl", out / "checkpoint" / f"{UNFINISHED}2-0000000012.pt"]
    orphans += [out / "checkpoint" / "0000000006.pt", out / f"{UNFINISHED}3-model" / "card.json"]
    for orphan in orphans:
        orphan.parent.mkdir(exist_ok=True)
        orphan.write_bytes(b"half")
    train(recipe(pairs), out)
    assert [path.name for path in orphans if path.exists()] == []


def test_a_model_whose_replacement_was_cut_short_is_kept(pairs: Path, out: Path) -> None:
    before = (out / "model" / "weights.safetensors").read_bytes()
    (out / "model").rename(out / f"{UNFINISHED}old-model")
    train(recipe(pairs), out)
    assert (out / "model" / "weights.safetensors").read_bytes() == before


def test_a_run_that_died_before_its_first_step_can_be_started_again(pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / f"{UNFINISHED}1-recipe.yaml").write_text("method:")
    train(recipe(pairs, images=2), tmp_path / "run")
    assert (tmp_path / "run" / "model" / "card.json").exists()


def test_resume_takes_everything_from_the_run(pairs: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    train_and_die(recipe(pairs), tmp_path, Trainer, "step", lambda trainer: trainer.images_seen == 8)
    train({}, tmp_path, resume=True)
    assert outcome(tmp_path) == undisturbed


def test_there_must_be_a_run_to_resume(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run to resume"):
        train({}, tmp_path, resume=True)


@pytest.mark.parametrize("name", ["latest.json", "0000000012.pt"])
def test_a_damaged_checkpoint_is_named_with_a_remedy(name: str, pairs: Path, out: Path) -> None:
    damaged = out / "checkpoint" / name
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(ModelError, match=r"damaged: remove .*checkpoint to begin again"):
        train(recipe(pairs), out)


@pytest.mark.parametrize("change", [{"recipe": "cyclegan"}, {"average": None}, {"method": {}}, {"optimisers": {}}])
def test_a_checkpoint_of_another_method_or_of_other_networks_is_refused(
    change: dict[str, Any], pairs: Path, out: Path
) -> None:
    state = checkpoint.read(out / "checkpoint")
    assert state is not None
    checkpoint.write(out / "checkpoint", {**state, **change})
    with pytest.raises((ConfigError, ModelError), match=r"the checkpoint in .* (is of cyclegan|does not fit)"):
        train(recipe(pairs), out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_step_and_saves(
    number: int, pairs: Path, undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, handler = Trainer.step, signal.getsignal(number)

    def step(trainer: Trainer, batch: Any) -> None:
        if trainer.images_seen == 8:
            os.kill(os.getpid(), number)
        original(trainer, batch)

    monkeypatch.setattr(Trainer, "step", step)
    with pytest.raises(Stopped) as stopped:
        train(recipe(pairs), tmp_path)
    assert stopped.value.number == number
    assert signal.getsignal(number) is handler
    monkeypatch.undo()
    assert "going on at 10 of 12" in train(recipe(pairs), tmp_path)
    assert outcome(tmp_path) == undisturbed


def test_a_training_that_ignores_its_terminal_outlives_it(
    pairs: Path, undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `nohup` starts it."""
    original, handler = Trainer.step, signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def step(trainer: Trainer, batch: Any) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        original(trainer, batch)

    monkeypatch.setattr(Trainer, "step", step)
    try:
        train(recipe(pairs), tmp_path)
    finally:
        signal.signal(signal.SIGHUP, handler)
    assert outcome(tmp_path) == undisturbed


@pytest.mark.parametrize("gone", ["a pipe", "a terminal"])
def test_a_console_that_is_gone_ends_no_training(gone: str, pairs: Path, tmp_path: Path) -> None:
    out, given = tmp_path / "run", recipe(pairs, **{**LONG, "images": 40})
    reader, writer = os.pipe() if gone == "a pipe" else os.openpty()
    command = [sys.executable, "-m", "diptych", *arguments(given, out)]
    process = subprocess.Popen(command, stdout=writer, stderr=writer, start_new_session=True)
    os.close(writer)
    while images_seen(out) < 8:
        with suppress(OSError):
            os.read(reader, 1)
        assert process.poll() is None
    os.close(reader)
    assert process.wait(120) == 0
    assert (out / "done").exists()


def test_the_command_survives_a_signal_and_a_kill(pairs: Path, tmp_path: Path) -> None:
    out, given = tmp_path / "run", recipe(pairs, **LONG)
    terminated = start(*arguments(given, out))
    wait_for(lambda: images_seen(out) >= 20, terminated)
    terminated.terminate()
    said = terminated.communicate()[1]
    assert terminated.returncode == 128 + signal.SIGTERM
    assert "state saved; the same command goes on" in said
    assert "Traceback" not in said

    seen, killed = images_seen(out), start(*arguments(given, out))
    wait_for(lambda: images_seen(out) >= seen + 40, killed)
    killed.kill()
    killed.communicate()
    train({}, out, resume=True)
    train(given, tmp_path / "undisturbed")
    assert outcome(out).keys() == outcome(tmp_path / "undisturbed").keys()
    for name, content in outcome(tmp_path / "undisturbed").items():
        assert name == "log.jsonl" or outcome(out)[name] == content


def test_pictures_that_changed_meanwhile_are_not_gone_on_with(pairs: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(pairs, tmp_path / "pairs"))
    train_and_die(recipe(folder), tmp_path / "run", Trainer, "step", lambda trainer: trainer.images_seen == 8)
    next(path for path in sorted(folder.rglob("*")) if path.is_file()).unlink()
    with pytest.raises(ConfigError, match=r"not those that .* was trained on so far"):
        train(recipe(folder), tmp_path / "run")


def test_two_processes_do_not_train_in_one_folder(pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with (
        FileLock(tmp_path / "run" / ".lock"),
        pytest.raises(ConfigError, match=r"another process is training in .*run"),
    ):
        train(recipe(pairs), tmp_path / "run")
    train(recipe(pairs), tmp_path / "run")
    assert (tmp_path / "run" / "done").exists()


def test_half_a_cache_that_a_kill_left_is_removed(pairs: Path, tmp_path: Path) -> None:
    left = tmp_path / "run" / "cache" / f"{UNFINISHED}1"
    train_and_die(recipe(pairs), tmp_path / "run", Trainer, "step")
    left.mkdir(parents=True)
    train(recipe(pairs), tmp_path / "run")
    assert not left.exists()


def test_a_run_goes_on_by_its_own_score_when_other_weights_have_come(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = recipe(pairs)
    del given["train"]["best"]
    monkeypatch.setattr(plan, "default_best", lambda data, inputs: "ssim")
    train_and_die(given, tmp_path / "run", Trainer, "step", lambda trainer: trainer.images_seen == 8)
    monkeypatch.setattr(plan, "default_best", lambda data, inputs: "l1")
    train(given, tmp_path / "run")
    assert "best: ssim" in (tmp_path / "run" / "recipe.yaml").read_text()


@pytest.mark.parametrize("length", [{"images": 20}, {"epochs": 4}])
def test_a_finished_run_is_made_longer(length: dict[str, int], pairs: Path, tmp_path: Path) -> None:
    train(recipe(pairs), tmp_path)
    said = train({"train": dict(length)}, tmp_path, resume=True)
    images = 20 if "images" in length else 28
    assert f"made {images} images long, 12 of them behind: its schedule (linear) is spread" in said
    assert f"going on at 12 of {images}" in said
    assert (tmp_path / "done").read_text() == f"{images}\n"
    assert images_seen(tmp_path) == images
    assert "this run is complete" in train({}, tmp_path, resume=True)


def test_a_run_made_longer_and_killed_ends_as_one_left_alone(pairs: Path, tmp_path: Path) -> None:
    for name in ("undisturbed", "killed"):
        train(recipe(pairs), tmp_path / name)
    train({"train": {"images": 24}}, tmp_path / "undisturbed", resume=True)
    with pytest.MonkeyPatch.context() as patch:
        step = Trainer.step

        def deadly(trainer: Trainer, batch: Any) -> None:
            if trainer.images_seen == 20:
                raise Killed
            step(trainer, batch)

        patch.setattr(Trainer, "step", deadly)
        with pytest.raises(Killed):
            train({"train": {"images": 24}}, tmp_path / "killed", resume=True)
    train({}, tmp_path / "killed", resume=True)
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "undisturbed")


def test_a_run_is_not_made_shorter_than_it_is(pairs: Path, ended: Path, out: Path) -> None:
    with pytest.raises(ConfigError, match=r"has seen 12 images already: to go on give it more, as train\.images=24"):
        train({"train": {"images": 8}}, out, resume=True)
    with pytest.raises(ConfigError, match=r"another recipe \(train\.images: 12 there, 24 here\)"):
        train(recipe(pairs, images=24), out)
    (out / "checkpoint" / "latest.json").unlink()
    with pytest.raises(ConfigError, match=r"has no saved state to go on from"):
        train({"train": {"images": 24}}, out, resume=True)


def test_the_command_resumes_a_run_by_its_folder(out: Path) -> None:
    said = diptych("train", "--resume", out, "train.images=16")
    assert (said.code, "made 16 images long" in said.err) == (0, True)
    assert (out / "done").read_text() == "16\n"
