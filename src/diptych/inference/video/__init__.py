"""Videos translated frame by frame in bounded memory: times and sound are kept, flicker is measured and calmed."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diptych.errors import ConfigError, OutputError
from diptych.images import LIMIT_MP, Picture, match_channels
from diptych.inference.video.reading import SUFFIXES, Clip, Frame, Sound, is_video
from diptych.inference.video.steadying import Flicker, Follower
from diptych.inference.video.writing import FORMATS, WORST, Film, check_target
from diptych.model.translator import Translator
from diptych.storage.files import storing, unfinished

if TYPE_CHECKING:
    from diptych.provenance import Sealer

__all__ = ["FORMATS", "SUFFIXES", "WORST", "Flicker", "Translated", "check_model", "is_video", "translate_video"]


@dataclass(frozen=True)
class Translated:
    """What became of a video: the file, how many frames, how much they flicker, and what was done to them in words."""

    written: Path
    frames: int
    flicker: Flicker
    notes: tuple[str, ...]


def translate_video(
    translator: Translator,
    source: Path,
    target: Path,
    *,
    controls: Mapping[str, Any],
    batch: int = 8,
    quality: int = 18,
    steady: bool = False,
    limit_mp: float = LIMIT_MP,
    sealer: Sealer | None = None,
    progress: Callable[[int, int | None], None] = lambda done, expected: None,
) -> Translated:
    """Translate a video into another of the same size, times and sound; the whole file appears at once, or none.

    controls: as for calling the translator. batch: frames translated at once, and about as many in memory. quality: 0
    the best, 51 the worst. steady: draw each frame towards the one before, to calm flicker. progress hears of the
    frames done, and those to expect. Raises ConfigError for a model or a name that does not suit, DataError for a file
    that holds no video or is damaged, StorageError where the result cannot be written.
    """
    check_model(translator)
    check_target(target)
    if target.exists() and target.samefile(source):
        raise ConfigError(f"{target} is the video to translate: choose another --out")
    checked = translator.checked(controls)
    with Clip(source, limit_mp=limit_mp) as clip, Sound(source) as sound, storing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        part = unfinished(target)
        try:
            follower = Follower(steady=steady)
            frames = translated(translator, clip, checked, batch, follower)
            comment = json.dumps(sealer.metadata(checked, None)) if sealer else ""
            count, notes = write(part, frames, clip, sound, quality, comment, progress)
            if sealer:
                notes += sealer.seal_file(part, FORMATS[target.suffix.lower()], checked, source=source)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return Translated(target, count, follower.flicker, (*clip.notes, *notes))


def check_model(translator: Translator) -> None:
    """Raises ConfigError for a model whose pictures are none of a video: 8 bits, grey or red, green and blue."""
    for side in (translator.card.source, translator.card.target):
        what = "label maps" if side.legend else f"{side.channels} channels of {side.dtype}"
        what += ", a slice of a volume and its neighbours" if side.neighbours else ""
        if side.legend or side.neighbours or side.channels not in (1, 3) or side.dtype != "uint8":
            raise ConfigError(
                f"the model's {side.name} are {what}, a video's frames 3 channels of uint8: translate single pictures"
            )


def translated(
    translator: Translator, clip: Clip, controls: Mapping[str, Any], batch: int, follower: Follower
) -> Iterator[tuple[Frame, np.ndarray]]:
    """Each frame, and what becomes of it, `H W 3`; a batch of them is in memory."""
    waiting: deque[Frame] = deque()

    def pictures() -> Iterator[Picture]:
        for frame in clip.frames():
            waiting.append(frame)
            yield Picture(frame.array)

    try:
        for output in translator.stream(pictures(), controls, batch=batch):
            frame = waiting.popleft()
            same = frame.array.shape[:2] == output.array.shape[:2]
            shown = frame.array if same else translator.given(Picture(frame.array), controls).array[..., :3]
            yield frame, follower(np.ascontiguousarray(shown), match_channels(output.array, 3))
    except OutputError as error:
        raise OutputError(error.reason, image=f"{clip.path}, frame {error.number + 1}") from None


def write(
    path: Path,
    frames: Iterator[tuple[Frame, np.ndarray]],
    clip: Clip,
    sound: Sound,
    quality: int,
    comment: str,
    progress: Callable[[int, int | None], None],
) -> tuple[int, tuple[str, ...]]:
    """Write frames, with the sound that belongs to them in between; returns their number, and notes."""
    first, count, end = next(frames), 0, 0.0
    height, width = first[1].shape[:2]
    with Film(path, clip, sound, (width, height), quality=quality, comment=comment) as film:
        for frame, array in chain([first], frames):
            for packet in sound.until(float(frame.time * clip.unit)):
                film.play(packet)
            film.show(array, frame, clip.unit)
            count, end = count + 1, float((frame.time + frame.duration) * clip.unit)
            progress(count, clip.expected)
        film.finish()
        for packet in sound.until(float("inf")):
            film.play(packet)
        cut = (f"it ends at {max(end, sound.end):.1f} s, before its time: the file is cut short",)
        return count, film.notes + cut * clip.is_cut(count, max(end, sound.end))
