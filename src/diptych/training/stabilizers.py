"""Common remedies for discriminators that go wrong, or learn their few pictures by heart, for any method that has some.

From outside: a method says which of its parts are discriminators, and what they see; the trainer does the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Gt
from pydantic import BeforeValidator
from torch import Tensor, nn
from torch.nn.utils import parametrize

from diptych.errors import ConfigError
from diptych.methods.method import Count, Method, Step, Weight, inputs
from diptych.nn.diffaugment import Augmentation, diffaugment
from diptych.nn.gan import slope_penalty
from diptych.nn.spectral import SpectralNorm

Augmentations = Annotated[
    list[Augmentation], BeforeValidator(lambda x: re.split(r"\s*,\s*", x) if isinstance(x, str) else x)
]


@dataclass(frozen=True)
class Stabilizers:
    """What steadies the training of a method with discriminators. All of it is off: the published training.

    diffaugment: how to change, at random, all that discriminators see: colour,translation,cutout or some of them
    (Zhao et al. 2020). For few pictures.
    spectral_norm: divide the weights of discriminators by their largest singular values (Miyato et al. 2018).
    r1: weight gamma of gamma/2 |grad D|^2 at real pictures (Mescheder et al. 2018); r1_every: only in one batch of so
    many, as many times as strong (Karras et al. 2020): quicker.
    rates: factors on the learning rates of groups of networks, as in {D: 4, G: 1} (Heusel et al. 2017).
    """

    diffaugment: Augmentations | None = None
    spectral_norm: bool = False
    r1: Weight = 0.0
    r1_every: Count = 1
    rates: dict[str, Annotated[float, Gt(0)]] | None = None

    def asked(self) -> dict[str, Any]:
        """The options that are on."""
        return {name: value for name, value in vars(self).items() if value and (name != "r1_every" or self.r1)}

    def check(self, method: Method) -> None:
        """Raises ConfigError where `method` does not have what the options act on."""
        faults, groups = [], method.groups()
        judging = [f"stabilizers.{name}" for name in ("diffaugment", "spectral_norm", "r1") if name in self.asked()]
        if judging and not discriminators(method):
            faults.append(
                f"{', '.join(judging)}: {type(method).__name__} has no discriminators that this could act on; leave it "
                f"out"
            )
        if self.r1_every > 1 and not self.r1:
            faults.append(
                "stabilizers.r1_every is how often stabilizers.r1 is computed, which is off: give it a weight"
            )
        if unknown := [name for name in self.rates or {} if name not in groups]:
            faults.append(
                f"stabilizers.rates: {type(method).__name__} has no group {', '.join(unknown)}; there are: "
                f"{', '.join(groups)}"
            )
        if faults:
            raise ConfigError("\n".join(faults))

    def apply(self, method: Method) -> Stabilized:
        """Change the discriminators of `method`, whose weights are there, in place. Raises ConfigError as `check`."""
        self.check(method)
        return Stabilized(self, method)


class Stabilized:
    """A method with what steadies it. All that changes is in the method's state."""

    def __init__(self, options: Stabilizers, method: Method) -> None:
        self.options, self.inputs = options, inputs(method)
        self.channels: list[int] = []
        self.due = True
        for discriminator in discriminators(method):
            if options.spectral_norm:
                normalise(discriminator)
            if options.diffaugment:
                discriminator.register_forward_pre_hook(self.augment)

    def rate(self, group: str) -> float:
        """The factor on the learning rate of this group of networks."""
        return (self.options.rates or {}).get(group, 1.0)

    def begin(self, batch: Mapping[str, Tensor], number: int) -> None:
        """Get ready for the steps of a batch, the training's `number`-th from 0."""
        self.channels = [x.shape[1] for name, x in batch.items() if x.dim() == 4 and name in self.inputs]
        self.due = number % self.options.r1_every == 0

    def augment(self, discriminator: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Change what a discriminator is about to see. It sees one picture, or all pictures of a pair as one."""
        x, *others = inputs
        pictures = self.channels if sum(self.channels) == x.shape[1] else ()
        return diffaugment(x, self.options.diffaugment or (), pictures), *others

    def terms(self, step: Step) -> dict[str, Tensor]:
        """What is added to the loss of `step`."""
        if not (self.options.r1 and self.due and step.real_inputs):
            return {}
        penalties = torch.stack(
            [slope_penalty(discriminator, real) for discriminator, real in step.real_inputs.items()]
        )
        return {"stabilizers.r1": self.options.r1 / 2 * self.options.r1_every * penalties.sum()}

    def power_iteration(self, moved: list[nn.Module]) -> None:
        """Do what has to be done after these networks moved."""
        if self.options.spectral_norm:
            for module in (module for network in moved for module in network.modules()):
                if isinstance(module, parametrize.ParametrizationList) and isinstance(module[0], SpectralNorm):
                    module[0].power_iteration(module.original)


def discriminators(method: Method) -> list[nn.Module]:
    """The discriminators of `method`; where an option has one off, it is not there."""
    parts = dict(method.named_children())
    return [parts[name] for name in method.discriminators if name in parts]


def normalise(discriminator: nn.Module) -> None:
    """Put a spectral norm on every convolution and every linear layer that learns; a pretrained network does not."""
    for layer in list(discriminator.modules()):
        if isinstance(layer, nn.Conv2d | nn.Linear) and isinstance(layer.weight, nn.Parameter):
            parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight))


def plain_state(method: Method) -> dict[str, Tensor]:
    """The state of `method` with the names of its own making, whatever was put on its weights: they are as they act."""
    state = method.state_dict()
    for place, layer in method.named_modules():
        if parametrize.is_parametrized(layer):
            prefix = f"{place}.parametrizations."
            state = {name: tensor for name, tensor in state.items() if not name.startswith(prefix)}
            state |= {f"{place}.{name}": getattr(layer, name).detach() for name in layer.parametrizations}
    return state
