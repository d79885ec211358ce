"""Frames to a video file, at the times and with the sound that the input had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from diptych.errors import ConfigError, need
from diptych.inference.video.reading import Clip, Frame, Sound

ENCODERS: Mapping[str, tuple[str, ...]] = {  # the first that is there is taken
    ".mp4": ("libx264", "mpeg4"),
    ".m4v": ("libx264", "mpeg4"),
    ".mov": ("libx264", "mpeg4"),
    ".mkv": ("libx264", "mpeg4"),
    ".webm": ("libvpx-vp9", "libvpx"),
}
BT709 = 1  # the number of HDTV's colours, primaries and curve in files (ITU-T H.273)
FORMATS = {".mp4": "MP4", ".m4v": "MP4", ".mov": "MOV", ".mkv": "MKV", ".webm": "WEBM"}
WORST = 51


def check_target(target: Path) -> None:
    """Raises ConfigError where no video can be written under that name."""
    if target.suffix.lower() not in ENCODERS:
        raise ConfigError(f"{target}: videos are written as {' '.join(ENCODERS)}: choose such a name with --out")


class Film:
    """A video file that is being written at `path`; close it to complete it.

    size: width and height, of the frames to come. quality: 0 for the best to 51 for the worst. Raises ConfigError where
    the container cannot hold the sound.
    """

    def __init__(
        self, path: Path, clip: Clip, sound: Sound, size: tuple[int, int], *, quality: int, comment: str = ""
    ) -> None:
        av = need("av", extra="video")
        suffix = path.suffix.lower()
        self.durations: dict[int, int] = {}
        self.container = av.open(str(path), "w")
        try:
            if comment:
                self.container.metadata["comment"] = comment
            self.encoder = next(name for name in ENCODERS[suffix] if available(name))
            self.stream = self.add_pictures(clip, size, quality)
            self.sounds = {stream.index: self.add_sound(stream, suffix) for stream in sound.streams}
        except BaseException:
            self.container.close()
            raise

    def add_pictures(self, clip: Clip, size: tuple[int, int], quality: int) -> Any:
        stream = self.container.add_stream(self.encoder, rate=clip.rate)
        context = stream.codec_context
        context.width, context.height = size
        context.pix_fmt = pixel_format(self.encoder, size)
        context.time_base = stream.time_base = clip.unit
        context.color_primaries = context.color_trc = context.colorspace = context.color_range = BT709  # and 16..235
        if shape := clip.stream.sample_aspect_ratio:
            context.sample_aspect_ratio = 1 / Fraction(shape) if clip.turned else shape
        stream.options = options(self.encoder, quality)
        return stream

    def add_sound(self, stream: Any, suffix: str) -> Any:
        codec = stream.codec_context.name if stream.codec_context else "an unknown format"
        try:
            return self.container.add_stream_from_template(stream)
        except ValueError:
            raise ConfigError(
                f"{suffix} cannot hold the sound, which is {codec}: choose a name ending in .mkv, which holds any"
            ) from None

    def show(self, array: np.ndarray, frame: Frame, unit: Fraction) -> None:
        """Add a picture `H W 3`, at the time of `frame`."""
        av = need("av", extra="video")
        picture = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(
            format=self.stream.codec_context.pix_fmt, src_colorspace="ITU709", dst_colorspace="ITU709",
            src_color_range="JPEG", dst_color_range="MPEG",
        )  # fmt: skip
        picture.pts, picture.time_base, picture.duration = frame.time, unit, frame.duration
        self.durations[frame.time] = frame.duration
        self.store(self.stream.encode(picture))

    def store(self, packets: Iterable[Any]) -> None:
        """Encoders give every frame, the last one above all, the duration of the average."""
        for packet in packets:
            if duration := self.durations.pop(packet.pts, 0):
                packet.duration = duration
            self.container.mux(packet)

    def play(self, packet: Any) -> None:
        """Add a packet of sound as it is."""
        packet.stream = self.sounds[packet.stream.index]
        self.container.mux(packet)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a player may not expect, in words."""
        notes = []
        if self.encoder == "mpeg4":
            notes.append("written as MPEG-4 part 2, as this computer's PyAV has no H.264: larger, and not as sharp")
        if self.stream.codec_context.pix_fmt == "yuv444p":
            notes.append("written as H.264 with colour at full size, as a side is odd: not every player shows it")
        return tuple(notes)

    def finish(self) -> None:
        self.store(self.stream.encode(None))

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.container.close()


def available(encoder: str) -> bool:
    av = need("av", extra="video")
    try:
        return bool(av.codec.Codec(encoder, "w"))
    except ValueError:
        return False


def pixel_format(encoder: str, size: tuple[int, int]) -> str:
    """Colour at half size, as every player knows it; at full size where H.264 could not halve an odd side."""
    return "yuv444p" if encoder == "libx264" and (size[0] % 2 or size[1] % 2) else "yuv420p"


def options(encoder: str, quality: int) -> dict[str, str]:
    match encoder:
        case "libx264":
            return {"crf": str(quality), "preset": "medium", "bf": "0"}  # files know durations in the order of decoding
        case "mpeg4":
            return {"qmin": str(max(1, round(quality * 31 / WORST))), "qmax": str(max(1, round(quality * 31 / WORST)))}
        case _:
            return {"crf": str(round(quality * 63 / WORST)), "b": "0", "cpu-used": "4", "row-mt": "1"}
