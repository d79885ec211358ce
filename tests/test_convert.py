"""Other projects' checkpoints become translators and go back, or are refused in words."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from checkpoints import Malicious, assert_same_bits, written
from torch import Tensor, nn

from diptych.convert import convert, export, junyanz
from diptych.convert.opening import read
from diptych.errors import ConfigError, ModelError
from diptych.methods.pix2pix import Pix2Pix
from diptych.model.card import Card, Domain
from diptych.model.folder import TRAINING, load_method
from diptych.model.translator import Translator
from diptych.nn.blocks import Dropout
from diptych.nn.discriminators import PatchGAN, PixelGAN
from diptych.nn.generators import ResNet, UNet

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "unet batch": lambda: UNet(3, 2, depth=6, width=2, dropout=True),
    "unet instance": lambda: UNet(1, 3, depth=6, width=2, norm="instance"),
    "resnet instance": lambda: ResNet(3, 1, blocks=6, width=2),
    "resnet batch dropout": lambda: ResNet(4, 3, blocks=6, width=2, norm="batch", dropout=True),
    "resnet instance dropout": lambda: ResNet(3, 3, blocks=9, width=2, dropout=True),
    "resnet batch": lambda: ResNet(2, 3, blocks=1, width=2, norm="batch"),
    "patch batch": lambda: PatchGAN(6, layers=1, width=2),
    "patch instance": lambda: PatchGAN(4, layers=4, width=2, norm="instance"),
    "pixel batch": lambda: PixelGAN(6, width=2),
    "pixel instance": lambda: PixelGAN(3, width=4, norm="instance"),
}


def state(name: str) -> dict[str, Tensor]:
    """A checkpoint of that network with every tensor random, counters too."""
    torch.manual_seed(0)
    blank = junyanz.state_dict(NETWORKS[name]())
    return {key: torch.rand_like(x) if x.is_floating_point() else torch.tensor(7) for key, x in blank.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_round_trip_gives_back_every_bit_in_the_same_order(name: str, dtype: torch.dtype) -> None:
    theirs = {key: x.to(dtype) if x.is_floating_point() else x for key, x in state(name).items()}
    network = junyanz.network(theirs)
    assert type(network) is type(NETWORKS[name]())
    assert_same_bits(junyanz.state_dict(network), theirs)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_order_of_keys_in_a_file_does_not_matter(name: str) -> None:
    theirs = state(name)
    assert_same_bits(junyanz.state_dict(junyanz.network(dict(sorted(theirs.items(), reverse=True)))), theirs)


def test_an_imported_network_shares_no_memory_with_its_checkpoint() -> None:
    theirs = state("patch batch")
    network = junyanz.network(theirs)
    with torch.no_grad():
        network.model[0].weight.zero_()
    assert theirs["model.0.weight"].abs().sum() > 0


def test_the_prefix_of_data_parallel_is_removed() -> None:
    theirs = state("resnet batch")
    assert_same_bits(
        junyanz.state_dict(junyanz.network({f"module.{key}": tensor for key, tensor in theirs.items()})), theirs
    )


def test_counters_that_old_batch_norms_lack_start_at_zero() -> None:
    theirs = {key: tensor for key, tensor in state("unet batch").items() if not key.endswith("num_batches_tracked")}
    back = junyanz.state_dict(junyanz.network(theirs))
    assert {key: back[key].item() for key in back.keys() - theirs.keys()} == dict.fromkeys(
        back.keys() - theirs.keys(), 0
    )
    assert_same_bits({key: back[key] for key in theirs}, theirs)


def test_statistics_that_old_instance_norms_kept_are_dropped() -> None:
    theirs = state("resnet instance")
    layers = {"model.2": 2, "model.10.conv_block.2": 8, "model.10.conv_block.6": 8}
    old = {f"{layer}.{name}": torch.rand(n) for layer, n in layers.items() for name in ("running_mean", "running_var")}
    assert junyanz.recognise(theirs | old) == junyanz.recognise(theirs)
    assert_same_bits(junyanz.state_dict(junyanz.network(theirs | old)), theirs)


def test_metadata_that_torch_attaches_to_a_state_dict_is_no_obstacle(tmp_path: Path) -> None:
    content = OrderedDict(state("pixel batch"))
    content._metadata = OrderedDict({"": {"version": 1}})
    path = tmp_path / "latest_net_D.pth"
    torch.save(content, path, _use_new_zipfile_serialization=False)
    assert_same_bits(junyanz.state_dict(junyanz.network(read(path))), state("pixel batch"))


# Files that are refused


@pytest.mark.parametrize(
    "keys", [["conv1.conv2d.weight", "in1.weight"], [], ["model.0.weight"], ["model_0.0.weight", "model_0.0.bias"]]
)
def test_an_unknown_network_is_refused_with_its_keys_and_the_known_families(keys: list[str]) -> None:
    with pytest.raises(ModelError, match=r"U-Net.*ResNet.*PatchGAN.*pixel") as fault:
        junyanz.network(dict.fromkeys(keys, torch.zeros(4, 3, 3, 3)))
    assert ", ".join(keys) in str(fault.value)


def test_a_network_that_almost_fits_is_refused_with_what_does_not() -> None:
    theirs = state("resnet instance")
    head = theirs.pop("model.23.bias")
    theirs |= {"model.4.filt": head, "model.7.bias": head, "model.1.bias": torch.ones(2, dtype=torch.int64)}
    with pytest.raises(ModelError, match=r"resembles a ResNet") as fault:
        junyanz.network(theirs)
    faults = ["model.23.bias is missing", "model.4.filt is one too many"]
    faults += ["model.7.bias is torch.float32 (1,), not", "model.1.bias is torch.int64 (2,), not"]
    assert all(part in str(fault.value) for part in faults)


@pytest.mark.parametrize("suffix", [".pth", ".pkl", ".safetensors"])
def test_a_file_that_would_run_code_is_refused_and_runs_none(tmp_path: Path, suffix: str) -> None:
    witness, path = tmp_path / "witness", tmp_path / f"latest_net_G{suffix}"
    content = state("unet batch") | {"model.extra": Malicious(witness)}
    if suffix == ".pth":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(ModelError, match=r"latest_net_G.*nothing in it was executed"):
        convert([path], tmp_path / "model")
    assert not witness.exists()
    torch.load(written(content, tmp_path / "same.pth"), weights_only=False)
    assert witness.exists(), "the file was harmless, and this test with it"


@pytest.mark.parametrize("keep", [0, 1, 100, -1, -100])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, keep: int) -> None:
    path = tmp_path / f"latest_net_G{suffix}"
    whole = (
        written(state("unet batch"), path).read_bytes()
        if suffix == ".pth"
        else safetensors.torch.save(state("unet batch"))
    )
    path.write_bytes(whole[:keep])
    with pytest.raises(ModelError, match=r"latest_net_G.*damaged"):
        convert([path], tmp_path / "model")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent.pth: there is no such file"):
        convert([tmp_path / "absent.pth"], tmp_path / "model")


# Translator folders


def test_a_generator_becomes_a_translator_that_behaves_as_theirs_does_at_test_time(tmp_path: Path) -> None:
    path = written(state("unet batch"), tmp_path / "latest_net_G.pth")
    translator = Translator.load(convert([path], tmp_path / "model"), device="cpu")
    assert translator.card.options["generator"] == "unet_64"
    assert (translator.card.source.channels, translator.card.target.channels) == (3, 2)

    theirs = junyanz.network(state("unet batch")).train()
    x = torch.rand(1, 3, 64, 128) * 2 - 1
    noisy = [translator.batch(x, seed=seed) for seed in (0, 0, 1)]
    assert torch.equal(noisy[0], noisy[1])
    assert not torch.equal(noisy[0], noisy[2]), "dropout must be on"
    for network in (theirs, translator.method):
        for module in network.modules():
            if isinstance(module, Dropout):
                module.p = 0.0
    torch.testing.assert_close(translator.batch(x), theirs(x).detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("order", [1, -1])
def test_both_networks_are_told_apart_and_come_back_bit_for_bit(tmp_path: Path, order: int, suffix: str) -> None:
    files = {"G": tmp_path / f"x{suffix}", "D": tmp_path / f"y{suffix}"}
    weights = {"G": state("resnet instance"), "D": state("patch instance")}
    for name, path in files.items():
        written(weights[name], path) if suffix == ".pth" else safetensors.torch.save_file(weights[name], path)
    model = convert(list(files.values())[::order], tmp_path / "model")
    method = load_method(model)
    assert_same_bits(junyanz.state_dict(method.g), weights["G"])
    assert_same_bits(junyanz.state_dict(method.d), weights["D"])

    back = export(model, "junyanz", tmp_path / "back")
    assert [path.name for path in back] == ["latest_net_G.pth", "latest_net_D.pth"]
    for name, path in zip("GD", back, strict=True):
        assert_same_bits(torch.load(path, weights_only=True), weights[name])


@pytest.mark.parametrize("name", ["unet batch", "unet instance", "resnet batch dropout", "resnet instance dropout"])
def test_a_generator_alone_comes_back_alone(tmp_path: Path, name: str) -> None:
    model = convert([written(state(name), tmp_path / "G.pth")], tmp_path / "model")
    assert not (model / TRAINING).exists()
    assert export(model, "junyanz", tmp_path / "back") == [tmp_path / "back" / "latest_net_G.pth"]
    for out in (tmp_path / "file.pth", tmp_path / "file.safetensors"):
        assert export(model, "junyanz", out) == [out]
        back = read(out)
        assert_same_bits({key: back[key] for key in state(name)}, state(name))


def test_an_imported_translator_takes_pictures_of_any_size(tmp_path: Path) -> None:
    translator = Translator.load(
        convert([written(state("unet batch"), tmp_path / "G.pth")], tmp_path / "m"), device="cpu"
    )
    assert translator(np.zeros((33, 45, 3), dtype=np.uint8)).array.shape == (33, 45, 2)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["patch batch"], "0 generators and 1 discriminators"),
        (["unet batch", "resnet instance"], "2 generators"),
        (["unet instance", "patch instance", "patch instance"], "2 discriminators"),
        ([], "these 0 files"),
        (["resnet batch"], "resnet_1blocks; pix2pix has unet_512, unet_256"),
        (["resnet instance", "pixel instance"], r"takes 3 channels.*3 \+ 1.*CycleGAN"),
        (["resnet instance dropout", "patch batch"], "instance norm, the discriminator batch"),
    ],
)
def test_networks_that_do_not_belong_together_are_refused(tmp_path: Path, names: list[str], message: str) -> None:
    files = [written(state(name), tmp_path / f"{i}.pth") for i, name in enumerate(names)]
    with pytest.raises(ModelError, match=message):
        convert(files, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_network_that_would_be_read_as_another_is_not_written(tmp_path: Path) -> None:
    options = {"generator": "unet_64", "width": 1, "norm": "none"}
    sides = {"source": Domain(name="a", channels=3), "target": Domain(name="b", channels=3)}
    model = Translator(Pix2Pix(**options), Card(method="pix2pix", options=options, **sides)).save(tmp_path / "model")
    with pytest.raises(ModelError, match="no norms"):
        export(model, "junyanz", tmp_path / "out.pth")


def test_only_known_layouts_are_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no layout 'onnx'.*junyanz"):
        export(tmp_path, "onnx", tmp_path / "out.pth")


@pytest.mark.parametrize("there", ["a file", "a folder", "a model"])
def test_importing_overwrites_nothing(tmp_path: Path, there: str) -> None:
    path, out = written(state("unet batch"), tmp_path / "G.pth"), tmp_path / "model"
    if there == "a file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / ("card.json" if there == "a model" else "notes.txt")).write_text("mine")
    with pytest.raises(ModelError, match=r"model exists, and nothing is overwritten: choose another --out"):
        convert([path], out)
    assert [file.read_text() for file in (out, *out.glob("*")) if file.is_file()] == ["mine"]


def test_importing_into_an_empty_folder_is_fine(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    Translator.load(convert([written(state("unet batch"), tmp_path / "G.pth")], tmp_path / "model"), device="cpu")


@pytest.mark.parametrize(("out", "taken"), [("out.pth", "out.pth"), ("out", "latest_net_D.pth")])
def test_writing_a_layout_overwrites_nothing(tmp_path: Path, out: str, taken: str) -> None:
    files = [written(state(name), tmp_path / f"{name}.pth") for name in ("resnet instance", "patch instance")]
    model = convert(files, tmp_path / "model")
    mine = tmp_path / taken if out == taken else tmp_path / out / taken
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(ModelError, match=rf"{taken} exists, and nothing is overwritten"):
        export(model, "junyanz", tmp_path / out)
    assert mine.read_text() == "mine"
    assert not (tmp_path / out / "latest_net_G.pth").exists()


def test_only_the_suffixes_of_checkpoints_make_a_file(tmp_path: Path) -> None:
    model = convert([written(state("unet batch"), tmp_path / "G.pth")], tmp_path / "model")
    assert export(model, "junyanz", tmp_path / "exp.v2") == [tmp_path / "exp.v2" / "latest_net_G.pth"]
    assert export(model, "junyanz", tmp_path / "exp.pt") == [tmp_path / "exp.pt"]
    (tmp_path / "exp.v3").write_text("mine")
    with pytest.raises(ModelError, match=r"exp\.v3 is a file, not a folder"):
        export(model, "junyanz", tmp_path / "exp.v3")


def test_a_model_to_import_is_taken_for_one_to_export(tmp_path: Path) -> None:
    model = convert([written(state("unet batch"), tmp_path / "G.pth")], tmp_path / "model")
    with pytest.raises(ModelError, match=r"model: it is a folder; .*: --to junyanz"):
        convert([model], tmp_path / "out")


@pytest.mark.parametrize(
    ("files", "method"),
    [
        ({"latest_net_G": "resnet instance"}, "pix2pix"),
        ({"horse2zebra_G_A": "resnet instance"}, "cyclegan"),
        ({"netG_A2B": "resnet instance"}, "cyclegan"),
        ({"latest_net_G": "resnet instance", "latest_net_D": "patch instance"}, "pix2pix"),
        ({"x": "resnet instance dropout", "y": "patch one"}, "cyclegan"),
        ({"latest_net_G_A": "unet batch"}, "pix2pix"),
    ],
)
def test_a_resnet_is_cyclegans_by_its_name_or_its_discriminator(
    tmp_path: Path, files: dict[str, str], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NETWORKS, "patch one", lambda: PatchGAN(3, width=2, norm="instance"))
    monkeypatch.setitem(NETWORKS, "resnet instance", lambda: ResNet(3, 1, blocks=6, width=2))
    paths = [written(state(name), tmp_path / f"{stem}.pth") for stem, name in files.items()]
    assert Translator.load(convert(paths, tmp_path / "model"), device="cpu").card.method == method
