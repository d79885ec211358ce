"""What tiles make is what the whole would be, to 50 dB and more; or it is said that it cannot be, before they begin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiles import both, decibels, network, scene, trained, translator
from torch import Tensor

from diptych.errors import ConfigError
from diptych.methods import names
from diptych.methods.method import Method
from diptych.methods.pix2pixhd import Pix2PixHD
from diptych.tiling import Tiling, Work
from diptych.tiling.grid import Span, Tile
from diptych.tiling.placed import Draws
from diptych.tiling.sharing import Alone

OTHERS = {
    "pix2pix": [{"generator": "resnet_6blocks"}, {"generator": "unet_64"}, {"test_statistics": "running"}],
    "pix2pixhd": [{"downs": 4, "blocks": 5}, {"enhancers": 1}, {"enhancers": 2}, {"encoder": True, "encoder_downs": 2}],
    "spade": [{"norm": "instance"}, {"encoder": True, "start_height": 4}, {"upsampling": "most"}, {"kernel": 5}],
    "cyclegan": [{"antialias": True}, {"attention": True}, {"blocks": 9}],
    "unit": [{"pad": "zeros"}, {"pad": "replicate", "downs": 3}],
    "bicyclegan": [{"upsampling": "bilinear", "where": "input", "norm": "batch"}],
    "segment": [{"norm": "instance"}, {"norm": "batch", "depth": 4}],
}
KINDS = [(name, options) for name in names() for options in ({}, *OTHERS.get(name, ()))]


@pytest.mark.parametrize("size", [(64, 352), (200, 150)])
@pytest.mark.parametrize(("name", "options"), KINDS)
def test_every_method_makes_of_tiles_what_it_makes_of_the_whole(
    name: str, options: dict[str, object], size: tuple[int, int]
) -> None:
    made = translator(name, **options)
    whole, tiled = both(made, scene(*size, made.card.source.channels))
    assert tiled.array.shape == whole.array.shape
    assert decibels(whole, tiled) >= 60
    assert any("in tiles" in note for note in tiled.notes)


@pytest.mark.parametrize("name", names())
def test_every_method_does_so_with_trained_weights(name: str) -> None:
    made = trained(name)
    for size in ((64, 352), (200, 150)):
        whole, tiled = both(made, scene(*size, made.card.source.channels))
        assert decibels(whole, tiled) >= 50


@pytest.mark.parametrize(
    ("name", "controls"),
    [("vae", {"style": (40, 50)}), ("vae", {"chance": 0.5}), ("cvae", {"style": (64, 80)}), ("munit", {"seed": 3}),
     ("munit", {"style": (64, 64)}), ("bicyclegan", {"style": (64, 80)}), ("pix2pix", {"seed": 7})],
)  # fmt: skip
def test_styles_and_draws_are_those_of_the_whole(name: str, controls: dict[str, Any]) -> None:
    made = translator(name)
    given = {key: scene(*value) if key == "style" else value for key, value in controls.items()}
    whole, tiled = both(made, scene(64, 352), **given)
    assert decibels(whole, tiled) >= 60


def test_maps_of_instances_go_into_tiles() -> None:
    made = translator("pix2pixhd", encoder=True, encoder_downs=2)
    assert isinstance(made.method, Pix2PixHD)
    assert made.method.e
    made.method.e.moments.uniform_(0.2, 1)
    things = (np.mgrid[:64, :352][1] // 37).astype(np.uint16)[..., None]
    picture = scene(64, 352, made.card.source.channels)
    whole, tiled = both(made, replace(picture, maps={"instances": things}), seed=4)
    assert decibels(whole, tiled) >= 60
    assert decibels(whole, made(picture, seed=4)) < 40


def test_a_style_that_is_averaged_within_things_is_refused() -> None:
    made = translator("pix2pixhd", encoder=True, encoder_downs=2)
    with pytest.raises(ConfigError, match="cannot translate pictures in tiles"):
        both(made, scene(64, 352, made.card.source.channels), style=scene(64, 64))


@pytest.mark.parametrize(("name", "options"), [kind for kind in KINDS if kind != ("spade", {"upsampling": "most"})])
def test_networks_look_as_far_as_their_gradients_reach(
    name: str, options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = translator(name, **options)
    method, step = made.method, made.method.size_multiple
    monkeypatch.setattr(torch, "tanh", lambda x: x)  # whose gradient vanishes
    clamp = torch.Tensor.clamp  # and that of an output's bounds is zero beyond them
    monkeypatch.setattr(torch.Tensor, "clamp", lambda x, *at, **to: x if at == (-1, 1) else clamp(x, *at, **to))
    given = torch.rand(1, made.card.source.channels, 2 * max(step, 32), 3 * max(step, 32)) * 2 - 1
    work = Work(lambda t, b, c, d: given[..., t:b, c:d], *given.shape[2:], step, Tiling())
    sight = work.plan(network(method.translate)).sight
    found = reach(method, (-(-sight // step) + 2) * step, step, given.shape[1])
    assert found <= sight <= found + step


class Constant(Alone):
    """A tile whose statistics depend on nothing."""

    def share(self, x: Tensor, look: Callable[[Tensor], object]) -> object:
        with torch.no_grad():
            return look(x)


def reach(method: Method, start: int, step: int, channels: int) -> int:
    """How far before and behind it the pixels lie that one block of a result, from `start` on, depends on."""
    size = 2 * start + step
    tile = Tile(Span(0, size, 0, size), Span(0, size, 0, size))
    x = (torch.rand(1, channels, size, size) * 2 - 1).requires_grad_()
    with Constant(tile, Draws(size, size), ()) as shared:
        result = method.translate(shared.begin({"x": x * 1})["x"])
    result[..., start : start + step, start : start + step].square().sum().backward()
    assert x.grad is not None
    rows = x.grad.abs().amax((0, 1, 3)).nonzero().flatten()
    return max(start - int(rows.min()), int(rows.max()) - (start + step - 1))
