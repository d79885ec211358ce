"""A folder of results that another program made, in the place of a translator: each is found by its source's name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from diptych import images
from diptych.data.dataset import Data
from diptych.errors import ConfigError, DataError
from diptych.images import Picture, listing

NAME = "{name}"


class Results:
    """The images of a folder, by the names of the sources that they were made of.

    place: the folder. named: what a result of the source NAME is called, without a suffix, as "{name}_fake_B".
    """

    device = torch.device("cpu")
    precision = "another program"
    two_way = False

    def __init__(self, place: Path, named: str = NAME) -> None:
        if NAME not in named:
            raise ConfigError(f"named = {named!r}: say with {NAME} where the source's name stands, as in {NAME}_fake_B")
        self.place, self.pattern = place, named
        self.files: dict[str, Path] = {}
        for path in sorted(entry.path for entry in listing.walk(place) if not entry.kind):
            name = (path.relative_to(place).parent / images.stem(path)).as_posix()
            if other := self.files.get(name):
                raise DataError(f"{other} and {path.name} are both {name}: leave one of them in the folder")
            self.files[name] = path
        if not self.files:
            raise DataError(f"{place} holds no pictures: name the folder of the results")
        self.data: Data | None = None

    def fit(self, data: Data, sources: Iterable[str]) -> None:
        """Take results as those of this data's sources. Raises DataError where one of them has none."""
        self.data = data
        missing = [name for name in sources if self.pattern.replace(NAME, name) not in self.files]
        if missing:
            there = ", ".join(sorted(self.files)[:3])
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            wanted = self.pattern.replace(NAME, missing[0])
            raise DataError(
                f"{self.place} has no {wanted} for the source {missing[0]}{more}; there are {there} ...: say by "
                f"--named what results are called, as in {NAME}_fake_B, and by --split which sources they are of"
            )

    def of(self, names: Sequence[str]) -> list[Picture]:
        """The results of sources, as their targets are: in channels, and at the size that the data are brought to."""
        return [self.read(self.files[self.pattern.replace(NAME, name)]) for name in names]

    def read(self, path: Path) -> Picture:
        assert self.data is not None
        legend, channels = self.data.legends[1], self.data.channels[1]
        picture = images.read(path, limit_mp=self.data.read.limit_mp, indices=legend is not None)
        if legend:
            try:
                picture = legend.read(picture, snap=self.data.read.snap)
            except DataError as error:
                raise DataError(f"{path} {error}") from None
        else:
            picture = replace(picture, array=images.match_channels(images.filled(picture.array), channels))
        size = self.data.shown or picture.array.shape[:2]
        return replace(picture, array=images.resize(picture.array, *size, nearest=picture.ids))


def holds_results(place: Path) -> bool:
    """Whether a folder is one of pictures, and no model or run."""
    known = ("card.json", "recipe.yaml", "model")
    return place.is_dir() and not any((place / name).exists() for name in known)
