"""A translator is a trained method as one folder: a picture in, its counterpart of the same size out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain, groupby, islice
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor

from diptych import images, tasks
from diptych.errors import ConfigError, DataError, DiptychError, OutputError
from diptych.images import Picture
from diptych.kinds import text
from diptych.methods.method import DomainKey, Method, domains, of_kind
from diptych.model import folder as model_folder
from diptych.model.beside import map_tensors, read_map, tokens_of
from diptych.model.blending import blend, blending
from diptych.model.card import Card, Domain
from diptych.model.controls import controls_for, describe_controls, schema_for
from diptych.model.preparing import (
    MOST_OUTSIDE,
    Image,
    finished,
    first_unsound,
    kind,
    mirror_pad,
    name_of,
    open_picture,
    prepare,
    with_neighbours,
    within_range,
)
from diptych.model.tiles import translated_in_tiles
from diptych.options.controls import Control, answer, controls_of, renamed
from diptych.options.schema import complete
from diptych.runtime.device import choose_device
from diptych.runtime.precision import words
from diptych.runtime.speed import Speed
from diptych.tiling import Tiling


class Translator:
    """Translates pictures of any size with a trained method.

    method: the method, holding trained weights. card: what it is. version: which one, as `model_folder` names it; empty
    of one that was never saved. speed, device: how it runs. snap_colours: of label maps whose colours are none of the
    legend's, the nearest are taken. tiling: how large pictures are translated.
    """

    def __init__(
        self,
        method: Method,
        card: Card,
        *,
        version: str = "",
        speed: Speed | None = None,
        device: torch.device | str = "auto",
        snap_colours: bool = False,
        tiling: Tiling | None = None,
    ) -> None:
        self.card = card
        self.tiling = tiling or Tiling()
        self.version = version
        self.snap_colours = snap_colours
        self.most_outside = MOST_OUTSIDE  # the share of a picture's pixels that may lie outside the model's range
        self.device = choose_device(str(device))
        self.task = tasks.make(card.task, card.task_options)
        self.speed = (speed or Speed(bf16=False)).on(self.device)
        self.precision = words(bool(self.speed.bf16))
        self.method = method.to(self.device).eval().requires_grad_(False)

    @cached_property
    def running(self) -> Method:
        """The method as it runs; in bfloat16 it is a copy, so that what is saved has lost nothing."""
        return self.speed.for_use(self.method)

    @property
    def directions(self) -> list[tuple[str, str]]:
        """The domains that it translates from and to, by name, the usual direction first."""
        return self.card.directions

    @property
    def two_way(self) -> bool:
        """Whether it translates to more domains than one."""
        return len(self.card.targets) > 1

    @cached_property
    def own_names(self) -> dict[str, DomainKey]:
        """What the method calls its domains, by their names."""
        names = [domain.name for domain in self.card.domains]
        return dict(zip(names, domains(self.method, len(names)), strict=False))

    @property
    def answers(self) -> bool:
        """Whether it may have several answers to one picture, by its seed."""
        return self.method.stochastic and any(one.numbers_answers for one in self.controls.values())

    @cached_property
    def controls(self) -> dict[str, Control]:
        """The controls that there are, by name."""
        return controls_for(self.method, self.card)

    @cached_property
    def method_controls(self) -> set[str]:
        """The names of those that the method is given."""
        return set(controls_of(type(self.method).translate))

    @cached_property
    def task_controls(self) -> set[str]:
        """The names of those of the task, which has its say before the networks."""
        return set(controls_of(self.task.source))

    @cached_property
    def blend_controls(self) -> set[str]:
        """The names of those that say how much of a result is taken, and where."""
        return blending(self.card).keys() - self.method_controls - self.task_controls

    @property
    def examples(self) -> set[str]:
        """The controls that take a picture of the domain translated to, as an example."""
        return {name for name, one in self.controls.items() if one.kind == "picture"}

    @property
    def prompts(self) -> set[str]:
        """The controls that are words, which the method is given as tokens."""
        return {name for name, one in self.controls.items() if one.kind == "prompt"}

    @property
    def maps(self) -> set[str]:
        """The controls that are maps: each lies on the pixels of its picture."""
        return {name for name, one in self.controls.items() if one.map}

    @cached_property
    def schema(self) -> type[BaseModel]:
        """What the controls are checked against. It takes a while to make."""
        return schema_for(self.method, self.card)

    def ends(self, to: str | None = None, *, of: str | None = None) -> tuple[Domain, Domain]:
        """The domains of what goes in and comes out, as the card's."""
        return self.card.ends(to, of=of)

    def __call__(self, image: Image, *, to: str | None = None, **controls: Any) -> Picture:
        """Translate one picture: same size, the target's channels and range; alpha and file format are carried over.

        to: the name of the domain to translate to, of a model that works both ways. controls: the keyword arguments of
        the method's `translate`, and of its task; where one takes a picture or a map, an image as any other. Raises
        ConfigError for others.
        """
        image, controls = self.parted(image, controls)
        return next(self.many([image], to=to, **controls))

    def parted(self, image: Image, controls: Mapping[str, Any]) -> tuple[Image, dict[str, Any]]:
        """An image with the maps among the controls, which lie on its pixels, and the other controls."""
        maps = {name: controls[name] for name in self.maps & controls.keys() if controls[name] is not None}
        others = {name: value for name, value in controls.items() if name not in maps}
        return self.with_maps(image, maps) if maps else image, others

    def many(
        self, pictures: Iterable[Image], *, batch: int = 8, to: str | None = None, **controls: Any
    ) -> Iterator[Picture]:
        """Translate pictures in order; neighbours of one size share a batch.

        Raises OutputError, which names the picture, where the network gives NaN or infinity.
        """
        return self.named(pictures, self.checked({**controls, "to": to}), batch)

    def named(self, pictures: Iterable[Image], controls: Mapping[str, Any], batch: int) -> Iterator[Picture]:
        """`stream` with the picture's name in its OutputError."""
        names: list[str] = []

        def noted() -> Iterator[Image]:
            for image in pictures:
                names.append(name_of(image, len(names)))
                yield image

        try:
            yield from self.stream(noted(), controls, batch=batch)
        except OutputError as error:
            raise OutputError(error.reason, number=error.number, image=names[error.number]) from None

    def samples(self, image: Image, count: int, **controls: Any) -> list[Picture]:
        """Several answers to one picture, by the seed given and those after it. Raises ConfigError where it has one."""
        image, controls = self.parted(image, controls)
        self.check_several(controls)
        picture = open_picture(image, indices=self.card.source.legend is not None)
        return [self(picture, **answer(self.controls, controls, number)) for number in range(count)]

    def check_several(self, controls: Mapping[str, Any]) -> None:
        """Raises ConfigError where several answers, with these controls, would be one: two are tried on noise."""
        if not self.answers:
            raise ConfigError(f"{self.card.method} has one answer to a picture: leave samples out")
        checked = self.checked(controls)
        if self.differ(checked):
            return
        strengths = [one.name for one in self.controls.values() if one.kind == "strength"]
        helping = [f"{name}=0.5" for name in strengths if self.differ({**checked, name: 0.5})]
        remedy = f": they differ with {' or '.join(helping)}" if helping else ""
        raise ConfigError(f"every answer would be the same with these controls{remedy}")

    def differ(self, controls: Mapping[str, Any]) -> bool:
        """Whether two answers to a picture of noise, with controls as `checked` gives them, are apart."""
        source, _ = self.given_ends(controls.get("to"))
        side = max(64, self.method.size_multiple)
        noise = torch.rand(1, source.channels, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
        given = (answer(self.controls, controls, number) for number in (0, 1))
        one, other = (self.batch(noise, **each) for each in given)
        return not torch.equal(one, other)

    def stream(self, pictures: Iterable[Image], controls: Mapping[str, Any], *, batch: int = 8) -> Iterator[Picture]:
        """`many` with controls as `checked` gives them. Its OutputError has the picture's number."""
        source = self.ends(controls.get("to"))[0]
        opened = (self.opened(image, source) for image in pictures)
        pairs = (self.begun(picture, controls, number) for number, picture in enumerate(opened))
        done = 0
        for _, alike in groupby(pairs, key=lambda pair: kind(pair[1])):
            first = next(alike)
            alike = chain([first], alike)
            in_tiles = self.tiling.applies(*first[1].array.shape[:2])
            while some := list(islice(alike, 1 if in_tiles else batch)):
                seen = [shown for _, shown in some]
                own = {**controls, **self.texts_of(seen, controls)}
                try:
                    outputs = [translated_in_tiles(self, seen[0], own)] if in_tiles else self.together(seen, own)
                except OutputError as error:
                    raise OutputError(error.reason, number=done + error.number) from None
                for output, (picture, shown) in zip(outputs, some, strict=True):
                    yield self.finish(output, shown, picture, controls)
                done += len(some)

    def each(
        self, pictures: Sequence[Picture], controls: Mapping[str, Any]
    ) -> list[Picture | DiptychError | RuntimeError | MemoryError]:
        """The translations as one batch, with controls as `checked` gives them; where that fails for want of memory or
        sense, of each picture by itself, and for those that fail alone why. Raises ConfigError for a wrong control."""
        try:
            return list(self.stream(pictures, controls, batch=max(1, len(pictures))))
        except ConfigError:  # of the controls, not of a picture
            raise
        except (DiptychError, RuntimeError, MemoryError) as error:
            if len(pictures) == 1:
                return [error]
            return [made for picture in pictures for made in self.each([picture], controls)]

    def together(self, seen: list[Picture], controls: Mapping[str, Any]) -> list[Picture]:
        """Pictures of one kind as one batch, before the task finishes them."""
        source, target = self.given_ends(controls.get("to"))
        x = torch.stack([prepare(one, source) for one in seen])
        outputs = self.batch(x, **{**controls, **self.maps_of(seen)})
        return [finished(output, target) for output in outputs.cpu()]

    def begun(self, picture: Picture, controls: Mapping[str, Any], number: int) -> tuple[Picture, Picture]:
        """A user's picture, after all rounds but the last where its task asks for several, and what the networks are
        given of it. number: for errors, which of many it is."""
        if picture.prepared:
            return picture, picture
        *before, last = self.task.rounds(picture, **self.of_task(picture, controls))
        try:
            for own in before:
                picture = next(self.stream([picture], {**controls, **own}))
        except OutputError as error:
            raise OutputError(error.reason, number=number) from None
        return picture, self.given(picture, {**controls, **last})

    def given(self, picture: Picture, controls: Mapping[str, Any]) -> Picture:
        """What the networks are given of a user's picture, by the task; a source of a pair is so already."""
        if picture.prepared:
            return picture
        source, target = self.ends(controls.get("to"))
        if self.task.channels(source.channels, target.channels)[0] != source.channels:  # the task counts on those
            picture = replace(picture, array=images.match_channels(picture.array, source.channels))
        return self.task.source(picture, **self.of_task(picture, controls))

    def finish(self, output: Picture, shown: Picture, picture: Picture, controls: Mapping[str, Any]) -> Picture:
        """What the user gets: of the task's result as much, and there, as the controls say."""
        result = self.task.finish(output, shown, picture.own)
        if picture.prepared or not self.blend_controls:
            return result
        to = controls.get("to")
        if self.given_ends(to)[0].channels < self.ends(to)[0].channels:  # a grey picture has colours then
            picture = replace(picture, array=images.match_channels(picture.array, result.array.shape[2]))
        own = {name: value for name, value in controls.items() if name in self.blend_controls}
        return blend((picture, result), **{**own, **{name: one for name, one in picture.maps.items() if name in own}})

    def of_task(self, picture: Picture, controls: Mapping[str, Any]) -> dict[str, Any]:
        """The controls that are the task's, with the maps of this picture."""
        own = {name: value for name, value in controls.items() if name in self.task_controls}
        return {**own, **{name: one for name, one in picture.maps.items() if name in own}}

    def of_method(self, controls: Mapping[str, Any]) -> dict[str, Any]:
        """The controls that are the method's; domains as it calls them."""
        own = {name: value for name, value in controls.items() if name in self.method_controls}
        for name in own.keys() & {name for name, one in self.controls.items() if one.kind == "domain"}:
            own[name] = self.own_names.get(str(own[name]), own[name])
        return own

    def given_ends(self, to: str | None = None) -> tuple[Domain, Domain]:
        """`ends` with the channels that the networks have, where the task makes others of a user's pictures."""
        source, target = self.ends(to)
        channels = self.task.channels(source.channels, target.channels)
        both = zip((source, target), channels, strict=True)
        first, second = (domain.model_copy(update={"channels": count}) for domain, count in both)
        return first, second

    def opened(self, image: Image, side: Domain, name: str = "") -> Picture:
        """An image as a picture of `side`: of label maps their ids. Raises DataError or ConfigError.

        name: for messages, of an image that is no path.
        """
        picture = open_picture(image, indices=side.legend is not None)
        try:
            if side.legend is None:
                return self.spanned(within_range(with_neighbours(picture, side), side, self.most_outside))
            ids = side.legend.read(picture, snap=self.snap_colours)
        except DataError as error:
            name = str(image) if isinstance(image, str | PathLike) else name
            raise DataError(f"{name or ('the label map' if side.legend else 'the picture')} {error}") from None
        if picture.ids:  # looked at before
            return ids
        notes = []
        if unseen := side.legend.unseen(ids.array):
            notes.append(f"no training picture showed {', '.join(unseen)}: it is guessed")
        if side.legend.edges and "instances" not in ids.maps:
            notes.append("no map of instances is given: no borders are drawn between things of one class")
        return replace(ids, notes=(*ids.notes, *notes))

    def spanned(self, picture: Picture) -> Picture:
        """A picture with what is black and white in it, where it holds numbers of the kind that the model knows."""
        side = self.card.source
        same = picture.array.dtype == side.dtype and side.legend is None
        return replace(picture, span=(side.low, side.high)) if same else picture

    def with_maps(self, image: Image, maps: Mapping[str, Image]) -> Picture:
        """A picture together with maps of its size, by the names of their controls. Raises DataError or ConfigError."""
        picture = open_picture(image, indices=self.card.source.legend is not None)
        known = {one.name: one for one in describe_controls(self.method, self.card)}
        if unknown := sorted(maps.keys() - known.keys()):
            raise ConfigError(f"this model takes no {unknown[0]}: leave it out")
        read = {name: read_map(known[name], one, picture) for name, one in maps.items()}
        return replace(picture, maps={**picture.maps, **read})

    def maps_of(self, pictures: list[Picture]) -> dict[str, Tensor]:
        """The maps that go with a batch, for a method that asks for them, by the names of its controls."""
        return map_tensors([self.controls[name] for name in self.maps & self.method_controls], pictures)

    def texts_of(self, pictures: list[Picture], controls: Mapping[str, Any]) -> dict[str, Tensor]:
        """The texts that the images of a batch have, for a method that learned from such, where no other is given."""
        if not all(picture.text for picture in pictures):
            return {}
        learned = [name for name in of_kind(self.method, "text") if name in self.prompts]  # not a negative prompt, say
        own = text.tokens([picture.text for picture in pictures]).to(self.device)
        return {name: own for name in learned if controls.get(name) is None}

    def batch(self, pictures: Tensor, **controls: Any) -> Tensor:
        """Translate a batch `B C H W` in [-1, 1], of any height and width; controls as `checked` gives them.

        Raises OutputError where the network gives NaN or infinity: it waits for the device once.
        """
        controls = self.of_method(controls)
        height, width = pictures.shape[-2:]
        padded = mirror_pad(pictures.to(self.device), self.method.size_multiple)
        for name in self.maps & controls.keys():
            if controls[name] is not None:
                controls[name] = mirror_pad(controls[name].to(self.device), self.method.size_multiple)
        with torch.inference_mode(), self.speed.precision(self.device):
            outputs = self.running.translate(self.speed.layout(padded), **controls)
        top, left = (padded.shape[-2] - height) // 2, (padded.shape[-1] - width) // 2
        outputs = outputs[..., top : top + height, left : left + width].float()
        self.refuse_unsound(outputs)
        return outputs

    def refuse_unsound(self, outputs: Tensor) -> None:
        """Raises OutputError for a batch with NaN or infinity in it: black pixels would come of them."""
        number = first_unsound(outputs)
        if number is None:
            return
        remedy = "take an earlier model of its training, or convert it anew"
        if self.speed.bf16:
            remedy = f"try it in float32 (without --bf16); where that does not help, {remedy}"
        model = f"{self.card.title()}{f', version {self.version}' if self.version else ''}"
        raise OutputError(f"the network gives NaN or infinity, and no picture ({model}): {remedy}", number=number)

    def checked(self, controls: Mapping[str, Any]) -> dict[str, Any]:
        """The controls as the method has them: completed, domains by name, example pictures as tensors.

        `to` may be given for every model. Raises ConfigError that names all that is wrong.
        """
        given, known = renamed(self.controls, controls), self.controls
        side = self.ends(given.pop("to", None))[1]
        if maps := [name for name in sorted(self.maps) if given.get(name) is not None]:
            raise ConfigError(f"{maps[0]} lies on the pixels of one picture: give it with each, by with_maps")
        for name in [name for name in self.examples if given.get(name) is not None]:
            if not isinstance(given[name], Tensor):
                example = prepare(self.opened(given[name], side), side)
                given[name] = mirror_pad(example[None], self.method.size_multiple)
            given[name] = given[name].to(self.device)
        for name in [name for name in self.prompts if isinstance(given.get(name), str)]:
            tokens = tokens_of(name, given[name])
            given[name] = tokens if tokens is None else tokens.to(self.device)
        completed, faults = complete(self.schema, given)
        if faults:
            raise ConfigError("\n".join(faults))
        return completed | {name: side.name for name, one in known.items() if one.kind == "domain"}

    def save(
        self,
        folder: str | PathLike[str],
        *,
        everything: bool = False,
        preview: np.ndarray | None = None,
        examples: Sequence[Picture] = (),
    ) -> Path:
        """Write the translator folder; it takes the place of an older one only when it is complete.

        everything: also write what only training needs, such as the discriminator. preview: a picture `H W 3`.
        examples: what others can try it on.
        Raises ModelError when something else is at `folder`, StorageError when it cannot be written.
        """
        return model_folder.write(
            Path(folder), self.method, self.card, everything=everything, preview=preview, examples=examples
        )

    @classmethod
    def load(
        cls,
        folder: str | PathLike[str],
        *,
        speed: Speed | None = None,
        device: torch.device | str = "auto",
        snap_colours: bool = False,
        tiling: Tiling | None = None,
    ) -> Translator:
        """Load a translator folder, the one in a run folder, or a ready model by its name; nothing in it is executed.

        Raises ModelError when it is incomplete, of a newer version, or changed by as much as a bit.
        """
        method, card, version = model_folder.load(folder)
        if card.parts:
            from diptych.model.chain import Chain  # it is made of these

            cls = Chain
        return cls(method, card, version=version, speed=speed, device=device, snap_colours=snap_colours, tiling=tiling)
