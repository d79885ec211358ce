"""What no signature covers in a signed file holds nothing that was not there when it was signed."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

import pytest
from pictures import noise
from test_provenance import CARD, FORMATS, VERSION

from diptych import images
from diptych.provenance import Sealer, verify

PAD = b"\x63pad\x59\x03\xe8"
"""How the padding of a signature begins: its name, and that a thousand bytes follow."""


@pytest.fixture(scope="module")
def sealed() -> dict[str, bytes]:
    sealer = Sealer(CARD, VERSION, model="street")
    return {name: sealer.seal(images.encode(noise(8, 8), name), name, {"seed": 7}) for name in FORMATS}


def changed(data: bytes, place: int, sign: int = 0x41) -> bytes:
    return data[:place] + bytes([sign]) + data[place + 1 :]


def credentials(data: bytes) -> bytes:
    """Those of a PNG, which stand behind its header."""
    return data[41 : 41 + int.from_bytes(data[33:37], "big")]


def with_credentials(data: bytes, store: bytes, more: bytes = b"") -> bytes:
    """A PNG with others in their place, and perhaps more behind them."""
    chunk = b"caBX" + store
    framed = len(store).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    return data[:33] + framed + more + data[45 + len(credentials(data)) :]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("place", [0, 100, 900])
def test_a_padding_that_is_filled_is_noticed(format: str, place: int, sealed: dict[str, bytes]) -> None:
    data = sealed[format]
    if format == "GIF":  # in blocks of up to 255 bytes, which may part anything
        start, place = re.search(rb"\0{150}", data).start(), place % 100
    else:
        start = data.index(PAD) + len(PAD)
    forged = changed(data, start + place)
    verdict = verify(with_credentials(forged, credentials(forged)) if format == "PNG" else forged)
    assert (verdict.state, verdict.stray) == ("changed", "a padding that is filled")
    assert "a padding that is filled, which no signature covers" in verdict.to_text()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("label", ["c2pa", "c2pa.assertions", "c2pa.claim.v2", "c2pa.signature"])
def test_labels_and_kinds_of_boxes_stay_as_they_were(format: str, label: str, sealed: dict[str, bytes]) -> None:
    place = re.search(b"\x38\x9b\x71\x03(" + label.encode() + b")\0", sealed[format]).end(1) - 1
    assert verify(sealed[format]).state == "intact"
    for at in (place, place - len(label) - 16):
        assert verify(changed(sealed[format], at)).state != "intact"


def nested(data: bytes, start: int = 0, depth: int = 0) -> Iterator[tuple[int, int, int]]:
    """Where each box of boxes begins and ends, and how deep it lies."""
    at = start
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"jumb":
            yield at, at + size, depth
            inner = at + 8 + int.from_bytes(data[at + 8 : at + 12], "big")
            yield from nested(data[: at + size], inner, depth + 1)
        at += size


def with_box(store: bytes, outer: tuple[int, int, int], new: bytes) -> bytes:
    """Credentials with a box more, for which the padding of the signature has made room."""
    containers = [one for one in nested(store) if one[0] <= outer[0] and outer[1] <= one[1]]
    grown = bytearray(store)
    for begin, end, _ in containers:
        grown[begin : begin + 4] = (end - begin + len(new)).to_bytes(4, "big")
    shrunk = store.index(PAD)
    for begin, end, _ in nested(store):
        if begin < shrunk < end:
            size = int.from_bytes(grown[begin : begin + 4], "big") - len(new)
            grown[begin : begin + 4] = size.to_bytes(4, "big")
    inner = store.rindex(b"cbor", 0, shrunk) - 4
    grown[inner : inner + 4] = (int.from_bytes(store[inner : inner + 4], "big") - len(new)).to_bytes(4, "big")
    head = PAD[:-2] + (1000 - len(new)).to_bytes(2, "big")
    grown[outer[1] : outer[1]] = new
    shrunk += len(new) if outer[1] <= shrunk else 0
    grown[shrunk : shrunk + len(PAD) + len(new)] = head
    return bytes(grown)


SUPERBOX = b"\0\0\0\x26jumb\0\0\0\x1ejumdcbor\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71\x03hide\0"
BOXES = [b"\0\0\0\x28free" + b"hidden" * 5 + b"\0\0", SUPERBOX, b"\0\0\0\x28cbor" + b"\x58\x1e" + b"hidden" * 5]


@pytest.mark.parametrize("new", BOXES)
def test_no_box_can_be_added_at_any_depth(new: bytes, sealed: dict[str, bytes]) -> None:
    store = credentials(sealed["PNG"])
    places = list(nested(store))
    assert {depth for _, _, depth in places} == {0, 1, 2, 3}
    for outer in places:
        made = with_box(store, outer, new)
        assert len(made) == len(store)
        assert verify(with_credentials(sealed["PNG"], made)).state == "changed", outer


def test_no_part_of_the_file_can_be_added_beside_the_credentials(sealed: dict[str, bytes]) -> None:
    data, store = sealed["PNG"], credentials(sealed["PNG"])
    chunk = b"\0\0\0\x0ctEXt" + b"hidden" * 2 + zlib.crc32(b"tEXt" + b"hidden" * 2).to_bytes(4, "big")
    made = with_box(store, (0, len(store), 0), chunk)[: -len(chunk)]
    hidden = with_credentials(data, made, chunk)
    assert len(hidden) == len(data)
    verdict = verify(hidden)
    assert (verdict.state, verdict.stray) == ("changed", "something beside its credentials")


@pytest.mark.parametrize("kind", [b"free", b"skip", b"ftyp", b"mfra", b"uuid"])
def test_a_film_or_an_avif_takes_no_more_boxes(kind: bytes, sealed: dict[str, bytes]) -> None:
    assert verify(sealed["AVIF"] + b"\0\0\0\x20" + kind + b"x" * 24).state == "changed"


def test_an_empty_box_is_none_of_these(sealed: dict[str, bytes]) -> None:
    assert verify(sealed["AVIF"] + b"\0\0\0\x20free" + bytes(24)).state == "intact"
