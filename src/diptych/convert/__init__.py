"""Other projects' checkpoints become translator folders, and translators go back; no option is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import BinaryIO, cast

import safetensors.torch
import torch
from torch import Tensor, nn

from diptych.card import Card, Side
from diptych.convert import junyanz
from diptych.errors import ConfigError, ModelError
from diptych.files import atomic
from diptych.methods.pix2pix import Pix2Pix
from diptych.nn.generators import ResNet, UNet
from diptych.translator import TRAINING, Translator, load_method, resolve

LAYOUTS = ("junyanz",)
SUFFIXES = (".pth", ".pt", ".safetensors")


def convert(files: Sequence[str | PathLike[str]], out: str | PathLike[str]) -> Path:
    """Make the translator folder `out` from a generator's file and perhaps its discriminator's, in any order.

    files: state dicts as `torch.save` (.pth, .pt) or safetensors wrote them. The networks are recognised by their
    keys and shapes. A discriminator is kept beside the translator, for further training.

    Raises ModelError when a file is damaged, holds more than tensors, or is not recognised, and when the networks do
    not belong together; also when something is at `out`, other than an empty folder.
    """
    out = Path(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ModelError(f"{out} exists, and nothing is overwritten: choose another --out, or remove it")
    networks = [open_network(Path(file)) for file in files]
    generators = [network for network in networks if isinstance(network, UNet | ResNet)]
    discriminators = [network for network in networks if not isinstance(network, UNet | ResNet)]
    if len(generators) != 1 or len(discriminators) > 1:
        raise ModelError(
            f"give one generator and perhaps its discriminator: these {len(networks)} files hold "
            f"{len(generators)} generators and {len(discriminators)} discriminators"
        )
    method, options = junyanz.pix2pix(*generators, *discriminators)
    card = Card(
        method="pix2pix",
        options=options,
        source=Side(name="source", channels=options["source_channels"]),
        target=Side(name="target", channels=options["target_channels"]),
        data={"imported from": ", ".join(Path(file).name for file in files)},
    )
    return Translator(method, card, device="cpu").save(out, everything=bool(discriminators))


def export(model: str | PathLike[str], to: str, out: str | PathLike[str]) -> list[Path]:
    """Write a translator's weights under another project's keys; return the files.

    to: `junyanz`. out: the generator's file (.pth, .pt or .safetensors); or a folder, which gets latest_net_G.pth and,
    where the model holds a discriminator, latest_net_D.pth.

    Raises ConfigError for an unknown layout, ModelError when the model has no counterpart in it or a file exists.
    """
    if to not in LAYOUTS:
        raise ConfigError(f"there is no layout {to!r} to write; there is: {', '.join(LAYOUTS)}")
    translator = Translator.load(model, device="cpu")
    method = translator.method
    if not isinstance(method, Pix2Pix):
        raise ModelError(f"{model} was made by {translator.card.method}; {to} can hold pix2pix")
    if translator.card.options.get("norm") == "none":  # it would be read as a network with instance norm
        raise ModelError(f"{model} has no norms, {to}'s networks have batch or instance norm")
    networks: dict[Path, nn.Module] = {}
    if (out := Path(out)).suffix.lower() in SUFFIXES:
        networks[out] = method.g
    else:
        networks[out / "latest_net_G.pth"] = method.g
        whole = load_method(model) if (resolve(Path(model)) / TRAINING).exists() else None
        if isinstance(whole, Pix2Pix):
            networks[out / "latest_net_D.pth"] = whole.d
    refuse_existing(out, networks)
    return [write(path, junyanz.state_dict(network)) for path, network in networks.items()]


def refuse_existing(out: Path, files: Iterable[Path]) -> None:
    """Raise ModelError when one of `files`, which are `out` or lie in it, would replace something."""
    if out.is_file() and out.suffix.lower() not in SUFFIXES:
        raise ModelError(f"{out} is a file, not a folder: choose another --out, or end it in {', '.join(SUFFIXES)}")
    if taken := [str(path) for path in files if path.exists()]:
        raise ModelError(f"{', '.join(taken)} exists, and nothing is overwritten: choose another --out, or remove it")


def open_network(path: Path) -> nn.Module:
    """The network whose state dict is in the file. Raises ModelError that names the file."""
    try:
        return junyanz.network(read(path))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def read(path: Path) -> dict[str, Tensor]:
    """The tensors in a file of `torch.save` or safetensors; nothing in it is executed."""
    if path.is_dir():
        raise ModelError("it is a folder; to write it in another project's layout: --to junyanz")
    if not path.is_file():
        raise ModelError("there is no such file")
    try:
        if path.suffix.lower() == ".safetensors":
            return safetensors.torch.load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged file raises cannot be foreseen
        raise ModelError(
            "it is damaged, or holds more than tensors, which could run code: nothing in it was executed. "
            "Save network.state_dict() again in the project that wrote it"
        ) from error
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        first = ", ".join(map(str, list(content)[:5])) if isinstance(content, dict) else type(content).__name__
        raise ModelError(f"it is no state dict of tensors but holds {first}; known are those {junyanz.FAMILIES}")
    return content


def write(path: Path, state: dict[str, Tensor]) -> Path:
    """Write a state dict in the format that the file's suffix names."""
    with atomic(path) as file:
        if path.suffix.lower() == ".safetensors":
            file.write(safetensors.torch.save(state))
        else:
            torch.save(state, cast(BinaryIO, file))
    return path
