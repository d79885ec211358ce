"""Several processes train as one: each computes its part of every batch, and what they learn from it is averaged.

No wrapper stands around the networks, so that a method may call any part of them in any order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

PATIENCE = timedelta(days=30)
"""How long processes wait for one that decodes, validates or writes: as long as it takes."""

waiting: dist.ProcessGroup | None = None
"""The group in which they wait. Gradients go by the default one, where the libraries' own limits, of ten to thirty
minutes, tell a process that hangs."""


@contextmanager
def joined(stalled: timedelta | None = None) -> Iterator[None]:
    """Join the processes that torchrun started, if it did. stalled: other limits than the libraries' own."""
    global waiting
    if "RANK" not in os.environ:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=stalled)
    waiting = dist.new_group(backend="gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        waiting = None
        dist.destroy_process_group()


def rank() -> int:
    """This process's number, from 0; process 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def wait_for_all() -> None:
    """Go on once every process is here."""
    if dist.is_initialized():
        dist.barrier(waiting)


def agreed(number: int | None) -> int | None:
    """The largest number that any process brings, or None."""
    if not dist.is_initialized():
        return number
    value = torch.tensor(-1 if number is None else number)  # on the host: no device is waited for
    dist.all_reduce(value, dist.ReduceOp.MAX, waiting)
    return int(value) if value >= 0 else None


def average(values: Tensor) -> Tensor:
    """The mean of `values` over all processes, in place."""
    if dist.is_initialized():
        dist.all_reduce(values)
        values /= dist.get_world_size()
    return values


def differing(tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Of each process, those of its `tensors` that are not as the first one's, on the host; only the first gets it."""
    everyone: list[dict[str, Tensor]] = [{}] * count()
    mine = {name: tensor.cpu() for name, tensor in tensors.items()}
    dist.gather_object(mine, everyone if rank() == 0 else None, group=waiting)
    return [{name: x for name, x in its.items() if not torch.equal(x, mine[name])} for its in everyone]


def average_gradients(moving: Sequence[nn.Parameter]) -> None:
    """Replace each gradient by its mean over all processes, with one message for all of them."""
    if not dist.is_initialized():
        return
    for parameter in moving:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients = [parameter.grad for parameter in moving if parameter.grad is not None]
    flat = average(torch._utils._flatten_dense_tensors(gradients))
    for gradient, mean in zip(gradients, torch._utils._unflatten_dense_tensors(flat, gradients), strict=True):
        gradient.copy_(mean)  # in its own layout: a fused optimiser takes it to be the parameter's
