"""A video goes in, and one of the same size, times and sound comes out; or a sentence, and nothing is left behind."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import clips
import numpy as np
import pytest
import torch
from commands import diptych
from models import with_ends
from runs import NETWORKS
from torch import Tensor

from diptych.errors import ConfigError, DataError
from diptych.inference.video import translate_video
from diptych.inference.video.motion import both_ways, warp
from diptych.inference.video.reading import Clip, Sound
from diptych.inference.video.steadying import Follower
from diptych.inference.video.writing import Film, available
from diptych.methods import find
from diptych.model.card import Domain
from diptych.model.translator import Translator
from diptych.provenance import Sealer, verify
from diptych.testing import bundle


class Unchanged(Translator):
    """Gives back what it gets, so that all that differs is the video's doing; remembers how large its batches were."""

    def batch(self, pictures: Tensor, **controls: Any) -> Tensor:
        self.sizes = [*getattr(self, "sizes", []), len(pictures)]
        return pictures


def unchanged(**card: Any) -> Unchanged:
    made = bundle(find("pix2pix"), NETWORKS)
    return Unchanged(made.method, with_ends(made.card, **card))


def translate(source: Path, target: Path, **options: Any) -> Any:
    return translate_video(unchanged(), source, target, controls={}, **options)


# --- What is kept ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm"])
def test_frames_times_and_sound_stay(name: str, tmp_path: Path) -> None:
    web = {"codec": "libvpx-vp9", "sound": "libopus"} if name == "a.webm" else {}
    before = clips.read(clips.write(tmp_path / name, **web))
    done = translate(tmp_path / name, tmp_path / "out" / name)
    after = clips.read(done.written)
    assert done.frames == len(after.frames) == 10
    assert (after.size, after.times, after.sound) == (before.size, before.times, before.sound)
    for a, b in zip(before.frames, after.frames, strict=True):
        assert np.abs(a.astype(int) - b).mean() < 4
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_times_that_vary_stay_as_they_are(tmp_path: Path) -> None:
    times = [0, 10, 50, 200, 210, 215, 300, 301, 400, 2900]
    clips.write(tmp_path / "a.mp4", times=times)
    assert clips.read(translate(tmp_path / "a.mp4", tmp_path / "b.mp4").written).times == times
    later = clips.read(translate(tmp_path / "a.mp4", tmp_path / "b.mkv").written).times
    assert [time - later[0] for time in later] == times  # all of it, for a sound that begins before zero


def test_a_sound_that_begins_later_still_begins_then(tmp_path: Path) -> None:
    clips.write(tmp_path / "a.mkv", times=[500 + 100 * number for number in range(10)])
    before = clips.read(tmp_path / "a.mkv")
    after = clips.read(translate(tmp_path / "a.mkv", tmp_path / "b.mkv").written)
    assert after.times == before.times
    assert [time for time, _ in after.sound] == [time for time, _ in before.sound]


def test_sound_is_given_as_far_as_the_pictures_are(tmp_path: Path) -> None:
    with Sound(clips.write(tmp_path / "a.mp4")) as sound:
        first, rest = [list(sound.until(seconds)) for seconds in (0.35, float("inf"))]
    assert max(packet.dts * packet.time_base for packet in first) <= 0.35
    assert min(packet.dts * packet.time_base for packet in rest) > 0.35
    assert len(first) + len(rest) == len(clips.read(tmp_path / "a.mp4").sound)


@pytest.mark.parametrize(("name", "pixels"), [("a.mp4", "yuv444p"), ("a.webm", "yuv420p")])
def test_odd_sizes_stay(name: str, pixels: str, tmp_path: Path) -> None:
    web = {"codec": "libvpx-vp9", "sound": None} if name == "a.webm" else {"pixels": "yuv444p"}
    clips.write(tmp_path / name, size=(63, 47), **web)
    done = translate(tmp_path / name, tmp_path / "out" / name)
    assert clips.read(done.written).size == (63, 47)
    assert any("not every player" in note for note in done.notes) == (pixels == "yuv444p")


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_a_turned_video_comes_out_upright(rotation: int, tmp_path: Path) -> None:
    clips.write(tmp_path / "a.mp4", rotation=rotation)
    after = clips.read(translate(tmp_path / "a.mp4", tmp_path / "b.mp4").written)
    assert after.size == ((64, 48) if rotation == 180 else (48, 64))
    expected = np.rot90(clips.waves(0), rotation // 90)  # counter-clockwise, as ffmpeg's display rotation
    assert np.abs(after.frames[0].astype(int) - expected).mean() < 6
    with Clip(tmp_path / "b.mp4", limit_mp=1) as clip:
        assert next(clip.frames()).array.shape[:2] == after.frames[0].shape[:2]


def test_colours_come_back_as_they_went_in(tmp_path: Path) -> None:
    colours = [(200, 30, 40), (20, 180, 60), (40, 60, 220), (250, 250, 250), (3, 3, 3)]
    source = clips.write(tmp_path / "a.mp4", count=len(colours))
    with (
        Clip(source, limit_mp=1) as clip,
        Sound(source) as sound,
        Film(tmp_path / "b.mp4", clip, sound, (64, 48), quality=5) as film,
    ):
        for frame, colour in zip(clip.frames(), colours, strict=True):
            film.show(np.full((48, 64, 3), colour, np.uint8), frame, clip.unit)
        film.finish()
    for frame, colour in zip(clips.read(tmp_path / "b.mp4").frames, colours, strict=True):
        assert np.abs(frame[24, 32].astype(int) - colour).max() <= 3


@pytest.mark.parametrize(("name", "codec", "pixels"), [("a.mov", "png", "rgba"), ("a.webm", "libvpx-vp9", "yuva420p")])
def test_that_transparency_is_left_out_is_said(name: str, codec: str, pixels: str, tmp_path: Path) -> None:
    clips.write(tmp_path / name, count=2, codec=codec, pixels=pixels, sound=None)
    assert "its transparency is left out" in translate(tmp_path / name, tmp_path / "out.mp4").notes
    plain = clips.write(tmp_path / "plain.mp4", count=2, sound=None)
    assert "its transparency is left out" not in translate(plain, tmp_path / "other.mp4").notes


def test_a_batch_of_frames_is_all_that_is_in_memory(tmp_path: Path) -> None:
    translator, seen = unchanged(), []
    clips.write(tmp_path / "a.mp4", count=11)
    translate_video(
        translator, tmp_path / "a.mp4", tmp_path / "b.mp4", controls={}, batch=4,
        progress=lambda done, expected: seen.append((done, expected, sum(translator.sizes))),
    )  # fmt: skip
    assert translator.sizes == [4, 4, 3]
    assert [done for done, _, _ in seen] == list(range(1, 12))
    assert {expected for _, expected, _ in seen} == {11}
    assert max(read - done for done, _, read in seen) <= 4


def test_the_result_says_what_made_it(tmp_path: Path) -> None:
    translator = unchanged()
    sealer = Sealer(translator.card, "0123456789ab", model="night")
    source = clips.write(tmp_path / "a.mp4")
    for name in ("b.mp4", "b.mov"):
        done = translate_video(translator, source, tmp_path / name, controls={"seed": 3}, sealer=sealer)
        verdict = verify(done.written)
        assert (verdict.state, verdict.signer, verdict.model) == ("intact", "this computer", "night")
        assert verdict.controls == {"seed": 3, "feather": 8, "strength": 1.0}
        assert json.loads(clips.read(done.written).comment)["controls"] == verdict.controls
        data = bytearray(done.written.read_bytes())
        data[data.index(b"mdat") + 300] ^= 1
        assert verify(bytes(data)).state == "changed"
    done = translate_video(translator, source, tmp_path / "b.mkv", controls={}, sealer=sealer)
    assert "MKV has no room for content credentials: none are written" in done.notes
    assert verify(done.written).state == "none"


# --- What is refused -------------------------------------------------------------------------------------------------


PLAYLIST = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n"


@pytest.mark.parametrize("content", [b"", b"hello", PLAYLIST, b"ffconcat version 1.0\nfile a.mp4\n"])
def test_what_is_no_video_is_a_sentence(content: bytes, tmp_path: Path) -> None:
    clips.write(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_bytes(content)
    with pytest.raises(DataError, match=r"b\.mp4 is damaged, cut short or no video"):
        translate(tmp_path / "b.mp4", tmp_path / "out.mp4")
    with pytest.raises(DataError, match="does not exist"):
        translate(tmp_path / "none.mp4", tmp_path / "out.mp4")


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    with clips.av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("aac", rate=48000, layout="mono")
        file.mux(stream.encode(clips.tone(0)))
        file.mux(stream.encode(None))
    with pytest.raises(DataError, match="holds no moving pictures"):
        translate(tmp_path / "a.mp4", tmp_path / "out.mp4")


def test_damage_anywhere_gives_a_video_or_a_sentence_and_nothing_half(tmp_path: Path) -> None:
    whole = clips.write(tmp_path / "a.mp4", count=4).read_bytes()
    rng = np.random.default_rng(0)
    for number in range(25):
        damaged = np.frombuffer(whole, np.uint8).copy()
        places = rng.integers(0, len(damaged), 20)
        damaged[places] = rng.integers(0, 256, 20)
        cut = len(whole) if number % 2 else int(rng.integers(len(whole)))
        (tmp_path / "a.mp4").write_bytes(damaged[:cut].tobytes())
        with contextlib.suppress(DataError, ConfigError):
            translate(tmp_path / "a.mp4", tmp_path / "out" / "b.mp4", limit_mp=0.1).written.unlink()
        assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_a_file_that_ends_early_is_said_to(tmp_path: Path) -> None:
    data = clips.write(tmp_path / "a.mkv", count=40, sound=None, codec="mpeg4").read_bytes()
    (tmp_path / "a.mkv").write_bytes(data[: len(data) // 2])
    done = translate(tmp_path / "a.mkv", tmp_path / "b.mkv")
    assert done.frames < 30
    assert any("the file is cut short" in note for note in done.notes)


def test_a_sound_that_the_container_cannot_hold_is_named_before_anything_is_written(tmp_path: Path) -> None:
    clips.write(tmp_path / "a.mp4")
    with pytest.raises(ConfigError, match=r"\.webm cannot hold the sound, which is aac: .*\.mkv"):
        translate(tmp_path / "a.mp4", tmp_path / "b.webm")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_video_is_not_written_over_itself_or_under_a_name_that_holds_none(tmp_path: Path) -> None:
    source = clips.write(tmp_path / "a.mp4")
    with pytest.raises(ConfigError, match="is the video to translate"):
        translate(source, source)
    with pytest.raises(ConfigError, match="videos are written as"):
        translate(source, tmp_path / "b.avi")
    with pytest.raises(DataError, match="over the limit"):
        translate(source, tmp_path / "b.mp4", limit_mp=0.001)


@pytest.mark.parametrize(
    "side", [Domain(name="scans", channels=1, dtype="uint16", high=4095), Domain(name="bands", channels=5)]
)
@pytest.mark.parametrize("which", ["source", "target"])
def test_a_model_of_other_pictures_is_refused(side: Domain, which: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"the model's {side.name} are .* translate single pictures"):
        translate_video(unchanged(**{which: side}), tmp_path / "a.mp4", tmp_path / "b.mp4", controls={})


def test_ctrl_c_leaves_nothing_half(tmp_path: Path) -> None:
    clips.write(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_text("old")

    def interrupt(done: int, _: int | None) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        translate(tmp_path / "a.mp4", tmp_path / "b.mp4", progress=interrupt)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]
    assert (tmp_path / "b.mp4").read_text() == "old"


def test_without_h264_another_encoder_is_taken_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diptych.inference.video.writing.available", lambda name: name != "libx264" and available(name))
    clips.write(tmp_path / "a.mp4", size=(63, 47), pixels="yuv444p")
    done = translate(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert clips.read(done.written).size == (63, 47)
    assert any("MPEG-4" in note for note in done.notes)


# --- Flicker ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [(1, 0), (-3, 2), (6, -4)])
def test_motion_is_found(shift: tuple[int, int]) -> None:
    big = torch.rand(1, 1, 24, 32, generator=torch.Generator().manual_seed(0))
    big = torch.nn.functional.interpolate(big, scale_factor=6, mode="bicubic")
    x, y = shift
    before, frame = big[..., 20:116, 20:148], big[..., 20 + y : 116 + y, 20 + x : 148 + x]
    flow, seen = both_ways(frame, before)
    inner = flow[0, :, 12:-12, 12:-12].flatten(1).median(dim=1).values
    assert torch.allclose(inner, torch.tensor([float(x), float(y)]), atol=0.15)
    assert seen.mean() > 0.7
    error = (warp(before, flow) - frame).abs()[..., 12:-12, 12:-12]
    assert error.mean() < 0.2 * (before - frame).abs()[..., 12:-12, 12:-12].mean()


def sharpness(frames: list[np.ndarray]) -> float:
    """The mean slope, in grey values per pixel."""
    slopes = [np.abs(np.diff(frame.astype(float), axis=axis)).mean() for frame in frames for axis in (0, 1)]
    return float(np.mean(slopes))


def flickering(count: int = 12) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Moving waves, and the same with another brightness each time."""
    rng = np.random.default_rng(0)
    frames = [clips.waves(number, 96, 80) for number in range(count)]
    return frames, [(frame * 0.8 + rng.normal(20, 8)).clip(0, 255).astype(np.uint8) for frame in frames]


def test_flicker_is_seen_and_calmed_without_a_loss_of_sharpness() -> None:
    sources, outputs = flickering()
    follower = Follower(steady=True)
    results = [follower(source, output) for source, output in zip(sources, outputs, strict=True)]
    source, output, steadied = (follower.flicker.mean(name) for name in ("input", "output", "steadied"))
    assert source < 0.1 * output
    assert steadied < 0.3 * output
    assert sharpness(results) > 0.95 * sharpness(outputs)
    assert "steadied" in follower.flicker.to_text()


def test_without_steadying_frames_are_as_the_model_made_them() -> None:
    sources, outputs = flickering(10)
    follower = Follower()
    for source, output in zip(sources, outputs, strict=True):
        assert np.array_equal(follower(source, output), output)
    assert follower.flicker.pairs == 3  # one of four
    assert follower.flicker.mean("output") > 5 * follower.flicker.mean("input")
    assert "steadied" not in follower.flicker.to_text()


def test_across_a_cut_nothing_is_drawn_or_measured() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 256, (80, 96, 3), np.uint8) for _ in range(2))
    follower = Follower(steady=True)
    follower(first, first)
    assert np.abs(follower(second, second).astype(int) - second).mean() < 2
    assert follower.flicker.pairs == 0
    assert "not measured" in follower.flicker.to_text()


# --- The command line ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle(find("pix2pix"), NETWORKS).save(tmp_path_factory.mktemp("models") / "night")


def test_the_command_translates_a_video_and_tells_its_flicker(model: Path, tmp_path: Path) -> None:
    clips.write(tmp_path / "a.mp4")
    said = diptych("translate", model, tmp_path / "a.mp4", "--out", tmp_path / "b.mp4", "--steady", "--seed", 4)
    assert said.code == 0, said.err
    assert f"10 frames translated into {tmp_path / 'b.mp4'}" in said.out
    assert "flicker: warping error" in said.out
    assert "steadied" in said.out
    assert verify(tmp_path / "b.mp4").controls["seed"] == 4
    assert diptych("verify", tmp_path / "b.mp4").code == 0


def test_a_bad_video_does_not_stop_the_others(model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"hello")
    clips.write(tmp_path / "good.avi", codec="mpeg4", sound="mp3")
    said = diptych("translate", model, tmp_path / "bad.mp4", tmp_path / "good.avi", "--out", tmp_path / "out")
    assert said.code == 1
    assert "bad.mp4 is damaged" in said.err
    assert (tmp_path / "out" / "good.mp4").exists()
    assert diptych("translate", model, tmp_path / "bad.mp4", "--out", tmp_path / "out").code == 2


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["a.mp4", "b.png"], "videos and pictures apart"),
        (["a.mp4", "--samples", "2"], "--samples is for pictures"),
        (["a.mp4", "--mark"], "--mark is for pictures"),
        (["b.png", "--steady"], "--steady is for videos"),
        (["a.mp4", "deep/a.mp4"], "would both become"),
    ],
)
def test_what_does_not_go_together_is_named(words: list[str], fault: str, model: Path) -> None:
    said = diptych("translate", model, *words)
    assert said.code == 2
    assert fault in said.err
