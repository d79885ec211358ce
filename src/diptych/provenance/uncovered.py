"""The bytes of a signed file that no signature covers: framing, labels, padding. Nothing may hide among them.

The container's part that holds the credentials is left out of the signed digest; within it C2PA 2.2, section 11.1, has
boxes as of ISO 19566-5 (JUMBF), and the signature a padding (RFC 8152 says how it is written). Whoever fills these
changes no pixel and no word, but has a kilobyte that a digest of the file would not have given him.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

HEAD = 8
"""Bytes of a box before its content: its length and its kind."""
OURS = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""The kind of a film's box, or an AVIF's, that holds credentials."""
KIND = bytes.fromhex("00110010800000aa00389b71")
"""How the kinds of boxes of boxes end, behind four letters of their own."""
PARTS = {"c2pa.assertions": b"c2as", "c2pa.claim": b"c2cl", "c2pa.claim.v2": b"c2cl", "c2pa.signature": b"c2cs"}
"""The parts of a manifest, and their kinds; others have to be mentioned in one of them."""
UNSIGNED = {"x5chain", "sigTst", "sigTst2", "rVals", "ocspVals", "pad", "pad2"}
"""What may stand beside a signature."""
NOTHING = 22
"""CBOR's number for it: a signature does not hold what is signed."""
ROOM = 1 << 26
"""Bytes of credentials that are looked at, at most."""


class Stray(Exception):
    """Something is there that no signature covers; what."""


class Box(NamedTuple):
    """kind: four letters. label: of a box of boxes its name. content: of such a box all behind its description."""

    kind: bytes
    label: str
    content: bytes


def uncovered(file: BinaryIO, format: str, hashed: Mapping[str, Any]) -> str:
    """What is there besides what was signed, in words; empty where there is nothing.

    hashed: the assertions about the file's digest, by their labels, as `detailed_json` of c2pa has them.
    """
    try:
        if exclusions := hashed.get("c2pa.hash.data", {}).get("exclusions"):
            check_store(unframed([part(file, **one) for one in exclusions], format))
        elif any(name.startswith("c2pa.hash.bmff") for name in hashed):
            check_store(in_film(file))
        return ""
    except Stray as found:
        return str(found)
    except (ValueError, IndexError, KeyError, TypeError, RecursionError):
        return "credentials that are not built as they ought to be"


def part(file: BinaryIO, start: int, length: int) -> bytes:
    if length > ROOM:
        raise Stray(f"{length} bytes that were left out of the digest")
    file.seek(start)
    return file.read(length)


def expect(true: bool, what: str) -> None:
    if not true:
        raise Stray(what)


# --- Where a file has its credentials --------------------------------------------------------------------------------


def unframed(parts: list[bytes], format: str) -> bytes:
    """The credentials in what was left out of the digest. Raises Stray where there is more."""
    expect(len(parts) == (2 if format == "TIFF" else 1), "parts that were left out of the digest")
    region = parts[-1]
    if format == "PNG":
        size, sum = (len(region) - 12).to_bytes(4, "big"), zlib.crc32(region[4:-4]).to_bytes(4, "big")
        store, framed = region[8:-4], region[:8] + region[-4:] == size + b"caBX" + sum
    elif format == "WEBP":
        store, framed = region[8:], region[:8] == b"C2PA" + (len(region) - 8).to_bytes(4, "little")
    elif format == "TIFF":
        store, framed = region, len(region) in (int.from_bytes(parts[0], "little"), int.from_bytes(parts[0], "big"))
        framed = framed or len(parts[0]) == 8  # of a BigTIFF c2pa leaves out eight bytes of another tag
    elif format == "GIF":
        store, framed = unblocked(region[14:]), region[:11] == b"\x21\xff\x0bC2PA_GIF"
    else:
        store, framed = b"".join(segments(region)), format == "JPEG"
    expect(framed, "something beside its credentials")
    return store


def unblocked(blocks: bytes) -> bytes:
    """A GIF's data, which stands in blocks of up to 255 bytes, the last of them empty."""
    found, at = [], 0
    while size := blocks[at]:
        found.append(blocks[at + 1 : at + 1 + size])
        at += 1 + size
    expect(at + 1 == len(blocks), "something beside its credentials")
    return b"".join(found)


def segments(region: bytes) -> Iterator[bytes]:
    """A JPEG's data, which stands in segments; each but the first repeats the head of the box."""
    at, number = 0, 1
    while at < len(region):
        size = int.from_bytes(region[at + 2 : at + 4], "big")
        body = region[at + 4 : at + 2 + size]
        is_next = int.from_bytes(body[4:8], "big") == number
        expect(region[at : at + 2] == b"\xff\xeb" and body[:2] == b"JP" and is_next, "something beside its credentials")
        yield body[8 if number == 1 else 8 + HEAD :]
        at, number = at + 2 + size, number + 1


def in_film(file: BinaryIO) -> bytes:
    """The credentials of a film or an AVIF; boxes that are left out of its digest must be empty."""
    stores, kinds, at = [], [], 0
    end = file.seek(0, 2)
    while at < end:
        file.seek(at)
        head = file.read(16)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        size = int.from_bytes(head[8:], "big") if size == 1 else size or end - at
        expect(size >= HEAD, "a box of no size")
        kinds.append(kind)
        if kind in (b"free", b"skip"):
            expect(not any(part(file, at + HEAD, size - HEAD)), "a box that says it is free, and is filled")
        if kind == b"uuid" and head[8:] + part(file, at + 16, 8) == OURS:
            stores.append(part(file, at + 24, size - 24))
        at += size
    expect(kinds.count(b"ftyp") == 1 and len(stores) == 1, "a second box of a kind that there is once")
    purpose = b"\0\0\0\0manifest\0" + bytes(8)
    expect(stores[0].startswith(purpose), "something beside its credentials")
    return stores[0].removeprefix(purpose)


# --- What the credentials consist of ---------------------------------------------------------------------------------


def check_store(store: bytes) -> None:
    """Raises Stray for a label, a box or a padding that was not there when it was signed."""
    whole = boxes(store)
    expect([one[:2] for one in whole] == [(b"c2pa", "c2pa")], "a box beside its credentials")
    manifests = boxes(whole[0].content)
    for manifest in manifests[:-1]:  # the last is the file's own
        others = store.replace(manifest.content, b"")
        expect(others.count(manifest.label.encode()) > 1, "credentials that nothing refers to")
    for manifest in manifests:
        check_manifest(manifest)


def check_manifest(manifest: Box) -> None:
    """The same of the credentials of one file, which those of another may hold."""
    parts = boxes(manifest.content)
    known = [one.label for one in parts if one.label in PARTS]
    expect(len(known) == len({*known}) == 3, "a box without the label that it had")
    for one in parts:
        mentioned = one.label and manifest.content.replace(one.content, b"").count(one.label.encode()) > 1
        expect(PARTS.get(one.label) == one.kind or bool(mentioned), f"a box {one.label!r}")
        within = boxes(one.content)
        if one.label in PARTS and one.label != "c2pa.assertions":
            expect([inner.kind for inner in within] == [b"cbor"], "a box beside its signature")
        elif one.label in PARTS:
            for message in within:
                kinds = [inner.kind for inner in boxes(message.content)]
                expect(
                    bool(message.label) and (len(kinds) == 1 or kinds == [b"bfdb", b"bidb"]), "a box in what it says"
                )
        if one.label == "c2pa.signature":
            check_signature(within[0].content)


def boxes(data: bytes) -> list[Box]:
    """The boxes in which data lie without a gap."""
    found, at = [], 0
    while at < len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + HEAD]
        expect(HEAD <= size <= len(data) - at, "a box that does not end where its container ends")
        content = data[at + HEAD : at + size]
        found.append(described(content) if kind == b"jumb" else Box(kind, "", content))
        at += size
    return found


def described(content: bytes) -> Box:
    """A box of boxes by its description, the first in it: a kind of 16 bytes, flags, a label, and perhaps a salt."""
    size = int.from_bytes(content[:4], "big")
    label, end, salt = content[HEAD + 17 : size].partition(b"\0")
    expect(content[4:HEAD] == b"jumd" and end == b"\0" and size <= len(content), "a box without a description")
    expect(not salt or [one.kind for one in boxes(salt)] == [b"c2sh"], "something in the description of a box")
    kind = content[HEAD : HEAD + 16]
    return Box(kind[:4] if kind[4:] == KIND else kind, label.decode(), content[size:])


def check_signature(data: bytes) -> None:
    """Raises Stray for what is beside a signature: an entry that nobody knows, or a padding that is filled."""
    value, end = read(data, 0)
    expect(
        end == len(data) and isinstance(value, list) and isinstance(value[1], dict), "something behind its signature"
    )
    unsigned = value[1]
    expect({*unsigned} <= UNSIGNED, "an entry beside its signature")
    expect(not any(any(unsigned.get(name, b"")) for name in ("pad", "pad2")), "a padding that is filled")


def read(data: bytes, at: int) -> tuple[Any, int]:
    """A value of CBOR (RFC 8949) of known length, and where it ends."""
    kind, small = data[at] >> 5, data[at] & 31
    extra = {24: 1, 25: 2, 26: 4, 27: 8}.get(small, 0)
    count = int.from_bytes(data[at + 1 : at + 1 + extra], "big") if extra else small
    at += 1 + extra
    if kind in (2, 3):
        expect(count <= len(data) - at, "a text that is cut off")
        value = data[at : at + count]
        return (value if kind == 2 else value.decode()), at + count
    if kind in (4, 5):
        values = []
        for _ in range(count if kind == 4 else 2 * count):
            one, at = read(data, at)
            values.append(one)
        return (values if kind == 4 else dict(zip(values[::2], values[1::2], strict=True))), at
    return read(data, at) if kind == 6 else (count, at)
