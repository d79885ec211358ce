"""Volumes: slice after slice through the model, in bounded memory, into a volume in the same space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diptych import images
from diptych.errors import ConfigError, OutputError
from diptych.images import Picture
from diptych.images.nifti import open_volume
from diptych.images.nifti_writing import written
from diptych.images.stack import write_stack
from diptych.model.translator import Translator

if TYPE_CHECKING:
    from diptych.provenance import Sealer

ONE_BY_ONE = "slices are translated one by one, and may differ from slice to slice: look at it from the side as well"


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
    """Translate a NIfTI into a NIfTI, or a TIFF of many pages into one, without ever holding the whole of either.

    Returns notes on it. controls: as `Translator.checked` gives them. axis: of a NIfTI, along which its slices lie, or
    their plane. Raises DataError for what cannot be read, ConfigError for a result that is no volume, StorageError when
    the disk is full; nothing half is left.
    """
    slices = images.slices(source, axis)
    side = translator.ends(controls.get("to"))[0]
    notes: Counter[str] = Counter()

    def opened() -> Iterator[Picture]:
        for path in slices:
            picture = images.read(path, limit_mp=limit_mp, indices=side.legend is not None)
            yield translator.opened(picture, side, str(path))

    def outputs() -> Iterator[Picture]:
        for done, output in enumerate(translator.stream(opened(), controls, batch=batch), 1):
            notes.update(output.notes)
            yield output
            progress(done / len(slices))

    check_room(translator, source, target, controls)
    try:
        if images.is_volume(source):
            into_nifti(translator, source, target, controls, axis, outputs())
            unsealed = ["NIfTI has no room for content credentials: none are written"] if sealer else []
        else:
            write_stack(source, target, outputs(), lambda file: seal(sealer, file, controls, source))
            unsealed = []
    except OutputError as error:
        raise OutputError(error.reason, image=str(source)) from None
    known = (note if count == len(slices) else f"{note} (of {count} slices)" for note, count in notes.items())
    return (*known, ONE_BY_ONE, *unsealed)


def check_room(translator: Translator, source: Path, target: Path, controls: Mapping[str, Any]) -> None:
    """Raises ConfigError where a result has no room in a file of the source's kind."""
    suffixes = images.VOLUMES if images.is_volume(source) else (".tif", ".tiff")
    if not target.name.lower().endswith(suffixes):
        raise ConfigError(f"{target}: a volume as {source} is written as {' or '.join(suffixes)}: give such a name")
    made, scale = translator.ends(controls.get("to"))[1], translator.task.scale
    if images.is_volume(source) and (scale != 1 or (made.legend is None and made.channels != 1)):
        what = f"{scale} times as large" if scale != 1 else f"of {made.channels} channels"
        raise ConfigError(f"{source}: a result {what} has no room in the voxels of a NIfTI: take another model")


def into_nifti(
    translator: Translator,
    source: Path,
    target: Path,
    controls: Mapping[str, Any],
    axis: str,
    outputs: Iterator[Picture],
) -> None:
    made, volume = translator.ends(controls.get("to"))[1], open_volume(source, axis)
    with written(volume, target, made.legend.dtype if made.legend else made.dtype) as array:
        for number, output in enumerate(outputs):
            volume.plane(number, array)[:] = output.array[..., 0]


def seal(sealer: Sealer | None, file: Path, controls: Mapping[str, Any], source: Path) -> None:
    if sealer:
        sealer.seal_file(file, "TIFF", controls, source=source)
