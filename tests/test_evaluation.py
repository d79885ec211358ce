"""Evaluation: what the scores are made of, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from diptych.errors import DataError, ModelError
from diptych.evaluation.evaluate import baseline, evaluate
from diptych.evaluation.examples import examples
from diptych.images import Picture

PIXEL = ("psnr", "ssim", "l1")


class Pairs:
    """Targets of random values up to `high`; the k-th source is its target, `k * step` brighter, of twice the range."""

    def __init__(self, count: int = 6, dtype: str = "uint8", channels: int = 3, high: float = 255, step: float = 5):
        self.range = ((0.0, 2 * high), (0.0, high))
        rng = np.random.default_rng(0)
        base = [rng.uniform(0, 0.6 * high, (20, 24, channels)).astype(dtype) for _ in range(count)]
        self.all = [(f"{k:02d}", (a + k * step).astype(dtype), a) for k, a in enumerate(base)]

    def pairs(self, split: str) -> Iterator[tuple[str, Picture, Picture]]:
        for name, source, target in self.all if split == "test" else []:
            yield name, Picture(source), Picture(target)


class Batched:
    """Darkens, and like a real translator reads a batch ahead."""

    def __call__(self, picture: Picture) -> Picture:
        return Picture(picture.array // 2)

    def many(self, pictures: Iterable[Picture], *, batch: int) -> Iterator[Picture]:
        yield from map(self, list(pictures))


def same(picture: Picture) -> Picture:
    return picture


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DIPTYCH_WEIGHTS", raising=False)


def test_the_dictionary_is_what_the_command_line_promises():
    result = json.loads(json.dumps(evaluate(same, Pairs()).to_dict()))
    assert set(result["metrics"]) == set(PIXEL)
    assert all(
        set(score) == {"value", "low", "high", "count", "protocol", "better"} for score in result["metrics"].values()
    )
    assert result["metrics"]["psnr"]["count"] == 6
    assert [row["name"] for row in result["pictures"]] == ["00", "01", "02", "03", "04", "05"]


def test_a_metric_without_its_weights_is_left_out_with_the_reason_and_the_remedy():
    result = evaluate(same, Pairs())
    assert "diptych weights fetch lpips_squeeze" in result.left_out["lpips_squeeze"]
    assert all("lpips_squeeze" not in row.scores for row in result.rows)


def test_a_metric_that_cannot_judge_one_of_the_pictures_judges_none():
    data = Pairs()
    name, _, _ = data.all[3]
    small = np.zeros((8, 8, 3), "uint8")
    data.all[3] = (name, small, small)
    result = evaluate(same, data)
    assert "8 x 8 is smaller" in result.left_out["ssim"]
    assert set(result.metrics) == {"psnr", "l1"}
    assert all(set(row.scores) == {"psnr", "l1"} for row in result.rows)


@pytest.mark.parametrize(("dtype", "high", "step"), [("uint8", 255, 5), ("uint16", 4095, 80), ("float32", 2.0, 0.04)])
def test_scores_are_relative_to_the_range_of_the_data(dtype, high, step):
    result = evaluate(same, Pairs(dtype=dtype, high=high, step=step), metrics=["l1"])
    expected = [2 * k * step / high for k in range(6)]
    assert [row.scores["l1"] for row in result.rows] == pytest.approx(expected, abs=1e-6)
    assert result.metrics["l1"]["value"] == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_any_number_of_channels_is_evaluated(channels):
    assert set(evaluate(same, Pairs(channels=channels)).metrics) == set(PIXEL)


def test_outputs_meet_their_own_targets_though_the_translator_reads_ahead():
    one_by_one = evaluate(Batched().__call__, Pairs()).rows
    assert evaluate(Batched(), Pairs()).rows == one_by_one


def test_the_interval_holds_the_value_and_depends_on_the_seed_alone():
    first, again, other = (evaluate(same, Pairs(), seed=seed).metrics["l1"] for seed in (1, 1, 2))
    assert first == again
    assert first["low"] < first["value"] < first["high"]
    assert (first["low"], first["high"]) != (other["low"], other["high"])


def test_a_single_picture_is_its_own_interval():
    score = evaluate(same, Pairs(1)).metrics["psnr"]
    assert score["value"] == score["low"] == score["high"] == 100


def test_a_limit_translates_no_more_than_it_says():
    seen: list[Picture] = []
    done: list[int] = []
    result = evaluate(lambda picture: seen.append(picture) or picture, Pairs(), limit=2, progress=done.append)
    assert len(seen) == len(result.rows) == 2
    assert done == [1, 2]


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (lambda a: a[:, :-1], "23 x 20"),
        (lambda a: a[..., :1], "1 channel"),
        (lambda a: a.astype("uint16"), "uint16"),
    ],
)
def test_an_output_of_another_kind_is_refused_by_the_name_of_its_picture(wrong, fault):
    with pytest.raises(DataError, match=f"^00: the output is .*{fault}"):
        evaluate(lambda picture: Picture(wrong(picture.array)), Pairs())


def test_an_output_that_is_no_number_is_refused_by_the_name_of_its_picture():
    with pytest.raises(ModelError, match=r"^00: .* not numbers"):
        evaluate(lambda picture: Picture(picture.array * np.float32("nan")), Pairs(dtype="float32", high=1, step=0))


def test_a_split_without_pairs_is_refused():
    with pytest.raises(DataError, match="no pairs in the split 'val'"):
        evaluate(same, Pairs(), "val")


def test_the_baseline_is_the_source_taken_as_the_answer():
    assert baseline(Pairs()).metrics == evaluate(same, Pairs()).metrics


def test_the_baseline_of_grey_to_colour_is_refused_in_words():
    data = Pairs()
    data.all = [(name, source[..., :1], target) for name, source, target in data.all]
    with pytest.raises(DataError, match="1 channel"):
        baseline(data)


def test_examples_are_the_best_the_median_and_the_worst():
    data = Pairs(11)
    shown = examples(same, data, evaluate(same, data, metrics=["psnr"]), count=1)
    assert [example.name for example in shown] == ["00", "05", "10"]
    assert [example.group for example in shown] == ["Best, by psnr", "Median, by psnr", "Worst, by psnr"]
    assert shown[2].scores["psnr"] < shown[1].scores["psnr"]


def test_a_metric_where_less_is_better_ranks_the_other_way():
    data = Pairs(11)
    shown = examples(same, data, evaluate(same, data, metrics=["l1"]), count=1)
    assert [example.name for example in shown] == ["00", "05", "10"]


def test_of_a_few_pictures_all_are_shown_best_first():
    data = Pairs(4)
    data.all.reverse()
    shown = examples(same, data, evaluate(same, data), count=2)
    assert [example.name for example in shown] == ["00", "01", "02", "03"]
    assert {example.group for example in shown} == {"All, best first, by psnr"}


def test_examples_can_be_looked_at_whatever_the_data_is():
    data = Pairs(2, dtype="uint16", channels=1, high=4095)
    (first, _) = examples(same, data, evaluate(same, data))
    assert list(first.pictures) == ["source", "output", "target, the target"]
    output = first.pictures["output"]
    assert output.shape == (20, 24, 3)
    assert output.dtype == np.uint8
    assert output.max() == pytest.approx(data.all[0][2].max() / 4095 * 255, abs=1)
