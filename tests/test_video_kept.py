"""What a file says of how its frames are shown, in which colours, and when: as players take it, and kept."""

from __future__ import annotations

import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import clips
import numpy as np
import pytest
from commands import diptych
from models import model
from test_video import translate

from diptych.inference.video.reading import Clip, is_video

PICTURE = clips.waves(0)
SHOWN = {  # by a, b, c, d of the display matrix: what is stored at x, y is shown at a x + c y, b x + d y
    (1, 0, 0, 1): PICTURE,
    (-1, 0, 0, 1): PICTURE[:, ::-1],
    (1, 0, 0, -1): PICTURE[::-1],
    (-1, 0, 0, -1): PICTURE[::-1, ::-1],
    (0, 1, 1, 0): PICTURE.swapaxes(0, 1),
    (0, 1, -1, 0): np.rot90(PICTURE, -1),
    (0, -1, 1, 0): np.rot90(PICTURE),
    (0, -1, -1, 0): PICTURE[::-1, ::-1].swapaxes(0, 1),
}


def with_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Give the pictures of an MP4 file a display matrix."""
    data = bytearray(path.read_bytes())
    plain = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    start = data.index(plain, data.index(b"tkhd"))
    data[start : start + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("matrix", SHOWN)
def test_a_display_matrix_turns_and_mirrors_as_players_do(matrix: tuple[int, int, int, int], tmp_path: Path) -> None:
    source = with_matrix(clips.write(tmp_path / "a.mp4", sound=None), *matrix)
    after = clips.read(translate(source, tmp_path / "b.mp4").written)
    height, width = SHOWN[matrix].shape[:2]
    assert after.size == (width, height)
    assert np.abs(after.frames[0].astype(int) - SHOWN[matrix]).mean() < 6


COLOURS = [(200, 30, 40), (20, 180, 60), (40, 60, 220), (250, 250, 250), (8, 8, 8)]
HD, SD = "ITU709", "ITU601"


def patches(path: Path, size: tuple[int, int], space: str, full: bool, tagged: bool) -> Path:
    """A video of one frame of coloured patches, in these colours and this range, and perhaps without a word of them."""
    width, height = size
    picture = np.zeros((height, width, 3), np.uint8)
    for number, colour in enumerate(COLOURS):
        picture[:, number * width // 5 : (number + 1) * width // 5] = colour
    values = "JPEG" if full else "MPEG"
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
        format="yuv420p", src_colorspace=space, dst_colorspace=space, src_color_range="JPEG", dst_color_range=values
    )
    frame.colorspace, frame.color_range = ({HD: 1, SD: 6}[space], 2 if full else 1) if tagged else (2, 0)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264" if path.suffix != ".webm" else "libvpx-vp9", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if tagged:
            stream.codec_context.colorspace, stream.codec_context.color_range = frame.colorspace, frame.color_range
        stream.options = {"crf": "2"}
        frame.pts, frame.time_base = 0, Fraction(1, 10)
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def seen(path: Path) -> list[np.ndarray]:
    """The colours of the patches as they are read."""
    with Clip(path, limit_mp=10) as clip:
        picture = next(clip.frames()).array
    height, width = picture.shape[:2]
    return [picture[height // 2, (2 * number + 1) * width // 10].astype(int) for number in range(5)]


@pytest.mark.parametrize(
    ("size", "space", "full", "tagged"),
    [((1280, 720), HD, False, False), ((1280, 32), HD, False, False), ((80, 578), HD, False, False),
     ((80, 576), SD, False, False), ((1278, 576), SD, False, False), ((80, 48), SD, False, False),
     ((80, 48), HD, False, True), ((80, 48), HD, True, True), ((80, 48), SD, True, True),
     ((1280, 720), SD, False, True), ((1280, 720), SD, True, True)],
)  # fmt: skip
def test_colours_are_what_the_file_or_else_its_size_says_and_stay(
    size: tuple[int, int], space: str, full: bool, tagged: bool, tmp_path: Path
) -> None:
    source = patches(tmp_path / "a.mp4", size, space, full, tagged)
    for path in (source, translate(source, tmp_path / "b.mp4").written):
        for one, colour in zip(seen(path), COLOURS, strict=True):
            assert np.abs(one - colour).max() <= 5


@pytest.mark.parametrize("name", ["b.mp4", "b.mov", "b.mkv", "b.webm"])
def test_a_result_says_in_which_colours_it_is(name: str, tmp_path: Path) -> None:
    source = patches(tmp_path / "a.mp4", (80, 48), SD, False, False)
    with av.open(str(translate(source, tmp_path / name).written)) as file:
        context = file.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (1, 1)


def timing(path: Path) -> list[tuple[int, int]]:
    """When each frame is shown, and for how long, in milliseconds."""
    with av.open(str(path)) as file:
        packets = [p for p in file.demux(file.streams.video[0]) if p.size]
    return sorted((round(1000 * p.pts * p.time_base), round(1000 * p.duration * p.time_base)) for p in packets)


TIMES = {
    "even": [100 * number for number in range(10)],
    "uneven": [0, 33, 66, 240, 273, 640, 673, 1300, 1333, 1366],
    "with a gap": [0, 100, 200, 300, 400, 60_000, 60_100, 60_200, 60_300, 60_400],
    "begun at 4 s": [4000 + 100 * number for number in range(10)],
}


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("kind", TIMES)
def test_times_and_durations_stay_and_nothing_is_called_cut_short(kind: str, suffix: str, tmp_path: Path) -> None:
    times = TIMES[kind]
    lengths = [b - a for a, b in pairwise(times)] + [33]
    source = with_durations(tmp_path / f"a{suffix}", times, lengths)
    done = translate(source, tmp_path / f"b{suffix}")
    assert timing(done.written) == timing(source)
    if suffix != ".mkv":  # which knows no durations but the default
        assert timing(source)[-1][1] == 33
    assert not any("cut short" in note for note in done.notes)


def with_durations(path: Path, times: list[int], lengths: list[int]) -> Path:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = clips.THOUSANDTH

        def mux(packets: list[Any]) -> None:
            for packet in packets:
                packet.duration = lengths[times.index(packet.pts)]
                file.mux(packet)

        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(clips.waves(number), format="rgb24")
            frame.pts, frame.time_base = time, clips.THOUSANDTH
            mux(stream.encode(frame))
        mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("written", "name"), [("a.mp4", "clip.3gp"), ("a.mov", "clip"), ("a.mkv", "clip.video.bin")])
def test_a_video_of_any_name_is_one_by_its_content(written: str, name: str, tmp_path: Path) -> None:
    folder = model(tmp_path / "model")
    clips.write(tmp_path / written, sound=None).rename(tmp_path / name)
    said = diptych("translate", folder, tmp_path / name, "--out", tmp_path / "out")
    assert said.code == 0, said.err
    (made,) = (tmp_path / "out").iterdir()
    assert made.name == f"{Path(name).stem}.mp4"
    assert len(clips.read(made).frames) == 10


def test_durations_are_right_where_the_source_has_its_frames_in_another_order(tmp_path: Path) -> None:
    source = clips.write(tmp_path / "a.mp4", times=TIMES["uneven"], sound=None)
    with av.open(str(source)) as file:
        order = [p.pts for p in file.demux(file.streams.video[0]) if p.size]
        end = float(file.streams.video[0].duration * file.streams.video[0].time_base)
    assert order != sorted(order)
    after = timing(translate(source, tmp_path / "b.mp4").written)
    assert [time for time, _ in after] == TIMES["uneven"]
    assert [length for _, length in after[:-1]] == [b - a for a, b in pairwise(TIMES["uneven"])]
    assert after[-1][1] == pytest.approx(1000 * end - TIMES["uneven"][-1], abs=1)


@pytest.mark.parametrize("brand", [b"avif", b"heic", b"crx "])
def test_boxes_of_other_brands_are_no_videos(brand: bytes, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(40))
    assert not is_video(tmp_path / "photo")
