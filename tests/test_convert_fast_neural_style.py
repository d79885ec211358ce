"""Checkpoints of pytorch/examples' fast_neural_style become translators and go back bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from checkpoints import assert_comes_back, assert_same_bits, assert_shares_no_memory, randomised, saved
from torch import Tensor

from diptych.convert import convert
from diptych.convert import fast_neural_style as layout
from diptych.errors import ModelError
from diptych.model.translator import Translator
from diptych.nn.style_net import StyleNet

State = dict[str, Tensor]


def checkpoint(**options: int) -> State:
    return randomised(layout.state_dict(StyleNet(**{"source_channels": 3, "target_channels": 3, "width": 2} | options)))


@pytest.mark.parametrize("options", [{}, {"blocks": 2, "width": 3}, {"source_channels": 1, "target_channels": 4}])
def test_files_come_back_bit_for_bit_in_the_same_order(tmp_path: Path, options: dict[str, int]) -> None:
    theirs = checkpoint(**options)
    model = convert(saved(tmp_path, {"candy.pth": theirs}), tmp_path / "model")
    assert_comes_back(model, "fast_neural_style", {"style.pth": theirs})
    assert_shares_no_memory(layout, theirs)


def test_running_statistics_of_old_files_are_dropped(tmp_path: Path) -> None:
    theirs = checkpoint()
    old = dict(theirs)
    for number in range(1, 6):
        old |= {f"in{number}.running_{part}": torch.ones(2) for part in ("mean", "var")}
    old |= {"res1.in1.running_mean": torch.ones(8), "res1.in1.running_var": torch.ones(8)}
    assert_same_bits(layout.state_dict(layout.network(old)), theirs)


def as_written_down(state: State, x: Tensor) -> Tensor:
    """The network step by step, of values from 0 to 255."""
    import torch.nn.functional as F

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.conv2d.weight"]
        size = weight.shape[-1] // 2
        return F.conv2d(F.pad(x, (size,) * 4, mode="reflect"), weight, state[f"{name}.conv2d.bias"], stride=stride)

    def norm(x: Tensor, name: str) -> Tensor:
        return F.instance_norm(x, weight=state[f"{name}.weight"], bias=state[f"{name}.bias"])

    for number, stride in ((1, 1), (2, 2), (3, 2)):
        x = F.relu(norm(conv(x, f"conv{number}", stride), f"in{number}"))
    for block in range(1, 6):
        inner = F.relu(norm(conv(x, f"res{block}.conv1"), f"res{block}.in1"))
        x = x + norm(conv(inner, f"res{block}.conv2"), f"res{block}.in2")
    for number in (1, 2):
        x = F.relu(norm(conv(F.interpolate(x, scale_factor=2, mode="nearest"), f"deconv{number}"), f"in{number + 3}"))
    return conv(x, "deconv3")


def test_the_network_does_what_its_definition_says() -> None:
    state = checkpoint()
    x = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(1)) * 255
    with torch.no_grad():
        made = layout.network(state)(x / 127.5 - 1)
    assert torch.allclose((made + 1) * 127.5, as_written_down(state, x), rtol=1e-3, atol=1e-2)


def test_an_imported_model_paints_and_needs_no_network_to_do_so(tmp_path: Path) -> None:
    translator = Translator.load(convert(saved(tmp_path, {"candy.pth": checkpoint()}), tmp_path / "model"))
    assert translator.card.options["network"] == "none"
    assert translator.batch(torch.zeros(1, 3, 30, 41)).shape == (1, 3, 30, 41)


def test_two_files_are_two_models(tmp_path: Path) -> None:
    files = saved(tmp_path, {"candy.pth": checkpoint(), "udnie.pth": checkpoint()})
    with pytest.raises(ModelError, match="a model of its own: give one, not 2"):
        convert(files, tmp_path / "model")


@pytest.mark.parametrize("change", ["missing", "more", "shape"])
def test_what_resembles_a_generator_and_is_none_is_refused_by_its_key(tmp_path: Path, change: str) -> None:
    theirs = checkpoint()
    if change == "missing":
        del theirs["in4.bias"]
    elif change == "more":
        theirs["deconv4.conv2d.bias"] = torch.zeros(3)
    else:
        theirs["in2.weight"] = torch.zeros(5)
    with pytest.raises(ModelError, match=r"resembles a StyleNet, but (in4\.bias|deconv4\.conv2d|in2\.weight)"):
        convert(saved(tmp_path, {"candy.pth": theirs}), tmp_path / "model")
