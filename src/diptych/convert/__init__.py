"""Other projects' checkpoints become translator folders, and translators go back; no option is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor, nn

from diptych.convert import adain, bicyclegan, cut, fast_neural_style, junyanz, munit, pix2pixhd, spade, states
from diptych.convert.opening import SUFFIXES, Content, networks
from diptych.errors import ConfigError, ModelError
from diptych.images.legend import Legend
from diptych.methods.method import Method, directions, inputs, label_inputs
from diptych.model.card import Card, Domain, between
from diptych.model.folder import CARD, TRAINING, WEIGHTS, inspect_card, load_method, resolve, split_state
from diptych.model.translator import Translator
from diptych.storage.files import atomic


class Layout(Protocol):
    """What a module of this package knows of one project's checkpoints."""

    FAMILIES: str
    """Its networks, in words that follow «known are those»."""
    METHODS: tuple[str, ...]
    """Names of the methods that it can hold."""

    def networks(self, content: Mapping[str, Any]) -> dict[str, nn.Module]:
        """The networks in one file: `{"": network}`, or several by name. Raises ModelError when it knows none."""

    def assemble(self, files: Mapping[str, dict[str, nn.Module]]) -> tuple[Method, dict[str, Any], tuple[str, ...]]:
        """The method that networks make, by the stems of their files, without parts that none of them is; its options;
        and the names of those missing parts that translation needs. Raises ModelError when they do not belong together.
        """

    def state_dicts(self, method: Method) -> dict[str, Mapping[str, Any]]:
        """The names and contents of the files that hold `method`, less those of parts that it has not."""


LAYOUTS: dict[str, Layout] = {
    "junyanz": junyanz,
    "cut": cut,
    "munit": munit,
    "bicyclegan": bicyclegan,
    "pix2pixhd": pix2pixhd,
    "spade": spade,
    "fast_neural_style": fast_neural_style,
    "adain": adain,
}
"""Tried in turn: the first that knows all files of a model is its layout."""


def convert(
    files: Sequence[str | PathLike[str]],
    out: str | PathLike[str],
    *,
    legend: Legend | None = None,
    names: tuple[str, str] | None = None,
) -> Path:
    """Make the translator folder `out` from all files of one model, or from some of them, in any order.

    files: state dicts as `torch.save` (.pth, .pt, .ckpt) or safetensors wrote them, alone, or several in what a
    training saved; the content decides, not the suffix. The networks are recognised by their
    keys and shapes; file names only tell those apart that are alike, as G_A and G_B. Discriminators are kept beside
    the translator, for further training. Where a generator is missing, the translator works one way only.
    legend: what label maps mean, which files do not say; without it each plane is a class, 0, 1 ... With one plane more
    than it has classes, the last is that of borders between things. names: of the source's and of the target's domain;
    without them they are called as the method calls its inputs.

    Raises ModelError when a file is damaged, holds more than tensors, or is not recognised, and when the networks do
    not belong together; also when something is at `out`, other than an empty folder.
    """
    out = Path(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ModelError(f"{out} exists, and nothing is overwritten: choose another --out, or remove it")
    method, options, absent = assemble(opened(files))
    source, target = inputs(method)
    domains = {
        name: side(method, name, options, legend, called=names and names[number])
        for number, name in enumerate((source, target))
    }
    ways = [(str(one), str(other)) for one, other in directions(method)]
    there = [way for way in ways if not set(method.directions.get(way, ())) & set(absent)]
    card = Card(
        method=type(method).__module__.rpartition(".")[2],
        options=options,
        **between(domains, there or [(source, target)]),
        data={"imported from": ", ".join(Path(file).name for file in files)},
    )
    return Translator(method, card, device="cpu").save(out, everything=bool(split_state(method)[1]))


def side(
    method: Method, name: str, options: Mapping[str, Any], legend: Legend | None, *, called: str | None = None
) -> Domain:
    """One side of an imported method. Raises ModelError for a legend with other classes than its label maps have."""
    count = options[f"{name}_channels"]
    if name not in label_inputs(method):
        return Domain(name=called or name, channels=count)
    legend = legend or Legend.numbered(range(count))
    legend = legend.model_copy(update={"edges": count == len(legend.known) + 1})
    if legend.channels != count:
        raise ModelError(f"the legend has {len(legend.known)} classes, the files' label maps have {count} channels")
    return Domain(name=called or name, channels=count, legend=legend)


def opened(files: Iterable[str | PathLike[str]]) -> dict[Path, Content]:
    """The networks in all files. Raises ModelError where two cannot be told apart."""
    found: dict[Path, Content] = {}
    for file in files:
        for path, content in open_networks(Path(file)).items():
            if path.stem in {other.stem for other in found}:
                raise ModelError("files are told apart by their names: give each another one")
            found[path] = content
    return found


def open_networks(path: Path) -> dict[Path, Content]:
    """The networks in a file, by paths that tell them apart. Raises ModelError that names it."""
    if path.is_dir():
        files = [str(file) for file in sorted(path.iterdir()) if file.suffix.lower() in SUFFIXES]
        if files and not (path / CARD).exists():
            raise ModelError(f"{path}: it is a folder: give its files, {' '.join(files)}")
        raise ModelError(
            f"{path}: it is a folder; to write it in another project's layout: --to {' or '.join(LAYOUTS)}"
        )
    return networks(path, known=lambda content: any(not isinstance(found, ModelError) for found in tried(content)))


def tried(content: Content) -> Iterator[dict[str, nn.Module] | ModelError]:
    """What each layout makes of a network's content, or what it says is wrong."""
    for layout in LAYOUTS.values():
        try:
            yield layout.networks(content)
        except ModelError as error:
            yield error


def assemble(contents: Mapping[Path, Content]) -> tuple[Method, dict[str, Any], tuple[str, ...]]:
    """What the first layout that knows all networks makes of them. Raises ModelError that says why none does."""
    made = {path: dict(zip(LAYOUTS, tried(content), strict=True)) for path, content in contents.items()}
    for name, layout in LAYOUTS.items():
        found = {path.stem: by[name] for path, by in made.items()}
        if not any(isinstance(networks, ModelError) for networks in found.values()):
            return layout.assemble(cast(dict[str, dict[str, nn.Module]], found))
    for path, by in made.items():
        faults = [fault for fault in by.values() if isinstance(fault, ModelError)]
        if len(faults) == len(by):
            raise ModelError(f"{path}: {likely(faults, contents[path])}")
    kinds = {path.name: next(name for name in by if not isinstance(by[name], ModelError)) for path, by in made.items()}
    raise ModelError(f"not one model's: {', '.join(f'{file} is of {name}' for file, name in kinds.items())}")


def likely(faults: Sequence[ModelError], content: Content) -> str:
    """What is wrong with a network that no layout knows, in the words of the one that it resembles most."""
    near = [fault for fault in faults if isinstance(fault, states.Unlike)]
    if near:
        return str(min(near, key=lambda fault: fault.faults))
    some = ", ".join(list(content)[:5])
    return (
        f"no known network has these {len(content)} keys: {some} ...; known are those of "
        f"{', '.join(LAYOUTS)}; docs/model-folder.md lists their files"
    )


def export(model: str | PathLike[str], to: str, out: str | PathLike[str]) -> list[Path]:
    """Write a translator's weights under another project's keys; return the files.

    to: a name from LAYOUTS. out: a folder, which gets files of the project's names, also of the discriminators that
    the model holds; or, where all that translates is in one file, that file (.pth, .pt or .safetensors).

    Raises ConfigError for an unknown layout, ModelError when the model has no counterpart in it or a file exists.
    """
    if to not in LAYOUTS:
        raise ConfigError(f"there is no layout {to!r} to write; there is: {', '.join(LAYOUTS)}")
    layout, out, name = LAYOUTS[to], Path(out), inspect_card(model).method
    if name not in layout.METHODS:
        raise ModelError(f"{model} was made by {name}; {to} can hold {', '.join(layout.METHODS)}")
    alone = out.suffix.lower() in SUFFIXES
    contents = layout.state_dicts(held(model, WEIGHTS) if alone else held(model, WEIGHTS, TRAINING))
    if alone and len(contents) > 1:
        raise ModelError(f"{model} makes {len(contents)} files, {', '.join(contents)}: let --out be a folder")
    files = {out if alone else out / file: content for file, content in contents.items()}
    refuse_existing(out, files)
    return [write(path, content) for path, content in files.items()]


def held(model: str | PathLike[str], *files: str) -> Method:
    """The method of a translator folder, less the parts that are in none of these files of it."""
    method, folder, names = load_method(model), resolve(Path(model)), set()
    for file in files:
        if (folder / file).exists():
            with safe_open(folder / file, "pt") as tensors:
                names |= {key.partition(".")[0] for key in tensors.keys()}  # noqa: SIM118
    states.keep(method, names)
    return method


def refuse_existing(out: Path, files: Iterable[Path]) -> None:
    """Raise ModelError when one of `files`, which are `out` or lie in it, would replace something."""
    if out.is_file() and out.suffix.lower() not in SUFFIXES:
        raise ModelError(f"{out} is a file, not a folder: choose another --out, or end it in {', '.join(SUFFIXES)}")
    if taken := [str(path) for path in files if path.exists()]:
        raise ModelError(f"{', '.join(taken)} exists, and nothing is overwritten: choose another --out, or remove it")


def is_state(content: Any) -> bool:
    """Whether `content` is a state dict."""
    return isinstance(content, dict) and all(isinstance(value, Tensor) for value in content.values())


def write(path: Path, content: Mapping[str, Any]) -> Path:
    """Write a checkpoint in the format that the file's suffix names."""
    safe = path.suffix.lower() == ".safetensors"
    if safe and not is_state(content):
        raise ModelError(f"{path}: {', '.join(content)} are state dicts of their own, which only .pt and .pth can hold")
    with atomic(path) as file:
        if safe:
            file.write(safetensors.torch.save(dict(content)))
        else:
            torch.save(content, cast(BinaryIO, file))
    return path
