"""How much translated videos flicker, what --steady brings and costs, and whether it blurs.

`python benchmarks/video.py [PHOTO...] [--model MODEL]`

Clips are made by moving a window over photos (by default over drawn streets), by parts of a pixel and unevenly, while a
piece of the photo passes in front. Three kinds of flicker are added to what they show: in the brightness of all, of
patches of 12 pixels, and of single pixels. With a model, its own outputs are steadied as well.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from diptych import images
from diptych.data.samples.street import street
from diptych.inference.video.steadying import Follower
from diptych.model.translator import Translator

COUNT, HEIGHT, WIDTH = 24, 144, 192
Clip = list[np.ndarray]


def moving(photo: np.ndarray) -> Clip:
    """A window that moves over the photo, and a piece of it, 40x40 pixels, that passes in front the other way."""
    planes = torch.from_numpy(photo.copy()).movedim(-1, 0)[None].float()
    frames = []
    for number in range(COUNT):
        frame = window(planes, 20 + 2.3 * number + 3 * np.sin(number / 3), 30 + 1.1 * number, HEIGHT, WIDTH)
        left = int(WIDTH - 45 - 3 * number)
        frame[..., 70:110, left : left + 40] = window(planes, 150.0, 40.0, 40, 40)
        frames.append(frame[0].clamp(0, 255).round().byte().movedim(0, -1).numpy())
    return frames


def window(planes: torch.Tensor, x: float, y: float, height: int, width: int) -> torch.Tensor:
    rows, columns = torch.arange(height) + y, torch.arange(width) + x
    down, across = torch.meshgrid(rows, columns, indexing="ij")
    places = torch.stack([(2 * across + 1) / planes.shape[-1] - 1, (2 * down + 1) / planes.shape[-2] - 1], dim=-1)
    return F.grid_sample(planes, places[None].float(), mode="bicubic", align_corners=False)


def flickers(clip: Clip) -> Iterator[tuple[str, Clip]]:
    """The clip with flicker of a standard deviation of 10 grey values, at three scales."""
    for name, size in (("brightness", (1, 1)), ("patches", (HEIGHT // 12, WIDTH // 12)), ("pixels", (HEIGHT, WIDTH))):
        noise = torch.randn(COUNT, 1, *size, generator=torch.Generator().manual_seed(0))
        planes = F.interpolate(noise, size=(HEIGHT, WIDTH), mode="bilinear")[:, 0, :, :, None].numpy()
        yield name, [(frame + 10 * one).clip(0, 255).astype(np.uint8) for frame, one in zip(clip, planes, strict=True)]


def sharpness(clip: Clip) -> float:
    """The mean slope, in grey values per pixel."""
    return float(np.mean([np.abs(np.diff(one.astype(float), axis=axis)).mean() for one in clip for axis in (0, 1)]))


def judge(name: str, clip: Clip, outputs: Clip) -> None:
    taken = {}
    for steady in (False, True):
        follower, start = Follower(steady=steady), time.perf_counter()
        results = [follower(source, output) for source, output in zip(clip, outputs, strict=True)]
        taken[steady] = 1e3 * (time.perf_counter() - start) / COUNT
    before, after, steadied = (1e3 * follower.flicker.mean(which) for which in ("input", "output", "steadied"))
    sharp = sharpness(results) / sharpness(outputs)
    print(
        f"| {name} | {before:.2f} | {after:.2f} | {steadied:.2f} | {steadied / after:.2f} | {sharp:.2f} | "
        f"{taken[False]:.0f} | {taken[True]:.0f} |"
    )


def main() -> None:
    words = sys.argv[1:]
    model = words[words.index("--model") + 1] if "--model" in words else None
    files = [Path(word) for word in words if word not in ("--model", model)]
    photos = {path.name: images.read(path).array for path in files}
    for name, photo in (photos or {f"street {seed}": street(seed, 320).day for seed in (1, 2)}).items():
        clip = moving(photo)
        print(
            f"\n{name}: {WIDTH}x{HEIGHT}, {COUNT} frames; warping errors in thousandths, sharpness as a part of before"
        )
        print("| flicker of | input | output | steadied | ratio | sharpness | ms, measured | ms, steadied |")
        print("|---|---|---|---|---|---|---|---|")
        for kind, outputs in flickers(clip):
            judge(kind, clip, outputs)
        if model:
            translator = Translator.load(model)
            start = time.perf_counter()
            outputs = [one.array for one in translator.many(clip)]
            per_frame = 1e3 * (time.perf_counter() - start) / COUNT
            judge(f"the model ({per_frame:.0f} ms a frame)", clip, outputs)


if __name__ == "__main__":
    main()
