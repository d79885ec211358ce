"""The four networks of a CycleGAN, of which some may be missing, become a translator and go back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import Malicious, assert_same_bits, written
from commands import diptych
from torch import nn

from diptych.convert import convert, export, junyanz
from diptych.convert.opening import read
from diptych.errors import ConfigError, ModelError
from diptych.methods.cyclegan import CycleGAN
from diptych.model.card import Card, Domain
from diptych.model.folder import TRAINING, load_method
from diptych.model.translator import Translator
from diptych.nn.discriminators import PatchGAN, PixelGAN
from diptych.nn.generators import ResNet, UNet

CYCLEGAN: dict[str, Callable[[], nn.Module]] = {
    "G_A": lambda: ResNet(3, 1, blocks=2, width=2),
    "G_B": lambda: ResNet(1, 3, blocks=2, width=2),
    "D_A": lambda: PatchGAN(1, layers=2, width=4, norm="instance"),
    "D_B": lambda: PatchGAN(3, layers=2, width=4, norm="instance"),
}


def cyclegan(folder: Path, *names: str, **other: Callable[[], nn.Module]) -> list[Path]:
    """Checkpoints latest_net_NAME.pth with random weights."""
    torch.manual_seed(0)
    networks = CYCLEGAN | other
    return [written(junyanz.state_dict(networks[name]()), folder / f"latest_net_{name}.pth") for name in names]


@pytest.mark.parametrize("order", [1, -1])
def test_four_networks_become_a_cyclegan_and_come_back_bit_for_bit(tmp_path: Path, order: int) -> None:
    files = cyclegan(tmp_path, *CYCLEGAN)
    model = convert(files[::order], tmp_path / "model")
    translator = Translator.load(model, device="cpu")
    card = translator.card
    assert (card.method, card.directions) == ("cyclegan", [("a", "b"), ("b", "a")])
    assert (card.source.channels, card.target.channels) == (3, 1)
    assert card.options | {"blocks": 2, "width": 2, "norm": "instance", "dropout": False} == card.options

    x = {"b": torch.rand(1, 3, 16, 20), "a": torch.rand(1, 1, 16, 20)}
    for to, path in zip(x, files, strict=False):
        theirs = junyanz.network(read(path))
        torch.testing.assert_close(translator.batch(x[to], to=to), theirs(x[to]).detach(), rtol=0, atol=1e-4)

    written = export(model, "junyanz", tmp_path / "back")
    assert [path.name for path in written] == [path.name for path in files]
    for path, back in zip(files, written, strict=True):
        assert_same_bits(read(back), read(path))


@pytest.mark.parametrize(
    ("names", "ways"),
    [
        (["G_A"], ["b"]),
        (["G_B"], ["a"]),
        (["G_A", "D_A"], ["b"]),
        (["G_B", "D_A"], ["a"]),
        (["G_A", "G_B"], ["b", "a"]),
    ],
)
def test_a_half_is_imported_and_says_which_way_it_works(tmp_path: Path, names: list[str], ways: list[str]) -> None:
    files = cyclegan(tmp_path, *names)
    model = convert(files, tmp_path / "model")
    translator = Translator.load(model, device="cpu")
    assert translator.card.targets == ways
    assert {name for name, _ in translator.method.named_children()} == {{"b": "ab", "a": "ba"}[way] for way in ways}
    for way in ways:
        channels = translator.ends(way)[0].channels
        assert translator(np.zeros((9, 12, channels), dtype=np.uint8), to=way).array.shape[:2] == (9, 12)
    for way in {"a", "b"} - set(ways):
        with pytest.raises(ConfigError, match="one way only"):
            translator(np.zeros((8, 8, 3), dtype=np.uint8), to=way)
    assert (model / TRAINING).exists() == any(name.startswith("D") for name in names)

    written = export(model, "junyanz", tmp_path / "back")
    assert [path.name for path in written] == [path.name for path in files]
    for path, back in zip(files, written, strict=True):
        assert_same_bits(read(back), read(path))
    assert {name for name, _ in load_method(model).named_children()} > {"ab", "ba", "d_a", "d_b"}


def test_one_generator_can_be_written_as_a_file_and_two_cannot(tmp_path: Path) -> None:
    half = convert(cyclegan(tmp_path, "G_B", "D_B"), tmp_path / "half")
    assert export(half, "junyanz", tmp_path / "zebras.safetensors") == [tmp_path / "zebras.safetensors"]
    whole = convert(cyclegan(tmp_path, "G_A", "G_B"), tmp_path / "whole")
    with pytest.raises(
        ModelError, match=r"makes 2 files, latest_net_G_A.pth, latest_net_G_B.pth: let --out be a folder"
    ):
        export(whole, "junyanz", tmp_path / "horses.pth")


@pytest.mark.parametrize(
    ("names", "other", "message"),
    [
        (["G_A", "G_B"], {"G_B": lambda: ResNet(1, 3, blocks=3, width=2)}, r"ba says that blocks is 3, another .* 2"),
        (
            ["G_A", "G_B"],
            {"G_B": lambda: ResNet(3, 3, blocks=2, width=2)},
            r"ba says that b_channels is 3, another .* 1",
        ),
        (["G_A", "D_A"], {"D_A": lambda: PatchGAN(1, width=2)}, r"d_b says that norm is batch"),
        (["G_A", "D_A"], {"D_A": CYCLEGAN["D_B"]}, r"d_b says that b_channels is 3, another .* 1"),
        (["G_A", "D_A"], {"D_A": lambda: PixelGAN(1, norm="instance")}, r"d_b is a PixelGAN; CycleGAN is made of"),
        (["G_A", "G_B"], {"G_B": lambda: UNet(1, 3, depth=5, width=2)}, r"ba is a UNet; CycleGAN is made of"),
        (["D_A", "D_B"], {}, r"0 generators and 2 discriminators"),
    ],
)
def test_networks_of_different_cyclegans_are_refused(
    tmp_path: Path, names: list[str], other: dict[str, Callable[[], nn.Module]], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        convert(cyclegan(tmp_path, *names, **other), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_files_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    (first,) = cyclegan(tmp_path, "G_A")
    again = written(read(first), tmp_path / "100_net_G_A.pth")
    with pytest.raises(ModelError, match=r"two files are taken for G_A: .* G_A and G_B"):
        convert([first, again], tmp_path / "model")
    (tmp_path / "other").mkdir()
    with pytest.raises(ModelError, match="told apart by their names"):
        convert([first, written(read(first), tmp_path / "other" / first.name)], tmp_path / "model")


@pytest.mark.parametrize("bad", [0, 3])
def test_a_malicious_file_among_good_ones_is_refused_and_runs_nothing(tmp_path: Path, bad: int) -> None:
    files, witness = cyclegan(tmp_path, *CYCLEGAN), tmp_path / "witness"
    written(read(files[bad]) | {"model.extra": Malicious(witness)}, files[bad])
    with pytest.raises(ModelError, match=rf"{files[bad].name}.*nothing in it was executed"):
        convert(files, tmp_path / "model")
    assert not witness.exists()


@pytest.mark.parametrize(("option", "message"), [({"attention": True}, "mask"), ({"norm": "none"}, "no norms")])
def test_a_cyclegan_that_theirs_cannot_be_is_not_written(tmp_path: Path, option: dict[str, Any], message: str) -> None:
    options = {"blocks": 1, "width": 2, "discriminator_width": 2} | option
    sides = {"source": Domain(name="a", channels=3), "target": Domain(name="b", channels=3)}
    card = Card(method="cyclegan", options=options, ways=["b", "a"], **sides)
    model = Translator(CycleGAN(**options), card, device="cpu").save(tmp_path / "model", everything=True)
    with pytest.raises(ModelError, match=message):
        export(model, "junyanz", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_layout_holds_its_own_methods_alone(tmp_path: Path) -> None:
    model = convert(cyclegan(tmp_path, "G_A"), tmp_path / "model")
    with pytest.raises(ModelError, match=r"made by cyclegan; cut can hold cut, fastcut"):
        export(model, "cut", tmp_path / "back")


def test_networks_that_blur_are_not_written_as_others() -> None:
    for network in (ResNet(3, 3, blocks=1, width=4, antialias=True), PatchGAN(3, layers=1, width=4, antialias=True)):
        with pytest.raises(ModelError, match="antialias"):
            junyanz.state_dict(network)


def test_imported_domains_get_the_names_that_are_given(tmp_path: Path) -> None:
    method = CycleGAN(blocks=1, width=4, discriminator_width=4, discriminator_layers=1)
    for name, part in (("G_A", method.ab), ("G_B", method.ba)):
        written(junyanz.state_dict(part), tmp_path / f"latest_net_{name}.pth")
    files = [tmp_path / f"latest_net_{name}.pth" for name in ("G_A", "G_B")]
    said = diptych("convert", *files, "--names", "horses,zebras", "--out", tmp_path / "model")
    assert said.code == 0, said.err
    assert "*horses* pictures" in said.out
    assert Translator.load(tmp_path / "model").directions == [("horses", "zebras"), ("zebras", "horses")]
    assert diptych("convert", *files, "--names", "horses", "--out", tmp_path / "other").code == 2
