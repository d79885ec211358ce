"""The models that a server holds: each a verified copy of its own, so that a folder that changes later hurts nobody."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from diptych import images
from diptych.errors import DataError, ModelError
from diptych.export.acceleration import ACCELERATIONS
from diptych.export.running import one_way, with_seed_alone
from diptych.methods.method import Method
from diptych.model import folder as model_folder
from diptych.model import ready
from diptych.model.card import Card, Domain
from diptych.model.controls import Form
from diptych.options.controls import Control
from diptych.storage.files import atomic_folder


@dataclass(frozen=True)
class Version:
    """One version of a model: its copy, its card, and its method without weights."""

    name: str
    version: str
    folder: Path
    card: Card
    method: Method

    @cached_property
    def form(self) -> Form:
        """What its users can ask for."""
        return Form(self.method, self.card)

    def ends(self, to: object = None) -> tuple[Domain, Domain]:
        """The pictures that go in and come out on the way to the domain `to`; on the usual one where there is none."""
        return self.card.ends(to if isinstance(to, str) and to in self.card.targets else None)

    @property
    def controls(self) -> list[Control]:
        return self.form.controls

    @property
    def seed(self) -> Control | None:
        """The control that tells several answers to one picture apart."""
        return next((one for one in self.controls if one.numbers_answers), None)


def take(name: str, source: Path, place: Path, acceleration: str) -> Version:
    """Verify the model at `source` and copy it to `place/VERSION`. Raises ModelError, which names it."""
    original = model_folder.resolve(source)
    model_folder.inspect_card(original)
    version = model_folder.read_version(original)
    copy = place / version
    if not copy.exists():
        with atomic_folder(copy) as new:
            for path in sorted(original.iterdir()):
                if path.name in model_folder.OWN and path.is_file():
                    if not path.resolve().is_relative_to(original.resolve()):
                        raise ModelError(f"{path} is a link that leaves its folder: put the file itself there")
                    shutil.copyfile(path, new / path.name)
            leave_out_damaged(new, name)
    return opened(name, copy, acceleration)


def leave_out_damaged(folder: Path, name: str) -> None:
    """Remove examples that nobody could look at: a model is as good without them."""
    for path in model_folder.examples(folder):
        try:
            images.read(path)
        except DataError as error:
            logging.warning("%s is served without an example: %s", name, error)
            path.unlink()


def opened(name: str, copy: Path, acceleration: str) -> Version:
    """The version whose copy is at `copy`, with what its users can ask for. Raises ModelError where it is not whole."""
    card = model_folder.inspect_card(copy)
    method = model_folder.build(card, copy)
    if acceleration in ACCELERATIONS and ACCELERATIONS[acceleration].runtime:  # a wrong one is said by the worker
        method, card = with_seed_alone(method), one_way(card)
    return Version(name, model_folder.read_version(copy), copy, card, method)


def forget(place: Path, keep: set[str]) -> None:
    """Remove the copies of versions other than those to keep."""
    for path in place.iterdir() if place.exists() else ():
        if path.name not in keep:
            shutil.rmtree(path, ignore_errors=True)


def named(models: list[str]) -> dict[str, Path]:
    """Models as the command line gives them, `MODEL` or `NAME=MODEL`, by name: folders, also those of ready models.

    Raises ModelError for a name twice, or that is none.
    """
    found: dict[str, Path] = {}
    for given in models:
        name, equals, folder = given.partition("=")
        path = Path(folder if equals else given)
        path = ready.place_of(path) or path
        name = name if equals else path.resolve().name
        if not name or not all(letter.isalnum() or letter in "-_." for letter in name) or name.startswith("."):
            raise ModelError(
                f"{given}: {name!r} is no name for a model: give one of letters, digits and - _ ., NAME={path}"
            )
        if name in found:
            raise ModelError(f"two models would be called {name}: give one of them another name, as in other={path}")
        found[name] = path
    return found
