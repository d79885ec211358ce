"""Volumes: slice after slice through the model, in bounded memory, into a volume in the same space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diptych import images
from diptych.errors import ConfigError, OutputError
from diptych.images import Picture
from diptych.images.frames import open_frames
from diptych.images.frames_writing import write_frames
from diptych.images.nifti import Volume, open_volume
from diptych.images.nifti_writing import placed, written
from diptych.images.series import Series, find_series
from diptych.images.stack import write_stack
from diptych.model.translator import Translator

if TYPE_CHECKING:
    from diptych.provenance import Sealer

ONE_BY_ONE = "slices are translated one by one{}, and may differ from slice to slice: look at it from the side as well"
SEEING = ", each seen with {} on either side"


def translate_volume(
    translator: Translator,
    source: Path,
    target: Path,
    controls: Mapping[str, Any],
    *,
    axis: str = "k",
    batch: int = 8,
    limit_mp: float = images.LIMIT_MP,
    sealer: Sealer | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[str, ...]:
    """Translate a NIfTI or a folder of one DICOM series into a NIfTI, a TIFF of many pages or a DICOM of many frames
    into one of its kind; notes on it.

    The whole of a volume is never in memory. controls: as `Translator.checked` gives them. axis: of a NIfTI, along
    which its slices lie, or their plane. Raises DataError for what cannot be read, ConfigError for a result that is no
    volume, StorageError when the disk is full; nothing half is left.
    """
    check_room(translator, source, target, controls)
    series = find_series(source) if source.is_dir() else None
    slices = series.files if series else images.slices(source, axis)
    around = series.around if series else images.around
    side, made = translator.ends(controls.get("to"))
    notes: Counter[str] = Counter(dict.fromkeys(series.notes, len(slices)) if series else {})

    def opened() -> Iterator[Picture]:
        for path in slices:
            near = around(path, side.neighbours) if side.neighbours else [path]
            read = [images.read(one, limit_mp=limit_mp, indices=side.legend is not None) for one in near]
            picture = images.joined(read, side.slice_channels) if side.neighbours else read[0]
            yield translator.opened(picture, side, str(path))

    def outputs() -> Iterator[Picture]:
        for done, output in enumerate(translator.stream(opened(), controls, batch=batch), 1):
            notes.update(output.notes)
            yield output
            progress(done / len(slices))

    try:
        if images.is_volume(target):
            dtype = made.legend.dtype if made.legend else made.dtype
            with planes(series or open_volume(source, axis), target, dtype) as plane:
                for number, output in enumerate(outputs()):
                    if output.array.shape[:2] != plane(number).shape:
                        raise ConfigError(f"{source}: a result of another size has no room in the voxels of a NIfTI")
                    plane(number)[:] = output.array[..., 0]
            unsealed = ["NIfTI has no room for content credentials: none are written"] if sealer else []
        elif images.FORMATS[target.suffix.lower()] == "DICOM":
            unsealed = [*write_frames(open_frames(source), target, outputs())]
            unsealed += ["DICOM has no room for content credentials: none are written"] if sealer else []
        else:
            write_stack(source, target, outputs(), lambda file: seal(sealer, file, controls, source))
            unsealed = []
    except OutputError as error:
        raise OutputError(error.reason, image=str(source)) from None
    known = (note if count == len(slices) else f"{note} (of {count} slices)" for note, count in notes.items())
    seeing = SEEING.format(side.neighbours) if side.neighbours else ""
    return (*known, ONE_BY_ONE.format(seeing), *unsealed)


def check_room(translator: Translator, source: Path, target: Path, controls: Mapping[str, Any]) -> None:
    """Raises ConfigError where a result has no room in a file of the source's kind."""
    voxels = source.is_dir() or images.is_volume(source)
    tiff = images.FORMATS.get(source.suffix.lower()) == "TIFF"
    suffixes = images.VOLUMES if voxels else (".tif", ".tiff") if tiff else (".dcm", ".dicom")
    if not target.name.lower().endswith(suffixes):
        raise ConfigError(f"{target}: a volume as {source} is written as {' or '.join(suffixes)}: give such a name")
    made = translator.ends(controls.get("to"))[1]
    channels, dtype = (1, made.legend.dtype) if made.legend else (made.channels, made.dtype)
    room = channels == 1 if voxels else images.can_hold(target.suffix, dtype, channels)
    if not room:
        what, where = f"a result of {channels} channels", "the voxels of a NIfTI" if voxels else "a DICOM"
        raise ConfigError(f"{source}: {what} has no room in {where}: take another model")


@contextmanager
def planes(source: Series | Volume, target: Path, dtype: str) -> Iterator[Callable[[int], np.ndarray]]:
    """Where the slices of a NIfTI are, to be filled, by their numbers; then the file appears."""
    if isinstance(source, Series):
        height, width = source.size
        with written(placed(source.affine), (width, height, len(source.files)), target, dtype) as array:
            yield lambda number: array[..., number].T
    else:
        with written(source.image.header, source.data.shape, target, dtype) as array:
            yield lambda number: source.plane(number, array)


def seal(sealer: Sealer | None, file: Path, controls: Mapping[str, Any], source: Path) -> None:
    if sealer:
        sealer.seal_file(file, "TIFF", controls, source=source)
