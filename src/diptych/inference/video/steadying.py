"""How much a translated video flickers, and a remedy: each frame is drawn towards the one before, moved along.

The measure is the warping error of Lai et al. 2018 (Learning Blind Video Temporal Consistency, section 4.2): the mean
squared difference between a frame and the one before, moved as the *input* moves, where both show the same. The input's
own error says how much of it is noise, light and faults of the estimated motion. The remedy works on the result alone,
whatever model made it, as Bonneel et al. 2015 (Blind Video Temporal Consistency) do, in a simpler way.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diptych.inference.video.motion import both_ways, smooth, warp

LONGEST = 320  # pixels of the longer side at which motion is looked for and flicker is measured
PULL = 0.8  # how far a steadied frame goes towards the one before
DETAIL = 3  # pixels a side: finer differences between the two are left alone, so that nothing is blurred
ALIKE = 0.03  # of the range: a difference of the input's own at which a pixel is hardly drawn any more
EVERY = 4  # frames of which one is measured, where none is steadied: finding motion takes as long as a small model
ENOUGH = 0.2  # part of a frame that the one before must show as well; less is a cut


@dataclass
class Flicker:
    """Warping errors summed over pairs of neighbouring frames: of the input, of the model's output, of the result."""

    pairs: int = 0
    sums: dict[str, float] = field(default_factory=lambda: {"input": 0.0, "output": 0.0, "steadied": 0.0})

    def add(self, **errors: float) -> None:
        self.pairs += 1
        for name, error in errors.items():
            self.sums[name] += error

    def mean(self, name: str) -> float:
        """The mean over the pairs, of values in [0, 1]; not a number where there was no pair."""
        return self.sums[name] / self.pairs if self.pairs else float("nan")

    def to_text(self) -> str:
        if not self.pairs:
            return "flicker: not measured, no two frames show the same"
        before, after, steadied = (1e3 * self.mean(name) for name in ("input", "output", "steadied"))
        message = f"flicker: warping error {after:.3f}e-3, of the input itself {before:.3f}e-3"
        return f"{message}; steadied {steadied:.3f}e-3" if steadied else message


@dataclass(frozen=True)
class Shown:
    """A frame of the input and what was made of it, `1 C H W` in [0, 1]; small: both at the size of measuring."""

    source: Tensor
    output: Tensor
    result: Tensor

    @property
    def small(self) -> tuple[Tensor, Tensor, Tensor]:
        return shrunk(self.source), shrunk(self.output), shrunk(self.result)


class Follower:
    """Goes along with a video, frame by frame: measures flicker and, if asked, steadies. It keeps one frame."""

    def __init__(self, *, steady: bool = False) -> None:
        self.steady, self.flicker, self.count = steady, Flicker(), 0
        self.before: Shown | None = None

    @torch.inference_mode()
    def __call__(self, source: np.ndarray, output: np.ndarray) -> np.ndarray:
        """The frame to show, `H W C` of uint8, for the input's frame and the model's output, alike."""
        now, made = to_unit(source), to_unit(output)
        before, self.count = self.before, self.count + 1
        if before is None or not (self.steady or self.count % EVERY == 2):
            self.before = Shown(now, made, made)
            return output
        small = shrunk(now)
        flow, seen = both_ways(grey(small), grey(shrunk(before.source)))
        result = self.steadied(now, made, before, flow, seen) if self.steady else made
        self.before = Shown(now, made, result)
        self.measure(before, self.before, flow, seen)
        return (result[0] * 255).round().byte().movedim(0, -1).numpy() if self.steady else output

    def measure(self, before: Shown, now: Shown, flow: Tensor, seen: Tensor) -> None:
        if seen.mean() < ENOUGH:
            return
        errors = [warping_error(a, b, flow, seen) for a, b in zip(now.small, before.small, strict=True)]
        self.flicker.add(input=errors[0], output=errors[1], steadied=errors[2] if self.steady else 0.0)

    def steadied(self, now: Tensor, made: Tensor, before: Shown, flow: Tensor, seen: Tensor) -> Tensor:
        """What was made, drawn towards the result before where the input stayed as it was, but for its details."""
        height, width = now.shape[-2:]
        if flow.shape[-2:] != (height, width):
            scale = torch.tensor([width / flow.shape[-1], height / flow.shape[-2]])[:, None, None]
            flow = scale * F.interpolate(flow, size=(height, width), mode="bilinear", align_corners=False)
            seen = F.interpolate(seen, size=(height, width), mode="nearest")
        change = smooth((warp(before.source, flow) - now).abs().mean(1, keepdim=True), 5)
        trust = seen * torch.exp(-((change / ALIKE) ** 2))
        pull = trust * (warp(before.result, flow) - made)
        coarse = twice(pull) / (twice(trust) + 1e-3) * trust
        return (made + PULL * coarse).clamp(0, 1)


def twice(planes: Tensor) -> Tensor:
    return smooth(smooth(planes, DETAIL), DETAIL)


def warping_error(now: Tensor, before: Tensor, flow: Tensor, seen: Tensor) -> float:
    """Lai et al.'s, of one pair of frames in [0, 1]."""
    return float(((warp(before, flow) - now).square().mean(1, keepdim=True) * seen).sum() / seen.sum())


def to_unit(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).movedim(-1, 0)[None].float() / 255


def grey(frames: Tensor) -> Tensor:
    return frames.mean(1, keepdim=True)


def shrunk(frames: Tensor) -> Tensor:
    """At the size at which motion is looked for."""
    height, width = frames.shape[-2:]
    if (longer := max(height, width)) <= LONGEST:
        return frames
    size = (max(1, round(height * LONGEST / longer)), max(1, round(width * LONGEST / longer)))
    return F.interpolate(frames, size=size, mode="area")
