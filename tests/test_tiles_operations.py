"""Operation by operation: what tiles share, what they make right at their borders, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from tiles import network
from torch import Tensor, nn

from diptych.errors import ConfigError
from diptych.tiling import Tiling, in_tiles
from diptych.tiling.placed import Draws

FULL = {
    "attention": lambda x: x * F.scaled_dot_product_attention(x.flatten(2), x.flatten(2), x.flatten(2)).view_as(x),
    "softmax over places": lambda x: x.flatten(2).softmax(-1).view_as(x),
    "linear": lambda x: x + F.linear(x.flatten(1), torch.ones(1, x[0].numel()))[..., None, None],
    "cumsum": lambda x: x.cumsum(-1),
    "flip": lambda x: x + x.flip(-1),
    "transpose": lambda x: x + F.interpolate(x.mT, x.shape[-2:]),
    "sort": lambda x: x.sort(dim=2).values,
    "median": lambda x: x - x.flatten(2).median(-1).values[..., None, None],
    "roll": lambda x: x.roll(1, -1),
    "layer norm over columns": lambda x: F.layer_norm(x, x.shape[-1:]),
    "pooled to a few": lambda x: x + F.interpolate(F.adaptive_avg_pool2d(x, 2), x.shape[-2:]),
    "pooled all": lambda x: x * F.avg_pool2d(x, x.shape[-2:]),
    "mean of columns": lambda x: x - x.mean(dim=3, keepdim=True),
    "spectrum": lambda x: torch.fft.ifft2(torch.fft.fft2(x)).real,
    "coordinates": lambda x: x + torch.linspace(0, 1, x.shape[-1]).expand_as(x),
    "coordinates beside": lambda x: torch.cat([x, torch.linspace(0, 1, x.shape[-2])[:, None].expand_as(x)], 1)[:, :3],
    "circular": lambda x: F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), torch.ones(3, 3, 3, 3)),
    "grid": lambda x: F.grid_sample(
        x, F.affine_grid(torch.eye(2, 3)[None], [*x.shape], align_corners=False), align_corners=False
    ),
}


@pytest.mark.parametrize("mode", ["exact", "approximate"])
@pytest.mark.parametrize("name", FULL)
def test_what_tiles_do_not_share_is_refused_in_one_sentence_before_they_begin(name: str, mode: str) -> None:
    picture, shown = torch.randn(1, 3, 128, 256), []

    def window(top: int, bottom: int, left: int, right: int) -> Tensor:
        shown.append((top, bottom, left, right))
        return picture[..., top:bottom, left:right]

    with pytest.raises(ConfigError, match=r"looks at the whole picture.*--tiling off") as said:
        list(in_tiles(window, network(FULL[name]), 128, 256, step=4, tiling=Tiling(mode, size=64)))
    assert len(shown) == 1
    assert "\n" not in str(said.value)


POOLED = {
    "mean": lambda x: x.mean(dim=(2, 3), keepdim=True),
    "mean from behind": lambda x: torch.mean(x, (-1, -2))[..., None, None],
    "mean of all": lambda x: x.mean(),
    "sum": lambda x: x.sum((2, 3), keepdim=True) / 1e4,
    "deviation": lambda x: x.std(dim=(2, 3), keepdim=True),
    "variance": lambda x: x.var(dim=[1, 2, 3], keepdim=True, unbiased=False),
    "largest": lambda x: x.amax((2, 3), keepdim=True),
    "smallest": lambda x: x.amin(dim=(2, 3), keepdim=True),
    "pooled": lambda x: F.adaptive_avg_pool2d(x, 1),
    "max pooled": lambda x: nn.AdaptiveMaxPool2d((1, 1))(x),
    "squeezed and excited": lambda x: F.conv2d(F.adaptive_avg_pool2d(x, 1), torch.ones(3, 3, 1, 1)).sigmoid(),
}


@pytest.mark.parametrize("name", POOLED)
def test_what_is_pooled_over_the_whole_picture_is_shared(name: str) -> None:
    picture = torch.randn(1, 3, 128, 256) + torch.linspace(0, 5, 256)
    assert apart(lambda x: x * POOLED[name](x), picture) < 1e-4


LOCAL = {
    "dilated": lambda x: F.conv2d(x, torch.ones(3, 3, 3, 3), padding=4, dilation=4),
    "as large": lambda x: F.conv2d(x, torch.ones(3, 3, 5, 5), padding="same"),
    "even": lambda x: F.conv_transpose2d(
        F.conv2d(x, torch.ones(3, 3, 4, 4), None, 2, 1), torch.ones(3, 3, 2, 2), None, 2
    ),
    "oblong": lambda x: F.conv2d(x, torch.ones(3, 3, 1, 7), padding=(0, 3)),
    "mirrored": lambda x: F.conv2d(F.pad(x, (3, 3, 3, 3), mode="reflect"), torch.ones(3, 3, 7, 7)),
    "pooled": lambda x: F.max_pool2d(x, 3, 1, 1),
    "shuffled": lambda x: F.pixel_shuffle(F.conv2d(F.pixel_unshuffle(x, 4), torch.ones(48, 48, 3, 3), padding=1), 4),
    "bilinear": lambda x: F.interpolate(F.avg_pool2d(x, 4), scale_factor=4, mode="bilinear"),
    "bicubic": lambda x: F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bicubic"),
    "smaller without aliases": lambda x: F.interpolate(
        F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True), scale_factor=2.0
    ),
    "by areas": lambda x: F.interpolate(F.interpolate(x, scale_factor=0.25, mode="area"), x.shape[-2:]),
    "channels last": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (3,)).permute(0, 3, 1, 2),
    "expanded": lambda x: F.conv2d(x[:, :1].expand(-1, 3, -1, -1), torch.ones(3, 3, 5, 5), padding=2),
    "drawn": lambda x: x + torch.randn(x.shape, generator=torch.Generator().manual_seed(1)),
}


@pytest.mark.parametrize("name", LOCAL)
def test_what_looks_at_neighbours_is_as_in_the_whole(name: str) -> None:
    picture = torch.randn(1, 3, 128, 256)
    assert apart(lambda x: LOCAL[name](LOCAL[name](LOCAL[name](x) / 9) / 9) / 9, picture) < 1e-4


def apart(translate: Callable[[Tensor], Tensor], picture: Tensor) -> float:
    """How far tiles are from the whole, as a share of its deviation."""
    height, width = picture.shape[2:]
    rows = in_tiles(
        lambda t, b, c, d: picture[..., t:b, c:d], network(translate), height, width, step=4,
        tiling=Tiling("exact", size=64, halo=8),
    )  # fmt: skip
    whole = translate(picture)[0]
    return float((torch.cat(list(rows), dim=1) - whole).abs().max() / whole.std())


def test_draws_in_parts_are_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diptych.tiling.placed.AT_ONCE", 64)
    for draw in (torch.rand, torch.randn):
        chance, other = (torch.Generator().manual_seed(2) for _ in range(2))
        assert torch.equal(Draws(16, 12).get(0, draw, (1, 3, 16, 12), chance), draw(1, 3, 16, 12, generator=other))
        assert torch.equal(draw(8, generator=chance), draw(8, generator=other))
