"""Every result says which model made it, with which settings, and whether it was changed since."""

from __future__ import annotations

import io
import json
import multiprocessing
import stat
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from PIL import Image

from diptych import images
from diptych.card import Card, Side
from diptych.errors import ConfigError, DataError
from diptych.images import Picture
from diptych.provenance import MEDIA_TYPES, Sealer, verify
from diptych.provenance.certificate import make, own_certificate, own_path
from diptych.provenance.mark import embed, extract, has_room

VERSION = "0123456789ab"


@pytest.fixture(autouse=True)
def fresh_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No certificate of an earlier test or of the user's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("DIPTYCH_CERTIFICATE", raising=False)


def sealer(**options: object) -> Sealer:
    sides = {"source": Side(name="horses", channels=3), "target": Side(name="zebras", channels=3)}
    return Sealer(Card(method="cyclegan", options={}, **sides), VERSION, model="horse2zebra", **options)


def photo(size: int = 64) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    waves = [128 + 90 * np.sin((x * (i + 1) + y * 2) / 9) for i in range(3)]
    return np.stack(waves, axis=2).astype(np.uint8)


@pytest.mark.parametrize("format", MEDIA_TYPES)
def test_a_sealed_picture_keeps_its_pixels_and_says_what_made_it(format: str) -> None:
    plain = images.encode(photo(), format)
    sealed = sealer().encode(Picture(photo()), format, {"seed": 7, "style": b"file"})
    assert np.array_equal(images.read(sealed).array, images.read(plain).array)
    assert len(sealed) - len(plain) <= 4096
    verdict = verify(sealed)
    assert (verdict.state, verdict.signer, verdict.by_a_model) == ("intact", "this computer", True)
    assert (verdict.model, verdict.version, verdict.method) == ("horse2zebra", VERSION, "cyclegan")
    assert verdict.controls == {"seed": 7, "style": "a picture"}
    assert verdict.time
    assert verdict.made_with.startswith("diptych ")


@pytest.mark.parametrize("format", ["BMP", "NPY"])
def test_formats_without_room_for_credentials_come_out_as_they_are(format: str) -> None:
    data = sealer().encode(Picture(photo()), format)
    assert data == images.encode(photo(), format)
    assert verify(data).state == "none"


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_any_changed_byte_of_the_picture_is_found(format: str) -> None:
    sealed = sealer().encode(Picture(photo()), format)
    start = sealed.rindex({"PNG": b"IDAT", "JPEG": b"\xff\xda", "WEBP": b"VP8 "}[format])
    end = sealed.index(b"C2PA", start) if format == "WEBP" else len(sealed) - 16
    for place in np.random.default_rng(0).integers(start + 8, end, 20):
        changed = bytearray(sealed)
        changed[place] ^= 1 << int(place) % 8
        assert verify(bytes(changed)).state == "changed", place


def test_what_it_says_cannot_be_changed_either() -> None:
    sealed = sealer().encode(Picture(photo()), "PNG")
    assert verify(sealed.replace(b"horse2zebra", b"horse2okapi")).state == "changed"


@pytest.mark.parametrize("cut", [10, 100, 1000, -100, -1])
def test_a_damaged_file_gets_an_answer(cut: int) -> None:
    sealed = sealer().encode(Picture(photo()), "PNG")
    assert verify(sealed[:cut]).state in ("changed", "none")


@pytest.mark.parametrize("data", [b"", b"no picture", b"\0" * 100])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(DataError):
        verify(data)


def test_other_programs_find_the_settings_in_png_and_jpeg() -> None:
    png = Image.open(io.BytesIO(sealer().encode(Picture(photo()), "PNG", {"seed": 7})))
    png.load()
    assert json.loads(png.text["diptych"])["controls"] == {"seed": 7}
    jpeg = Image.open(io.BytesIO(sealer().encode(Picture(photo()), "JPEG", {"seed": 7})))
    assert json.loads(jpeg.info["comment"])["version"] == VERSION


def test_the_own_certificate_is_made_once_for_its_user_alone() -> None:
    first = own_certificate()
    assert own_certificate() == first
    assert stat.S_IMODE(own_path().stat().st_mode) == 0o600
    assert list(own_path().parent.iterdir()) == [own_path()]


def test_processes_that_start_at_once_agree_on_a_certificate() -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        found = pool.starmap(own_certificate, [()] * 8)
    assert len({one.key for one in found}) == 1


def test_an_expired_own_certificate_is_renewed_and_a_users_refused(tmp_path: Path) -> None:
    own_path().parent.mkdir(parents=True)
    own_path().write_bytes(make(timedelta(seconds=-5)))
    assert verify(sealer().encode(Picture(photo()), "PNG")).signer == "this computer"
    theirs = tmp_path / "theirs.pem"
    theirs.write_bytes(make(timedelta(seconds=-5)))
    with pytest.raises(ConfigError, match=r"theirs\.pem expired on .*: renew it"):
        sealer(certificate_path=theirs)


@pytest.mark.parametrize(
    "content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\xff\xfe"]
)
def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.pem").write_bytes(content)
    with pytest.raises(ConfigError, match=r"mine\.pem"):
        sealer(certificate_path=tmp_path / "mine.pem")


def test_anothers_signature_is_valid_but_vouched_for_only_when_trusted(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.pem"
    theirs.write_bytes(make())
    sealed = sealer(certificate_path=theirs).encode(Picture(photo()), "PNG")
    own_certificate()
    assert (verify(sealed).state, verify(sealed).signer) == ("intact", "unknown")
    assert verify(sealed, trust=[theirs]).signer == "trusted"


def test_a_mark_survives_a_jpeg_and_is_not_seen_where_there_is_none() -> None:
    marked = embed(photo(256), VERSION)
    assert np.abs(marked.astype(int) - photo(256)).max() <= 16
    assert extract(marked) == VERSION
    assert extract(images.read(images.encode(marked, "JPEG", quality=75)).array) == VERSION
    assert extract(photo(256)) is None
    assert not has_room(photo(32))


def test_a_marked_result_is_known_after_its_credentials_are_gone() -> None:
    sealed = sealer(mark=True).encode(Picture(photo(256)), "PNG")
    stripped = images.encode(images.read(sealed).array, "PNG")
    assert (verify(stripped).state, verify(stripped).mark) == ("none", VERSION)


def test_numbers_of_classes_are_never_marked() -> None:
    ids = Picture(np.zeros((256, 256, 1), np.uint8), palette=np.zeros((256, 3), np.uint8))
    assert not images.read(sealer(mark=True).encode(ids, "PNG"), indices=True).array.any()


def test_the_command_tells_intact_changed_and_none_apart(tmp_path: Path) -> None:
    sealed = sealer().encode(Picture(photo()), "PNG", {"seed": 7})
    (tmp_path / "good.png").write_bytes(sealed)
    (tmp_path / "changed.png").write_bytes(sealed.replace(b"horse2zebra", b"horse2okapi"))
    (tmp_path / "none.png").write_bytes(images.encode(photo(), "PNG"))
    (tmp_path / "text.png").write_text("text")
    good = diptych("verify", tmp_path / "good.png")
    assert good.code == 0
    assert "horse2zebra, version 0123456789ab" in good.out
    assert "seed=7" in good.out
    assert "CHANGED" in diptych("verify", tmp_path / "changed.png").out
    codes = [diptych("verify", tmp_path / f"{name}.png").code for name in ("changed", "none", "text", "missing")]
    assert codes == [1, 1, 2, 2]
    found = json.loads(diptych("verify", "--json", tmp_path / "good.png").out)
    assert found[str(tmp_path / "good.png")]["state"] == "intact"
