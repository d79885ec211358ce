"""Controls: what a user may say of a translation, read from the signature of `translate`.

The annotation of a control says all that there is to know of it: its kind, its bounds, and what it does in words, as in
`style: Annotated[Style, "a photo whose style is taken instead"] = None`. The command line, forms, the page and Python
all read that one description; none of them knows a control by its name.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Interval
from torch import Tensor

from diptych.errors import ConfigError
from diptych.options.recipes import parse, warn_of

Kind = Literal[
    "domain", "picture", "map", "prompt", "seed", "strength", "choice", "integer", "number", "switch", "text"
]
Frame = Literal["", "left", "right", "top", "bottom", "aspect"]
"""What a control says of a frame around a picture: pixels that are added beyond an edge, or the shape of the whole."""
WORDS: tuple[Kind, ...] = ("domain", "picture", "map", "prompt", "choice", "text")
"""The kinds whose value a command line gives as it is: a file's name, or words."""


@dataclass(frozen=True)
class Of:
    """In an annotation: of which kind a control is, where its type alone does not say it; map: of which kind a map is,
    by its name in `diptych.kinds`; frame: what it says of a frame around the picture; was: its former name; aside: few
    come for it."""

    kind: Kind
    map: str = ""
    was: str = ""
    frame: Frame = ""
    aside: bool = False


To = Annotated[Literal["a", "b"], Of("domain"), "the domain to translate to"]
"""The domain to translate to, of a method that works both ways."""

ToDomain = Annotated[int, Interval(ge=0), Of("domain"), "the domain to translate to"]
"""The domain to translate to, of a method that learns from any number of them: counted from 0."""

Seed = Annotated[int, Interval(ge=0, lt=2**63), Of("seed"), "another one, another answer; the same one, the same"]
"""Makes random draws repeatable."""

Style = Annotated[Tensor | None, Of("picture"), "a picture to take the style of"]
"""An image of the target domain as an example, `1 C H W` in [-1, 1], of its own size, mirrored to the size multiple."""

Instances = Annotated[Tensor | None, Of("map", "instances"), "which thing each pixel of the label map belongs to"]
"""Which thing each pixel of the input belongs to, int64 `B 1 H W`, ids below 65536."""

Mask = Annotated[Tensor | None, Of("map", "mask"), "what is meant, in white"]
"""Where something is meant, float `B 1 H W`: 1 inside, 0 outside. A task is given it as a picture, `H W 1`."""

Prompt = Annotated[Tensor | None, Of("prompt"), "what it should be like, in words"]
"""Words as a method that learns from `Texts` is given them: int64 `1 N`, or `B N` where each image has its own."""

Strength = Annotated[float, Interval(ge=0, le=1), Of("strength"), "from 0, nothing, to 1, all of it"]
"""From 0, nothing, to 1, all of it."""


@dataclass(frozen=True)
class Control:
    """One control of a translator.

    kind: what a user is shown for it; a picture is an example, a map lies on the pixels of the picture, is of the kind
    `map` in `diptych.kinds`, and has its name. choices: of a choice, the words to choose from. low, high: bounds of a
    number, where there are any. optional: whether it may be left empty. help: what it does. was: its former name.
    frame: what it says of a frame around the picture, which is dragged on the page. aside: few come for it.
    """

    name: str
    kind: Kind
    default: Any
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    optional: bool = False
    help: str = ""
    map: str = ""
    was: str = ""
    frame: Frame = ""
    aside: bool = False

    @property
    def is_file(self) -> bool:
        """Whether its value is a picture file."""
        return self.kind in ("picture", "map")

    @property
    def is_tensor(self) -> bool:
        """Whether the method is given a tensor, which a file or words become."""
        return self.is_file or self.kind == "prompt"

    @property
    def widget(self) -> str:
        """What a form shows for it: a domain is a choice, and so on; a number between bounds has a slider."""
        if self.kind == "number" and self.low is not None and self.high is not None:
            return "strength"
        return {"domain": "choice", "map": "picture", "prompt": "text"}.get(self.kind, self.kind)

    def words(self) -> str:
        """What it takes, its default, and what it does."""
        limits = () if self.kind == "seed" else (self.low, self.high)
        bounds = " to ".join(f"{bound:g}" for bound in limits if bound is not None)
        takes = {
            "picture": "a picture file",
            "map": f"a picture file, its {self.map}, or a folder of such",
            "seed": "a number",
            "switch": "true or false",
            "text": "words",
            "prompt": "words",
        }.get(self.kind, " or ".join(self.choices) or bounds or "a number")
        default = "" if self.default in (None, "") else f" ({self.default} by default)"
        return f"{takes}{default}{f': {self.help}' if self.help else ''}"

    @property
    def numbers_answers(self) -> bool:
        """Whether it is what tells several answers to one picture apart."""
        return self.kind == "seed" and not self.optional

    def read(self, word: Any) -> Any:
        """A word of a form as a value of this kind, or what is a value already; its type may refuse it still.

        Raises ConfigError.
        """
        if not isinstance(word, str):
            return word
        if self.kind == "switch":
            return {"true": True, "false": False}.get(word.lower(), word)
        if self.kind in ("seed", "integer"):
            if not re.fullmatch(r"[+-]?[0-9]{1,40}", word):
                raise ConfigError(f"{self.name} = {word[:40]!r}: give a whole number")
            return int(word)
        return word

    def read_argument(self, word: str) -> Any:
        """What a command line says of it as a value: words as they are, others as YAML. Raises ConfigError."""
        return word if self.kind in WORDS else parse(word, f"--{self.name}")


def controls_of(function: Callable[..., Any]) -> dict[str, Control]:
    """The controls that `function` has: its parameters behind the first, which is the picture. Raises ConfigError."""
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    _, *others = (parameter for parameter in parameters if parameter.name != "self")
    return {one.name: control(one.name, one.annotation, one.default) for one in others}


def answer(controls: Mapping[str, Control], given: Mapping[str, Any], number: int) -> dict[str, Any]:
    """What is given for `controls`, for the `number`-th of several answers to one picture, from 0: with the seed that
    comes so many after the one given. Raises ConfigError where there is one answer alone."""
    seed = next((one for one in controls.values() if one.numbers_answers), None)
    if seed is None and number:
        raise ConfigError("there is one answer to a picture: leave samples out")
    return {**given, seed.name: (given.get(seed.name, seed.default) + number) % 2**63} if seed else dict(given)


def renamed(controls: Mapping[str, Control], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is given for `controls`, that under a former name under today's. Raises ConfigError where both are."""
    former = {one.was: one.name for one in controls.values() if one.was}
    for old, new in former.items():
        if old in given and new in given:
            raise ConfigError(f"{old} is the former name of {new}, and both are given: leave {old} out")
        if old in given:
            warn_of(old, new)
    return {former.get(name, name): value for name, value in given.items()}


def control(name: str, annotation: Any, default: Any) -> Control:
    """The control that has this type. Raises ConfigError for a type that no form can show."""
    inner, message, optional = unwrapped(annotation)
    optional, help = optional or default is None, next((one for one in message[::-1] if isinstance(one, str)), "")
    low, high = (next((v for one in message for key in keys if (v := getattr(one, key, None)) is not None), None)
                 for keys in (("ge", "gt"), ("le", "lt")))  # fmt: skip
    if of := next((one for one in message[::-1] if isinstance(one, Of)), None):
        high = 2**63 - 1 if of.kind == "seed" else high
        said = {name: value for name, value in vars(of).items() if name != "kind"}
        return Control(name, of.kind, default, low=low, high=high, optional=optional, help=help, **said)
    if get_origin(inner) is Literal:
        return Control(name, "choice", default, tuple(map(str, get_args(inner))), optional=optional, help=help)
    kinds: dict[Any, Kind] = {bool: "switch", int: "integer", float: "number", str: "text"}
    if inner not in kinds:
        raise ConfigError(
            f"the control {name} is of the type {annotation}, which no form can show: make it a picture (Style), a "
            f"Literal, bool, int, float or str, or one of these or None"
        )
    return Control(name, kinds[inner], default, low=low, high=high, optional=optional, help=help)


def unwrapped(annotation: Any) -> tuple[Any, list[Any], bool]:
    """The type inside `Annotated` and `X | None`, all that is said of it, what is farthest out last, and whether it may
    be None."""
    if get_origin(annotation) is Annotated:
        inner, *message = get_args(annotation)
        type_, within, optional = unwrapped(inner)
        return type_, [*within, *message], optional
    if get_origin(annotation) in (Union, UnionType):
        inner = next(option for option in get_args(annotation) if option is not NoneType)
        type_, within, _ = unwrapped(inner)
        return type_, within, NoneType in get_args(annotation)
    return annotation, [], False
