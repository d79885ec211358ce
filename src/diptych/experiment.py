"""A method with its data and its training in one object, for a notebook or a script.

model = Pix2Pix("facades/", direction="b2a")
model.train(epochs=20)
model.translate("sketch.png").save("photo.png")
model.save("facades-model")

model = CycleGAN("horse", "zebra")
model.train(epochs=100)
model.translate_horse_to_zebra("horse.jpg").save("zebra.png")
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

from diptych.errors import ConfigError, ModelError
from diptych.evaluation.command import evaluate_folder
from diptych.evaluation.evaluate import Evaluation
from diptych.images import Picture
from diptych.methods import find
from diptych.model.preparing import Image
from diptych.model.translator import Translator
from diptych.options.recipes import named, renamed
from diptych.options.schema import defaults, unknown
from diptych.runtime.speed import Speed
from diptych.training.recipe import Train, sections
from diptych.training.run import train
from diptych.training.stabilizers import Stabilizers


class Model:
    """A method to be trained on a folder of pictures, and used.

    folder: the pictures (see `diptych data check`); or those of one domain, and in `other` those of the other. out: the
    run folder, by default `runs/METHOD-FOLDER`. task: what a pair is, as "colorize". options: those of the method, of
    the task and of the data, by their names alone: `direction="b2a", size=128, width=32`. Where two know a name the
    section says which: `method={"flip": True}`. Raises ConfigError for an option that does not exist, or is not one
    alone.

    `translate_horse_to_zebra(image)`, with the names of the model's own domains, is `translate(image, to="zebra")`.
    """

    method: ClassVar[str]

    def __init__(
        self,
        folder: str | PathLike[str],
        other: str | PathLike[str] | None = None,
        *,
        out: str | PathLike[str] | None = None,
        task: str = "pairs",
        **options: Any,
    ) -> None:
        folders = [Path(folder)] if other is None else [Path(folder), Path(other)]
        names = [place.resolve().name for place in folders]
        self.places = dict(zip(("folder",) if other is None else ("a", "b"), map(str, folders), strict=True))
        self.out = Path(out) if out else Path("runs") / "-".join([self.method, *names])
        known = sections(self.method, task)
        self.sections = sort_options(options, {name: known[name] for name in ("method", "task", "data")})
        self.task = {"name": task, **self.sections.pop("task")}
        self.loaded: Translator | None = None

    def train(self, **options: Any) -> Path:
        """Train and return the run folder; options are those of training, speed and steadiness (`epochs=20, batch=8,
        bf16=False, r1=10`).

        A run that was interrupted goes on. Raises a DiptychError as `diptych train` does.
        """
        training = {"train": Train, "speed": Speed, "stabilizers": Stabilizers}
        given: dict[str, Any] = {
            "method": {"name": self.method},
            "task": self.task,
            "data": dict(self.places),
            **{s: {} for s in training},
        }
        for chosen in (self.sections, sort_options(renamed(options), training)):
            for section, some in chosen.items():
                given[section].update(some)
        self.loaded = None
        return train(given, self.out)

    @property
    def translator(self) -> Translator:
        """The trained translator. Raises ModelError before training."""
        if self.loaded is None:
            try:
                self.loaded = Translator.load(self.out)
            except ModelError:
                raise ModelError(f"there is no trained model in {self.out} yet: call train() first") from None
        return self.loaded

    def translate(self, image: Image, **controls: Any) -> Picture:
        """Translate one picture: a path, an array, a Pillow image or a Picture; `to` the domain of that name."""
        return self.translator(image, **controls)

    def __getattr__(self, name: str) -> Callable[..., Picture]:
        if match := re.fullmatch("translate_(.+)_to_(.+)", name):
            for source, target in self.translator.directions:
                if match.groups() == (word(source), word(target)):
                    return partial(self.translate, to=target)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def evaluate(
        self,
        split: str = "test",
        *,
        to: str | None = None,
        samples: int = 1,
        size: int | str | None = None,
        reader: str | PathLike[str] | None = None,
    ) -> Evaluation:
        """Score the model on one split, as pairs or as sets; a report is written to the run folder.

        to: the domain to translate to. samples: answers to each picture. size: that all pictures are brought to before.
        reader: a segmenter that reads photos made of label maps.
        """
        given: dict[str, Any] = {**self.places, "split": split, "to": to, "samples": samples}
        given["kind"], given["size"] = self.sections["data"].get("kind"), size
        given["reader"] = Translator.load(reader) if reader else None
        given["direction"] = None if to else self.sections["data"].get("direction")
        return evaluate_folder(self.translator, **given, out=self.out)[0]

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write the trained translator to a folder of its own, for `Translator.load`."""
        return self.translator.save(folder)


def word(name: str) -> str:
    """A domain's name as part of a Python name."""
    return re.sub(r"\W", "_", name)


def sort_options(options: dict[str, Any], sections: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Put each option into the section that knows it; those given under a section's name stay there.

    Raises ConfigError that names all unknown ones, those that two sections know, and those given twice.
    """
    known = {section: set(defaults(function)) for section, function in sections.items()}
    sorted_ = {section: own(section, options[section]) if section in options else {} for section in sections}
    faults = [unknown(f"{section}.{name}", [f"{section}.{option}" for option in sorted(known[section])])
              for section, some in sorted_.items() for name in some if name not in known[section]]  # fmt: skip
    for name in options.keys() - sections.keys():
        match [section for section in sections if name in known[section]]:
            case []:
                faults.append(unknown(name, sorted({*sections, *chain(*known.values())})))
            case [section] if name in sorted_[section]:
                faults.append(f"{name} and {section}={{{name!r}: ...}} are both given: give one of them")
            case [section]:
                sorted_[section][name] = options[name]
            case several:
                full = " and ".join(f"{section}.{name}" for section in several)
                ways = " or ".join(f"{section}={{{name!r}: {options[name]!r}}}" for section in several)
                faults.append(f"{name} may be {full}: say which, as in {ways}")
    if faults:
        raise ConfigError("\n".join(sorted(faults)))
    return sorted_


def own(section: str, options: Any) -> dict[str, Any]:
    """The options given under a section's name. Raises ConfigError where they are none."""
    if not named(options):
        raise ConfigError(f"{section} must hold options by name, as in {section}={{'name': value}}, not {options!r}")
    return dict(options)


def facade(name: str) -> type[Model]:
    """The facade of the built-in method called `name`, as a class with the name of the method's own."""
    method = find(name)
    return type(method.__name__, (Model,), {"method": name, "__doc__": method.__doc__, "__module__": "diptych"})
