"""Two heaps of pictures and no pairs, through the command line and from Python, for every method that learns so."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Said, diptych
from pictures import noise, pixels, save
from small import SMALL

from diptych import Translator, images
from diptych import experiment as facade
from diptych.methods import find, names
from diptych.methods.method import inputs
from diptych.training.loop import Loop

UNPAIRED = [name for name in names() if inputs(find(name)) == ("a", "b")]
TWO_WAY = [name for name in UNPAIRED if find(name).directions]
ONE_ENCODER = [name for name in UNPAIRED if name == "vae" or name not in (*TWO_WAY, "adain")]
"""Methods of which one network sees pictures of both domains; that of adain takes grey ones for colours."""
BRIEF = ["data.size=32", "train.images=4", "train.batch=2", "speed.bf16=false"]

SNIPPET = """
from diptych import CycleGAN, load_image, display_image
horses_dataset, zebras_dataset = "horse", "zebra"
cycle_gan = CycleGAN(horses_dataset, zebras_dataset)
cycle_gan.train(epochs=100)
horse_image = load_image("horse.jpg")
zebra_image = cycle_gan.translate_horse_to_zebra(horse_image)
display_image(zebra_image)
"""
"""As the project promises it."""


def heaps(
    root: Path,
    *,
    names: tuple[str, str] = ("horses", "zebras"),
    counts: tuple[int, int] = (5, 4),
    channels: tuple[int, int] = (3, 3),
) -> list[Path]:
    """ROOT/horses/*.png and ROOT/zebras/*.png."""
    folders = [root / name for name in names]
    for number, (folder, count, c) in enumerate(zip(folders, counts, channels, strict=True)):
        for i in range(count):
            save(folder / f"{folder.name}{i}.png", noise(36, 36, c, seed=100 * number + i))
    return folders


def options(method: str) -> list[str]:
    return [f"method.{name}={value}" for name, value in SMALL[method].items()]


def train(method: str, root: Path, *more: str, **kinds: Any) -> Said:
    horses, zebras = heaps(root, **kinds)
    return diptych(
        "train", method, "--a", horses, "--b", zebras, "--out", root / "run", *BRIEF, *options(method), *more
    )


@pytest.fixture(scope="module", params=UNPAIRED)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each method, between horses and zebras."""
    root = tmp_path_factory.mktemp(request.param)
    said = train(request.param, root)
    assert said.code == 0, said.err
    return root / "run"


def test_these_methods_need_no_pairs() -> None:
    assert {"cyclegan", "cut", "fastcut", "unit", "munit"} <= set(UNPAIRED)


def test_the_folders_names_are_the_domains_names(run: Path) -> None:
    card = Translator.load(run).card
    assert (card.source.name, card.target.name) == ("horses", "zebras")
    assert card.data["training pictures of horses"] == 5
    said = diptych("info", run).out
    assert "*horses* pictures" in said
    assert ("and *zebras* pictures" in said) == (card.method in TWO_WAY)


def test_a_picture_goes_to_the_domain_named(run: Path, tmp_path: Path) -> None:
    picture = save(tmp_path / "horse.png", noise(37, 41, 3))
    said = diptych("translate", run, picture, "--to", "zebras", "--out", tmp_path / "out.png")
    assert said.code == 0, said.err
    assert images.read(tmp_path / "out.png").array.shape == (37, 41, 3)


def test_a_method_that_goes_one_way_says_so_and_another_goes_back(run: Path, tmp_path: Path) -> None:
    picture = save(tmp_path / "zebra.png", noise(32, 32, 3))
    said = diptych("translate", run, picture, "--to", "horses", "--out", tmp_path / "out.png")
    if Translator.load(run).two_way:
        assert said.code == 0, said.err
        there = diptych("translate", run, picture, "--to=zebras", "--out", tmp_path / "there.png")
        assert there.code == 0
        assert pixels(tmp_path / "out.png") != pixels(tmp_path / "there.png")
    else:
        assert said.code == 2
        assert "one way only: to zebras" in said.err


def test_a_domain_that_does_not_exist_is_answered_with_those_that_do(run: Path, tmp_path: Path) -> None:
    picture = save(tmp_path / "horse.png", noise(32, 32, 3))
    said = diptych("translate", run, picture, "--to", "cows", "--out", tmp_path / "out.png")
    assert said.code == 2
    assert "'cows'" in said.err
    assert "to=zebras" in said.err
    assert ("to=horses" in said.err) == Translator.load(run).two_way


def test_a_style_picture_is_refused_where_there_is_no_style(run: Path, tmp_path: Path) -> None:
    picture = save(tmp_path / "horse.png", noise(32, 32, 3))
    said = diptych("translate", run, picture, "--style", picture, "--out", tmp_path / "out.png")
    if "style" in Translator.load(run).controls:
        assert said.code == 0, said.err
    else:
        assert said.code == 2
        assert "style is not an option" in said.err


def by_chance(run: Path) -> list[str]:
    """What lets chance have a say, where it has none by default."""
    return ["--chance", "0.5"] if "chance" in Translator.load(run).controls else []


def test_samples_are_other_answers_and_the_same_every_time(run: Path, tmp_path: Path) -> None:
    picture = save(tmp_path / "horse.png", noise(32, 32, 3))
    for place in ("one", "two"):
        several = ["--samples", 3, "--seed", 5, *by_chance(run)]
        said = diptych("translate", run, picture, *several, "--out", tmp_path / place)
        if not Translator.load(run).answers:
            assert said.code == 2
            assert "one answer" in said.err
            return
        assert said.code == 0, said.err
    files = [f"horse-{number}.png" for number in (1, 2, 3)]
    once, again = ([pixels(tmp_path / place / name) for name in files] for place in ("one", "two"))
    assert once == again
    assert len(set(once)) == 3
    alone = diptych("translate", run, picture, "--seed", 7, *by_chance(run), "--out", tmp_path / "third.png")
    assert alone.code == 0
    assert pixels(tmp_path / "third.png") == once[2]


def test_answers_that_would_be_one_are_refused(run: Path, tmp_path: Path) -> None:
    if not Translator.load(run).answers:
        return
    picture = save(tmp_path / "horse.png", noise(32, 32, 3))
    answers = ["translate", "--overwrite", run, picture, "--samples", 2, "--out", tmp_path / "out"]
    alike, remedy = ([], "chance=0.5") if by_chance(run) else (["--style", picture], "style_strength=0.5")
    said = diptych(*answers, *alike)
    assert said.code == 2
    assert f"every answer would be the same with these controls: they differ with {remedy}" in said.err
    name, value = remedy.split("=")
    assert diptych(*answers, *alike, f"--{name.replace('_', '-')}", value).code == 0


@pytest.mark.parametrize("option", ["train.patience=2", "stabilizers.r1_every=4"])
def test_an_option_without_effect_is_refused(option: str, tmp_path: Path) -> None:
    said = train("cyclegan", tmp_path, option)
    assert said.code == 2
    assert option.partition("=")[0] in said.err


def test_pictures_of_a_few_pixels_are_pictures(run: Path, tmp_path: Path) -> None:
    picture = save(tmp_path / "small.png", noise(3, 2, 3))
    style = ["--style", picture] if "style" in Translator.load(run).controls else []
    said = diptych("translate", run, picture, *style, "--out", tmp_path / "out.png")
    assert said.code == 0, said.err
    assert images.read(tmp_path / "out.png").array.shape == (3, 2, 3)


def test_the_newest_weights_are_the_model(run: Path) -> None:
    assert (run / "model" / "weights.safetensors").read_bytes() == (run / "last" / "weights.safetensors").read_bytes()


def test_a_history_of_fakes_is_not_in_a_model(run: Path) -> None:
    names = [path.name for path in (run / "model").iterdir()]
    assert "training.safetensors" in names
    assert b"history" not in (run / "model" / "training.safetensors").read_bytes()


@pytest.mark.parametrize("method", UNPAIRED)
def test_a_stopped_run_goes_on_to_the_same_bits(method: str, tmp_path: Path) -> None:
    assert train(method, tmp_path / "whole", "train.tick_every=1").code == 0
    at_tick = Loop.at_tick

    def stop_after_two(self: Loop, now: int, due: set[str], stop: int | None) -> None:
        at_tick(self, now, due, 15 if now == 2 else stop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "at_tick", stop_after_two)
        assert train(method, tmp_path / "parts", "train.tick_every=1").code == 143
    assert train(method, tmp_path / "parts", "train.tick_every=1").code == 0
    one, other = (tmp_path / part / "run" / "last" / "weights.safetensors" for part in ("whole", "parts"))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("method", [name for name in TWO_WAY if name not in ONE_ENCODER])
def test_each_domain_keeps_its_own_channels(method: str, tmp_path: Path) -> None:
    said = train(method, tmp_path, channels=(1, 3))
    assert said.code == 0, said.err
    picture = save(tmp_path / "grey.png", noise(32, 32, 1))
    assert diptych("translate", tmp_path / "run", picture, "--to", "zebras", "--out", tmp_path / "out.png").code == 0
    assert images.read(tmp_path / "out.png").array.shape == (32, 32, 3)
    back = diptych(
        "translate", tmp_path / "run", tmp_path / "out.png", "--to", "horses", "--out", tmp_path / "back.png"
    )
    assert back.code == 0
    assert images.read(tmp_path / "back.png").array.shape == (32, 32, 1)


@pytest.mark.parametrize("method", ONE_ENCODER)
def test_one_encoder_for_both_domains_refuses_different_channels(method: str, tmp_path: Path) -> None:
    said = train(method, tmp_path, channels=(1, 3))
    assert said.code == 2
    assert "as many channels" in said.err


def test_pairs_are_used_without_their_pairing_and_scored_with_it(tmp_path: Path) -> None:
    for i in range(5):
        for side, name in enumerate(("ct", "mri")):
            save(tmp_path / "data" / "train" / name / f"{i}.png", noise(36, 36, 1, seed=2 * i + side))
            save(tmp_path / "data" / "test" / name / f"{i}.png", noise(36, 36, 1, seed=2 * i + side + 50))
    out = tmp_path / "run"
    said = diptych("train", "cyclegan", "--data", tmp_path / "data", "--out", out, *BRIEF, *options("cyclegan"))
    assert said.code == 0, said.err
    assert "their pairing unused" in said.err
    assert diptych("evaluate", out, "--data", tmp_path / "data").code == 0


def test_the_promised_snippet_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heaps(tmp_path, names=("horse", "zebra"), counts=(2, 2))
    images.write(tmp_path / "horse.jpg", noise(36, 36, 3))
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    whole = facade.train

    def small(given: dict[str, Any], out: Path) -> Path:
        """The defaults are the paper's, and take hours: the same training with small networks and pictures."""
        assert given["train"] == {"epochs": 100}
        given["method"] |= SMALL["cyclegan"]
        given["data"]["size"] = 32
        given["train"]["epochs"] = 1
        return whole(given, out)

    monkeypatch.setattr(facade, "train", small)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        exec(compile(SNIPPET, "snippet", "exec"), {})
    shown = Path(said.getvalue().strip().splitlines()[-1])
    assert images.read(shown).array.shape == (36, 36, 3)


def test_python_translates_by_the_names_of_the_domains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diptych import CycleGAN

    monkeypatch.chdir(tmp_path)
    heaps(tmp_path, names=("my horse", "zebra"), counts=(2, 2))
    model = CycleGAN("my horse", "zebra", size=32, **SMALL["cyclegan"])
    model.train(images=2, bf16=False)
    picture = noise(32, 32, 3)
    there = model.translate_my_horse_to_zebra(picture)
    assert np.array_equal(there.array, model.translate(picture, to="zebra").array)
    back = model.translate_zebra_to_my_horse(picture)
    assert np.array_equal(back.array, model.translate(picture, to="my horse").array)
    assert not np.array_equal(there.array, back.array)
    with pytest.raises(AttributeError, match="translate_zebra_to_cow"):
        model.translate_zebra_to_cow(picture)


@pytest.fixture(scope="module")
def two_way(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of CycleGAN between horses and zebras, beside pairs of both for a test."""
    root = tmp_path_factory.mktemp("two-way")
    assert train("cyclegan", root).code == 0
    for i in range(3):
        for side, name in enumerate(("horses", "zebras")):
            for split in ("train", "test"):
                stem = f"{name}{i}" if split == "train" else f"same{i}"
                save(root / "data" / split / name / f"{stem}.png", noise(36, 36, 3, seed=7 * i + side))
    os.rename(root / "data", root / "named")
    shutil.copytree(root / "named", root / "other")
    for split, name, new in itertools.product(("train", "test"), ("horses", "zebras"), ("day", "night")):
        if (name == "horses") == (new == "day"):
            os.rename(root / "other" / split / name, root / "other" / split / new)
    return root


def psnr(*arguments: object) -> float:
    said = diptych("evaluate", *arguments, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)["metrics"]["psnr"]["value"]


def test_the_way_back_is_scored_from_the_other_side_whatever_the_domains_are_called(two_way: Path) -> None:
    run, out = two_way / "run", ["--out", two_way / "scores"]
    there, back = (psnr(run, "--data", two_way / "named", "--to", name, *out) for name in ("zebras", "horses"))
    assert there != back
    assert psnr(run, "--data", two_way / "other", "--to", "horses", *out) == back
    assert psnr(run, "--data", two_way / "named", "--direction", "zebras2horses", *out) == back
    said = diptych("evaluate", run, "--data", two_way / "named", "--to", "zebras", "--direction", "a2b", *out)
    assert said.code == 2
    assert "give one of them" in said.err


def test_a_model_of_the_other_direction_is_no_start(two_way: Path, tmp_path: Path) -> None:
    horses, zebras = heaps(tmp_path)
    begin = [*BRIEF, *options("cyclegan"), f"train.start={two_way / 'run'}"]
    said = diptych("train", "cyclegan", "--a", zebras, "--b", horses, "--out", tmp_path / "turned", *begin)
    assert said.code == 2
    assert "goes from horses to zebras" in said.err
    assert diptych("train", "cyclegan", "--a", horses, "--b", zebras, "--out", tmp_path / "on", *begin).code == 0


def test_half_a_model_says_which_way_it_works_and_what_begins_anew(two_way: Path, tmp_path: Path) -> None:
    assert diptych("convert", two_way / "run", "--to", "junyanz", "--out", tmp_path / "files").code == 0
    said = diptych("convert", tmp_path / "files" / "latest_net_G_A.pth", "--out", tmp_path / "half")
    assert "*a* pictures (3 channels, uint8, values 0 to 255) into *b* pictures" in said.out
    assert "and *b* pictures" not in said.out
    horses, zebras = heaps(tmp_path)
    begin = [*BRIEF, f"train.start={tmp_path / 'half'}", "method.discriminator_width=4"]
    said = diptych("train", "cyclegan", "--a", horses, "--b", zebras, "--out", tmp_path / "on", *begin)
    assert said.code == 0, said.err
    assert "does not hold ba, d_a, d_b: begun anew" in said.err
