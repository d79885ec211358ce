"""Any painting's style in one pass: the published layer, files of its authors' code, and use with a painting."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from checkpoints import assert_same_bits, randomised, saved
from commands import diptych
from conformance import Case, files, published, verify
from pictures import noise, save
from torch import Tensor

from diptych import images
from diptych.convert import adain as layout
from diptych.convert import convert, export
from diptych.errors import ConfigError, ModelError
from diptych.methods.adain import AdaIN
from diptych.model.folder import inspect_card
from diptych.model.translator import Translator
from diptych.nn.adain import VGGDecoder, VGGEncoder
from diptych.nn.style import adain, spread
from diptych.testing import bundle
from diptych.training.schedule import factor

SMALL = ("method.width=4", "data.size=32", "train.batch=2", "train.images=4", "speed.bf16=false")


@pytest.mark.parametrize("path", files("adain_layer.json"))
def test_the_layer_is_the_published_one(path: Path) -> None:
    def check(case: Case) -> None:
        content, style = (case.tensors[f"input.{name}"].float() for name in ("content", "style"))
        content.requires_grad_()
        mean, deviation = spread(style)
        case.compare("output.mean_style", mean)
        case.compare("output.std_style", deviation)
        made = adain(content, style)
        case.compare("output.adain", made)
        blended = torch.lerp(content, made, case.facts["hyper_parameters"]["alpha"])
        case.compare("output.blended", blended)
        (gradient,) = torch.autograd.grad((made * torch.linspace(-1, 1, made.numel()).view_as(made)).sum(), content)
        case.compare("output.grad_content", gradient)

    verify(path, check)


@pytest.mark.parametrize("path", files("manifest_adain.json"))
def test_our_networks_have_the_published_keys_and_shapes(path: Path) -> None:
    for entry, state in published(path):
        ours = layout.state_dict(layout.network(state).to_empty(device="cpu"))  # of shapes alone until it is filled
        used = {key: x for key, x in state.items() if entry["network"] == "decoder" or int(key.split(".")[0]) < 31}
        assert {key: x.shape for key, x in ours.items()} == {key: x.shape for key, x in used.items()}


def checkpoints() -> dict[str, dict[str, Tensor]]:
    theirs = randomised({"decoder.pth": layout.state_dict(VGGDecoder(3)), "vgg.pth": layout.state_dict(VGGEncoder())})
    small = {name: {key: x * 2 / x[0].numel() for key, x in state.items()} for name, state in theirs.items()}
    small["vgg.pth"] |= {"32.weight": torch.zeros(2, 2, 3, 3), "32.bias": torch.zeros(2)}  # not used, not kept
    return small


def test_a_decoder_and_its_encoder_become_a_translator_and_the_decoder_goes_back(tmp_path: Path) -> None:
    theirs = checkpoints()
    model = convert(saved(tmp_path, theirs), tmp_path / "model")
    card = inspect_card(model)
    assert (card.method, card.options["encoder"]) == ("adain", "vgg19")
    (file,) = export(model, "adain", tmp_path / "back")
    assert_same_bits(torch.load(file, weights_only=True), theirs["decoder.pth"])
    x, art = (torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(n)) * 2 - 1 for n in (0, 1))
    made = Translator.load(model).batch(x, style=art, strength=0.6)
    assert torch.allclose(made, as_written_down(theirs, x, art, 0.6).clamp(-1, 1), atol=1e-4)


def as_written_down(states: dict[str, dict[str, Tensor]], x: Tensor, art: Tensor, strength: float) -> Tensor:
    """The networks step by step, of values from 0 to 1."""

    def conv(x: Tensor, state: dict[str, Tensor], place: int) -> Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), state[f"{place}.weight"], state[f"{place}.bias"])

    def encode(x: Tensor) -> Tensor:
        state = states["vgg.pth"]
        x = F.conv2d((x + 1) / 2, state["0.weight"], state["0.bias"])
        for place in (2, 5, 9, 12, 16, 19, 22, 25, 29):
            x = F.relu(conv(F.max_pool2d(x, 2) if place in (9, 16, 29) else x, state, place))
        return x

    content = encode(x)
    x = torch.lerp(content, adain(content, encode(art)), strength)
    for place in (1, 5, 8, 11, 14, 18, 21, 25, 28):
        x = conv(F.interpolate(x, scale_factor=2) if place in (5, 18, 25) else x, states["decoder.pth"], place)
        x = F.relu(x) if place < 28 else x
    return 2 * x - 1


def test_a_decoder_alone_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"give decoder\.pth and vgg_normalised\.pth"):
        convert(saved(tmp_path, {"decoder.pth": checkpoints()["decoder.pth"]}), tmp_path / "model")


def test_a_decoder_of_other_features_has_no_counterpart(tmp_path: Path) -> None:
    model = bundle(AdaIN, {"width": 4}).save(tmp_path / "model")
    with pytest.raises(ModelError, match="has no counterpart"):
        export(model, "adain", tmp_path / "back")


def test_the_encoder_of_the_published_weights_normalises_as_they_need_it() -> None:
    chance = torch.Generator().manual_seed(0)
    encoder = VGGEncoder()
    shapes = {
        place: layer.weight.shape for place, layer in zip((0, 2, 5, 7, 10, 12, 14, 16, 19), encoder.layers, strict=True)
    }
    tensors = {
        f"features.{place}.weight": torch.randn(shape, generator=chance) / shape[1] for place, shape in shapes.items()
    }
    tensors |= {f"features.{place}.bias": torch.zeros(shape[0]) for place, shape in shapes.items()}
    encoder.fill(tensors)
    x = torch.rand(1, 3, 16, 16, generator=chance) * 2 - 1
    mean, deviation = (torch.tensor(one).view(3, 1, 1) for one in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    normal = F.pad(((x + 1) / 2 - mean) / deviation, (1, 1, 1, 1), mode="reflect")
    assert torch.allclose(encoder(x)[0], F.relu(F.conv2d(normal, tensors["features.0.weight"])), atol=1e-5)


def test_it_learns_from_photos_and_paintings_and_paints_with_one(tmp_path: Path) -> None:
    for kind in ("photos", "paintings"):
        for number in range(3):
            save(tmp_path / kind / f"{number}.png", noise(40, 40, seed=number + 5 * (kind == "photos")))
    run = tmp_path / "run"
    said = diptych(
        "train", "adain", "--data", tmp_path / "photos", "--styles", tmp_path / "paintings", "--out", run, *SMALL
    )
    assert said.code == 0, said.err
    photo, art = tmp_path / "photos" / "0.png", tmp_path / "paintings" / "0.png"
    said = diptych("translate", run, photo, "--style", art, "--strength", 0.7, "--out", tmp_path / "made.png")
    assert said.code == 0, said.err
    assert images.read(tmp_path / "made.png").array.shape == (40, 40, 3)


def test_styles_needs_the_photos_too(tmp_path: Path) -> None:
    said = diptych("train", "adain", "--styles", tmp_path)
    assert said.code == 2
    assert "--styles goes with --data" in said.err


@pytest.fixture(scope="module")
def translator() -> Translator:
    return bundle(AdaIN, {"width": 4})


def test_no_strength_or_no_painting_leaves_the_style(translator: Translator) -> None:
    x, art = (torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(n)) * 2 - 1 for n in (0, 1))
    plain, none, full = (translator.batch(x, **one) for one in ({}, {"style": art, "strength": 0.0}, {"style": art}))
    assert torch.allclose(plain, none, atol=1e-6)
    assert (plain - full).abs().max() > 1e-5


def test_two_paintings_are_mixed_by_the_share_of_the_second(translator: Translator) -> None:
    x, one, other = (torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(n)) * 2 - 1 for n in range(3))
    both = {"style": one, "second_style": other}
    first, second, ends = translator.batch(x, style=one), translator.batch(x, style=other), []
    for mix in (0.0, 1.0):
        ends.append(translator.batch(x, **both, mix=mix))
    assert (first - second).abs().max() > 1e-5
    assert torch.allclose(ends[0], first, atol=1e-6)
    assert torch.allclose(ends[1], second, atol=1e-6)


def test_pictures_that_are_neither_grey_nor_in_colours_are_refused() -> None:
    with pytest.raises(ConfigError, match="not 4 and 3 channels"):
        AdaIN(a_channels=4)


def test_the_published_rate_falls_to_a_ninth() -> None:
    assert factor("inverse", 0.0) == 1
    assert factor("inverse", 1.0) == pytest.approx(1 / 9, rel=0.01)
