"""DICOM of many frames: each is an image, in its place and with its own rescaling where the file says them by frame.

DICOM PS3.3, C.7.6.6 (frames), C.7.6.16 (functional groups).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from diptych.images import dicom
from diptych.images.stored import Stored

SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
GROUPS = (
    "PixelMeasuresSequence", "PlanePositionSequence", "PlaneOrientationSequence", "PixelValueTransformationSequence",
    "FrameVOILUTSequence",
)  # fmt: skip
"""The functional groups whose tags are read: measures, place, rescaling and window of a frame."""
OPEN = 4
"""Files whose tags are remembered, at most."""


@dataclass(frozen=True)
class Frames:
    """What a file says of its frames; tags: all of them before the pixels."""

    tags: Any

    def __len__(self) -> int:
        return dicom.count(self.tags)

    @property
    def grouped(self) -> bool:
        """Whether it says by frame where each lies, and how its numbers are rescaled (functional groups)."""
        return PER_FRAME in self.tags

    @cached_property
    def each(self) -> list[Any]:
        """The tags that are true of each frame."""
        if not self.grouped:
            return [self.tags] * len(self)
        return [self._of(number) for number in range(len(self))]

    @cached_property
    def dtype(self) -> str:
        """Of the measured numbers of all frames; where those of one need another than those of the next, float32."""
        found = {dicom.dtype_of(tags, dicom.numbers_of(tags)) for tags in self.each}
        return found.pop() if len(found) == 1 else "float32"

    def stored(self, file: BinaryIO, number: int) -> Stored:
        """A frame, not decoded yet."""
        tags = self.each[number]
        return dicom.stored(file, tags, dicom.numbers_of(tags), self.dtype, number)

    def _of(self, number: int) -> Any:
        own = dicom.library().Dataset()
        own.update({element.tag: element for element in self.tags if element.keyword not in (SHARED, PER_FRAME)})
        own.file_meta = self.tags.file_meta
        for groups in (*self.tags.get(SHARED, [])[:1], self.tags[PER_FRAME][number]):
            for name in GROUPS:
                for element in groups[name][0] if groups.get(name) else []:
                    own[element.tag] = element
        return own


def open_frames(path: Path) -> Frames:
    """The frames of a file, which may be one. Raises DataError and what pydicom raises."""
    stat = path.stat()
    return _opened(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=OPEN)
def _opened(path: Path, size: int, changed: int) -> Frames:
    with path.open("rb") as file:
        return Frames(dicom.read_tags(file))
