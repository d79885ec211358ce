"""Opens a folder of pictures, or two: `open_data`, whose signature is the `data:` section of a recipe."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Interval, Len
from pydantic import AfterValidator

from diptych import images, kinds, tasks
from diptych.data import compare, reach, volumes
from diptych.data.augment import Augment, Resize
from diptych.data.dataset import Data, Legends, turn
from diptych.data.directing import side_of
from diptych.data.finding import summary
from diptych.data.folders import Folder, Groups, Item, groups_by, hold_out
from diptych.data.labels import mixed, survey
from diptych.data.ranges import Policy, Range, parse, percentiles, sample
from diptych.data.reading import PairReader, SingleReader
from diptych.data.recognising import recognise
from diptych.errors import ConfigError, DataError
from diptych.images.legend import Legend
from diptych.storage import shards
from diptych.storage.fetching import sha256
from diptych.storage.prefetch import ahead
from diptych.tasks import Task

Axis = Literal["i", "j", "k", "axial", "coronal", "sagittal"]
Span = Annotated[list[float], Len(2, 2)]


def _a_size(size: int | str) -> int | str:
    """For recipes: refuses what is no size together with all other faults."""
    parse_size(size)
    return size


def open_data(
    task: Task | None = None,
    /,
    *,
    folder: str | None = None,
    a: str | None = None,
    b: str | None = None,
    direction: str = "auto",
    kind: Literal["auto", "side by side", "two folders", "one folder", "unpaired", "domains", "photos"] = "auto",
    labels: str | None = None,
    legend: str | dict[str, Any] | None = None,
    snap_colours: bool = False,
    instances: str | None = None,
    maps: dict[str, str] | None = None,
    texts: bool = False,
    style: str | None = None,
    ranges: dict[str, Span | str] | None = None,
    size: Annotated[int | str, AfterValidator(_a_size)] = 256,
    load: Annotated[int, Gt(0)] | None = None,
    resize: Resize = "square",
    flip: bool = True,
    val: Annotated[float, Interval(ge=0, lt=1)] = 0.05,
    groups: str | None = None,
    axis: Axis = "k",
    neighbours: Annotated[int, Ge(0)] = 0,
    enlarge: bool = False,
    workers: Annotated[int, Ge(0)] = 0,
    cache_gb: Annotated[float, Ge(0)] = 4.0,
    limit_mp: Annotated[float, Gt(0)] = images.LIMIT_MP,
) -> Data:
    """Open a folder of pairs, or of two or more domains of images, or a folder for each of two domains.

    task: what a pair is; by default the two images as they are given. Nothing but headers is read, except to measure
    the values of 16-bit and float pictures, and to find copies.

    Args:
        folder: pairs side by side, or two folders of pictures, by name paired or not; optionally train/, val/, test/.
        a: instead of `folder`, the folder of one kind of pictures, optionally with train/, val/, test/; it names them.
        b: the folder of the other kind.
        direction: a2b, b2a, or the names of the two folders, as photo2label; side by side, a is the left half. "auto":
            what the names tell, as input and output do; else a2b, which is said.
        kind: how the folder is laid out, where that is not recognised rightly; "unpaired": equal names mean nothing;
            "domains": each folder is one, two or more of them; "photos": each picture is for itself, whatever its shape
            or folder.
        labels: which side's pictures are label maps: source, target, or its name; a method that needs them asks for it.
        legend: what the label maps mean: a file, or its content; by default legend.yaml in the folder, or the numbers.
        snap_colours: of label maps whose colours have smeared, take the nearest class.
        instances: a folder beside the other two, of maps of instances; their borders become one more channel.
        maps: further folders beside the other two, of maps that go with the pairs, by their kind, as {mask: masks}.
        texts: each image or pair has a text, a file of its name as 7.txt beside 7.jpg; a method that needs them asks.
        style: a picture whose style is learnt, of methods that learn the style of one.
        ranges: what is black and white of a side, as {height: [0, 900]}, instead of what its pictures reach to; what
            lies beyond is cut off. Also percentiles of the training pictures, p1-p99, or values and their unit,
            hu:-1000,1000.
        size: of the training crop, in pixels: 256, or "320x256" for width x height.
        load: length of the shorter side before the crop; by default 286/256 of the crop's, as in the paper.
        resize: "square": the whole picture to the crop's shape; "short": aspect kept; "none": as it is.
        flip: mirror half of the training pictures.
        val: share of the training pairs held out for validation where there is no val/, at most 50 of them; 0: none.
        groups: what in a name says which images belong together, as those of a patient, a volume or a place; a regular
            expression, as "patient[0-9]+". Those of a group are held out together.
        axis: of volumes (NIfTI), the one along which their slices lie: i, j or k, the order in the file, or axial,
            coronal or sagittal, by the directions that the file gives. The slices of a volume are held out together.
        neighbours: of volumes, how many slices on either side go with each as further channels of the source, as 1 for
            three slices; at the ends the last one is repeated. The target is the one slice.
        enlarge: accept pictures that are smaller than the crop, and enlarge them.
        workers: processes that load pictures; 0 loads them in the training process, which is enough with the cache.
        cache_gb: bound of the file that keeps decoded pictures; 0 decodes them each time.
        limit_mp: refuse pictures of more million pixels.
    """
    pairing = task or tasks.make("pairs")
    style_sha256 = _sha256(style) if style else ""
    further = {**(maps or {}), **({"instances": instances} if instances else {})}
    kinds_of_maps = {kind: kinds.find(kind) for kind in sorted(further)}
    found = recognise(
        folder, a=a, b=b, kind=kind, direction=direction, labels=labels, limit_mp=limit_mp, alone=pairing.alone,
        maps=further, texts=texts, axis=axis,
    )  # fmt: skip
    found = _with_themselves(found, pairing) if found.kind == "photos" else found
    reverse = found.reverses(found.direction)
    legends, of_labels = _legends(found, reverse, legend, snap_colours, instances, limit_mp)
    grouped = volumes.groups(found.items()) if groups is None else groups_by(groups, found.items())
    train, held_out = _splits(found, val, grouped)
    augment = Augment(parse_size(size), load, flip, resize, enlarge)
    channels = _channels(found, reverse, legends, pairing, neighbours)
    dtypes = turn(found.dtypes, reverse)
    dtypes = tuple(of.dtype if of else dtype for dtype, of in zip(dtypes, legends, strict=True))
    policies = _policies(found, reverse, ranges, legends)
    read = PairReader(
        reverse, channels, limit_mp, halved=found.kind == "side by side", legends=legends, snap=snap_colours,
        ranges=tuple(policy.span if policy else None for policy in policies), maps=kinds_of_maps, neighbours=neighbours,
    )  # fmt: skip
    data = Data(
        found, train, held_out, found.pairs("test"), names=turn(found.names, reverse), channels=channels, dtype=dtypes,
        range=tuple(map(images.value_range, dtypes)), fingerprint=_fingerprint(found, style_sha256), augment=augment,
        read=read, task=pairing, style=Path(style) if style else None, style_sha256=style_sha256, legends=legends,
        policies=policies, workers=workers, cache_gb=cache_gb,
        notes=[*found.notes(), *compare.notes(found), *compare.divided(found, grouped), *of_labels],
    )  # fmt: skip
    return _measured(data)


def _with_themselves(found: Folder, task: Task) -> Folder:
    """Single photos as pairs. Raises DataError where the task needs others."""
    if not task.alone:
        raise DataError(_one_kind_only(found))
    return found.twice()


def _measured(data: Data) -> Data:
    """With the ranges of its values. Raises DataError for images that are too small."""
    _refuse_too_small(data)
    found = [_range(data, domain) for domain in range(len(data.names))]
    data.range = _shared(found) if data.folder.kind == "domains" else tuple(found)
    chosen = zip(data.policies, data.range, strict=True)
    data.read = replace(data.read, ranges=tuple(span if policy else None for policy, span in chosen))
    return data


def _shared(ranges: Sequence[Range]) -> tuple[Range, ...]:
    """One range for all domains: a network is given the images of all of them."""
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    return ((low, high),) * len(ranges)


def _legends(
    found: Folder,
    reverse: bool,
    given: str | dict[str, Any] | None,
    snap: bool,
    instances: str | None,
    limit_mp: float,
) -> tuple[Legends, list[str]]:
    """The legends of source and target, and what is to be said of the label maps.

    Raises DataError for one that does not keep to its legend.
    """
    if found.labels is None:
        if given or snap or instances:
            raise ConfigError("data.legend, data.snap_colours and data.instances go with label maps: say data.labels")
        return (None,) * len(found.names), []
    if found.kind == "domains":
        raise ConfigError("data.labels goes with two domains: leave it out, or choose two by data.direction")
    target = bool(found.labels) != reverse
    if target and instances:
        raise ConfigError("data.instances goes with label maps as the source; here they are the target: leave it out")
    seen = survey(found, found.labels, given, limit_mp=limit_mp, snap=snap)
    legend = seen.legend.model_copy(update={"edges": instances is not None})
    return ((None, legend) if target else (legend, None)), [*mixed(found, seen.codings), *_missing_classes(legend)]


def _policies(
    found: Folder, reverse: bool, given: dict[str, list[float] | str] | None, legends: Legends
) -> tuple[Policy | None, ...]:
    """How the range of each domain is chosen, where that is said.

    Raises ConfigError for one of no domain, of label maps, or in a unit that its pictures cannot have.
    """
    policies: list[Policy | None] = [None] * len(found.names)
    for name, words in (given or {}).items():
        named = side_of(found, name, found.direction, option="data.ranges")
        role = turn(tuple(range(len(found.names))), reverse).index(named)
        if legends[role]:
            raise ConfigError(f"data.ranges.{name}: label maps have no range, they hold classes: leave it out")
        policy = parse(name, words)
        if policy.unit == "HU" and policy.low < 0 and not images.measured(found.dtypes[named]):
            raise ConfigError(
                f"data.ranges.{name}: its pictures are {found.dtypes[named]}, without values below 0, and so no "
                f"Hounsfield units: take the DICOM files, or leave the unit out"
            )
        alike = found.kind in ("photos twice", "domains")
        for each in range(len(policies)) if alike else (role,):
            policies[each] = policy
    return tuple(policies)


def _channels(found: Folder, reverse: bool, legends: Legends, task: Task, neighbours: int) -> tuple[int, ...]:
    """Those of each domain, of sources with those of so many slices on either side.

    Raises ConfigError where these are not to be had.
    """
    own = zip(turn(found.channels, reverse), legends, strict=True)
    channels = tuple(of.channels if of else count for count, of in own)
    if not neighbours:
        return channels
    option = f"data.neighbours={neighbours}"
    if not found.paired:
        raise ConfigError(f"{option} goes with pairs, and {found.place} holds none ({found.kind}): leave it out")
    if task.alone:
        raise ConfigError(f"{option} goes with given pairs, and this task makes its own of one picture: leave it out")
    if legends[0]:
        raise ConfigError(f"{option} goes with sources that are images, and these are label maps: leave it out")
    sources = (item.single(int(reverse)).a for item in found.items())
    if single := next((path for path in sources if not images.is_slice(path)), None):
        raise ConfigError(
            f"{option}: {single} is a single image, and has no neighbours: take volumes (NIfTI, TIFFs or DICOMs "
            f"of many images), or leave it out"
        )
    return channels[0] * (2 * neighbours + 1), *channels[1:]


def _missing_classes(legend: Legend) -> list[str]:
    notes = []
    if names := [c.name for c in legend.known if c.id in legend.absent]:
        notes.append(f"no training picture shows {', '.join(names)}")
    if len(legend.known) - len(legend.absent) == 1:
        notes.append("all label maps of the training show one class alone: there is nothing to learn from them")
    return notes


def parse_size(size: int | str) -> tuple[int, int]:
    """Height and width of 256 or "320x256", which is width x height as cameras and screens say it."""
    words = str(size).lower().split("x")
    if len(words) > 2 or not all(word.strip().isdecimal() and int(word) > 0 for word in words):
        raise ConfigError(f"size={size} is not a size: write 256, or 320x256 for width x height")
    return int(words[-1]), int(words[0])


def _splits(found: Folder, val: float, groups: Groups | None) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    if not 0 <= val < 1:
        raise ConfigError(f"data.val={val} is not a share: use 0 up to below 1")
    train, held_out = found.pairs("train"), found.pairs("val")
    if held_out or not train or val == 0:
        return train, held_out
    if len({groups(item) if groups else item.name for item in train}) == 1:
        one = f"one group of training pairs ({groups(train[0])})" if groups else "one training pair"
        raise DataError(f"{found.place} has {one} and none to validate with: add pairs, or set data.val=0")
    return hold_out(train, val, groups)


def _one_kind_only(found: Folder) -> str:
    if found.missing:
        return (
            f"{found.place} holds no picture of {' or '.join(found.missing)} that can be used: put some there; "
            f"left out: {summary(found.faults, found.roots)}"
        )
    return (
        f"{found.place} holds single photos, not pairs: put the two of a pair side by side in one file, or into two "
        "folders under one name; without pairs, put the two kinds of pictures into a folder each; to learn from each "
        "photo by itself, choose a task that does, as --task colorize or --task itself; if it is laid out otherwise, "
        "say how by data.kind (diptych data check tells what is found)"
    )


def _refuse_too_small(data: Data) -> None:
    found, (height, width) = data.folder, data.augment.size
    sides = zip(data.singles("train"), data.legends, strict=True)  # label maps are brought to their partners' size
    paths = list(dict.fromkeys(item.a for side, legend in sides if not legend for item in side))
    small = [path for path in paths if found.size(path)[0] < height or found.size(path)[1] < width]
    if small and not data.augment.enlarge:
        least = min(small, key=lambda path: min(found.size(path)))
        h, w = found.size(least)
        raise DataError(
            f"{found.place}: {len(small)} of {len(paths)} training pictures are smaller than the crop, {width}x{height}"
            f" (the smallest: {found.relative(least)}, {w}x{h}): choose a smaller data.size, or data.enlarge=true"
        )


def _range(data: Data, side: int) -> Range:
    """What is black and white: measured on the training pictures where 16 bits or floats leave it open."""
    dtype, read = data.dtype[side], SingleReader(data.read, side)
    if policy := data.policies[side]:
        return policy.span or percentiles(policy, _samples(data, read), data.names[side])
    if dtype == "uint8" or data.legends[side]:
        return images.value_range(dtype)

    def look(item: Item) -> reach.Reach | None:
        try:
            (picture,) = read(item)
        except DataError:
            return None  # said when the picture is needed
        return reach.reach(picture.array)

    items = data.singles("train")[side]
    measured = {item.a: found for item, found in zip(items, ahead(look, items), strict=True) if found}
    if not measured:
        return images.value_range(dtype)
    data.notes += reach.advice(data.names[side], dtype, measured)
    wholes = [found.whole for found in measured.values()]
    return images.fitting_range(dtype, min(low for low, _ in wholes), max(high for _, high in wholes))


def _samples(data: Data, read: SingleReader) -> Iterator[np.ndarray]:
    """Some of the values of each training picture of a side that can be read."""

    def look(item: Item) -> np.ndarray:
        try:
            return sample(read.values(item))
        except DataError:
            return np.empty(0)  # said when the picture is needed

    return ahead(look, data.singles("train")[read.side])


def _in_one_form(path: Path) -> Path:
    """The same for the names of a Mac and of other systems, which write accents differently."""
    return Path(unicodedata.normalize("NFC", str(path)))


def _sha256(path: str) -> str:
    try:
        return sha256(Path(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _fingerprint(found: Folder, style_sha256: str) -> str:
    """sha256 over names and sizes in bytes: tells data sets apart without reading them, wherever they lie."""
    sha = hashlib.sha256()
    paths = {images.file_of(path) for item in found.items() for path in item.files}
    for name, path in sorted((_in_one_form(found.relative(path)), path) for path in paths):
        sha.update(f"{name.as_posix()} {shards.stamp(path)[0]}\n".encode(errors="surrogateescape"))
    for item in found.items():
        sha.update(item.text.encode())
    sha.update(style_sha256.encode())
    return sha.hexdigest()
