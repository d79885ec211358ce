"""The controls of a model: those of its method and of its domains, and what its users give for them, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from diptych import tasks
from diptych.errors import ConfigError
from diptych.methods.method import Method
from diptych.model.blending import blend, blending
from diptych.model.card import Card
from diptych.model.chained import Chained
from diptych.options.controls import Control, Instances, control, controls_of, renamed
from diptych.options.schema import complete, schema


def controls_for(method: Method, card: Card) -> dict[str, Control]:
    """All controls that there may be, by name: the method's, its task's, and the map that the source's legend takes."""
    if card.parts:
        return {name: replace(one, name=name) for name, (_, one) in joined(method, card).items()}
    edges = card.source.legend is not None and card.source.legend.edges
    of_source = {"instances": control("instances", Instances, None)} if edges else {}
    own = {**controls_of(type(method).translate), **controls_of(tasks.find(card.task).source)}
    return {**of_source, **own, **{name: one for name, one in blending(card).items() if name not in own}}


def joined(method: Method, card: Card) -> dict[str, tuple[int, Control]]:
    """The controls of a chain by name: of which part each is, and what it is there.

    Of a name that several have, the later ones have the number of their part behind it. Maps and frames lie on
    the pixels of the first part's picture; the others work in their usual direction, and on whole pictures.
    """
    assert isinstance(method, Chained)
    found: dict[str, tuple[int, Control]] = {}
    for number, (part, about) in enumerate(zip(method.parts, card.parts, strict=True)):
        for one in describe_controls(part, about):
            if one.kind == "domain" or one.name in blending(about) or (number and one.kind == "map"):
                continue
            own = replace(one, frame="") if number else one
            found[one.name if one.name not in found else f"{one.name}_{number + 1}"] = number, own
    return found


def schema_for(method: Method, card: Card) -> type[BaseModel]:
    """What the controls are checked against; `to` is none of them. It takes a while to make."""
    if card.parts:
        assert isinstance(method, Chained)
        each = [schema_for(part, about).model_fields for part, about in zip(method.parts, card.parts, strict=True)]
        fields = {name: each[part][one.name] for name, (part, one) in joined(method, card).items()}
        config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
        found: dict[str, Any] = {name: (field.annotation, field) for name, field in fields.items()}
        return create_model("chain", __config__=config, **found)
    functions = blend, tasks.find(card.task).source, method.translate
    unknown = () if blending(card) else tuple(controls_of(blend))
    own = {name for function in functions[1:] for name in controls_of(function)}
    without = {"self", "x", "image", "both", "to", *(set(unknown) - own)}
    return schema(*functions, without=tuple(without))


def describe_controls(method: Method, card: Card) -> list[Control]:
    """The controls that have a meaning for the model with that card, in order.

    Domains go by their names, and are no choice where there is one way. A method that draws nothing by chance has one
    look: no seed, and no example of another. The method may be without weights, as `model_folder.build` makes it.
    """
    if card.parts:
        return list(controls_for(method, card).values())
    meaningless = set() if method.stochastic else {"seed", "picture", "strength"}
    if len(card.targets) < 2:
        meaningless.add("domain")
    maps = {"instances"} if card.source.legend is None else set()
    everywhere = set(blending(card)) - set(controls_of(method.translate))
    return [
        replace(one, default=card.targets[0], choices=tuple(card.targets)) if one.kind == "domain" else one
        for one in controls_for(method, card).values()
        if one.name in everywhere or (one.kind not in meaningless and one.map not in maps)
    ]


class Form:
    """The controls of a model as its users fill them in; making one takes a while, reading does not.

    method, card: the model's; the method may be without weights.
    """

    def __init__(self, method: Method, card: Card) -> None:
        self.controls = describe_controls(method, card)
        self.schema = schema_for(method, card)
        self.targets = card.targets

    def read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Controls as words of a form made to their types, files as they are; bounds are checked.

        `to` may be given for every model. Raises ConfigError that names all that is wrong.
        """
        known = {one.name: one for one in self.controls}
        given = renamed(known, given)
        read = {
            name: value
            for name, value in given.items()
            if name != "to" and not (name in known and known[name].is_tensor)
        }
        unread = []
        for name in known.keys() & read.keys():
            try:
                read[name] = known[name].read(read[name])
            except ConfigError as error:
                unread.append(str(error))
                del read[name]
        completed, faults = complete(self.schema, read)
        faults = sorted(unread) + faults
        if given.get("to") is not None and given["to"] not in self.targets:
            faults.append(f"to = {given['to']!r}: the model translates to {' or '.join(self.targets)}")
        if faults:
            raise ConfigError("\n".join(faults))
        return {**{name: completed[name] for name in read}, **{n: v for n, v in given.items() if n not in read}}
