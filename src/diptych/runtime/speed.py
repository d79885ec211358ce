"""Speed is applied to networks from outside and by name: no method knows of it, and no name in a state dict changes."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from diptych.methods.method import Method
from diptych.runtime.device import lacking
from diptych.runtime.memory import Malloc
from diptych.runtime.precision import Bf16, choose
from diptych.runtime.threads import Count


@dataclass(frozen=True)
class Speed:
    """What makes networks faster. The result is the same but for rounding.

    bf16: convolutions in bfloat16 by autocast; twice as fast or more where the device has such arithmetic, and several
    times slower where it has not. auto: where it is faster.
    channels_last: pictures are laid out as the convolution kernels like them.
    compile: translate the networks into fused code; takes a minute or more at the start and needs a C++ compiler.
    fused: one kernel for a whole optimiser step.
    keep_memory: memory that is freed is kept for the next step or picture, not handed back to the system and asked for
    again (with glibc alone; for the whole process, in training and on the command line).
    threads: of the processor; auto: as many as there are processors that other programs leave free, looked at now and
    then (on Linux, and where OMP_NUM_THREADS is not set). Their number changes sums in the last bits.
    recompute: less memory instead of more speed: a network's inner results are computed again for the backward pass,
    not kept. With micro-batches, those of one micro-batch are all that is in memory at a time.
    """

    bf16: Bf16 = "auto"
    channels_last: bool = True
    compile: bool = False
    fused: bool = True
    keep_memory: bool = True
    recompute: bool = False
    threads: Count = "auto"

    def on(self, device: torch.device) -> Speed:
        """These on a device: `auto` is decided, and what the device lacks is left off."""
        off = {name: False for name in lacking(device) if vars(self)[name]}
        return replace(self, bf16=choose(self.bf16, device), **off)

    def start(self) -> None:
        """Change how this process works, for the command line and for training; a library should not."""
        if self.keep_memory:
            Malloc.keep()

    def prepare(self, networks: Iterable[nn.Module]) -> None:
        """Change networks in place, before the first step."""
        for network in networks:
            if self.channels_last:
                network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            for part in called(network):
                if self.recompute:
                    recompute(part)
                if self.compile:
                    part.compile()

    def for_use(self, method: Method) -> Method:
        """A method to translate with: in bfloat16 a copy whose convolutions are rounded once, not at every call."""
        if choose(self.bf16, device_of(method)):
            method = copy.deepcopy(method)
            method.fold_weights()
            for module in method.modules():
                if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                    module.to(torch.bfloat16)
        self.prepare(network for name, network in method.named_children() if name in method.keep)
        return method

    def layout(self, pictures: Tensor) -> Tensor:
        """Lay out a batch as the networks like it."""
        return pictures.contiguous(memory_format=torch.channels_last) if self.channels_last else pictures

    def precision(self, device: torch.device) -> AbstractContextManager[object]:
        """The arithmetic in which to run forward passes."""
        return torch.autocast(device.type, torch.bfloat16) if choose(self.bf16, device) else nullcontext()

    def uncompiled(self) -> AbstractContextManager[object]:
        """Where networks run as they are written: a compiled one has no second derivative, which penalties need."""
        return torch.compiler.set_stance("force_eager") if self.compile else nullcontext()


def device_of(network: nn.Module) -> torch.device:
    """Where the network's weights are."""
    return next((weight.device for weight in network.parameters()), torch.device("cpu"))


def called(network: nn.Module) -> list[nn.Module]:
    """What a method calls: `network`, or its parts where it only holds them together, as an auto-encoder does."""
    if type(network).forward is nn.Module.forward:
        return [part for child in network.children() for part in called(child)]
    return [network]


def recompute(network: nn.Module) -> None:
    """Let `network` keep nothing but its inputs for the backward pass (Chen et al. 2016)."""
    forward = network.forward

    def checkpointed(*inputs: Any, **options: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*inputs, **options)
        contexts = lambda: (nullcontext(), Unchanged(network))  # noqa: E731
        return checkpoint(forward, *inputs, use_reentrant=False, context_fn=contexts, **options)

    network.forward = checkpointed


class Unchanged:
    """Gives a network's buffers back their values: a batch norm must not count a picture twice.

    Constants, which are no part of its state, are left alone. It can be entered again, as a second derivative does.
    """

    def __init__(self, network: nn.Module) -> None:
        state = network.state_dict()
        self.buffers = [buffer for name, buffer in network.named_buffers() if name in state]

    def __enter__(self) -> None:
        self.before = [buffer.clone() for buffer in self.buffers]

    @torch.no_grad()
    def __exit__(self, *_: object) -> None:
        for buffer, value in zip(self.buffers, self.before, strict=True):
            buffer.copy_(value)


PLAIN = Speed(bf16=False, channels_last=False, compile=False, fused=False, keep_memory=False)
