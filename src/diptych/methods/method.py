"""What a method is: networks, the steps that train them, and the use of the trained ones."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import permutations
from operator import add
from typing import Annotated, Any, ClassVar, Literal, get_type_hints

from annotated_types import Ge, Gt
from torch import Tensor, nn

from diptych.options.controls import Of, unwrapped

Count = Annotated[int, Gt(0)]
"""The type of an option that counts channels, layers, samples."""
Weight = Annotated[float, Ge(0)]
"""The type of an option that is the weight of a term of the loss."""

Images = Annotated[Tensor, "images"]
"""What a method learns from: images `B C H W` in [-1, 1]."""

Labels = Annotated[Tensor, "labels"]
"""What a method learns from: label maps, one-hot `B K H W`, one channel for each class: 1 where it is, -1 elsewhere.
Where no class is known (void), all are -1. A method that takes images may be given label maps: they are pictures."""

Domains = Annotated[Tensor, "domain"]
"""What a method learns from: which domain each image is of, int64 `B`, counted from 0. Beside it is `image: Images`."""

Texts = Annotated[Tensor, "text"]
"""What a method learns from: what is said of each image or pair, as bytes of UTF-8, int64 `B N`, 0 after the end."""

Masks = Annotated[Tensor, "mask"]
"""What a method learns from: where something is meant, float `B 1 H W`, 1 inside and 0 outside."""

Instances = Annotated[Tensor, "instances"]
"""What a method learns from: which thing each pixel belongs to, int64 `B 1 H W`."""

PICTURES = ("images", "labels")
KINDS = (*PICTURES, "domain", "text", "mask", "instances")
"""The kinds that there are; those of other maps are named by their controls."""

DomainKey = str | int
"""What a method calls a domain: the name of an input, or where it learns from `Domains` its number."""

Schedule = Literal["linear", "late linear", "halving", "inverse", "cosine", "warm cosine", "step", "constant"]
"""Names of learning-rate schedules: functions in `diptych.training.schedule`."""


class Step:
    """One optimisation step: the networks that move, and the terms of the loss they move down.

    `groups` are names from `Method.groups`: gradients reach their parameters alone, whatever else the loss depends on.
    The loss is the sum of `terms`, their weights already applied. Its graph is gone before the next step is asked for.
    In the step of discriminators, `real_inputs` has for each of them the real input, one tensor `B C H W`: what
    gradient penalties need.
    """

    def __init__(self, *groups: str, real_inputs: Mapping[nn.Module, Tensor] | None = None, **terms: Tensor) -> None:
        self.groups = groups
        self.real_inputs = real_inputs or {}
        self.terms = terms

    @property
    def loss(self) -> Tensor:
        return reduce(add, self.terms.values())


@dataclass(frozen=True)
class Adam:
    """The published optimiser of one group (Kingma and Ba 2015).

    warm_up: images over which its rate rises from zero, besides the schedule. by_inputs: the rate of a convolution or
    linear layer is `lr / sqrt(fan_in)`, so that a step changes the outputs of all layers alike, as equalised learning
    rates do (Karras et al. 2018).
    """

    lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: float = 0.0
    by_inputs: bool = False
    warm_up: int = 0

    def __post_init__(self) -> None:
        assert self.warm_up >= 0, "a warm-up lasts so many images: 0 or more"

    def warmth(self, images_seen: int) -> float:
        """The factor on its rate after so many images, 0 to 1."""
        return min(1.0, (images_seen + 1) / self.warm_up) if self.warm_up else 1.0


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam whose weights decay by themselves, not through the gradient (Loshchilov and Hutter 2019)."""

    weight_decay: float = 0.01


class Method(nn.Module):
    """Networks and equations, and nothing of devices, files, loops or logs.

    The signature of `__init__` is the schema of its options (keyword only, annotated, the paper's defaults). The
    arguments of `steps` say which data it learns from: their names which images (`source, target`: pairs; `a, b`: two
    domains without pairs; `image` and `domain: Domains`: any number of domains), their annotations of which kind
    (`Images`, `Labels`, `Domains`, `Texts`, `Masks`, `Instances`). For each picture the option NAME_channels is read
    from the data, for `Domains` the option `domains`, their number. An argument with a default is given where the data
    has it, such as `mask: Masks | None = None`. The keyword arguments of `translate` say which controls a user has.
    """

    keep: tuple[str, ...]
    """Names of the parts that `translate` needs, with the options given: they are averaged, bundled and exported."""

    directions: ClassVar[Mapping[tuple[str, str], tuple[str, ...]]] = {}
    """Of a method that translates in several directions: the parts that each needs, by the names of the inputs that it
    goes from and to, the usual one first. By default there is one, from the first input to the second."""

    discriminators: ClassVar[tuple[str, ...]] = ()
    """Names of the parts that are discriminators, whose first argument is what they see: stabilizers act on them."""

    pretrained: ClassVar[Mapping[str, str]] = {}
    """Parts, or None where an option has them off, that come with pretrained weights, and the names of these in
    `diptych.storage.weights`. `part.fill(tensors)` takes them; they are constants, never trained or saved, and there in
    training alone: `translate` has none of them. A part of a part, "g.encoder", is kept with it, and `translate` may
    use it."""

    examples: ClassVar[Mapping[str, str]] = {}
    """Parts, or None where an option has them off, that are made of a picture of the section `data` before a training
    begins, and the names of these there: `{"painting": "style"}`. `part.fill(picture)` takes it, `1 C H W` in [-1, 1]
    with the channels of the target, behind all pretrained weights; they are constants like the `pretrained` ones."""

    schedule: ClassVar[Schedule] = "linear"
    """The published learning-rate schedule."""

    length: ClassVar[Mapping[str, int]] = {"epochs": 200}
    """How long the published training lasts, in epochs or images."""

    train_defaults: ClassVar[Mapping[str, Any]] = {}
    """Options of the section `train` whose defaults are others for this method: `{"batch": 8, "ema": 0.99}`."""

    task: ClassVar[str] = "pairs"
    """The task that is learnt where none is asked for: `"itself"` of what learns from photos alone."""

    by_weights: ClassVar[Mapping[str, Mapping[str, str | None]]] = {}
    """Options that fit the pretrained weights at hand unless they are given: their values, the best first, and the name
    of the weights that each needs; the last needs none."""

    by_size: ClassVar[Mapping[str, Mapping[int, Any]]] = {}
    """Options that fit the size of the pictures unless they are given: the first of which both sides are multiples."""

    progress: float = 0.0
    """How much of the training is done, 0 to 1; set by the trainer."""

    stochastic: bool = True
    """Whether `translate`, where it has the control `seed`, draws anything by chance with the options of this one."""

    size_multiple: int = 1
    """Heights and widths that the networks accept are multiples of this."""

    def groups(self) -> dict[str, list[nn.Module]]:
        """Which networks move together."""
        raise NotImplementedError

    def optimisers(self) -> dict[str, Adam]:
        """The published optimiser of each group."""
        return {name: Adam() for name in self.groups()}

    def steps(self, *args: Any, **batch: Any) -> Iterator[Step]:
        """Yield the steps of one batch, pictures `B C H W` in [-1, 1]; a step is taken before the next is asked for."""
        raise NotImplementedError

    def adapt_state_dict(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """What, of the state of a model that a training of this one begins from, has a place in it: all, as a rule."""
        return state

    def translate(self, *args: Any, **controls: Any) -> Tensor:
        """Turn pictures `B C H W` in [-1, 1] into their counterparts; pure, and safe to call from several threads."""
        raise NotImplementedError

    def fold_weights(self) -> None:
        """Compute once, for a copy that is only used, what `translate` would compute from the weights at each call."""


def kinds_of(method: type[Method] | Method) -> dict[str, str]:
    """Of which kind each argument of `steps` is: as it is annotated, else what it is called, or images if it must be
    given."""
    hints = get_type_hints(method.steps, include_extras=True)
    return {
        name: kind_of(hints.get(name)) or ("images" if one.default is one.empty else name)
        for name, one in inspect.signature(method.steps).parameters.items()
        if name != "self"
    }


def kind_of(annotation: Any) -> str:
    """The kind that an annotation names, or ""."""
    _, said, _ = unwrapped(annotation)
    maps = [one.map for one in said if isinstance(one, Of)]
    return next((one for one in (*maps, *said) if one in KINDS or one in maps), "")


def of_kind(method: type[Method] | Method, *wanted: str) -> tuple[str, ...]:
    """The names of what a method learns from that are of these kinds, in order."""
    return tuple(name for name, kind in kinds_of(method).items() if kind in wanted)


def inputs(method: type[Method] | Method) -> tuple[str, ...]:
    """The names of the images that a method learns from, in order: `source, target`, or `a, b`, or `image`."""
    return of_kind(method, *PICTURES)


def arguments(method: type[Method] | Method, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of a batch, pictures by their names and all else by its kind, what the method learns from, as it calls it."""
    keys = {name: name if kind in PICTURES else kind for name, kind in kinds_of(method).items()}
    return {name: batch[key] for name, key in keys.items() if key in batch}


def directions(method: type[Method] | Method, count: int = 2) -> list[tuple[DomainKey, DomainKey]]:
    """From which domain to which other a method translates, the usual direction first; of `count` domains."""
    if of_kind(method, "domain"):
        return list(permutations(range(count), 2))
    source, target, *_ = (*inputs(method), "", "")
    known: list[tuple[DomainKey, DomainKey]] = list(method.directions)
    return known or [(source, target)]


def domains(method: type[Method] | Method, count: int = 2) -> list[DomainKey]:
    """What a method calls the domains that it translates between, in order; of `count` domains."""
    return list(dict.fromkeys(name for direction in directions(method, count) for name in direction))


def label_inputs(method: type[Method] | Method) -> tuple[str, ...]:
    """The names of those inputs that must be label maps."""
    return of_kind(method, "labels")


def required(method: type[Method] | Method) -> tuple[str, ...]:
    """The names of what a method learns from that have no default."""
    parameters = inspect.signature(method.steps).parameters
    return tuple(name for name in kinds_of(method) if parameters[name].default is inspect.Parameter.empty)


def preset(method: type[Method], **defaults: Any) -> Callable[..., None]:
    """The `__init__` of `method` with other defaults, for a subclass that is the same with other options."""
    signature = inspect.signature(method.__init__)
    parameters = [p.replace(default=defaults.get(p.name, p.default)) for p in signature.parameters.values()]

    @functools.wraps(method.__init__)
    def initialise(self: Method, **options: Any) -> None:
        method.__init__(self, **{**defaults, **options})

    initialise.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return initialise


def extending(parent: type[Method]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """For an `__init__` that passes its `**options` on to that of `parent`: they are options of its own, as there."""

    def extended(initialise: Callable[..., None]) -> Callable[..., None]:
        own, theirs = (inspect.signature(function).parameters for function in (initialise, parent.__init__))
        kept = [p for p in own.values() if p.kind is not p.VAR_KEYWORD]
        passed_on = [p for name, p in theirs.items() if name not in own]
        initialise.__signature__ = inspect.Signature([*kept, *passed_on])  # type: ignore[attr-defined]
        initialise.__annotations__ = get_type_hints(parent.__init__, include_extras=True) | initialise.__annotations__
        return initialise

    return extended


def parameters(networks: Iterable[nn.Module]) -> list[nn.Parameter]:
    """The parameters of several networks, in order."""
    return [parameter for network in networks for parameter in network.parameters()]
