"""Where each pixel of a frame was in the frame before: dense optical flow, coarse to fine, by least squares.

Lucas and Kanade 1981, in every pixel at once, over a pyramid (Bouguet 2001). Pixels that moving there and back does not
lead home are taken for newly uncovered (Sundaram, Brox and Keutzer 2010).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 9  # pixels a side over which motion is taken to be one
ROUNDS = 3  # at each scale
SMALLEST = 12  # pixels a side of the coarsest scale
GRADIENTS = torch.tensor([[[[0.0, 0, 0], [-0.5, 0, 0.5], [0, 0, 0]]], [[[0, -0.5, 0], [0, 0, 0], [0, 0.5, 0]]]])
STIFFNESS = 1e-4  # in squares of grey values per pixel: plain areas keep the motion of the coarser scale


def motion(frames: Tensor, before: Tensor) -> Tensor:
    """`B 2 H W`: by how many pixels, to the right and down, what is seen in `frames` was elsewhere in `before`.

    Both are grey, `B 1 H W`, in [0, 1].
    """
    pyramid = [(frames, before)]
    while min(pyramid[-1][0].shape[-2:]) >= 2 * SMALLEST:
        now, then = pyramid[-1]
        pyramid.append((F.avg_pool2d(now, 2, ceil_mode=True), F.avg_pool2d(then, 2, ceil_mode=True)))
    flow = torch.zeros(len(frames), 2, *pyramid[-1][0].shape[-2:])
    for now, then in reversed(pyramid):
        height, width = now.shape[-2:]
        if flow.shape[-2:] != now.shape[-2:]:
            flow = 2 * F.interpolate(flow, size=(height, width), mode="bilinear", align_corners=False)
        for _ in range(ROUNDS):
            flow = smooth(flow + correction(now, warp(then, flow)), 5)
    return flow


def correction(now: Tensor, moved: Tensor) -> Tensor:
    """The motion that is still missing between two frames, at most a pixel or two."""
    slopes = F.conv2d(F.pad((now + moved) / 2, (1, 1, 1, 1), mode="replicate"), GRADIENTS)
    x, y, difference = slopes[:, :1], slopes[:, 1:], moved - now
    products = smooth(torch.cat([x * x, x * y, y * y, x * difference, y * difference], dim=1), WINDOW)
    xx, xy, yy, xt, yt = products.split(1, dim=1)
    xx, yy = xx + STIFFNESS, yy + STIFFNESS
    both = torch.cat([xy * yt - yy * xt, xy * xt - xx * yt], dim=1) / (xx * yy - xy * xy)
    return both.clamp(-2, 2)


def smooth(planes: Tensor, size: int) -> Tensor:
    """The mean over a square of so many pixels a side, an odd number; by sums, six times as fast as pooling."""
    half = size // 2
    padded = F.pad(planes, (half + 1, half, half + 1, half), mode="replicate")
    rows = padded.cumsum(-1)
    columns = (rows[..., size:] - rows[..., :-size]).cumsum(-2)
    return (columns[..., size:, :] - columns[..., :-size, :]) / size**2


def warp(before: Tensor, flow: Tensor) -> Tensor:
    """`before` seen from now on: each pixel of the result is taken from where `flow` says that it was."""
    grid, (height, width) = places(flow), flow.shape[-2:]
    scaled = torch.stack([(2 * grid[:, 0] + 1) / width - 1, (2 * grid[:, 1] + 1) / height - 1], dim=-1)
    return F.grid_sample(before, scaled, padding_mode="border", align_corners=False)


def places(flow: Tensor) -> Tensor:
    """Where each pixel was, `B 2 H W`."""
    height, width = flow.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y]) + flow


def seen_in_both(flow: Tensor, back: Tensor) -> Tensor:
    """`B 1 H W` of 0 and 1: what was visible before, too. back: the motion from the frame before to this one."""
    there, (height, width) = places(flow), flow.shape[-2:]
    inside = (there[:, :1] >= 0) & (there[:, :1] <= width - 1) & (there[:, 1:] >= 0) & (there[:, 1:] <= height - 1)
    home = warp(back, flow)
    lengths = flow.square().sum(1, keepdim=True) + home.square().sum(1, keepdim=True)
    return (inside & ((flow + home).square().sum(1, keepdim=True) < 0.01 * lengths + 0.5)).float()


def both_ways(frame: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """The motion from a grey frame `1 1 H W` to the one before, and what is seen in both."""
    flow, back = motion(torch.cat([frame, before]), torch.cat([before, frame])).split(1)
    return flow, seen_in_both(flow, back)
