"""Ready models: translator folders that come with this package, or with one that announces them, used by their names.

Each folder here is one. Another installed package announces its own as entry points of the group `diptych.models`, with
the place of the folder in that package: `moths = "my_models.moths"`. Nothing of that package is imported.

A name means what is on the disk, if there is something of that name where the user is; `ready:NAME` means the ready
model in any case, and a path with a folder in it, such as `runs/NAME`, never does.
"""

from __future__ import annotations

import difflib
from importlib.util import find_spec
from pathlib import Path

from diptych.errors import ModelError
from diptych.options import plugins

GROUP = "diptych.models"
MARK = "ready:"
CARD = "card.json"
HERE = Path(__file__).parent


def folders() -> dict[str, Path]:
    """Where each ready model is, by name; nothing is opened. Where two packages have one name, ours counts."""
    ours = {path.parent.name: path.parent for path in sorted(HERE.glob(f"*/{CARD}"))}
    others = {name: _inside(value) for name, value in sorted(plugins.announced(GROUP).items())}
    return {name: place for name, place in others.items() if place} | ours


def place_of(given: Path) -> Path | None:
    """The folder of the ready model that `given` means; None where it means something on the disk, or nothing.

    Raises ModelError for `ready:NAME` where there is none.
    """
    name = str(given)
    if not name.startswith(MARK):
        return None if len(given.parts) != 1 or given.exists() else folders().get(name)
    known = folders()
    if (name := name.removeprefix(MARK)) not in known:
        raise ModelError(f"there is no ready model {name!r}; {_near(name, known)}")
    return known[name]


def remark(given: Path) -> str:
    """What there is to say of ready models where `given` is no translator on the disk; nothing of longer paths."""
    name, known = str(given), folders()
    if len(given.parts) != 1 or not known:
        return ""
    if name in known:
        return f"; the ready model of this name is {MARK}{name}"
    return f"; nor is it a ready model's name: {_near(name, known)}"


def homonym(given: Path) -> str:
    """A note that a model on the disk has a ready model's name, and is what is meant; or nothing."""
    here = len(given.parts) == 1 and any((given / place).exists() for place in (CARD, f"model/{CARD}"))
    if here and str(given) in folders():
        return f"{given} means the folder of that name here; the ready model is {MARK}{given}"
    return ""


def is_ready(folder: Path) -> bool:
    """Whether the translator folder is a ready model, which belongs to the package that brought it."""
    return folder.resolve() in {place.resolve() for place in folders().values()}


def _near(name: str, known: dict[str, Path]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}"


def _inside(value: str) -> Path | None:
    """The folder `my_models.moths`, in the installed package my_models, which is not imported."""
    package, _, rest = value.partition(".")
    spec = find_spec(package)
    roots = (spec and spec.submodule_search_locations) or ()
    places = (Path(root).joinpath(*rest.split(".")) for root in roots)
    return next((place for place in places if (place / CARD).is_file()), None)
