"""Whatever wraps the networks in other projects' files is taken off, and what is wrong with one is said in a line."""

from __future__ import annotations

import argparse
import re
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from checkpoints import randomised, saved, written
from torch import Tensor, nn

from diptych.convert import LAYOUTS, convert
from diptych.errors import ModelError
from diptych.methods.bicyclegan import BicycleGAN
from diptych.methods.cut import CUT
from diptych.methods.cyclegan import CycleGAN
from diptych.methods.munit import MUNIT
from diptych.methods.pix2pix import Pix2Pix
from diptych.methods.pix2pixhd import Pix2PixHD
from diptych.methods.spade import SPADE
from diptych.methods.unit import UNIT
from diptych.model.folder import load_method
from diptych.model.translator import Translator

SMALL = {"width": 2, "discriminator_width": 2}
CODED = {"encoder_blocks": 2, "encoder_width": 2, "code": 3}
FAMILIES: dict[str, tuple[str, Callable[[], Any]]] = {
    "pix2pix": ("junyanz", lambda: Pix2Pix(generator="unet_32", norm="batch", **SMALL)),
    "cyclegan": ("junyanz", lambda: CycleGAN(blocks=1, **SMALL)),
    "cut": ("cut", lambda: CUT(blocks=5, heads=4, **SMALL)),
    "unit": ("munit", lambda: UNIT(**SMALL)),
    "munit": ("munit", lambda: MUNIT(discriminator_norm="spectral", hidden=4, **SMALL)),
    "bicyclegan": ("bicyclegan", lambda: BicycleGAN(generator="unet_32", **CODED, **SMALL)),
    "pix2pixhd": ("pix2pixhd", lambda: Pix2PixHD(source_channels=4, downs=2, blocks=1, **SMALL)),
    "spade": ("spade", lambda: SPADE(source_channels=4, hidden=4, **SMALL | {"width": 1})),
}
families = pytest.mark.parametrize("family", FAMILIES)


def checkpoints(family: str) -> dict[str, Any]:
    """The files of a model, with every number random; to be changed as one likes."""
    return {file: each_state(content, copied) for file, content in made(family).items()}


@cache
def made(family: str) -> dict[str, Any]:
    layout, method = FAMILIES[family]
    content = LAYOUTS[layout].state_dicts(method())
    return {file: without_blurs(content[file], other) for file, other in randomised(content).items()}


def copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: x.clone() for key, x in state.items()}


def without_blurs(own: Any, other: Any) -> Any:
    """`other` but for the constant filters."""
    return {key: own[key] if key.endswith("filt") else value for key, value in other.items()}


def each_state(content: Any, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Any:
    """Files, or the state dicts in them, changed."""
    if all(isinstance(value, Tensor) for value in content.values()):
        return change(content)
    return {name: each_state(inner, change) for name, inner in content.items()}


def weights(model: Path) -> dict[str, Tensor]:
    return load_method(model).state_dict()


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one if not key.endswith("num_batches_tracked"))


def assert_becomes_the_same(tmp_path: Path, family: str, files: dict[str, Any]) -> None:
    """Fails unless `files` become the model that the family's bare files do."""
    torch.manual_seed(1)
    assert_equal(weights(convert(saved(tmp_path / "other", files), tmp_path / "model")), bare(family))


@cache
def bare(family: str) -> dict[str, Tensor]:
    """The weights of the model that the family's bare files become."""
    with tempfile.TemporaryDirectory() as place:
        files = saved(Path(place) / "bare", checkpoints(family))
        torch.manual_seed(1)
        return weights(convert(files, Path(place) / "model"))


WRAPPERS: dict[str, Callable[[str, Any], dict[str, Any]]] = {
    "state_dict": lambda name, x: {"epoch": 3, "state_dict": x, "optimizer": {"state": {}, "param_groups": []}},
    "by name": lambda name, x: {name: x, "iteration": 7, "args": {"lr": 0.1}},
    "module.": lambda name, x: each_state(x, lambda state: {f"module.{key}": y for key, y in state.items()}),
    "_orig_mod.": lambda name, x: each_state(x, lambda state: {f"_orig_mod.{key}": y for key, y in state.items()}),
    "both": lambda name, x: each_state(x, lambda state: {f"module._orig_mod.{key}": y for key, y in state.items()}),
    "parts compiled": lambda name, x: each_state(
        x, lambda state: {key.replace(".", "._orig_mod.", 1): y for key, y in state.items()}
    ),
}


@families
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_what_wraps_a_network_is_taken_off(tmp_path: Path, family: str, wrapper: str) -> None:
    name = lambda file: Path(file).stem.removeprefix("latest_net_")  # noqa: E731
    files = {file: WRAPPERS[wrapper](name(file), content) for file, content in checkpoints(family).items()}
    assert_becomes_the_same(tmp_path, family, files)


@pytest.mark.parametrize("family", [family for family in FAMILIES if "unit" not in family])
@pytest.mark.parametrize("form", ["a dict of networks", "a Lightning module", "a module in a module"])
def test_the_networks_of_a_training_may_be_in_one_file(tmp_path: Path, family: str, form: str) -> None:
    networks = {Path(file).stem.removeprefix("latest_net_"): x for file, x in checkpoints(family).items()}
    if form == "a dict of networks":
        content = {**networks, "optim_G": {"state": {0: {"step": torch.tensor(1)}}, "param_groups": []}, "epoch": 2}
    else:
        outer = "model." if form == "a module in a module" else ""
        state = {f"{outer}{name}.{key}": y for name, x in networks.items() for key, y in x.items()}
        state[f"{outer}vgg.features.0.weight"] = torch.ones(4, 3, 3, 3)
        content = {"state_dict": state, "pytorch-lightning_version": "2.5", "optimizer_states": [], "loops": {"n": 1}}
    assert_becomes_the_same(tmp_path, family, {"last.ckpt": content})


@pytest.mark.parametrize("names", [("netG_A2B", "netG_B2A"), ("G_AB", "G_BA"), ("G_A", "G_B")])
def test_generators_are_told_apart_by_the_direction_in_their_names(tmp_path: Path, names: tuple[str, str]) -> None:
    files = checkpoints("cyclegan")
    content = dict(zip(names, [files["latest_net_G_A.pth"], files["latest_net_G_B.pth"]], strict=True))
    found = weights(convert([written(content, tmp_path / "last.pth")], tmp_path / "model"))
    wanted = weights(convert(saved(tmp_path / "files", files), tmp_path / "wanted"))
    assert all(torch.equal(found[key], wanted[key]) for key in wanted if key.partition(".")[0] in ("ab", "ba"))


def test_averaged_weights_are_taken_where_they_lie_beside_the_others(tmp_path: Path) -> None:
    good = checkpoints("pix2pix")["latest_net_G.pth"]
    raw = {key: x * 2 for key, x in good.items()}
    (bare, *_) = saved(tmp_path / "bare", {"G.pth": good})
    for number, content in enumerate([{"params": raw, "params_ema": good}, {"G": raw, "G_ema": good}]):
        path = written(content, tmp_path / f"{number}.pth")
        wanted = weights(convert([bare], tmp_path / f"w{number}"))
        ours = weights(convert([path], tmp_path / f"m{number}"))
        assert all(torch.equal(ours[key], wanted[key]) for key in ours if key.startswith("g."))


def test_spade_without_counters_and_with_todays_names_of_spectral_norms_comes_in(tmp_path: Path) -> None:
    def todays(state: dict[str, Tensor]) -> dict[str, Tensor]:
        for old, new in {"_orig": ".original", "_u": ".0._u", "_v": ".0._v"}.items():
            state = {re.sub(f"weight{old}$", f"parametrizations.weight{new}", key): x for key, x in state.items()}
        return {key: x for key, x in state.items() if not key.endswith("num_batches_tracked")}

    files = each_state(checkpoints("spade"), todays)
    assert any("parametrizations.weight.0._u" in key for key in files["latest_net_G.pth"])
    assert_becomes_the_same(tmp_path, "spade", files)


def test_those_are_the_names_that_torch_gives() -> None:
    layer = nn.utils.parametrizations.spectral_norm(nn.Conv2d(1, 1, 3, bias=False))
    assert {*layer.state_dict()} == {f"parametrizations.weight.{name}" for name in ("original", "0._u", "0._v")}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".ckpt", ".bin", ""])
@pytest.mark.parametrize("content", ["pickle", "safetensors"])
def test_the_content_decides_not_the_suffix(tmp_path: Path, content: str, suffix: str) -> None:
    state = checkpoints("pix2pix")["latest_net_G.pth"]
    path = tmp_path / f"latest_net_G{suffix}"
    torch.save(state, path) if content == "pickle" else safetensors.torch.save_file(state, path)
    assert convert([path], tmp_path / "model") == tmp_path / "model"


# What is refused


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n", "a git-LFS pointer.*git lfs pull"),
        (b"\n<!DOCTYPE html><html></html>", "a web page, not a checkpoint"),
    ],
)
def test_what_is_no_checkpoint_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "latest_net_G.pth"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=f"latest_net_G.pth: it is {said}"):
        convert([path], tmp_path / "model")


def test_what_could_run_code_is_named(tmp_path: Path) -> None:
    path = written({"state_dict": {}, "opt": argparse.Namespace(lr=1)}, tmp_path / "G.pth")
    with pytest.raises(
        ModelError, match=r"holds more than tensors \(argparse\.Namespace\).*nothing in it was executed"
    ) as fault:
        convert([path], tmp_path / "model")
    assert "\n" not in str(fault.value)


@families
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused_by_convert(tmp_path: Path, family: str, value: float) -> None:
    files = checkpoints(family)
    state = next(iter(files.values()))
    state = state.get("a", state)
    key = next(key for key, x in state.items() if x.ndim == 4)
    state[key].view(-1)[3] = value
    with pytest.raises(ModelError, match=rf"{key} holds NaN or infinity"):
        convert(saved(tmp_path / "files", files), tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_model_whose_weights_are_not_finite_is_not_loaded(tmp_path: Path, value: float) -> None:
    model = convert(saved(tmp_path / "files", checkpoints("pix2pix")), tmp_path / "model")
    translator = Translator.load(model, device="cpu")
    next(translator.method.g.parameters()).view(-1)[2] = value
    translator.save(tmp_path / "broken")
    with pytest.raises(ModelError, match=r"weights\.safetensors: g\.\S+ holds NaN or infinity.*earlier model"):
        Translator.load(tmp_path / "broken", device="cpu")


def test_large_weights_are_no_infinite_ones(tmp_path: Path) -> None:
    state = checkpoints("pix2pix")["latest_net_G.pth"]
    state["model.model.0.weight"].fill_(3e38)
    convert([written(state, tmp_path / "G.pth")], tmp_path / "model")


@families
def test_a_network_that_nearly_fits_gets_one_line_of_its_own_family(tmp_path: Path, family: str) -> None:
    files = checkpoints(family)
    for content in files.values():
        for state in content.values() if "unit" in family else [content]:
            state["odd.weight"] = torch.ones(3)
    paths = saved(tmp_path / "files", files)
    with pytest.raises(ModelError) as fault:
        convert(paths, tmp_path / "model")
    message = str(fault.value)
    assert message.count("odd.weight is one too many") == 1
    assert len(message.splitlines()) == 1


def test_an_unknown_network_gets_one_line(tmp_path: Path) -> None:
    path = written({"conv1.weight": torch.zeros(4, 3, 3, 3)}, tmp_path / "vgg.pth")
    with pytest.raises(ModelError, match=r"vgg\.pth: no known network has these 1 keys: conv1\.weight") as fault:
        convert([path], tmp_path / "model")
    assert len(str(fault.value).splitlines()) == 1
    assert all(layout in str(fault.value) for layout in LAYOUTS)


def test_files_of_two_projects_are_told_apart(tmp_path: Path) -> None:
    files = {"a.pth": checkpoints("spade")["latest_net_G.pth"], "b.pth": checkpoints("unit")["gen_00000000.pt"]}
    with pytest.raises(ModelError, match=r"not one model's: a\.pth is of spade, b\.pth is of munit"):
        convert(saved(tmp_path / "files", files), tmp_path / "model")


# Half precision


@families
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32_with_the_same_values(tmp_path: Path, family: str, dtype: torch.dtype) -> None:
    half = lambda state: {key: x.to(dtype) if x.is_floating_point() else x for key, x in state.items()}  # noqa: E731
    files = each_state(checkpoints(family), half)
    found = weights(convert(saved(tmp_path / "half", files), tmp_path / "model"))
    assert all(x.dtype == torch.float32 for x in found.values() if x.is_floating_point())
    whole = each_state(
        files, lambda state: {key: x.float() if x.is_floating_point() else x for key, x in state.items()}
    )
    assert_equal(found, weights(convert(saved(tmp_path / "whole", whole), tmp_path / "again")))


@families
def test_counters_may_be_in_half_precision_too(tmp_path: Path, family: str) -> None:
    files = each_state(checkpoints(family), lambda state: {key: x.half() for key, x in state.items()})
    found = weights(convert(saved(tmp_path / "half", files), tmp_path / "model"))
    assert all(x.dtype == torch.int64 for key, x in found.items() if key.endswith("num_batches_tracked"))


def test_sparse_weights_are_refused(tmp_path: Path) -> None:
    files = each_state(checkpoints("pix2pix"), lambda state: {key: x.to_sparse() for key, x in state.items()})
    with pytest.raises(ModelError, match="is sparse or quantised: save plain numbers"):
        convert(saved(tmp_path / "files", files), tmp_path / "model")


W = torch.zeros(2, 2)


def nested(levels: int) -> dict[str, Any]:
    content: dict[str, Any] = {"x": W}
    for _ in range(levels):
        content = {"k": content}
    return content


def doubled(levels: int) -> dict[str, Any]:
    """Few dicts, which are reached by many ways."""
    content: dict[str, Any] = {"x": W}
    for _ in range(levels):
        content = {"k": content, "l": content}
    return content


def circular() -> dict[str, Any]:
    content: dict[str, Any] = {"x": W}
    return content | {"self": content, "other": {"up": content}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"a/b": {"x.weight": W}, "../c\0": {"y.weight": W}}, "no known network"),
        (nested(100), "no known network"),
        (doubled(60), "no known network"),
        (circular(), "no known network"),
        ({".".join("a" * 3000): W, "b": W}, "no known network"),
        ({1: W, 2: W}, "no known network"),
        ({"a": {"x": W}, "b": {"y": {"z": W}}}, "no known network"),
        ({"x": torch.zeros(1).expand(10**6, 10**7)}, "40000.0 GB"),
        ({f"x{n}": torch.zeros(1).expand(10**5, 10) for n in range(100)}, "0.4 GB"),
        ({"x": torch.zeros(2, device="meta")}, "x holds no numbers"),
        ({"x": W.to(torch.float8_e4m3fn)}, "float8_e4m3fn: save float32"),
        ({"x": W.to(torch.complex64)}, "complex64: save float32"),
    ],
)
def test_strange_content_gets_one_line_at_once(tmp_path: Path, content: Any, said: str) -> None:
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(ModelError, match=said) as error:
        convert([tmp_path / "net.pth"], tmp_path / "model")
    assert "\n" not in str(error.value)


def test_a_file_that_would_unpack_to_very_much_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"x": torch.zeros(10**8 // 4)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "net.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for part in plain.infolist():
            packed.writestr(part.filename, plain.read(part))
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(ModelError, match=r"0\.1 GB"):
        convert([tmp_path / "net.pth"], tmp_path / "model")


def test_a_model_whose_weights_are_of_a_strange_type_is_not_loaded(tmp_path: Path) -> None:
    model = convert(saved(tmp_path / "files", checkpoints("pix2pix")), tmp_path / "model")
    translator = Translator.load(model, device="cpu")
    first = next(translator.method.g.parameters())
    first.data = first.data.to(torch.float8_e4m3fn)
    translator.save(tmp_path / "strange")
    with pytest.raises(ModelError, match=r"weights\.safetensors: g\.\S+ holds numbers of type torch\.float8_e4m3fn"):
        Translator.load(tmp_path / "strange", device="cpu")
