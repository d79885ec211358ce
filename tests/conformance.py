"""Conformance vectors: what published code computed from given weights, and how closely ours must agree.

A case is `NAME.json` (construction, mode, limits) beside `NAME.safetensors`, whose tensors are named `weights.NET.KEY`,
`input.NAME`, `output.NAME`, `loss.NAME`, `grad.NET.KEY`, `gradnorm.NET.KEY`, `graddot.NET.KEY` and `after.NET.KEY`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from diptych.methods.method import Adam, Method
from diptych.runtime.speed import PLAIN
from diptych.training.trainer import Trainer

TESTS = Path(__file__).parent
COMPARED = ("output", "loss", "grad", "gradnorm", "graddot", "after")
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def folders() -> list[Path]:
    """Where vectors lie: a few in the repository, more in the folder named by DIPTYCH_CONFORMANCE or beside it."""
    named = os.environ.get("DIPTYCH_CONFORMANCE")
    more = Path(named) if named else TESTS.parents[1] / "shared" / "reference" / "conformance"
    if named and not more.is_dir():
        raise NotADirectoryError(f"DIPTYCH_CONFORMANCE names {named!r}, which is no folder")
    return [TESTS / "data", more]


def files(pattern: str) -> list[Any]:
    """A pytest parameter for each such file in each folder; a folder without one is a skipped parameter."""
    found = []
    for folder in folders():
        names = sorted(folder.glob(pattern))
        found += [pytest.param(path, id=f"{folder.name}/{path.stem}") for path in names]
        if not names:
            absent = pytest.mark.skip(f"no {pattern} in {folder}: name its folder by DIPTYCH_CONFORMANCE")
            found.append(pytest.param(None, id=f"{folder.name}/none", marks=absent))
    return found


def published(path: Path) -> Iterator[tuple[dict[str, Any], dict[str, Tensor]]]:
    """The networks of a manifest at their published sizes: what is said of each, and its state dict without memory."""
    for entry in json.loads(path.read_text(encoding="utf-8"))["networks"]:
        yield (
            entry,
            {
                key: torch.empty(shape, dtype=getattr(torch, dtype), device="meta")
                for key, (shape, dtype) in entry["state_dict"].items()
            },
        )


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


DIGESTS = {name: known for known, name in map(str.split, (TESTS / "data/vectors.sha256").read_text().splitlines())}
"""What each vector holds, wherever it lies."""


class Case:
    """One vector; `compare...` fails where ours is outside the limits, `finish` where something was not compared."""

    def __init__(self, path: Path) -> None:
        for one in (path, path.with_suffix(".safetensors")):
            known = DIGESTS.get(one.name)
            assert known in (None, digest(one)), f"{one} is not the vector that was tried: get it again"
        self.facts = json.loads(path.read_text(encoding="utf-8"))
        self.tensors = load_file(path.with_suffix(".safetensors"))
        self.limits = self.facts["tolerance"]["recommended"]
        self.missing = {name for name in self.tensors if name.partition(".")[0] in COMPARED}
        self.shares: dict[str, float] = {}
        self.moved: list[Tensor] = []

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors under `prefix`; what was stored narrower than float32 was computed with as float32."""
        part = {}
        for name, tensor in self.tensors.items():
            if name.startswith(f"{prefix}."):
                narrow = tensor.is_floating_point() and tensor.dtype.itemsize < 4
                part[name.removeprefix(f"{prefix}.")] = tensor.float() if narrow else tensor
        return part

    def within(self, name: str, difference: float, limit: float) -> None:
        group = name.partition(".")[0]
        share = difference / limit
        self.shares[group] = max(self.shares.get(group, 0.0), share)
        self.missing.discard(name)
        assert share <= 1, f"{name} is off by {difference:.2e}, {share:.1f} times what is allowed"

    def compare(self, name: str, ours: Tensor | float, rules: str = "") -> None:
        """Compare with the tensor called `name`, within the limits of its group or of the group `rules`."""
        limit = self.limits[rules or name.partition(".")[0]]
        theirs, ours = self.tensors[name].double(), torch.as_tensor(ours).detach().double()
        assert ours.shape == theirs.shape, f"{name} has shape {tuple(ours.shape)}, not {tuple(theirs.shape)}"
        allowed = limit["rel_to_tensor_max"] * theirs.abs().max().item() + limit["abs"]
        self.within(name, (ours - theirs).abs().max().item(), allowed)

    def compare_gradients(self, network: str, gradients: Mapping[str, Tensor]) -> None:
        """Compare gradients under their original keys: norm, fingerprint and, where stored, every element."""
        rounding = set(self.facts.get("gradients_dominated_by_rounding", ()))
        for key, gradient in gradients.items():
            name = f"{network}.{key}"
            if name in rounding:
                continue
            self.compare(f"gradnorm.{name}", gradient.norm())
            ours, theirs = fingerprint(gradient), self.tensors[f"graddot.{name}"].item()
            limit = self.limits["graddot"]
            allowed = limit["rel_to_gradnorm"] * self.tensors[f"gradnorm.{name}"].item() + limit["abs"]
            self.within(f"graddot.{name}", abs(ours - theirs), allowed)
            if f"grad.{name}" in self.tensors:
                self.compare(f"grad.{name}", gradient)

    def compare_after(self, network: str, state: Mapping[str, Tensor]) -> None:
        """Compare the weights and buffers that a step has left, under their original keys."""
        for key, theirs in self.part(f"after.{network}").items():
            name = f"after.{network}.{key}"
            if key.endswith(BUFFERS):
                self.compare(name, state[key], rules="output")
            else:
                difference = (state[key] - theirs).abs().flatten()
                self.moved.append(difference)
                self.within(name, difference.max().item(), self.limits["after"]["max_abs"])

    def finish(self) -> None:
        if self.moved:
            limit = self.limits["after"]
            close = (torch.cat(self.moved) <= limit["bulk_abs"]).double().mean().item()
            assert close >= limit["fraction"], (
                f"only {close:.2%} of the updated weights agree within {limit['bulk_abs']}"
            )
        assert not self.missing, f"never compared: {sorted(self.missing)}"


def fingerprint(gradient: Tensor) -> float:
    """The sum of g[i] cos(0.37 i) in row-major order."""
    flat = gradient.detach().flatten().double()
    return (flat * torch.cos(0.37 * torch.arange(len(flat), dtype=torch.float64))).sum().item()


class Layout(Protocol):
    """A module of `diptych.convert`."""

    def network(self, state: Mapping[str, Tensor]) -> nn.Module: ...

    def state_dict(self, network: nn.Module) -> dict[str, Tensor]: ...


class NamingLayout(Layout, Protocol):
    """One that gives every parameter another name, and leaves it whole."""

    def names(self, network: nn.Module) -> dict[str, str]: ...


def imported(network: nn.Module, weights: Mapping[str, Tensor], layout: Layout) -> nn.Module:
    """`network` with `weights` under their original keys, as which what is read of them is written again."""
    found = layout.network(weights)
    network.load_state_dict(found.state_dict())
    written = layout.state_dict(found)
    assert written.keys() == weights.keys()
    assert all(torch.equal(tensor, weights[key]) for key, tensor in written.items())
    return network


def verify(path: Path, check: Callable[[Case], None]) -> None:
    """Let `check` compare all that the vector at `path` stores, with sums in the order of the recorded runs."""
    case = Case(path)
    with one_thread():
        check(case)
    case.finish()


@contextmanager
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def train(
    case: Case, method: Method, networks: Mapping[str, nn.Module], layout: NamingLayout, **batch: Tensor
) -> dict[str, float]:
    """Train `method` on one batch with the recorded optimiser, and compare gradients and the weights that are left.

    networks: parts of `method` by the reference's names for them. Returns the terms of the losses.
    """
    hyper = case.facts["hyper_parameters"]
    adam = Adam(hyper["lr"], (hyper["beta1"], hyper.get("beta2", 0.999)), hyper.get("weight_decay", 0.0))
    method.optimisers = lambda: dict.fromkeys(method.groups(), adam)  # type: ignore[method-assign]
    trainer = Trainer(method, images=1, schedule="constant", speed=PLAIN)

    def compare_gradients(*_: Any) -> None:
        for name, network in networks.items():
            case.compare_gradients(name, gradients(network, layout.names(network)))

    for optimiser in trainer.optimisers.values():
        assert optimiser.defaults["betas"] == adam.betas  # a first step of Adam does not depend on them
        assert optimiser.defaults["eps"] == hyper.get("adam_eps", 1e-8)
        optimiser.register_step_pre_hook(compare_gradients)
    trainer.step(batch)
    for name, network in networks.items():
        case.compare_after(name, layout.state_dict(network))
    return trainer.losses()


def gradients(network: nn.Module, names: Mapping[str, str]) -> dict[str, Tensor]:
    """The gradients of `network` under the reference's keys, of those parameters that have one."""
    return {names[name]: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}
