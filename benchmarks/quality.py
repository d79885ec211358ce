"""How good the recommended recipes get in the minutes that they are given: trained and scored by the command line.

    python benchmarks/quality.py street --data demo/street
    python benchmarks/quality.py facades-10 --data FACADES
    python benchmarks/quality.py facades-30 --data FACADES
    python benchmarks/quality.py camvid --data CAMVID --reader runs/camvid-segment
    python benchmarks/quality.py ct-mri --data CT_MRI
    python benchmarks/quality.py roadscene --data ROADSCENE
    python benchmarks/quality.py day2night --data STREETS  (samples street --unpaired)
    python benchmarks/quality.py horse2zebra --data HORSE2ZEBRA

A name is a row of the table below, with its recipe and minutes, or a recipe's own file with --minutes. Options after --
go to the training: -- train.batch=4. On a machine that does other things beside, --images N trains on as many images as
its quiet minutes hold. Every seed has a run folder under --out, named after all that: one that is finished is not
trained again, one that was stopped goes on, and its scores are kept beside it; so a table that was interrupted is made
whole by the same command. Where a row has something to be better than, that is trained for the same minutes too.

The table, printed and written to OUT/NAME.md, has for each score the mean over the seeds, its 95 % interval over them
(Student's t: what another seed may give) and over the pictures (what other pictures may give), and the goal.
Beside the time stands the rate of the best dense convolution, measured before each training.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import machine

from diptych.evaluation.report import number
from diptych.metrics.interval import bootstrap
from diptych.runtime.precision import convolution_rates

RECIPES = Path(__file__).parents[1] / "recipes"
SHOWN = (
    "lpips_squeeze", "psnr", "features_resnet_nsfw", "fcn_mean_iou", "kd_squeezenet", "kd_resnet_nsfw", "grid", "frame",
)  # fmt: skip
T95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
"""Student's t for so many seeds; 2 for more."""


@dataclass(frozen=True)
class Row:
    """A recipe, its minutes, the scores to reach, what to be better than in the same time, and options of evaluate."""

    recipe: str
    minutes: float
    reach: dict[str, float] = field(default_factory=dict)
    than: str = ""
    evaluate: tuple[str, ...] = ()


ROWS = {
    "street": Row("street", 3, {"lpips_squeeze": 0.26}),
    "facades-10": Row("facades", 10, {"lpips_squeeze": 0.41}),
    "facades-30": Row("facades", 30, {"lpips_squeeze": 0.38}),
    "camvid": Row("camvid", 15, than="published/camvid-pix2pix", evaluate=("--size", "256x192")),
    "ct-mri": Row("ct-mri", 10, {"lpips_squeeze": 0.19}),
    "roadscene": Row("roadscene", 10, than="pix2pix"),
    "day2night": Row("day2night", 10, {"lpips_squeeze": 0.24}),
    "horse2zebra": Row("horse2zebra", 30, {"kd_squeezenet": 900.0}),
}
ARTEFACTS = {"grid": 1.1, "frame": 1.1}
LOWER = {name: name not in ("psnr", "fcn_mean_iou") for name in SHOWN}


def run(command: Sequence[object]) -> str:
    """What a diptych command prints."""
    words = [sys.executable, "-m", "diptych", *map(str, command)]
    print(f"  {shlex.join(['diptych', *words[3:]])}", file=sys.stderr, flush=True)
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def result(recipe: Sequence[str], row: Row, asked: argparse.Namespace, seed: int) -> dict[str, Any]:
    """The scores of one seed with the time and the rate of its training; from its file where that is there."""
    length = f"{asked.images}images" if asked.images else f"{row.minutes:g}min"
    words = [Path(word.removeprefix("method.name=")).stem for word in recipe]
    changed = [option.partition(".")[2].replace("/", "_") for option in asked.options]
    name = "-".join([*words, length, *changed, f"seed{seed}"])  # what is trained otherwise lies elsewhere
    place, told = asked.out / name, asked.out / f"{name}.json"
    facts: dict[str, Any] = json.loads(told.read_text()) if told.exists() else {"seconds": 0.0}
    if not (place / "done").exists():
        plain, rounded = convolution_rates(torch.device("cpu"), rounds=5, batch=8)
        start = time.monotonic()
        wanted = {"images": asked.images, "minutes": None if asked.images else row.minutes, "seed": seed}
        options = ["train.epochs=null", *(f"train.{key}={json.dumps(value)}" for key, value in wanted.items())]
        try:
            run(["train", *recipe, "--data", asked.data, "--out", place, *options, *asked.options])
        finally:  # a training that is stopped goes on another time, and its seconds are counted
            facts |= {"float32": plain, "bfloat16": rounded, "seconds": facts["seconds"] + time.monotonic() - start}
            facts.pop("evaluation", None)
            told.write_text(json.dumps(facts))
    if "evaluation" not in facts:
        reader = ["--reader", asked.reader] if asked.reader else []
        size = ["--size", asked.size] if asked.size else row.evaluate
        said = run(["evaluate", place, "--data", asked.data, "--json", "--out", place, *reader, *size])
        facts["evaluation"] = json.loads(said)
        told.write_text(json.dumps(facts))
    return facts


def over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean by Student's t; one seed has none."""
    mean, count = float(np.mean(values)), len(values)
    reach = T95.get(count, 2.0) * float(np.std(values, ddof=1)) / count**0.5 if count > 1 else float("nan")
    return mean - reach, mean + reach


def over_pictures(results: Sequence[dict[str, Any]], metric: str) -> tuple[float, float]:
    """The interval over pictures: of each one's mean over the seeds, or the mean interval of what is of sets."""
    each = pictures(results, metric)
    if each is not None:
        return bootstrap(each)[1:]
    scores = [one["evaluation"]["metrics"][metric] for one in results]
    return float(np.mean([score["low"] for score in scores])), float(np.mean([score["high"] for score in scores]))


def pictures(results: Sequence[dict[str, Any]], metric: str) -> np.ndarray | None:
    """Each picture's score, a mean over the seeds; none where the score is not of single pictures."""
    rows = [[picture.get(metric) for picture in one["evaluation"]["pictures"]] for one in results]
    return None if any(None in row or not row for row in rows) else np.mean(rows, axis=0)


def lines(name: str, length: str, row: Row, ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[str]:
    """The table's lines: what was spent, then one for each score."""
    table = [f"{name}, {length}: {spent(ours)}"]
    table += [f"beside it {row.than}: {spent(theirs)}"] if theirs else []
    table += [""]
    table += [
        "| score | mean | over seeds | over pictures | " + ("less that of the other | |" if theirs else "goal | |")
    ]
    table += ["|---|---|---|---|---|---|"]
    for metric in (metric for metric in SHOWN if all(metric in one["evaluation"]["metrics"] for one in ours)):
        values = [one["evaluation"]["metrics"][metric]["value"] for one in ours]
        cells = [
            metric,
            number(float(np.mean(values))),
            spread(over_seeds(values)),
            spread(over_pictures(ours, metric)),
        ]
        table.append("| " + " | ".join([*cells, *verdict(metric, values, row, ours, theirs)]) + " |")
    left_out = {metric: why for one in ours for metric, why in one["evaluation"]["left_out"].items()}
    return [*table, "", *(f"{metric} left out: {why}" for metric, why in left_out.items())]


def spent(results: Sequence[dict[str, Any]]) -> str:
    each = (f"{one['seconds']:.0f} s at {one['float32']:.2f} ({one['bfloat16']:.2f} in bf16)" for one in results)
    return f"trained, with start and end, in {', '.join(each)} TFLOP/s of the best convolution"


def verdict(
    metric: str, values: Sequence[float], row: Row, ours: list[dict[str, Any]], theirs: list[dict[str, Any]]
) -> tuple[str, str]:
    """The goal and whether it is reached; beside another recipe the difference, and whether it is surely better."""
    sign = 1 if LOWER[metric] else -1
    if metric in (goals := row.reach | ARTEFACTS):
        reached = sign * float(np.mean(values)) <= sign * goals[metric]
        return f"at {'most' if LOWER[metric] else 'least'} {goals[metric]:g}", "reached" if reached else "missed"
    if not theirs or any(metric not in one["evaluation"]["metrics"] for one in theirs):
        return "", ""
    one, other = pictures(ours, metric), pictures(theirs, metric)
    if one is None or other is None:
        (low, high), (other_low, other_high) = over_pictures(ours, metric), over_pictures(theirs, metric)
        found = (low - other_high, high - other_low)  # wider than the interval of a difference is
        middle = float(np.mean(values)) - mean(theirs, metric)
    else:
        middle, *found = bootstrap(one - other)
    better = (found[1] if sign > 0 else -found[0]) < 0
    return f"{number(middle)} ({spread(found)})", "better" if better else "not surely better"


def mean(results: Sequence[dict[str, Any]], metric: str) -> float:
    return float(np.mean([one["evaluation"]["metrics"][metric]["value"] for one in results]))


def spread(ends: Sequence[float]) -> str:
    return "one seed" if np.isnan(ends[0]) else f"{number(ends[0])} to {number(ends[1])}"


def arguments() -> argparse.Namespace:
    words, _, options = " ".join(map(shlex.quote, sys.argv[1:])).partition(" -- ")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help=f"{', '.join(ROWS)}, or a recipe's file")
    parser.add_argument("--data", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--images", type=int, help="train on so many images, however long that takes")
    parser.add_argument("--reader", help="run folder of a segmenter, for fcn_mean_iou")
    parser.add_argument("--size", help="that pictures are brought to before they are scored")
    parser.add_argument(
        "--than", help="what is set beside: a recipe's file, or a method that the same recipe is trained with"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/quality"))
    asked = parser.parse_args(shlex.split(words))
    asked.options = shlex.split(options)
    return asked


def recipe_of(name: str) -> list[str]:
    """One of our recipes by its name, or a file as it is named."""
    ours = RECIPES / f"{name}.yaml"
    return [str(ours) if ours.exists() else name]


def main() -> None:
    asked = arguments()
    row = ROWS.get(asked.name) or Row(asked.name, asked.minutes or 10)
    row = Row(row.recipe, asked.minutes or row.minutes, row.reach, asked.than or row.than, row.evaluate)
    asked.out.mkdir(parents=True, exist_ok=True)
    recipe = recipe_of(row.recipe)
    ours = [result(recipe, row, asked, seed) for seed in asked.seeds]
    than = recipe_of(row.than) if row.than.startswith("published/") or row.than.endswith(".yaml") else None
    theirs = [
        result(than or [*recipe, f"method.name={row.than}"], row, asked, seed) for seed in asked.seeds if row.than
    ]
    length = f"{asked.images} images" if asked.images else f"{row.minutes:g} minutes"
    text = "\n".join([*lines(asked.name, length, row, ours, theirs), machine(), ""])
    (asked.out / f"{Path(asked.name).stem}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
