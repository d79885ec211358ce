"""Evaluation without pairs: sets of pictures beside their baselines, several answers, and folders of both kinds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from commands import diptych
from pictures import save
from torch import Tensor, nn

from diptych.cli import evaluate as cli
from diptych.data.opening import open_data
from diptych.errors import ConfigError, DataError, ModelError
from diptych.evaluation.baselines import HALVES, TRANSFER, UNTOUCHED, Colours, colour_transfer, colours
from diptych.evaluation.command import evaluate_folder, open_for
from diptych.evaluation.evaluate import Evaluation, Row, evaluate, joined
from diptych.evaluation.examples import set_examples
from diptych.evaluation.sets import IDLE, INVERTED, MANIFOLD, evaluate_sets
from diptych.images import Picture, read
from diptych.methods.method import Method
from diptych.metrics import lpips_squeeze, squeezenet
from diptych.model.card import Card, Domain
from diptych.model.translator import Translator
from diptych.nn.perceptual import LPIPS, SqueezeNet
from diptych.options.controls import Seed, To

SETS = (
    "fd_squeezenet",
    "kd_squeezenet",
    *MANIFOLD,
)  # the others are left out: the pictures are small, or weights are missing


class Heaps:
    """Bright sources and dark targets, without pairs."""

    def __init__(self, counts: tuple[int, int] = (9, 12), channels: int = 3, dtype: str = "uint8", high: float = 255):
        self.dtype = (dtype, dtype)
        self.range = ((0.0, high), (0.0, high))
        rng = np.random.default_rng(0)
        shape, levels = (20, 24, channels), (0.6 * high, 0.0)
        self.all = [
            [(f"{k:02d}", (rng.uniform(0, 0.4 * high, shape) + level).astype(dtype)) for k in range(count)]
            for count, level in zip(counts, levels, strict=True)
        ]

    def pictures(self, split: str, side: int) -> Iterator[tuple[str, Picture]]:
        for name, array in self.all[side] if split == "test" else []:
            yield name, Picture(array)

    def pairs(self, split: str) -> Iterator[tuple[str, Picture, Picture]]:
        for (name, source), (_, target) in zip(*self.all, strict=False):
            yield name, Picture(source), Picture(target)


class Darken(Method):
    """Works both ways: to b it darkens, to a it brightens; and it draws by chance."""

    keep = ("g",)
    directions: ClassVar = {("a", "b"): ("g",), ("b", "a"): ("g",)}

    def __init__(self, *, a_channels: int = 3, b_channels: int = 3) -> None:
        super().__init__()
        self.g = nn.Identity()

    def translate(self, x: Tensor, *, to: To = "b", seed: Seed = 0) -> Tensor:
        noise = torch.rand(x.shape[1:], generator=torch.Generator().manual_seed(seed))
        return (x + (-1.1 if to == "b" else 1.1) + 0.1 * noise).clamp(-1, 1)


class Recorded(Darken):
    """Remembers where it was asked to translate to."""

    asked: ClassVar[list[str]] = []

    def translate(self, x: Tensor, *, to: To = "b", seed: Seed = 0) -> Tensor:
        self.asked.append(to)
        return super().translate(x, to=to, seed=seed)


class Plain(Darken):
    """Works one way, and has one answer."""

    directions: ClassVar = {}

    def translate(self, x: Tensor) -> Tensor:
        return x - 1.1


def translator(method: type[Method] = Darken) -> Translator:
    card = Card(
        method="darken", options={}, source=Domain(name="day", channels=3), target=Domain(name="night", channels=3),
        ways=["b", "a"] if method.directions else ["b"],
    )  # fmt: skip
    return Translator(method(), card, device="cpu")


def darker(picture: Picture) -> Picture:
    return Picture((picture.array - 0.6 * 255).clip(0).astype("uint8"))


@pytest.fixture(autouse=True)
def untrained(request, monkeypatch, tmp_path):
    """The networks with random weights, in place of the published ones; a test called ..._weights_... has none."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DIPTYCH_WEIGHTS", raising=False)
    if "without_weights" in request.node.name:
        return
    torch.manual_seed(0)
    network, judge = SqueezeNet(), LPIPS()
    for module in (squeezenet, lpips_squeeze):
        monkeypatch.setattr(module, "locate", lambda name: Path(name))
    monkeypatch.setattr(squeezenet, "trained", lambda path: network)
    monkeypatch.setattr(lpips_squeeze, "load", lambda linear, path: judge)
    monkeypatch.setattr(squeezenet, "SIZE", 32)  # faster


@pytest.fixture
def heaps(tmp_path) -> Path:
    """FOLDER/{train,test}/{day,night}; of the test pictures four have names in both, of which night is the truth."""
    root, data = tmp_path / "streets", Heaps((12, 14))
    for side, domain in enumerate(("day", "night")):
        for k, (_, array) in enumerate(data.all[side]):
            split, name = ("test", f"{domain}{k}" if k > 3 else f"same{k}") if k < 8 else ("train", f"{domain}{k}")
            save(root / split / domain / f"{name}.png", array)
    return root


# --- Sets ------------------------------------------------------------------------------------------------------------


def test_outputs_are_compared_beside_untouched_sources_and_halves_of_the_real_pictures():
    result = evaluate_sets(darker, Heaps())
    assert list(result.metrics) == list(SETS)
    assert set(result.baselines) == {UNTOUCHED, HALVES}
    for name, score in result.metrics.items():
        untouched, halves = (result.baselines[of][name]["value"] for of in (UNTOUCHED, HALVES))
        assert score["better"] == ("higher" if name in MANIFOLD else "lower")
        if name in MANIFOLD:
            assert untouched < min(score["value"], halves)
        else:
            assert max(score["value"], halves) < 0.2 * untouched


def test_a_metric_that_depends_on_numbers_compares_equally_many_everywhere():
    result = evaluate_sets(darker, Heaps((9, 12)))
    fd, kd = ([scores[name]["count"] for scores in (result.metrics, *result.baselines.values())] for name in SETS[:2])
    assert fd == [6, 6, 6]
    assert kd == [9, 9, 6]
    few = evaluate_sets(darker, Heaps((4, 12)))
    assert [scores["fd_squeezenet"]["count"] for scores in (few.metrics, *few.baselines.values())] == [4, 4, 4]


def test_an_output_that_is_the_source_scores_as_the_untouched_source():
    result = evaluate_sets(lambda picture: picture, Heaps())
    assert result.metrics == result.baselines[UNTOUCHED]


@pytest.mark.parametrize(
    ("translate", "note"),
    [
        (lambda x: Picture(x.array), IDLE),
        (lambda x: Picture(255 - x.array), INVERTED),
        (lambda x: Picture(x.array // 2), None),
    ],
)
def test_a_translation_that_changes_nothing_or_exchanges_light_and_dark_is_noted(translate, note):
    result = evaluate_sets(translate, Heaps((6, 8)))
    assert dict(result.notes) == ({note: 6} if note else {})
    assert note is None or note in result.to_text()


def test_scores_of_sets_are_relative_to_the_range_of_the_data():
    eight, sixteen = Heaps(), Heaps(dtype="uint16", high=255 * 16)
    sixteen.all = [[(name, array.astype("uint16") * 16) for name, array in side] for side in eight.all]
    same = [evaluate_sets(lambda picture: picture, data).metrics for data in (eight, sixteen)]
    for name in SETS:
        assert same[0][name]["value"] == pytest.approx(same[1][name]["value"], rel=1e-4)


def test_real_pictures_too_few_to_split_leave_out_their_halves_and_nothing_else():
    result = evaluate_sets(darker, Heaps((5, 3)))
    assert set(result.metrics) == set(SETS)
    assert set(result.baselines) == {UNTOUCHED}
    assert "3 real pictures are too few" in result.left_out[HALVES]


def test_a_single_picture_of_a_side_leaves_out_the_metrics_with_the_reason():
    result = evaluate_sets(darker, Heaps((1, 12)))
    assert result.metrics == {}
    assert "needs two pictures of each set" in result.left_out["fd_squeezenet"]


def test_set_metrics_without_weights_are_left_out_with_the_remedy():
    result = evaluate_sets(darker, Heaps())
    assert set(SETS) <= set(result.left_out)
    assert "diptych weights fetch squeezenet" in result.left_out["kd_squeezenet"]
    assert len(result.rows) == 9


def test_pictures_of_four_channels_are_left_out_in_words():
    result = evaluate_sets(lambda picture: picture, Heaps(channels=4))
    assert "4 channels" in result.left_out["fd_squeezenet"]


@pytest.mark.parametrize(
    ("wrong", "error", "fault"),
    [
        (lambda a: a.astype("uint16"), DataError, "^00: the output is uint16, the real pictures are float32"),
        (lambda a: a * np.float32("nan"), ModelError, "^00: .* not numbers"),
    ],
)
def test_outputs_of_another_kind_and_no_numbers_are_refused(wrong, error, fault):
    with pytest.raises(error, match=fault):
        evaluate_sets(lambda picture: Picture(wrong(picture.array)), Heaps(dtype="float32", high=1))


@pytest.mark.parametrize("counts", [(0, 5), (5, 0)])
def test_a_split_without_pictures_of_a_side_is_refused(counts):
    with pytest.raises(DataError, match="lacks pictures of one side"):
        evaluate_sets(darker, Heaps(counts))


def test_a_limit_is_of_each_side_and_progress_is_told():
    done: list[int] = []
    result = evaluate_sets(darker, Heaps(), limit=4, progress=done.append)
    assert done == [1, 2, 3, 4]
    assert result.metrics["kd_squeezenet"]["count"] == 4
    assert result.metrics["fd_squeezenet"]["count"] == 2


# --- Several answers -------------------------------------------------------------------------------------------------


def test_several_answers_are_scored_by_their_mean_their_best_and_their_diversity():
    one = [evaluate(translator(), Heaps(), controls={"seed": seed}) for seed in range(3)]
    result = evaluate(translator(), Heaps(), answers=3)
    for name, best in (("lpips_squeeze", min), ("psnr", max)):
        values = np.array([[row.scores[name] for row in each.rows] for each in one])
        assert result.metrics[name]["value"] == pytest.approx(values.mean(), rel=1e-5)
        expected = np.mean([best(picture) for picture in values.T])
        assert result.metrics[f"{name}_best_of_3"]["value"] == pytest.approx(expected, rel=1e-5)
    assert "ssim_best_of_3" not in result.metrics
    assert result.metrics["diversity"]["value"] > 0
    assert "among 3 answers" in result.metrics["diversity"]["protocol"]
    assert evaluate(lambda picture, seed: darker(picture), Heaps(), answers=2).metrics["diversity"]["value"] == 0


def test_sets_are_compared_by_the_first_answer_and_tell_the_diversity():
    first, several = (evaluate_sets(translator(), Heaps(), answers=answers) for answers in (1, 3))
    assert several.metrics["fd_squeezenet"] == first.metrics["fd_squeezenet"]
    assert several.metrics["diversity"]["value"] > 0
    assert several.ranks_by == "diversity"


def test_diversity_without_weights_is_left_out_and_pixels_are_compared():
    result = evaluate(translator(), Heaps(), answers=2)
    assert {"diversity", "lpips_squeeze"} <= set(result.left_out)
    assert {"psnr", "psnr_best_of_2"} <= set(result.metrics)


# --- Baselines -------------------------------------------------------------------------------------------------------


def test_colours_are_the_mean_and_the_deviation_over_all_pixels_of_all_pictures():
    arrays = [np.random.default_rng(k).integers(0, 255, (4 + k, 5, 3)).astype("uint8") for k in range(3)]
    pixels = np.concatenate([array.reshape(-1, 3) for array in arrays])
    found = colours(map(Picture, arrays))
    np.testing.assert_allclose(found.mean, pixels.mean(axis=0))
    np.testing.assert_allclose(found.deviation, pixels.std(axis=0))


def test_colour_transfer_gives_a_picture_the_colours_it_is_told():
    source = Picture(np.random.default_rng(0).random((30, 30, 3), np.float32))
    wanted = Colours(np.array([0.3, 0.5, 0.6]), np.array([0.01, 0.05, 0.1]))
    found = colours([colour_transfer(wanted, "float32", (0, 1))(source)])
    np.testing.assert_allclose(found.mean, wanted.mean, rtol=1e-4)
    np.testing.assert_allclose(found.deviation, wanted.deviation, rtol=1e-4)


def test_colour_transfer_stays_in_the_range_rounds_and_gives_flat_pictures_the_mean():
    wanted = Colours(np.array([200.4]), np.array([500.0]))
    recoloured = colour_transfer(wanted, "uint8", (0, 255))
    array = recoloured(Picture(np.arange(256, dtype="uint8").reshape(16, 16, 1))).array
    assert array.dtype == np.uint8
    assert (np.diff(array.ravel().astype(int)) >= 0).all()
    assert (array[0, 0, 0], array[-1, -1, 0]) == (0, 255)
    assert (recoloured(Picture(np.full((4, 4, 1), 9, "uint8"))).array == 200).all()


def test_no_pictures_have_no_colours():
    with pytest.raises(DataError, match="no picture"):
        colours([])


# --- Folders ---------------------------------------------------------------------------------------------------------


def test_an_unpaired_folder_is_scored_by_sets_and_its_truth_by_pairs_beside_both_baselines(heaps, tmp_path):
    done: list[int] = []
    result, page = evaluate_folder(translator(), str(heaps), out=tmp_path / "out", progress=done.append)
    assert list(result.metrics)[: len(SETS) + 1] == [*SETS, "lpips_squeeze"]
    assert set(result.baselines) == {UNTOUCHED, HALVES, TRANSFER}
    assert set(result.baselines[UNTOUCHED]) == {*SETS, "lpips_squeeze", "psnr", "ssim", "l1"}
    assert set(result.baselines[TRANSFER]) == {"lpips_squeeze", "psnr", "ssim", "l1"}
    assert [row.name for row in result.rows if "psnr" in row.scores] == ["same0", "same1", "same2", "same3"]
    assert done == list(range(1, 13))
    assert result.metrics["psnr"]["value"] > result.baselines[UNTOUCHED]["psnr"]["value"] + 3
    text = page.read_text(encoding="utf-8")
    assert "night, the target" in text
    assert "colour transfer" in text


def test_without_truth_the_page_shows_sources_outputs_and_the_way_back(heaps, tmp_path):
    for path in heaps.glob("test/night/same*"):
        path.rename(path.with_name(f"other{path.name}"))
    result, page = evaluate_folder(translator(Recorded), str(heaps), out=tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    assert Recorded.asked == ["b"] + 8 * ["b", "a"]  # all in one batch, then one by one, each with its way back
    assert set(result.metrics) == set(SETS)
    assert "back to day" in text
    assert "the target" not in text
    assert "real halves" in text
    assert read(tmp_path / "out" / "grid.png").array.shape[2] == 3
    assert json.loads(json.dumps(result.to_dict()))["baselines"]["untouched"]["fd_squeezenet"]["count"] == 4


def test_the_other_way_is_evaluated_when_it_is_asked_for(heaps, tmp_path):
    result, page = evaluate_folder(translator(), str(heaps), to="day", out=tmp_path / "out")
    assert "night to day, by darken" in page.read_text(encoding="utf-8")
    assert result.metrics["psnr"]["value"] > result.baselines[UNTOUCHED]["psnr"]["value"] + 3
    assert result.metrics["fd_squeezenet"]["value"] < result.baselines[UNTOUCHED]["fd_squeezenet"]["value"]


def test_a_domain_that_does_not_exist_and_answers_that_cannot_differ_are_refused(heaps, tmp_path):
    with pytest.raises(ConfigError, match="use to=night or to=day"):
        evaluate_folder(translator(), str(heaps), to="dusk", out=tmp_path / "out")
    with pytest.raises(ConfigError, match="one way only"):
        evaluate_folder(translator(Plain), str(heaps), to="day", out=tmp_path / "out")
    with pytest.raises(ConfigError, match="one answer to a picture"):
        evaluate_folder(translator(Plain), str(heaps), samples=3, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_several_answers_stand_beside_each_other_on_the_page(heaps, tmp_path):
    result, page = evaluate_folder(translator(), str(heaps), samples=3, out=tmp_path / "out")
    assert result.metrics["lpips_squeeze_best_of_3"]["value"] <= result.metrics["lpips_squeeze"]["value"]
    assert "answer 3" in page.read_text(encoding="utf-8")


def test_a_folder_without_training_pictures_says_that_no_colours_could_be_taken(heaps, tmp_path):
    for path in heaps.glob("train/*/*.png"):
        path.unlink()
    result, _ = evaluate_folder(translator(), str(heaps), out=tmp_path / "out")
    assert "no training pictures" in result.left_out[TRANSFER]
    assert UNTOUCHED in result.baselines


def test_an_empty_split_is_refused_and_the_filled_ones_are_named(heaps, tmp_path):
    with pytest.raises(ConfigError, match=r"no val split; it has: train, test"):
        evaluate_folder(translator(), str(heaps), split="val", out=tmp_path / "out")


def test_two_folders_of_any_names_are_evaluated_too(heaps, tmp_path):
    for domain, split in itertools.product(("day", "night"), ("train", "test")):
        (heaps / domain).mkdir(exist_ok=True)
        (heaps / split / domain).rename(heaps / domain / split)
    result, _ = evaluate_folder(
        translator(), a=str(heaps / "day"), b=str(heaps / "night"), out=tmp_path / "out"
    )  # fmt: skip
    assert set(SETS) <= set(result.metrics)


def test_the_sides_of_a_folder_are_found_by_their_names_for_each_way(heaps):
    assert open_for(translator(), str(heaps)).names == ("day", "night")
    assert open_for(translator(), str(heaps), to="day").names == ("night", "day")


def test_examples_without_pairs_are_taken_evenly_from_all():
    data = Heaps((20, 12))
    result = evaluate_sets(darker, data, metrics=[])
    shown = set_examples(darker, data, result, count=3)
    assert [example.name for example in shown] == ["00", "10", "19"]
    assert {example.group for example in shown} == {"3 of 20, taken evenly, not by how good they are"}
    assert list(shown[0].pictures) == ["source", "output"]


def test_joined_evaluations_keep_all_scores_and_the_pictures_of_the_second():
    score: Any = {"value": 1.0, "low": 0.0, "high": 2.0, "count": 3, "protocol": "so", "better": "lower"}
    first = Evaluation({"fd": score}, {"kd": "why"}, [Row("a", {})], "test", 1.0, {UNTOUCHED: {"fd": score}})
    second = Evaluation({"l1": score}, {}, [Row("b", {"l1": 1.0})], "test", 2.0, {UNTOUCHED: {"l1": score}})
    both = joined(first, second)
    assert list(both.metrics) == ["fd", "l1"]
    assert both.baselines == {UNTOUCHED: {"fd": score, "l1": score}}
    assert both.rows == second.rows
    assert both.seconds == 3
    assert "kd left out: why" in both.to_text()
    assert both.to_text().count(UNTOUCHED) == 2


def test_several_answers_and_ways_are_asked_for_on_the_command_line(heaps, tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "load", lambda *_: translator())
    model, out = tmp_path / "model", tmp_path / "out"
    said = diptych("evaluate", model, "--data", heaps, "--to", "day", "--samples", 2, "--json", "--out", out)
    assert said.code == 0, said.err
    result = json.loads(said.out)
    assert {"fd_squeezenet", "psnr_best_of_2", "diversity"} <= set(result["metrics"])
    assert set(result["baselines"]) == {UNTOUCHED, HALVES, TRANSFER}
    assert "night to day" in (out / "report.html").read_text(encoding="utf-8")
    said = diptych("evaluate", model, "--data", heaps, "--to", "dusk", "--out", out)
    assert (said.code, "use to=night or to=day" in said.err) == (2, True)


def test_real_data_serves_as_the_protocol_says(heaps):
    data = open_data(folder=str(heaps), val=0, enlarge=True)
    assert len(list(data.pictures("test", 0))) == len(list(data.pictures("test", 1))) == 8
    assert not data.paired
