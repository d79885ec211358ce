"""How near pictures in a style are to the painting and to the photo, by a network that made none of them, and the time.

    python benchmarks/style.py PHOTOS [--count 4] [--size 512] [--steps 100] [--network vgg19]
                               [--model MODEL --art FILE] [--out FOLDER] [--json FILE]

Each photo is painted after a made-up painting in strokes, a mosaic and one of glass, by `diptych.stylize`; or by a
model of faststyle, whose painting is --art, or one of adain, for any --art. Both distances are SqueezeNet's (`diptych
weights fetch squeezenet`). Style: squared distances of its Gram matrices to the painting's, as shares of these, added
up over seven layers; printed is the picture's distance divided by the photo's own. Content: squared distance of the
features of five layers to the photo's, divided by that of the next photo. Aims: at most a third for style, below one
for content. Seconds are those that passed, and those of all processors; on a busy machine the latter tell more.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diptych import Translator, images, stylize
from diptych.data.samples import painting
from diptych.metrics.interval import bootstrap
from diptych.metrics.squeezenet import DEVIATION, MEAN, trained
from diptych.runtime.speed import Speed
from diptych.storage.weights import locate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--art", type=Path, action="append", help="a painting; may be given again")
    parser.add_argument("--out", type=Path, help="folder for pictures to look at: photo, painting, result")
    parser.add_argument("--json", type=Path, help="file for the scores, as diptych models pack --scores takes them")
    given = parser.parse_args()
    Speed().start()
    paths = images.list_pictures(given.photos).pictures[: given.count + 1]
    photos = {path.name: square(images.read(path).array, given.size) for path in paths}
    rows = []
    for number, name in enumerate(list(photos)[: given.count]):
        others = list(photos.values())
        for label, art in paintings(given):
            photo, other = photos[name], others[(number + 1) % len(others)]
            begun, used = time.perf_counter(), time.process_time()
            made = paint(given, photo, art)
            seconds, of_processors = time.perf_counter() - begun, time.process_time() - used
            style, content = judged(made, art, photo, other)
            rows.append((style, content, seconds, of_processors))
            took = f"{seconds:.1f} s, {of_processors:.1f} of processors"
            print(f"{name:20} {label:10} style {style:.3f}  content {content:.3f}  {took}", flush=True)
            if given.out:
                shown = [photo, square(art, given.size), made]
                images.write(given.out / f"{Path(name).stem}-{label}.png", images.grid([shown]))
    for what, values in zip(("style", "content", "seconds", "of processors"), np.array(rows).T, strict=True):
        print(f"{what}: mean {values.mean():.3f}, from {values.min():.3f} to {values.max():.3f}")
    if given.json:
        names = ("style_squeezenet", "content_squeezenet")
        scores = {name: scored(values) for name, values in zip(names, np.array(rows).T, strict=False)}
        given.json.write_text(json.dumps({"metrics": scores}))


def scored(values: np.ndarray) -> dict[str, float | int]:
    """As `diptych evaluate --json` prints it."""
    mean, low, high = bootstrap(values.tolist())
    return {"value": mean, "low": low, "high": high, "count": len(values)}


def paintings(given: argparse.Namespace) -> Iterator[tuple[str, np.ndarray]]:
    """Names and pictures."""
    for path in given.art or ():
        yield path.stem, images.read(path).array
    if not given.art:
        for seed, label in enumerate(("strokes", "mosaic", "glass")):
            yield label, painting(seed, given.size)


def paint(given: argparse.Namespace, photo: np.ndarray, art: np.ndarray) -> np.ndarray:
    if given.model is None:
        return stylize(photo, art, steps=given.steps, network=given.network).array
    translator = Translator.load(given.model)
    return translator(photo, **({"style": art} if "style" in translator.controls else {})).array


def square(array: np.ndarray, size: int) -> np.ndarray:
    """The middle of a picture, so many pixels a side."""
    side = min(array.shape[:2])
    top, left = ((length - side) // 2 for length in array.shape[:2])
    return images.resize(array[top : top + side, left : left + side], size, size)


def judged(made: np.ndarray, art: np.ndarray, photo: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Style and content, as above."""
    seen = {name: features(x) for name, x in {"made": made, "art": art, "photo": photo, "other": other}.items()}
    style = [sum(map(gram_distance, seen[one], seen["art"])) for one in ("made", "photo")]
    content = [sum(map(distance, seen[one][2:], seen["photo"][2:])) for one in ("made", "other")]
    return style[0] / style[1], content[0] / content[1]


@torch.no_grad()
def features(array: np.ndarray) -> list[Tensor]:
    x = torch.from_numpy(array.astype(np.float32)).permute(2, 0, 1)[None] / 255
    mean, deviation = (torch.tensor(one).view(3, 1, 1) for one in (MEAN, DEVIATION))
    return trained(locate("squeezenet"))((x - mean) / deviation)


def gram_distance(one: Tensor, aim: Tensor) -> float:
    return distance(gram(one), gram(aim))


def gram(x: Tensor) -> Tensor:
    flat = x.flatten(2)
    return flat @ flat.mT / flat[0].numel()


def distance(one: Tensor, aim: Tensor) -> float:
    return float((one - aim).square().sum() / aim.square().sum())


if __name__ == "__main__":
    main()
