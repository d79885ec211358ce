"""The controls of a translator as data: what a form, an API or a page shows is read from `translate`'s signature."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from diptych.errors import ConfigError
from diptych.methods.method import Instances, Method, Seed, Strength, Style, To
from diptych.model.card import Card
from diptych.options.recipes import parse
from diptych.options.schema import complete, schema

Kind = Literal["picture", "seed", "strength", "choice", "integer", "number", "switch", "text"]
WORDS: tuple[Kind, ...] = ("picture", "choice", "text")
"""The kinds whose value a command line gives as it is: a file's name, or words."""


@dataclass(frozen=True)
class Control:
    """One control of a translator.

    kind: what a user is shown for it; a picture is an example, or a map of instances. choices: of a choice, the words
    to choose from. low, high: bounds of a number, where there are any. optional: whether it may be left empty.
    help: what the method's docstring says of it.
    """

    name: str
    kind: Kind
    default: Any
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    optional: bool = False
    help: str = ""


def describe_controls(method: Method, card: Card) -> list[Control]:
    """The controls of `method` that have a meaning for the model with that card, in the signature's order.

    Domains go by their names, and are no choice where there is one way. A method that draws nothing by chance has one
    look: no seed, and no example of another. The method may be without weights, as `model_folder.build` makes it.
    """
    said = inspect.getdoc(method.translate) or ""
    controls = []
    for name, parameter in inspect.signature(method.translate, eval_str=True).parameters.items():
        if name in ("self", "x") or (not method.stochastic and parameter.annotation in (Seed, Style, Strength)):
            continue
        if parameter.annotation == To:
            names = {"a": card.source.name, "b": card.target.name}
            ways = tuple(names[way] for way in card.ways)
            if len(ways) > 1:
                default = card.target.name if "b" in card.ways else ways[0]
                controls.append(Control(name, "choice", default, ways, help="the domain to translate to"))
            continue
        if parameter.annotation == Instances and card.source.legend is None:
            continue
        controls.append(control(name, parameter.annotation, parameter.default, explained(name, said)))
    return controls


def control(name: str, annotation: Any, default: Any, said: str) -> Control:
    """The control that has this type."""
    if annotation in (Style, Instances):
        return Control(name, "picture", None, optional=True, help=said)
    if annotation == Seed:
        return Control(name, "seed", default, low=0, high=2**63 - 1, help=said)
    if annotation == Strength:
        return Control(name, "strength", default, low=0, high=1, help=said)
    inner, low, high, optional = unwrapped(annotation)
    if get_origin(inner) is Literal:
        return Control(name, "choice", default, tuple(map(str, get_args(inner))), optional=optional, help=said)
    kinds: dict[Any, Kind] = {bool: "switch", int: "integer", float: "number", str: "text"}
    if inner not in kinds:
        raise ConfigError(
            f"the control {name} is of the type {annotation}, which no form can show: make it a picture (Style), a "
            f"Literal, bool, int, float or str, or one of these or None"
        )
    return Control(name, kinds[inner], default, low=low, high=high, optional=optional, help=said)


def unwrapped(annotation: Any) -> tuple[Any, float | None, float | None, bool]:
    """The type inside `Annotated` and `X | None`, its bounds, and whether it may be None."""
    low, high, optional = None, None, False
    while True:
        if get_origin(annotation) in (Union, UnionType):
            optional = True
            annotation = next(option for option in get_args(annotation) if option is not NoneType)
        elif get_origin(annotation) is Annotated:
            annotation, *bounds = get_args(annotation)
            for bound in bounds:
                low = next((v for key in ("ge", "gt") if (v := getattr(bound, key, None)) is not None), low)
                high = next((v for key in ("le", "lt") if (v := getattr(bound, key, None)) is not None), high)
        else:
            return annotation, low, high, optional


def explained(name: str, docstring: str) -> str:
    """What a docstring's paragraph `name: ...` says."""
    text = " ".join(docstring.split())
    found = re.search(rf"(?:^|[.;] |, ){name}: (.*?)(?=\. \w+(?:, \w+)*: |$)", text)
    return found[1].rstrip(".") if found else ""


def read_word(name: str, word: Any, kind: Kind) -> Any:
    """A word of a form as a value of that kind, or what is a value already; its type may refuse it still.

    Raises ConfigError.
    """
    if not isinstance(word, str):
        return word
    if kind == "switch":
        return {"true": True, "false": False}.get(word.lower(), word)
    if kind in ("seed", "integer"):
        if not re.fullmatch(r"[+-]?[0-9]{1,40}", word):
            raise ConfigError(f"{name} = {word[:40]!r}: give a whole number")
        return int(word)
    return word


def read_words(annotations: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    """What a command line says of controls with these types, as values: of words themselves, of others as YAML.

    Raises ConfigError for what is not YAML; what is no control, or does not suit its type, is refused elsewhere.
    """
    return {
        name: word if name == "to" or kind_of(name, annotations.get(name, str)) in WORDS else parse(word, f"--{name}")
        for name, word in words.items()
    }


def kind_of(name: str, annotation: Any) -> Kind:
    """The kind of the control that has this type. Raises ConfigError."""
    return control(name, annotation, None, "").kind


class Form:
    """The controls of a model as its users fill them in; making one takes a while, reading does not.

    method, card: the model's; the method may be without weights.
    """

    def __init__(self, method: Method, card: Card) -> None:
        self.controls = describe_controls(method, card)
        self.schema = schema(method.translate, without=("self", "x", "to"))
        self.ways, self.letters = [{"a": card.source.name, "b": card.target.name}[way] for way in card.ways], card.ways

    def read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Controls as words of a form made to their types, those of pictures as they are; bounds are checked.

        `to` may be given for every model. Raises ConfigError that names all that is wrong.
        """
        known = {one.name: one.kind for one in self.controls}
        read = {name: value for name, value in given.items() if name != "to" and known.get(name) != "picture"}
        unread = []
        for name in known.keys() & read.keys():
            try:
                read[name] = read_word(name, read[name], known[name])
            except ConfigError as error:
                unread.append(str(error))
                del read[name]
        completed, faults = complete(self.schema, read)
        faults = sorted(unread) + faults
        if given.get("to") is not None and given["to"] not in (*self.ways, *self.letters):
            faults.append(f"to = {given['to']!r}: the model translates to {' or '.join(self.ways)}")
        if faults:
            raise ConfigError("\n".join(faults))
        return {**{name: completed[name] for name in read}, **{n: v for n, v in given.items() if n not in read}}
