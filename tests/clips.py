"""Small videos for tests: waves that move, and a tone."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

THOUSANDTH = Fraction(1, 1000)


def waves(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """The frame of that number, `H W 3`: two pixels further to the left each time."""
    y, x = np.mgrid[:height, :width]
    planes = 128 + 90 * np.sin((x + 2 * number) / 7), 128 + 80 * np.cos((y + x + 2 * number) / 9), 0 * x + 90
    return np.stack(planes, axis=2).astype(np.uint8)


def write(
    path: Path,
    *,
    count: int = 10,
    size: tuple[int, int] = (64, 48),
    times: list[int] | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    sound: str | None = "aac",
    rotation: int = 0,
    picture: Callable[[int], np.ndarray] | None = None,
) -> Path:
    """Write a video of ten frames a second, or with frames at `times` in milliseconds, and a tone.

    picture: the frame of a number, `H W 3`; waves by default.
    """
    with av.open(str(path), "w") as file:
        pictures = file.add_stream(codec, rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = *size, pixels
        pictures.codec_context.time_base = THOUSANDTH
        if rotation:
            pictures.set_display_rotation(rotation)
        tones = file.add_stream(sound, rate=48000, layout="mono") if sound else None
        for number in range(count):
            array = waves(number, *size) if picture is None else picture(number)
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            frame.pts, frame.time_base = times[number] if times else 100 * number, THOUSANDTH
            file.mux(pictures.encode(frame))
            if tones:
                file.mux(tones.encode(tone(number)))
        for stream in filter(None, (pictures, tones)):
            file.mux(stream.encode(None))
    return path


def tone(number: int) -> av.AudioFrame:
    """A tenth of a second."""
    frame = av.AudioFrame.from_ndarray((0.3 * np.sin(np.arange(4800) / 20)).astype(np.float32)[None], "fltp", "mono")
    frame.sample_rate, frame.pts = 48000, 4800 * number
    return frame


class Held(NamedTuple):
    """What a video file holds; times in milliseconds; sound: the packets' time and bytes."""

    size: tuple[int, int]
    times: list[int]
    frames: list[np.ndarray]
    sound: list[tuple[float, bytes]]
    comment: str


def read(path: Path) -> Held:
    with av.open(str(path)) as file:
        frames: list[Any] = list(file.decode(file.streams.video[0]))
        comment = file.metadata.get("comment", file.metadata.get("COMMENT", ""))
    with av.open(str(path)) as file:
        packets = [p for p in file.demux(file.streams.audio) if p.size] if file.streams.audio else []
        sound = [(round(float(p.pts * p.time_base), 3), bytes(p)) for p in packets]
    times = [round(1000 * frame.time) for frame in frames]
    pictures = [frame.to_ndarray(format="rgb24") for frame in frames]
    return Held((frames[0].width, frames[0].height), times, pictures, sound, comment)
