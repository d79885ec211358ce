"""A result of many frames as one DICOM: an image derived from another, frame by frame in its place, of nobody.

DICOM PS3.3: C.7.6.6 (frames), C.7.6.16 (functional groups), A.8.2 to A.8.5 (secondary capture of many frames).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diptych.images import derived
from diptych.images.derived import Scale
from diptych.images.dicom import library
from diptych.images.frames import PER_FRAME, SHARED, Frames
from diptych.images.metadata import Metadata
from diptych.images.picture import Picture
from diptych.storage.files import storing, unfinished

SECONDARY_CAPTURES = {"uint8": "1.2.840.10008.5.1.4.1.1.7.2", "uint16": "1.2.840.10008.5.1.4.1.1.7.3"}
"""Of many frames of greys, by the type of their numbers."""
SECONDARY_CAPTURE_OF_COLOURS = "1.2.840.10008.5.1.4.1.1.7.4"
TIMES = ("FrameTime", "FrameTimeVector", "GridFrameOffsetVector", "CineRate", "RecommendedDisplayFrameRate")
"""What a file says of the steps between its frames."""
PLACES = {
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PlanePositionSequence": ("ImagePositionPatient",),
}
"""The functional groups in which the tags of a place are."""
SCALES = "PixelValueTransformationSequence"
Kept = dict[str, Any]


def write_frames(source: Frames, target: Path, pictures: Iterator[Picture]) -> tuple[str, ...]:
    """Write images as the frames of a DICOM, as they come; what becomes of their numbers, in words.

    source: what they come from, frame by frame. Raises DataError for what has no room, StorageError.
    """
    plain, new = unfinished(target.with_suffix(".raw")), unfinished(target)
    try:
        with storing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            each: list[Metadata] = []
            with plain.open("xb") as file:
                for picture in pictures:
                    derived.refuse_nan(picture.array)
                    file.write(np.ascontiguousarray(picture.array).data)
                    each.append(picture.metadata)
            shape, dtype = picture.array.shape, picture.array.dtype
            arrays = np.memmap(plain, dtype, "r+", shape=(len(each), *shape))
            tags, stored, scales = _described(source, arrays, [dict(one.dicom) for one in each])
            if shape[2] == 1 and len(set(scales)) == 1:
                derived.pad(tags, each[0].no_data, scales[0], stored)
            _put_pixels(tags, arrays, scales, stored, plain)
            with plain.open("rb") as file:
                tags.add_new("PixelData", "OB" if stored == "uint8" else "OW", file)
                derived.save(tags, new)
            os.replace(new, target)
    finally:
        plain.unlink(missing_ok=True)
        new.unlink(missing_ok=True)
    own = {derived.scale_of(dict(one.dicom)) for one in each} | {derived.ONES}
    return () if set(scales) <= own else (derived.ROUNDED,)


def _described(source: Frames, arrays: np.ndarray, each: Sequence[Kept]) -> tuple[Any, str, list[Scale]]:
    """The tags but for the pixels, the type in which numbers are stored, and the scale of each frame."""
    shape = arrays.shape[1:]
    stored, scales = derived.scaled(list(arrays), [derived.scale_of(kept) for kept in each])
    tags = derived.described(each[0], shape)
    derived.pixels_described(tags, shape, stored)
    tags.NumberOfFrames = len(each)
    tags.SOPClassUID = _class(each[0], shape, stored)
    for name in TIMES:
        if name in source.tags:
            tags[name] = source.tags[name]
    pointed = source.tags.get("FrameIncrementPointer", ())
    if pointed and all(tag in tags for tag in (pointed if isinstance(pointed, Sequence) else [pointed])):
        tags["FrameIncrementPointer"] = source.tags["FrameIncrementPointer"]
    if source.grouped:
        _group(tags, each, scales, shape)
    elif shape[2] == 1:
        tags.RescaleSlope, tags.RescaleIntercept = scales[0]
        tags.RescaleType = each[0].get("RescaleType", "US")
    return tags, stored, scales


def _class(kept: Kept, shape: tuple[int, ...], stored: str) -> str:
    """The class of the source, where it is not of single or of coloured images."""
    if shape[2] > 1:
        return SECONDARY_CAPTURE_OF_COLOURS
    own = str(kept.get("SOPClassUID", derived.SECONDARY_CAPTURE))
    if own in (derived.SECONDARY_CAPTURE, SECONDARY_CAPTURE_OF_COLOURS, *SECONDARY_CAPTURES.values()):
        return SECONDARY_CAPTURES.get(stored, SECONDARY_CAPTURES["uint16"])
    return own


def _group(tags: Any, each: Sequence[Kept], scales: Sequence[Scale], shape: tuple[int, ...]) -> None:
    """Put what is true of frames into functional groups: what is true of all into that of all."""
    groups: list[dict[str, Kept]] = []
    for kept, (slope, intercept) in zip(each, scales, strict=True):
        found: dict[str, Kept] = {}
        if derived.same_size(kept, shape):
            found = {name: {tag: kept[tag] for tag in its if tag in kept} for name, its in PLACES.items()}
        if shape[2] == 1:
            found[SCALES] = {
                "RescaleIntercept": intercept, "RescaleSlope": slope, "RescaleType": kept.get("RescaleType", "US")
            }  # fmt: skip
        groups.append({name: its for name, its in found.items() if its})
    for name in {tag for its in PLACES.values() for tag in its}:
        if name in tags:
            del tags[name]
    shared = {name: its for name, its in groups[0].items() if all(one.get(name) == its for one in groups)}
    tags.__setattr__(SHARED, [_groups(shared)])
    tags.__setattr__(PER_FRAME, [])
    for number, own in enumerate(groups, 1):
        frame = _groups({name: its for name, its in own.items() if name not in shared})
        frame.FrameContentSequence = [_tags({"StackID": "1", "InStackPositionNumber": number})]
        tags[PER_FRAME].value.append(frame)


def _groups(groups: dict[str, Kept]) -> Any:
    made = library().Dataset()
    for name, its in groups.items():
        made.__setattr__(name, [_tags(its)])
    return made


def _tags(kept: Kept) -> Any:
    made = library().Dataset()
    for name, value in kept.items():
        made.__setattr__(name, derived.of_kept(value))
    return made


def _put_pixels(tags: Any, arrays: np.ndarray, scales: Sequence[Scale], stored: str, plain: Path) -> None:
    """Bring the numbers in a file to those that are stored, frame by frame; they take no more room than before."""
    place = 0
    with plain.open("r+b") as file:
        for array, scale in zip(arrays, scales, strict=True):
            data = np.ascontiguousarray(derived.in_steps(array, scale, stored)).astype(f"<{np.dtype(stored).str[1:]}")
            file.seek(place)
            file.write(data.data)
            place += data.nbytes
        file.truncate(place + place % 2)
