"""A method of others between three domains, with a reference image: from three folders to every way to use it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from odd.domains import AnyDomain
from pictures import noise, save

from diptych import Translator, images
from diptych.data.audit import check
from diptych.data.opening import open_data
from diptych.errors import ConfigError, DataError
from diptych.model.controls import describe_controls
from diptych.serve.engine.worker import Batch, Done, Models, Plan, answer
from diptych.testing import CHECKS, bundle

NAMES = ("day", "dusk", "night")
PLUGIN = ("--plugin", "odd.domains")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for split, count in (("train", 4), ("test", 3)):
        for more, name in enumerate(NAMES):
            for number in range(count + more):
                level = 60 * more + 5 * number + (2 if split == "test" else 0)
                save(root / split / name / f"{name}{number}.png", np.full((40, 48, 3), level, np.uint8))
    return root


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    options = ["data.size=32", "train.images=12", "train.batch=3"]
    said = diptych("train", "odd.domains", *PLUGIN, "--data", folder, "--out", out, *options)
    assert said.code == 0, said.err
    assert "odd.domains: day, dusk and night, 4, 5 and 6 pictures to train on" in said.err
    return out


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_passes_the_battery(check) -> None:
    check(AnyDomain, {})


def test_each_image_comes_with_its_domain_and_none_is_left_out(folder: Path) -> None:
    data = open_data(folder=str(folder), kind="domains", size=32)
    inputs = ("image",)
    assert (data.names, data.epoch(inputs)) == (NAMES, 18)
    batch = data.tensors(inputs, next(data.loader(inputs, seed=1, batch=18)))
    assert batch["image"].shape == (18, 3, 32, 32)
    assert batch["domain"].tolist() == [0, 1, 2] * 6
    levels = ((batch["image"].mean((1, 2, 3)) + 1) * 127.5).round().int().tolist()
    found = {name: set(levels[number::3]) for number, name in enumerate(NAMES)}
    assert found == {"day": {0, 5, 10, 15}, "dusk": {60, 65, 70, 75, 80}, "night": {120, 125, 130, 135, 140, 145}}


def test_the_direction_says_which_two_come_first(folder: Path) -> None:
    data = open_data(folder=str(folder), kind="domains", direction="night2day", size=32)
    assert data.names == ("night", "day", "dusk")
    assert [name for name, _ in data.pictures("test", 0)] == [f"night{number}" for number in range(5)]
    with pytest.raises(DataError, match="direction=dawn2day is unknown"):
        open_data(folder=str(folder), kind="domains", direction="dawn2day", size=32)


def test_the_audit_counts_every_domain_and_names_the_option(folder: Path) -> None:
    audit = check(folder, kind="domains")
    assert audit.counts == {"train": (4, 5, 6), "test": (3, 4, 5)}
    assert [domain.name for domain in audit.domains] == list(NAMES)
    with pytest.raises(DataError, match=r"direction=day2dusk; take each for a domain by data\.kind=domains"):
        check(folder)


def test_domains_of_other_depths_are_left_out_and_ranges_are_one(tmp_path: Path) -> None:
    for more, name in enumerate(NAMES):
        for number in range(4):
            save(tmp_path / "train" / name / f"{number}.tif", np.full((40, 40, 1), 1000 * more + number, np.uint16))
    data = open_data(folder=str(tmp_path), kind="domains", size=32)
    assert data.range == (data.range[0],) * 3
    assert data.range[0][0] <= 0 < 2003 <= data.range[0][1]
    with pytest.raises(ConfigError, match=r"data\.labels goes with two domains"):
        open_data(folder=str(tmp_path), kind="domains", labels="day", size=32)


def test_the_command_line_the_server_and_python_translate_to_each_domain(run: Path, folder: Path, tmp_path: Path):
    source, reference = folder / "test" / "day" / "day0.png", folder / "test" / "night" / "night2.png"
    translator, models = Translator.load(run), Models(Plan({"m": run / "model"}, provenance=False))
    made = {}
    for to in NAMES:
        out = tmp_path / f"{to}.png"
        said = diptych("translate", run, source, *PLUGIN, "--to", to, "--reference", reference, "--out", out)
        assert said.code == 0, said.err
        made[to] = images.read(out).array
        assert np.array_equal(translator(source, to=to, reference=reference).array, made[to])
        controls = {"to": to, "reference": reference.read_bytes()}
        with ThreadPoolExecutor(1) as pool:
            (served,) = answer(models, Batch("m", [source.read_bytes()], controls, None), pool)
        assert isinstance(served, Done), served
        assert np.array_equal(images.read(served.data).array, made[to])
    assert len({array.tobytes() for array in made.values()}) == 3
    assert not np.array_equal(translator(source, to="night").array, made["night"])
    assert "use to=dusk or to=night or to=day" in diptych("translate", run, source, *PLUGIN, "--to", "dawn").err


def test_the_card_names_all_directions_and_a_form_offers_the_domains(run: Path) -> None:
    translator = Translator.load(run)
    assert translator.directions == [(one, other) for one in NAMES for other in NAMES if one != other]
    assert translator.card.title() == "day, dusk and night, by odd.domains"
    assert translator.card.turns().endswith("into one another")
    shown = {one.name: one for one in describe_controls(translator.method, translator.card)}
    assert (shown["to"].choices, shown["to"].default) == (("dusk", "night", "day"), "dusk")
    assert shown["reference"].widget == "picture"


@pytest.mark.parametrize(("way", "to"), [("dusk2night", "night"), ("night2dusk", "dusk"), ("day2dusk", "dusk")])
def test_each_direction_is_evaluated_as_what_it_is(run: Path, folder: Path, tmp_path: Path, way: str, to: str) -> None:
    said = diptych("evaluate", run, "--data", folder, "--direction", way, *PLUGIN, "--out", tmp_path)
    assert said.code == 0, said.err
    source = way.partition("2")[0]
    assert f"{source} to {to}, by odd.domains" in (tmp_path / "report.html").read_text()


def test_their_number_is_read_from_the_data_and_a_run_goes_on(run: Path, folder: Path, tmp_path: Path) -> None:
    given = ["train", "odd.domains", *PLUGIN, "--data", folder, "data.size=32"]
    said = diptych(*given, "--out", tmp_path / "no", "method.domains=2")
    assert said.code == 2
    assert "method.domains = 2, the data's are 3" in said.err
    said = diptych("train", "--resume", run, *PLUGIN, "train.images=18")
    assert said.code == 0, said.err
    assert "18/18 images" in said.err


def test_two_folders_are_two_domains_for_it(tmp_path: Path) -> None:
    for name in NAMES[:2]:
        for number in range(4):
            save(tmp_path / "data" / "train" / name / f"{number}.png", noise(40, 40, 3, seed=number))
    out, options = tmp_path / "run", ["data.size=32", "train.images=4", "train.batch=2"]
    said = diptych("train", "odd.domains", *PLUGIN, "--data", tmp_path / "data", "--out", out, *options)
    assert said.code == 0, said.err
    assert Translator.load(out).directions == [("day", "dusk"), ("dusk", "day")]


def test_the_battery_makes_as_many_domains_as_the_method_has() -> None:
    assert [domain.name for domain in bundle(AnyDomain, {}).card.domains] == ["the 0", "the 1", "the 2"]


def test_a_target_that_the_model_knows_is_that_of_the_folder(run: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    for name, called in (("day", "morning"), ("night", "night")):
        (tmp_path / "test" / called).symlink_to(folder / "test" / name)
    for more in ([], ["--direction", "morning2night"]):
        said = diptych("evaluate", run, "--data", tmp_path, *more, *PLUGIN, "--out", tmp_path / "seen")
        assert said.code == 0, said.err
        assert "to night, by odd.domains" in (tmp_path / "seen" / "report.html").read_text()


def test_a_training_that_begins_from_a_model_keeps_its_order_and_number_of_domains(run: Path, folder: Path, tmp_path):
    begin = ["train", "odd.domains", *PLUGIN, f"train.start={run}", "data.size=32", "train.images=2", "train.batch=2"]
    said = diptych(*begin, "--data", folder, "--direction", "night2day", "--out", tmp_path / "a")
    assert said.code == 2
    assert "learned its domains in the order day, dusk, night" in said.err
    assert "set data.direction=day2dusk" in said.err
    two = tmp_path / "two" / "train"
    two.mkdir(parents=True)
    for name in NAMES[:2]:
        (two / name).symlink_to(folder / "train" / name)
    said = diptych(*begin, "--data", two.parent, "--out", tmp_path / "b")
    assert said.code == 2
    assert "knows 3 domains, and" in said.err
    assert diptych(*begin, "--data", folder, "--out", tmp_path / "c").code == 0


def test_an_empty_domain_is_refused_and_so_is_one_whose_images_do_not_fit(folder: Path, tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / "train" / name).mkdir(parents=True)
    for name in NAMES[:2]:
        save(tmp_path / "train" / name / "1.png", noise(40, 40, 3))
    with pytest.raises(DataError, match="no picture of night can be used: train/night is an empty folder"):
        open_data(folder=str(tmp_path), kind="domains", size=32)
    save(tmp_path / "train" / "night" / "1.png", np.full((40, 40, 3), 7, np.uint16))
    data = open_data(folder=str(tmp_path), kind="domains", size=32)
    with pytest.raises(DataError, match=r"no training pictures of night: .*; left out: .*is uint16 among uint8"):
        data.epoch(("image",))
