"""Video files to frames, upright and with their times; whatever a file holds, frames or a DataError come out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from diptych.errors import DataError, need
from diptych.files import irregular

SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"})

SAFE = {
    # by its content a file of any name may be a playlist, which opens other files and addresses
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi",
    "protocol_whitelist": "file",
}


@dataclass(frozen=True)
class Frame:
    """A picture `H W 3` of uint8, upright; time, duration: in the clip's units of time, the duration 0 if unknown."""

    array: np.ndarray
    time: int
    duration: int


class Clip:
    """A video file, open for reading. Raises DataError where it holds no moving pictures that can be read.

    limit_mp: the largest frame accepted, in million pixels. Use it in a `with` block.
    """

    def __init__(self, path: Path, *, limit_mp: float) -> None:
        self.path, self.mended = path, 0
        if kind := irregular(path):
            raise DataError(f"{path} is {kind}: name a file")
        with reading(path):
            self.container = need("av", extra="video").open(str(path), options=SAFE)
        try:
            self.stream = self.find_stream(limit_mp)
        except BaseException:
            self.container.close()
            raise

    def find_stream(self, limit_mp: float) -> Any:
        streams = [s for s in self.container.streams.video if not s.disposition & s.disposition.__class__.attached_pic]
        if not streams or not streams[0].codec_context or not streams[0].width:
            raise DataError(f"{self.path} holds no moving pictures: give a video")
        stream = streams[0]
        mp = stream.width * stream.height / 1e6
        if mp > limit_mp:
            size = f"{stream.width}x{stream.height}, {mp:.1f} megapixels a frame"
            raise DataError(
                f"{self.path} is {size}, over the limit of {limit_mp:g}: make it smaller, or raise limit_mp"
            )
        stream.thread_type = "AUTO"
        return stream

    @property
    def unit(self) -> Fraction:
        """The unit of time, in seconds."""
        return Fraction(self.stream.time_base or Fraction(1, 1000))

    @property
    def rate(self) -> Fraction:
        """Frames a second, on average."""
        return Fraction(self.stream.average_rate or self.stream.guessed_rate or 25)

    @property
    def expected(self) -> int | None:
        """How many frames the file says that it has, or its length lets one expect."""
        if self.stream.frames:
            return int(self.stream.frames)
        return round(self.container.duration / 1e6 * self.rate) if self.container.duration else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What reading does to the pictures, in words."""
        said, format = [], self.stream.codec_context.format
        if format and max(part.bits for part in format.components) > 8:
            said.append(f"{format.name} is read at 8 bits a channel, its colours taken as those of ordinary video")
        if len(self.container.streams.video) > 1:
            said.append("of several streams of pictures the first is translated, the others are left out")
        left = {s.type for s in self.container.streams if s.type not in ("video", "audio")}
        said += [f"its {kind} streams are left out" for kind in sorted(left)]
        said += [f"{self.mended} frames were damaged, and are as the decoder mended them"] if self.mended else []
        return tuple(said)

    def frames(self) -> Iterator[Frame]:
        """The frames in the order in which they are shown. Raises DataError where the file is damaged."""
        size, last = None, None
        with reading(self.path):
            for frame in self.container.decode(self.stream):
                if size and (frame.width, frame.height) != size:
                    raise DataError(f"{self.path} changes its size under way, at {frame.time:.1f} s: cut it there")
                size = frame.width, frame.height
                self.mended += frame.is_corrupt
                step = max(1, round(1 / (self.rate * self.unit)))
                time = frame.pts if frame.pts is not None else 0 if last is None else last + step
                last = time if last is None else max(time, last + 1)  # of two frames at one time the second comes next
                yield Frame(upright(frame), last, frame.duration or 0)
        if size is None:
            raise DataError(f"{self.path} holds no frame that can be decoded: is it cut short? Record or copy it again")

    def __enter__(self) -> Clip:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.container.close()


def upright(frame: Any) -> np.ndarray:
    """The pixels of a frame as they are to be shown: players turn a telephone's videos by a note in the file."""
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90)))


class Sound:
    """The sound of a video file, as the packets that it is stored in; none, where the file has none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path):
            self.container = need("av", extra="video").open(str(path), options=SAFE)
        self.streams = list(self.container.streams.audio)
        self.packets = self.container.demux(self.streams) if self.streams else iter(())
        self.waiting: Any = None

    def until(self, seconds: float) -> Iterator[Any]:
        """The packets that begin before that time and were not given yet."""
        with reading(self.path):
            while packet := self.waiting or next(self.packets, None):
                self.waiting = packet
                if packet.dts is not None and packet.dts * packet.time_base > seconds:
                    return
                self.waiting = None
                if packet.dts is not None:  # the last, empty one has none
                    yield packet

    def __enter__(self) -> Sound:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.container.close()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever the library says of a file becomes a DataError that names it."""
    av = need("av", extra="video")
    try:
        yield
    except DataError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise DataError(f"{path} does not exist") from None
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"{path} is damaged, cut short or no video ({reason}): copy or convert it again") from None
