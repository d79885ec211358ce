"""Checkpoints of other projects, with every tensor random, and what each layout of `diptych.convert` owes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from diptych.convert import export


class Layout(Protocol):
    """A module of `diptych.convert`."""

    def network(self, state: Mapping[str, Tensor]) -> nn.Module: ...


def randomised(content: Mapping[str, Any]) -> dict[str, Any]:
    """A state dict, or several by name, with other tensors: counters of batch norms too."""
    torch.manual_seed(0)
    return {key: other(x) for key, x in content.items()}


def other(x: Any) -> Any:
    if isinstance(x, Mapping):
        return {key: other(inner) for key, inner in x.items()}
    return torch.rand_like(x) if x.is_floating_point() else x + 7


def saved(folder: Path, files: Mapping[str, Any]) -> list[Path]:
    """The paths of files of these names and contents."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        torch.save(content, folder / name)
    return [folder / name for name in files]


def assert_same_bits(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Fails unless both hold the same keys in the same order, and the same bits."""
    assert list(ours) == list(theirs)
    for key, wanted in theirs.items():
        if isinstance(wanted, Mapping):
            assert_same_bits(ours[key], wanted)
        else:
            assert ours[key].dtype == wanted.dtype
            assert ours[key].numpy().tobytes() == wanted.numpy().tobytes()


def assert_comes_back(model: Path, layout: str, theirs: Mapping[str, Any]) -> None:
    """Fails unless `model` is written as these files, bit for bit and in the same order."""
    files = export(model, layout, model.parent / "back")
    assert_same_bits({file.name: torch.load(file, weights_only=True) for file in files}, theirs)


def assert_shares_no_memory(layout: Layout, theirs: Mapping[str, Tensor]) -> None:
    """Fails where a network that was read writes into its checkpoint."""
    with torch.no_grad():
        for tensor in layout.network(theirs).state_dict().values():
            tensor.zero_()
    assert all(tensor.abs().sum() > 0 for tensor in theirs.values())


def written(content: Any, path: Path) -> Path:
    """`path`, holding `content`."""
    torch.save(content, path)
    return path


class Malicious:
    """What touches a file when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.witness,)
