"""CUT's checkpoints become translators and go back, or are refused in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import assert_same_bits
from torch import Tensor, nn

from diptych.convert import convert, export, junyanz
from diptych.convert import cut as layout
from diptych.errors import ModelError
from diptych.methods.cut import CUT
from diptych.methods.fastcut import FastCUT
from diptych.model.card import Card, Domain
from diptych.model.folder import TRAINING, load_method
from diptych.model.translator import Translator
from diptych.nn.contrastive import PatchHeads
from diptych.nn.discriminators import PatchGAN, PixelGAN
from diptych.nn.generators import ResNet, UNet

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "g": lambda: ResNet(3, 3, blocks=5, width=2, antialias=True),
    "g batch dropout": lambda: ResNet(1, 4, blocks=1, width=2, norm="batch", dropout=True, antialias=True),
    "g plain": lambda: ResNet(3, 3, blocks=5, width=2),
    "d": lambda: PatchGAN(3, width=2, norm="instance", antialias=True),
    "d batch": lambda: PatchGAN(2, layers=1, width=4, norm="batch", antialias=True),
    "d plain": lambda: PatchGAN(3, width=2, norm="instance"),
    "f": lambda: PatchHeads([3, 4, 8, 8, 8], width=6),
}


def state(name: str) -> dict[str, Tensor]:
    """A checkpoint of that network with every tensor random but the blurs."""
    torch.manual_seed(0)
    blank = layout.state_dict(NETWORKS[name]())
    return {
        key: x if key.endswith("filt") else torch.rand_like(x) if x.is_floating_point() else torch.tensor(7)
        for key, x in blank.items()
    }


def saved(folder: Path, **content: str | dict[str, Tensor]) -> list[Path]:
    """Files latest_net_NAME.pth of networks by their name above, or of state dicts."""
    for name, networks in content.items():
        torch.save(state(networks) if isinstance(networks, str) else networks, folder / f"latest_net_{name}.pth")
    return [folder / f"latest_net_{name}.pth" for name in content]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_round_trip_gives_back_every_bit_in_the_same_order(name: str, dtype: torch.dtype) -> None:
    theirs = {key: x.to(dtype) if x.is_floating_point() else x for key, x in state(name).items()}
    shuffled = {f"module.{key}": theirs[key] for key in sorted(theirs, reverse=True)}
    network = layout.network(shuffled)
    assert type(network) is type(NETWORKS[name]())
    assert_same_bits(layout.state_dict(network), theirs)


def test_dropout_pushes_the_second_convolution_of_a_block_on() -> None:
    found = {name: [key for key in state(name) if "conv_block" in key][-1] for name in ("g", "g batch dropout")}
    assert found["g"] == "model.16.conv_block.5.bias"
    assert found["g batch dropout"] == "model.12.conv_block.7.num_batches_tracked"
    assert layout.recognise(state("g batch dropout"))[1]["dropout"]


@pytest.mark.parametrize("name", ["g", "d"])
def test_an_altered_blur_is_refused_by_name(name: str) -> None:
    theirs = state(name)
    key = [key for key in theirs if key.endswith("filt")][-1]
    theirs[key] = theirs[key].clone()
    theirs[key][1, 0, 0, 0] += 2**-8
    with pytest.raises(ModelError, match=f"{key} is not the blur"):
        layout.network(theirs)


@pytest.mark.parametrize("key", ["model.7.filt", "model.11.filt", "model.17.filt", "model.21.filt"])
def test_a_generator_without_one_of_its_blurs_is_refused(key: str) -> None:
    theirs = state("g")
    del theirs[key]
    with pytest.raises(ModelError):
        layout.network(theirs)


@pytest.mark.parametrize("name", ["g plain", "d plain"])
def test_networks_without_antialiasing_have_junyanz_keys(name: str) -> None:
    assert_same_bits(layout.state_dict(junyanz.network(state(name))), junyanz.state_dict(layout.network(state(name))))


@pytest.mark.parametrize("network", [UNet(3, 3, depth=5, width=2), PixelGAN(3, width=2)])
def test_what_is_not_cuts_is_refused(network: nn.Module) -> None:
    with pytest.raises(ModelError, match=r"not among .* taesungp"):
        layout.network(junyanz.state_dict(network))
    with pytest.raises(ModelError, match="no counterpart"):
        layout.state_dict(network)


@pytest.mark.parametrize("order", [1, -1])
def test_all_networks_become_a_cut_and_come_back_bit_for_bit(tmp_path: Path, order: int) -> None:
    files = saved(tmp_path, G="g", D="d", F="f")
    model = convert(files[::order], tmp_path / "model")
    method = load_method(model)
    assert isinstance(method, CUT)
    assert {part for part, _ in method.named_children()} == {"g", "d", "f"}
    written = export(model, "cut", tmp_path / "back")
    assert [path.name for path in written] == [path.name for path in files]
    for path, network in zip(written, "gdf", strict=True):
        assert_same_bits(torch.load(path, weights_only=True), state(network))


def test_a_generator_alone_translates_as_theirs_does_and_comes_back_alone(tmp_path: Path) -> None:
    model = convert(saved(tmp_path, G="g"), tmp_path / "model")
    assert not (model / TRAINING).exists()
    translator = Translator.load(model, device="cpu")
    assert (translator.card.method, translator.card.targets) == ("cut", ["b"])
    x = torch.rand(1, 3, 16, 24) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(translator.batch(x), layout.network(state("g"))(x))
    for out in (tmp_path / "back", tmp_path / "file.pth", tmp_path / "file.safetensors"):
        (path,) = export(model, "cut", out)
        assert path.stat().st_size > 0
    assert_same_bits(torch.load(tmp_path / "file.pth", weights_only=True), state("g"))


def test_heads_make_a_generator_without_antialiasing_cuts(tmp_path: Path) -> None:
    model = convert(saved(tmp_path, G="g plain", D="d plain", F="f"), tmp_path / "model")
    method = load_method(model)
    assert isinstance(method, CUT)
    for path, network in zip(export(model, "cut", tmp_path / "back"), ("g plain", "d plain", "f"), strict=True):
        assert_same_bits(torch.load(path, weights_only=True), state(network))


def test_a_fastcut_of_ours_is_written_and_comes_back_as_a_cut(tmp_path: Path) -> None:
    options: dict[str, Any] = {"blocks": 5, "width": 2, "discriminator_width": 2, "heads": 6}
    sides = {"source": Domain(name="a", channels=3), "target": Domain(name="b", channels=3)}
    card, method = Card(method="fastcut", options=options, ways=["b"], **sides), FastCUT(**options)
    weights = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    model = Translator(method, card, device="cpu").save(tmp_path / "model", everything=True)
    back = load_method(convert(export(model, "cut", tmp_path / "theirs"), tmp_path / "back"))
    assert all(torch.equal(weights[name], tensor) for name, tensor in back.state_dict().items())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"D": "d", "F": "f"}, "no generator"),
        ({"G": "g", "G2": "g"}, "two files hold a ResNet"),
        ({"G": "g", "D": "d plain"}, "latest_net_D.pth says that antialias is False, another that it is True"),
        ({"G": "g", "D": "d batch"}, "another that it is"),
        ({"G": "g batch dropout"}, "4 channels of those with 1; .* not CUT"),
        ({"G": "g", "F": layout.state_dict(PatchHeads([3, 4, 8]))}, r"layers with \[3, 4, 8\] channels.*leave"),
    ],
)
def test_networks_that_do_not_belong_together_are_refused(
    tmp_path: Path, files: dict[str, str | dict[str, Tensor]], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        convert(saved(tmp_path, **files), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_network_that_would_be_read_as_another_is_not_written() -> None:
    with pytest.raises(ModelError, match="no norms"):
        layout.state_dict(ResNet(3, 3, blocks=1, width=2, norm="none", antialias=True))
