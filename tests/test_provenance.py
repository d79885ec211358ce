"""What a machine made says so, in words that other programs read, and a change of one byte is noticed."""

from __future__ import annotations

import io
import json
import os
import random
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from certificates import user_certificate
from commands import diptych
from pictures import bomb, noise, ramp, save
from PIL import Image
from runs import NETWORKS

from diptych import images
from diptych.errors import DataError
from diptych.images import Picture
from diptych.methods import find
from diptych.model.card import Card, Domain
from diptych.model.folder import read_version
from diptych.provenance import SEALABLE, Sealer, read_settings, verify
from diptych.provenance.mark import embed, extract
from diptych.provenance.settings import with_settings
from diptych.testing import bundle

CARD = Card(method="pix2pix", options={}, source=Domain(name="maps", channels=3), target=Domain(name="day", channels=3))
VERSION = "0123456789ab"
FORMATS = sorted(set(SEALABLE) - {"MP4", "MOV"})


@pytest.fixture(scope="module")
def sealer() -> Sealer:
    return Sealer(CARD, VERSION, model="street")


def png(sealer: Sealer) -> bytes:
    return sealer.seal(images.encode(noise(24, 24), "PNG"), "PNG", {"seed": 7})


# --- What a file says ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_a_sealed_file_has_the_same_pixels_and_tells_its_making(format: str, sealer: Sealer) -> None:
    plain = images.encode(noise(33, 17), format)
    sealed = sealer.seal(plain, format, {"seed": 7, "to": "day", "style": None, "example": object()}, source=b"input")
    assert np.array_equal(images.read(sealed).array, images.read(plain).array)
    verdict = verify(sealed)
    assert (verdict.state, verdict.signer, verdict.by_a_model) == ("intact", "this computer", True)
    assert (verdict.model, verdict.version, verdict.method) == ("street", VERSION, "pix2pix")
    assert verdict.controls == {"seed": 7, "to": "day", "example": "a picture"}
    assert verdict.source_sha256 == "c96c6d5be8d08a12e7b5cdc1b207fa6b2430974c86803d8891675e76fd992c20"
    assert abs(datetime.fromisoformat(verdict.time) - datetime.now(UTC)) < timedelta(minutes=5)
    assert verdict.made_with.startswith("diptych ")


@pytest.mark.parametrize(
    ("dtype", "channels", "alpha", "format"),
    [
        ("uint16", 3, True, "PNG"),
        ("uint16", 1, False, "PNG"),
        ("float32", 5, False, "TIFF"),
        ("uint8", 3, True, "WEBP"),
    ],
)
def test_depth_channels_and_transparency_stay(
    dtype: str, channels: int, alpha: bool, format: str, sealer: Sealer
) -> None:
    picture = Picture(noise(20, 21, channels, dtype), noise(20, 21, 1, dtype, seed=1)[..., 0] if alpha else None)
    before = images.read(images.encode(picture.array, format, alpha=picture.alpha))
    sealed = sealer.encode(picture, format)
    after = images.read(sealed)
    assert verify(sealed).intact
    assert np.array_equal(after.array, before.array)
    assert alpha == (after.alpha is not None)
    assert not alpha or np.array_equal(after.alpha, before.alpha)


def test_class_numbers_stay_what_they_are_with_their_colours(sealer: Sealer) -> None:
    palette = np.arange(768, dtype=np.uint8).reshape(256, 3)
    marking = Sealer(CARD, VERSION, mark=True)
    ids = Picture(noise(80, 80, 1), palette=palette, ids=True)
    sealed = marking.encode(ids, "PNG")
    assert verify(sealed).intact
    assert not verify(sealed).mark
    assert np.array_equal(images.read(sealed, indices=True).array, ids.array)
    assert "class numbers" in marking.notes(ids, "PNG")[0]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_other_programs_read_the_settings(format: str, sealer: Sealer) -> None:
    sealed = sealer.seal(images.encode(ramp(), format), format, {"seed": 7})
    with Image.open(io.BytesIO(sealed)) as image:
        image.load()
        xmp = image.info["xmp"].decode()
    assert format != "JPEG" or sealed[2:4] == b"\xff\xe0"  # JFIF's segment has to be the first
    assert 'DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"' in xmp
    assert read_settings(xmp.encode()) == read_settings(sealed)
    assert read_settings(sealed) == {
        "model": "street",
        "version": VERSION,
        "method": "pix2pix",
        "controls": {"seed": 7},
    }


def test_a_name_with_quotes_and_foreign_letters_comes_back(sealer: Sealer) -> None:
    odd = Sealer(CARD, VERSION, model="""Zürich "&<'\\ 東""")
    sealed = odd.seal(images.encode(ramp(), "JPEG"), "JPEG")
    assert read_settings(sealed)["model"] == verify(sealed).model == """Zürich "&<'\\ 東"""


@pytest.mark.parametrize("format", ["BMP", "NPY"])
def test_a_format_without_room_stays_as_it_is_and_is_said_to(format: str, sealer: Sealer) -> None:
    plain = images.encode(ramp(), format)
    assert sealer.seal(plain, format) == plain
    assert verify(plain).state == "none"
    assert "no room for content credentials" in sealer.notes(Picture(ramp()), format)[0]


def test_the_same_settings_give_the_same_pixels_and_other_credentials(sealer: Sealer) -> None:
    marking = Sealer(CARD, VERSION, mark=True)
    first, second = (marking.encode(Picture(ramp(80, 96)), "PNG", {"seed": 1}) for _ in range(2))
    assert first != second
    assert idat(first) == idat(second)


def idat(data: bytes) -> bytes:
    """The compressed pixels of a PNG."""
    return data[data.index(b"IDAT") :]


def test_threads_share_a_sealer(sealer: Sealer) -> None:
    plain = images.encode(ramp(), "PNG")
    with ThreadPoolExecutor(4) as pool:
        sealed = list(pool.map(lambda seed: sealer.seal(plain, "PNG", {"seed": seed}), range(40)))
    assert [verify(one).controls["seed"] for one in sealed] == list(range(40))


# --- Changes, and files that are not what they should be -------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_every_changed_pixel_byte_is_noticed(format: str, sealer: Sealer) -> None:
    plain = images.encode(noise(48, 48), format)
    sealed = sealer.seal(plain, format)
    rng = random.Random(format)
    pixels = sealed.index(plain[len(plain) // 2 :][:400])
    for place in rng.sample(range(pixels, pixels + 400), 25):
        changed = bytearray(sealed)
        changed[place] ^= 1 << rng.randrange(8)
        assert verify(bytes(changed)).state == "changed", place


def test_other_settings_or_another_picture_under_the_same_credentials_are_noticed(sealer: Sealer) -> None:
    sealed = png(sealer)
    assert verify(sealed.replace(b"seed&quot;:7", b"seed&quot;:8")).state == "changed"
    assert verify(sealed.replace(b"dseed\7", b"dseed\x08")).state == "changed"
    other = sealer.seal(images.encode(noise(24, 24, seed=5), "PNG"), "PNG")
    credentials, others = (re.search(rb"....caBX.*?(?=....iTXt)", one, re.DOTALL)[0] for one in (sealed, other))
    assert verify(other.replace(others, credentials)).state == "changed"


def test_what_is_unsigned_is_told_as_such(sealer: Sealer) -> None:
    sealed = png(sealer)
    stripped = sealed.replace(re.search(rb"....caBX.*?(?=....iTXt)", sealed, re.DOTALL)[0], b"")
    verdict = verify(stripped)
    assert (verdict.state, verdict.signer, verdict.model) == ("none", "nobody", "street")
    assert "written by anybody" in verdict.to_text()


@pytest.mark.parametrize("format", FORMATS)
def test_a_damaged_file_gets_a_verdict_or_a_sentence(format: str, sealer: Sealer) -> None:
    sealed = sealer.seal(images.encode(noise(24, 24), format), format, {"seed": 7})
    rng = random.Random(format)
    for _ in range(60):
        changed = bytearray(sealed)
        for _ in range(rng.choice([1, 3, 30])):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        data = bytes(changed[: rng.choice([len(changed), rng.randrange(len(changed))])])
        try:
            verdict = verify(data)
        except DataError:
            continue
        assert json.dumps(verdict.to_dict())
        assert verdict.to_text()


@pytest.mark.parametrize("said", [b"[1]", b"{", b"&quot;", b"[" * 5000, b"\xff\xfe", b"{&quot;controls&quot;:[]}"])
def test_settings_that_are_none_are_none(said: bytes) -> None:
    assert read_settings(b'diptych:settings="' + said + b'"').get("controls", []) == []
    plain = images.encode(ramp(), "PNG")
    assert verify(plain + b'diptych:settings="' + said + b'"').to_text()


FORGED = "intact: no pixel and no word has changed since it was signed"
VOUCHED = "signed by this computer"


def test_no_name_forges_a_line_of_the_verdict(tmp_path: Path) -> None:
    evil = f"x\n{VOUCHED}\n{FORGED}\r\x1b[1A\u202e"
    pem, _ = user_certificate(tmp_path, called=f'me"\n{VOUCHED}')
    card = Card(method=evil, options={}, source=CARD.source, target=Domain(name=evil, channels=3))
    sealer = Sealer(card, evil, model=evil, certificate_path=pem)
    plain = images.encode(ramp(), "PNG")
    controls = {"to": evil, evil: evil}
    unsigned = with_settings(plain, "PNG", {"model": evil, "controls": controls})
    for data, is_signed in ((sealer.seal(plain, "PNG", controls), True), (unsigned, False)):
        (tmp_path / f"{VOUCHED}\n.png").write_bytes(data)
        shown = diptych("verify", tmp_path / f"{VOUCHED}\n.png").out
        lines = [line.strip() for line in shown.split("\n")]
        assert VOUCHED in shown
        assert (lines.count(VOUCHED), lines.count(FORGED)) == (0, int(is_signed))
        assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder", "a socket"])
def test_what_is_no_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    else:
        path = Path("/dev/zero")
    said = diptych("verify", path)
    assert (said.code, said.err) == (2, f"diptych: {path}: is {kind}, no picture: name a file\n")


def test_a_terminal_is_not_steered_by_what_a_stranger_has_written() -> None:
    odd = Sealer(CARD, VERSION, model="\x1b[2Jgone")
    assert "\x1b" not in verify(odd.seal(images.encode(ramp(), "PNG"), "PNG")).to_text()


def test_a_bomb_is_not_decoded_for_its_mark(tmp_path: Path) -> None:
    assert verify(bomb(tmp_path / "bomb.png")).state == "none"


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n"[:5]])
def test_what_is_no_picture_is_a_sentence(data: bytes) -> None:
    with pytest.raises(DataError):
        verify(data)


# --- The invisible mark ----------------------------------------------------------------------------------------------


def photo(size: int = 256) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    waves = [128 + 90 * np.sin((x * (channel + 1) + y * 2) / 9) for channel in range(3)]
    return np.stack(waves, axis=2).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_mark_survives_a_jpeg_and_is_not_seen_where_there_is_none(channels: int) -> None:
    array = photo()[..., :channels]
    marked = embed(array, VERSION)
    assert np.abs(marked.astype(int) - array).max() <= 16
    assert extract(marked) == VERSION
    assert extract(images.read(images.encode(marked, "JPEG", quality=75)).array) == VERSION
    assert extract(array) is None


@pytest.mark.parametrize("value", [0, 3, 128, 252, 255])
def test_a_mark_holds_in_black_and_in_white(value: int) -> None:
    assert extract(embed(np.full((128, 128, 3), value, np.uint8), VERSION)) == VERSION


def test_a_marked_result_is_known_after_its_credentials_are_gone() -> None:
    sealed = Sealer(CARD, VERSION, mark=True).encode(Picture(photo()), "PNG")
    stripped = images.encode(images.read(sealed).array, "PNG")
    assert (verify(stripped).state, verify(stripped).mark) == ("none", VERSION)


# --- The command line ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    networks = {**NETWORKS, "generator": "unet_64"}  # unet_32 has no dropout, and so no seeds
    return bundle(find("pix2pix"), networks).save(tmp_path_factory.mktemp("work") / "street")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for ending in ("png", "jpg", "webp", "bmp"):
        save(tmp_path / "in" / f"a.{ending}", ramp())
    return tmp_path / "in"


def test_all_that_is_translated_verifies(model: Path, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = diptych("translate", model, pictures, "--seed", 3, "--samples", 2, "--out", out)
    assert said.code == 0
    assert "a.bmp: BMP has no room for content credentials" in said.err
    assert "likewise of 1 more" in said.err
    written = sorted(path for path in out.iterdir() if path.suffix != ".bmp")
    assert len(written) == 6
    verified = diptych("verify", "--json", *written)
    assert verified.code == 0, verified.err
    found = json.loads(verified.out)
    assert {name[-5]: one["controls"]["seed"] for name, one in found.items() if name.endswith("png")} == {
        "1": 3,
        "2": 4,
    }
    assert {one["model"] for one in found.values()} == {"street"}
    assert {one["version"] for one in found.values()} == {read_version(model)}


def test_the_exit_code_tells_the_worst(model: Path, pictures: Path, tmp_path: Path) -> None:
    written = tmp_path / "out" / "a.png"
    assert diptych("translate", model, pictures / "a.png", "--out", written).code == 0
    said = diptych("verify", written)
    assert said.code == 0
    assert "intact: no pixel and no word has changed since it was signed\n  signed by this computer" in said.out
    assert diptych("verify", written, pictures / "a.png").code == 1
    damaged = bytearray(written.read_bytes())
    damaged[-40] ^= 1
    written.write_bytes(damaged)
    assert diptych("verify", written).code == 1
    said = diptych("verify", written, model / "card.json", tmp_path / "none.png")
    assert said.code == 2
    assert len(said.err.splitlines()) == 2
    assert "CHANGED" in said.out


def test_leaving_credentials_out_is_said_once_and_changes_no_pixel(model: Path, pictures: Path, tmp_path: Path) -> None:
    plain, sealed = tmp_path / "plain", tmp_path / "sealed"
    said = diptych("translate", model, pictures, "--no-provenance", "--out", plain)
    assert said.err.count("without content credentials, as asked for") == 1
    assert "as asked for" not in diptych("translate", model, pictures, "--out", sealed).err
    for path in sorted(plain.iterdir()):
        assert verify(path).state == "none"
        assert np.array_equal(images.read(path).array, images.read(sealed / path.name).array)
    assert idat((plain / "a.png").read_bytes()) == idat((sealed / "a.png").read_bytes())


def test_an_expired_certificate_ends_the_command_before_it_begins(model: Path, pictures: Path, tmp_path: Path) -> None:
    pem, _ = user_certificate(tmp_path, hours=-1)
    said = diptych("translate", model, pictures, "--certificate", pem, "--out", tmp_path / "out")
    assert said.code == 2
    assert "expired on" in said.err
    assert not (tmp_path / "out").exists()


def test_a_users_authority_is_trusted_when_it_is_given(model: Path, pictures: Path, tmp_path: Path) -> None:
    pem, root = user_certificate(tmp_path)
    written = tmp_path / "a.png"
    diptych("translate", model, pictures / "a.png", "--certificate", pem, "--out", written)
    said = diptych("verify", written)
    assert ("nobody vouches for" in said.out, said.code) == (True, 3)
    assert diptych("verify", written, "--require-trusted").code == 1
    said = diptych("verify", written, "--trust", root, "--require-trusted")
    assert ("a given authority vouches for" in said.out, said.code) == (True, 0)
    diptych("translate", model, pictures / "a.png", "--out", ours := tmp_path / "ours.png")
    assert diptych("verify", ours, "--require-trusted").code == 0
    assert diptych("verify", written, ours).code == 3
    assert diptych("verify", written, pictures / "a.png").code == 1
    assert diptych("verify", written, "--trust", tmp_path / "none.pem").code == 2
