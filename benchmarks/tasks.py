"""How much better a task's model is than what needs no training, on photos that it never saw: paired differences.

    python benchmarks/tasks.py RUN --data PHOTOS [--size 384x256] [--count 40] [--strength 1] [-- least=25 most=25]

RUN is a trained model of a task, or a ready model's name; PHOTOS are whole photos, of which the task makes its sources
itself; words after -- are options of the task, as the strength of the noise. Beside the model stands what one would use
without it: the source as it is, which of enlarge is bicubic interpolation, of extend a mirrored border and of fill a
smooth guess; and of fill scikit-image's biharmonic inpainting, of denoise its non-local means, of denoise and dejpeg
Pillow's smoothing (`pip install scikit-image`). For each score: the model's mean, the baseline's, and the difference
with its 95 % interval over the photos; of colorize also how colourful results are (Hasler and Suesstrunk 2003).
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from timing import machine
from torch import Tensor

from diptych import images, metrics, tasks
from diptych.data.opening import open_data, parse_size
from diptych.evaluation.report import number
from diptych.images import Picture
from diptych.metrics.interval import bootstrap
from diptych.model.translator import Translator
from diptych.options.recipes import parse
from diptych.tasks.keeping import mixed

SCORES = ("lpips_squeeze", "features_resnet_nsfw", "psnr", "ssim")
Baseline = Callable[[Picture], np.ndarray]


def untouched(source: Picture) -> np.ndarray:
    """The source without what says where a hole is."""
    array = source.array
    return array[..., :3] if array.shape[2] > 2 else array[..., :1]


def biharmonic(source: Picture) -> np.ndarray:
    from skimage.restoration import inpaint_biharmonic

    hole = source.array[..., 3] > 127
    return (inpaint_biharmonic(source.array[..., :3], hole, channel_axis=-1) * 255).round().astype(np.uint8)


def non_local_means(sigma: float) -> Baseline:
    from skimage.restoration import denoise_nl_means

    def clean(source: Picture) -> np.ndarray:
        (low, high), share = source.limits, sigma / 255
        values = (source.array.astype(float) - low) / (high - low)
        found = denoise_nl_means(
            values, patch_size=5, patch_distance=6, h=0.8 * share, sigma=share, fast_mode=True, channel_axis=-1
        )
        values = (found.reshape(source.array.shape) * (high - low) + low).clip(low, high)
        return values.round().astype(source.array.dtype)

    return clean


def smoothed(source: Picture) -> np.ndarray:
    return np.asarray(Image.fromarray(source.array).filter(ImageFilter.SMOOTH))


def median(source: Picture) -> np.ndarray:
    return np.asarray(Image.fromarray(source.array).filter(ImageFilter.MedianFilter(3)))


def baselines(task: str, options: dict[str, float], dtype: str) -> dict[str, Baseline]:
    """What a task's model is set beside, by name; Pillow's filters are for 8 bits."""
    source = {"enlarge": "bicubic", "extend": "mirrored border", "fill": "smooth guess", "colorize": "grey"}
    found: dict[str, Baseline] = {source.get(task, "source as it is"): untouched}
    if task == "fill":
        found["biharmonic"] = biharmonic
    if task == "denoise":
        found["non-local means"] = non_local_means((options["least"] + options["most"]) / 2)
    if task == "denoise" and dtype == "uint8":
        found["Pillow's median"] = median
    if task in ("denoise", "dejpeg") and dtype == "uint8":
        found["Pillow's smoothing"] = smoothed
    return found


def seen(array: np.ndarray, span: tuple[float, float]) -> Tensor:
    """As the metrics take it: in three channels, `1 3 H W` in [-1, 1], of values in the range `span`."""
    return images.to_unit(images.match_channels(array, 3), *span)[None]


def colourfulness(array: np.ndarray) -> float:
    """Hasler and Suesstrunk: Measuring Colorfulness in Natural Images, 2003."""
    red, green, blue = np.moveaxis(array.astype(float), 2, 0)
    across, along = red - green, 0.5 * (red + green) - blue
    return float(np.hypot(across.std(), along.std()) + 0.3 * np.hypot(across.mean(), along.mean()))


def table(rows: dict[str, dict[str, list[float]]], ours: str) -> list[str]:
    """For each score and baseline: both means, and the difference with its interval."""
    lines = ["| score | model | beside it | | difference | |", "|---|---|---|---|---|---|"]
    for score in rows[ours]:
        values = np.array(rows[ours][score])
        for name, other in rows.items():
            if name == ours:
                continue
            better = score == "colourfulness" or metrics.find(score).BETTER == "higher"
            middle, low, high = bootstrap(values - np.array(other[score]))
            surely = "" if low <= 0 <= high else "better" if (low > 0) == better else "worse"
            cells = [score, number(float(values.mean())), name, number(float(np.mean(other[score])))]
            cells += [
                f"{number(middle)} ({number(low)} to {number(high)})",
                surely or "not surely either",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    words, _, given = " ".join(map(shlex.quote, sys.argv[1:])).partition(" -- ")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--size", help="that photos are brought to before")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--strength", type=float, default=1.0, help="as in diptych translate")
    parser.add_argument("--out", type=Path, help="folder for the pictures: source, results, photo")
    asked = parser.parse_args(shlex.split(words))
    translator = Translator.load(asked.model)
    options = {name: parse(value, name) for name, _, value in (word.partition("=") for word in shlex.split(given))}
    task = tasks.make(translator.card.task, {**translator.card.task_options, **options})
    data = open_data(task, folder=asked.data, kind="photos", val=0, size=16, enlarge=True)
    data.shown = parse_size(asked.size) if asked.size else None
    split = "test" if data.test else "train"
    beside, ours = baselines(translator.card.task, vars(task), data.dtype[1]), translator.card.task
    as_seen = partial(seen, span=data.range[1])
    measures = {name: metrics.find(name).measure for name in SCORES}
    rows: dict[str, dict[str, list[float]]] = {ours: {}, **{name: {} for name in beside}}
    for count, (name, source, target) in enumerate(data.pairs(split)):
        if count == asked.count:
            break
        real = as_seen(target.array)
        result = translator(source).array
        if asked.strength < 1:
            given = images.match_channels(untouched(source), result.shape[2])
            result = mixed(given, result, np.float32(asked.strength))
        made = {ours: result, **{key: method(source) for key, method in beside.items()}}
        for key, array in made.items():
            for score, measure in measures.items():
                value = float(measure(as_seen(array), real))
                rows[key].setdefault(score, []).append(value)
            if translator.card.task == "colorize":
                rows[key].setdefault("colourfulness", []).append(colourfulness(images.match_channels(array, 3)))
        if asked.out:
            shown = [images.from_unit(as_seen(one)[0], "uint8", 0, 255) for one in (*made.values(), target.array)]
            Picture(np.concatenate(shown, axis=1)).save(asked.out / f"{name.replace('/', '-')}.png")
        print(f"{count + 1} {name}", end="\r", file=sys.stderr, flush=True)
    print(machine())
    print(f"{translator.card.task} {vars(task) or ''}, {len(rows[ours]['psnr'])} photos of {Path(asked.data).name}\n")
    print("\n".join(table(rows, ours)))


if __name__ == "__main__":
    main()
