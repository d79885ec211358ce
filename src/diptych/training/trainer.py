"""The trainer moves a method's networks down its steps' losses; it counts images and knows nothing of GANs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from diptych.errors import ConfigError, TrainingError
from diptych.methods.method import AdamW, Method, Schedule, Step, parameters
from diptych.nn.ema import Average
from diptych.runtime.speed import Speed
from diptych.training import processes
from diptych.training.budget import Course
from diptych.training.schedule import factor
from diptych.training.stabilizers import Stabilizers

Counts = Literal["images", "steps"]


class Trainer:
    """Trains `method` on batches, one after another.

    images: how many images the training lasts; schedules are functions of the part of them that was seen.
    schedule, lr_scale: the learning-rate schedule, by default the published one, and a factor on the rates.
    micro_batch: at most so many images pass through the networks at once; 0 means the whole batch.
    ema: decay of the average of the weights that translation uses, for each image; 0 means none. ema_counts: steps, to
    go on with a training that counted these.
    lr, betas: instead of the published ones of all networks: Adam's learning rate and moments.
    clip: longest gradient allowed, as an L2 norm over a step's networks; 0 means any.
    seed: every random draw is a function of it, the images seen and the process.
    stabilizers: what is done about a training that goes wrong.

    When several processes train together, each gets its part of every batch and gradients are averaged over all.
    """

    def __init__(
        self,
        method: Method,
        *,
        images: int,
        schedule: Schedule | None = None,
        lr_scale: float = 1.0,
        micro_batch: int = 0,
        ema: float = 0.0,
        ema_counts: Counts = "images",
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        clip: float = 0.0,
        seed: int = 0,
        stabilizers: Stabilizers | None = None,
        speed: Speed | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.speed = (speed or Speed()).on(self.device)
        self.speed.start()
        self.method = method.to(self.device).train()
        self.stabilized = (stabilizers or Stabilizers()).apply(method)
        self.course, self.schedule, self.lr_scale = Course(images), schedule or method.schedule, lr_scale
        self.micro_batch, self.clip, self.seed = micro_batch, clip, seed
        self.rank, self.processes = processes.rank(), processes.count()
        self.groups = method.groups()
        self.speed.prepare(net for group in self.groups.values() for net in group)
        self.published = published = method.optimisers()
        self.base_rates = {name: (lr or adam.lr) * self.stabilized.rate(name) for name, adam in published.items()}
        self.optimisers = {
            name: (torch.optim.AdamW if isinstance(adam, AdamW) else torch.optim.Adam)(
                by_rate(self.groups[name], adam.by_inputs), lr=lr or adam.lr, betas=betas or adam.betas,
                weight_decay=adam.weight_decay, fused=self.speed.fused,
            )
            for name, adam in published.items()
        }  # fmt: skip
        self.average = Average({name: method.get_submodule(name) for name in method.keep}, ema) if ema else None
        self.ema_counts = ema_counts
        self.images_seen = 0
        self.sums: dict[str, Tensor] = {}
        self.sums_steps = 0

    def step(self, batch: dict[str, Tensor]) -> None:
        """Take all of a method's steps on one batch: this process's part of it, pictures `B C H W` in [-1, 1]."""
        size = len(next(iter(batch.values())))
        self.method.progress = self.course.at(self.images_seen)
        torch.manual_seed(draw_seed(self.seed, self.images_seen, self.rank))
        self.stabilized.begin(batch, self.images_seen // (size * self.processes))
        parts = [
            (len(next(iter(part.values()))) / size, self.method.steps(**part)) for part in self.micro_batches(batch)
        ]
        while self.move(parts):
            pass
        if self.average:
            self.average.update(size * self.processes if self.ema_counts == "images" else 1)
        self.images_seen += size * self.processes
        self.sums_steps += 1

    def micro_batches(self, batch: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
        laid_out = {name: self.speed.layout(x) if x.dim() == 4 else x for name, x in batch.items()}
        pieces = {name: x.split(self.micro_batch or len(x)) for name, x in laid_out.items()}
        for piece in zip(*pieces.values(), strict=True):
            yield dict(zip(pieces, piece, strict=True))

    def move(self, parts: list[tuple[float, Iterator[Step]]]) -> bool:
        """Take the next step of every part of the batch together; False when there is none."""
        groups: tuple[str, ...] = ()
        for share, steps in parts:
            with self.speed.precision(self.device):  # left before the weights move: it caches their casts
                step = next(steps, None)
                if step is None:
                    return False
                with self.speed.uncompiled():
                    step.terms |= self.stabilized.terms(step)
                loss = step.loss * share
            groups = step.groups
            self.backward(loss, groups)
            self.note(step, share)
            del step, loss  # the graph of this part goes before the next part's grows
        self.optimise(groups)
        return True

    def backward(self, loss: Tensor, groups: tuple[str, ...]) -> None:
        """Raises ConfigError where compiled code lacks the second derivatives of a loss, as of gradient penalties."""
        try:
            loss.backward(inputs=self.parameters(groups))
        except RuntimeError as error:
            if "double backward" not in str(error):
                raise
            raise ConfigError(
                f"the loss of {'+'.join(groups)} needs second derivatives, which compiled networks do not have: set "
                f"speed.compile=false"
            ) from None

    def parameters(self, groups: tuple[str, ...]) -> list[nn.Parameter]:
        return parameters(net for name in groups for net in self.groups[name])

    def note(self, step: Step, share: float) -> None:
        """Add the step's terms to the sums, on the device: nothing waits for it."""
        for name, term in step.terms.items():
            key, value = f"{'+'.join(step.groups)}.{name}", term.detach().float() * share
            self.sums[key] = self.sums[key] + value if key in self.sums else value

    def optimise(self, groups: tuple[str, ...]) -> None:
        moving = self.parameters(groups)
        processes.average_gradients(moving)
        if self.clip:
            nn.utils.clip_grad_norm_(moving, self.clip)
        rate = self.lr_scale * factor(self.schedule, self.method.progress)
        for name in groups:
            warmth = self.published[name].warmth(self.images_seen)
            for group in self.optimisers[name].param_groups:
                group["lr"] = self.base_rates[name] * rate * warmth * group.get("factor", 1.0)
            self.optimisers[name].step()
            self.optimisers[name].zero_grad(set_to_none=True)
            self.stabilized.power_iteration(self.groups[name])

    def losses(self) -> dict[str, float]:
        """The mean of every term since the last call; the one place where the host waits for the device.

        Raises TrainingError, naming the terms, when one is not a number.
        """
        if not self.sums:
            return {}
        values = processes.average(torch.stack(list(self.sums.values())).div(self.sums_steps))
        means = dict(zip(self.sums, values.tolist(), strict=True))
        self.sums, self.sums_steps = {}, 0
        wrong = [name for name, value in means.items() if not math.isfinite(value)]
        if wrong:
            raise TrainingError(f"the loss {', '.join(wrong)} is not a number after {self.images_seen} images")
        return means

    def wait(self) -> None:
        """Go on once the device has done what it was told: only then can time be measured."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)

    def trained(self) -> dict[str, Tensor]:
        """The weights that translation uses: the average where there is one, else the present ones."""
        if self.average:
            return self.average.averages
        return {
            f"{name}.{key}": value
            for name in self.method.keep
            for key, value in self.method.get_submodule(name).state_dict().items()
        }

    def state(self) -> dict[str, Any]:
        """All that changes in training; everything else is a function of the options and of the images seen.

        Processes that train together ask for it together; the first one gets the state of all of them.
        Raises TrainingError when weights are not numbers or beyond all bounds: such a state is of no use.
        """
        wrong = [name for name in self.groups if not all_finite(self.parameters((name,)))]
        if wrong:
            raise TrainingError(f"weights of {', '.join(wrong)} are beyond all bounds after {self.images_seen} images")
        state = {
            "images_seen": self.images_seen,
            "method": self.method.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "average": self.average.state() if self.average else None,
        }
        if self.processes > 1:
            state["own"] = processes.differing(buffers(self.method))
        return state

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`, bit for bit; with another number of processes than wrote it, as well as can be."""
        self.images_seen = state["images_seen"]
        own = dict(enumerate(state.get("own", ()))).get(self.rank, {})
        self.method.load_state_dict(state["method"] | own)
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        if self.average:
            self.average.load(state["average"])


def by_rate(networks: Sequence[nn.Module], by_inputs: bool) -> list[dict[str, Any]]:
    """The parameters of `networks` as an optimiser's groups, each with its factor on the rate."""
    if not by_inputs:
        return [{"params": parameters(networks), "factor": 1.0}]
    inputs = {
        parameter: layer.weight[0].numel()
        for network in networks
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
        for parameter in layer.parameters()
    }
    counts = [inputs.get(parameter, 1) for parameter in parameters(networks)]
    return [
        {"params": [p for p in parameters(networks) if inputs.get(p, 1) == count], "factor": count**-0.5}
        for count in sorted(set(counts))
    ]


def buffers(method: Method) -> dict[str, Tensor]:
    """What is state and no parameter, such as statistics of norms and histories of fakes: each process has its own."""
    parameters = dict(method.named_parameters())
    return {name: tensor for name, tensor in method.state_dict().items() if name not in parameters}


@torch.no_grad()
def all_finite(tensors: Sequence[Tensor]) -> bool:
    """Whether every value is a finite number; the host waits for the device."""
    return not tensors or bool(torch.stack(torch._foreach_norm(tuple(tensors))).isfinite().all())


def draw_seed(*numbers: int) -> int:
    """A seed for torch that has nothing in common with that of any other numbers."""
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest()) >> 1
