"""Video files to frames, upright and with their times; whatever a file holds, frames or a DataError come out."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from diptych.errors import DataError, need, reason_of
from diptych.storage.files import irregular

SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"})

FULL = 2
"""The number of a range from 0 to 255."""
BRANDS = (b"iso", b"mp4", b"mmp4", b"avc1", b"qt  ", b"M4V", b"3g", b"dash", b"MSNV", b"f4v", b"XAVC")
"""How brands begin of boxes that hold videos; others are pictures', and raw photos'."""

SAFE = {
    # by its content a file of any name may be a playlist, which opens other files and addresses
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi",
    "protocol_whitelist": "file",
}


def is_video(path: Path) -> bool:
    """Whether a file is a video by its name or, where that says nothing, by how it begins."""
    if path.suffix.lower() in SUFFIXES or irregular(path):
        return path.suffix.lower() in SUFFIXES
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    boxes = head[4:8] in (b"moov", b"mdat", b"wide") or (head[4:8] == b"ftyp" and head[8:12].startswith(BRANDS))
    return boxes or head[:4] == b"\x1aE\xdf\xa3" or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")


@dataclass(frozen=True)
class Frame:
    """A picture `H W 3` of uint8, upright; time, duration: in the clip's units of time, the duration 0 if unknown."""

    array: np.ndarray
    time: int
    duration: int


class Clip:
    """A video file, open for reading. Raises DataError where it holds no moving pictures that can be read.

    limit_mp: the largest frame accepted, in million pixels. Use it in a `with` block. turned: whether the frames that
    came last stand upright where those of the file lie.
    """

    def __init__(self, path: Path, *, limit_mp: float) -> None:
        self.path, self.mended, self.turned = path, 0, False
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
        if not self.container.duration:
            return None
        begins = 0 if self.stream.start_time is None else self.stream.start_time * self.unit
        return max(1, round((Fraction(self.container.duration, 1_000_000) - begins) * self.rate))

    def is_cut(self, count: int, end: float) -> bool:
        """Whether the file, of which so many frames could be read, and nothing after `end`, in seconds, promises more.

        Neither number alone says so: frames may be cut away by a list of edits, and come at uneven times.
        """
        length = (self.container.duration or 0) / 1e6
        few = not self.stream.frames or count <= 0.95 * self.stream.frames - 2
        return few and end < 0.95 * length - float(2 / self.rate)

    @property
    def notes(self) -> tuple[str, ...]:
        """What reading does to the pictures, in words."""
        notes, format = [], self.stream.codec_context.format
        if format and max(part.bits for part in format.components) > 8:
            notes.append(f"{format.name} is read at 8 bits a channel, its colours taken as those of ordinary video")
        beside = self.stream.metadata.get("alpha_mode") == "1"  # as WebM has it
        if beside or (format and any(part.is_alpha for part in format.components)):
            notes.append("its transparency is left out")
        if len(self.container.streams.video) > 1:
            notes.append("of several streams of pictures the first is translated, the others are left out")
        left = {s.type for s in self.container.streams if s.type not in ("video", "audio")}
        notes += [f"its {kind} streams are left out" for kind in sorted(left)]
        notes += [f"{self.mended} frames were damaged, and are as the decoder mended them"] if self.mended else []
        return tuple(notes)

    def frames(self) -> Iterator[Frame]:
        """The frames in the order in which they are shown, each until the next. Raises DataError for a damaged file."""
        before = None
        for frame in self.decoded():
            if before:
                yield replace(before, duration=frame.time - before.time)
            before = frame
        if before is None:
            raise DataError(f"{self.path} holds no frame that can be decoded: is it cut short? Record or copy it again")
        begins, length = self.stream.start_time, self.stream.duration
        left = 0 if begins is None or not length else begins + length - before.time
        yield replace(before, duration=left if left > 0 else before.duration)

    def decoded(self) -> Iterator[Frame]:
        """The frames, of which files with frames in another order know no durations."""
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
                matrix = display_matrix(frame)
                self.turned = matrix[0] == 0
                yield Frame(upright(colours(frame), matrix), last, frame.duration or 0)

    def __enter__(self) -> Clip:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.container.close()


Matrix = tuple[int, int, int, int]
"""a, b, c, d, each -1, 0 or 1: what is at x, y is shown at a x + c y, b x + d y."""


def display_matrix(frame: Any) -> Matrix:
    """How a file says that a frame is to be shown: of eight ways to lay a picture the nearest."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d, *_ = struct.unpack("<9i", bytes(data)[:36])
            if abs(a) + abs(d) >= abs(b) + abs(c):
                return (-1 if a < 0 else 1, 0, 0, -1 if d < 0 else 1)
            return (0, -1 if b < 0 else 1, -1 if c < 0 else 1, 0)
    return (1, 0, 0, 1)


def upright(array: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Pixels `H W 3` as they are to be shown: telephones note how they were held, and some mirror."""
    a, b, c, d = matrix
    across, down = (a, d) if a else (c, b)
    shown = array if a else array.swapaxes(0, 1)
    return np.ascontiguousarray(shown[::down, ::across])


def colours(frame: Any) -> np.ndarray:
    """The pixels of a frame as red, green and blue, by what the file says of its colours.

    Where it says nothing they are taken as players take them: as HDTV's (BT.709) from 1280 pixels across or above 576
    lines, as SDTV's (BT.601) below, and from 16 to 235.
    """
    spaces = need("av", extra="video").video.reformatter.Colorspace
    names = {1: "ITU709", 4: "FCC", 5: "ITU601", 6: "ITU601", 7: "SMPTE240M", 9: "BT2020", 10: "BT2020"}
    plain = "ITU709" if frame.width >= 1280 or frame.height > 576 else "ITU601"
    name = names.get(int(frame.colorspace), plain)
    full = int(frame.color_range) == FULL or (not frame.color_range and frame.format.name.startswith("yuvj"))
    made = frame.reformat(
        format="rgb24", src_colorspace=getattr(spaces, name, None), src_color_range="JPEG" if full else "MPEG",
        dst_color_range="JPEG",
    )  # fmt: skip
    pixels: np.ndarray = made.to_ndarray()
    return pixels


class Sound:
    """The sound of a video file, as the packets that it is stored in; none, where the file has none.

    end: of what was given, in seconds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path):
            self.container = need("av", extra="video").open(str(path), options=SAFE)
        self.streams = list(self.container.streams.audio)
        self.packets = self.container.demux(self.streams) if self.streams else iter(())
        self.waiting: Any = None
        self.end = 0.0

    def until(self, seconds: float) -> Iterator[Any]:
        """The packets that begin before that time and were not given yet."""
        with reading(self.path):
            while packet := self.waiting or next(self.packets, None):
                self.waiting = packet
                if packet.dts is not None and packet.dts * packet.time_base > seconds:
                    return
                self.waiting = None
                if packet.dts is not None:  # the last, empty one has none
                    self.end = max(self.end, float((packet.dts + (packet.duration or 0)) * packet.time_base))
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
        raise DataError(
            f"{path} is damaged, cut short or no video ({reason_of(error)}): copy or convert it again"
        ) from None
