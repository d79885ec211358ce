"""The settings of a result in its plain metadata, as XMP, which picture viewers, search engines and archives read.

Adobe, XMP Specification, parts 1 and 3, says where a file has it; IPTC's DigitalSourceType says that a model made it.
"""

from __future__ import annotations

import html
import json
import re
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from diptych import __version__, images

MADE_BY_A_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's word for it."""

PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:diptych="urn:diptych:" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmp:CreatorTool="diptych {version}" '
    'Iptc4xmpExt:DigitalSourceType="{source}" diptych:settings="{settings}"/></rdf:RDF></x:xmpmeta>'
)
FOUND = re.compile(rb'diptych:settings="([^"<]{1,60000})"')


def read_settings(data: bytes) -> dict[str, Any]:
    """What a file says of its own making: model, version, method, controls ...; empty where it says nothing.

    Anybody may have written it: `verify` says whether it is signed. The text is searched for and not parsed as XML,
    which a stranger could make arbitrarily expensive.
    """
    found = FOUND.search(data)
    try:
        message = json.loads(html.unescape(found[1].decode())) if found else {}
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def with_settings(data: bytes, format: str, settings: Mapping[str, Any]) -> bytes:
    """The same picture with its settings as XMP; formats other than PNG, JPEG and WebP come back unchanged."""
    put = {"PNG": in_png, "JPEG": in_jpeg, "WEBP": in_webp}.get(format)
    text = html.escape(json.dumps(settings, separators=(",", ":")))
    packet = PACKET.format(version=__version__, source=MADE_BY_A_MODEL, settings=text).encode()
    return put(data, packet) if put else data


def in_png(data: bytes, packet: bytes) -> bytes:
    body = b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + packet
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + chunk + data[33:]  # after the signature (8) and the header's chunk (25)


def in_jpeg(data: bytes, packet: bytes) -> bytes:
    """In a segment of its own, of at most 65535 bytes: a longer text is left out. JFIF's segment has to stay first."""
    body = b"http://ns.adobe.com/xap/1.0/\0" + packet
    if len(body) > 65533:
        return data
    place = 4 + int.from_bytes(data[4:6], "big") if data[2:4] == b"\xff\xe0" else 2
    return data[:place] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[place:]


def in_webp(data: bytes, packet: bytes) -> bytes:
    """Behind the picture; the simple layouts, which have no room for it, become the extended one."""
    chunks = data[12:]
    if chunks[:4] == b"VP8X":
        head = bytearray(chunks[8:18])
        chunks = chunks[18:]
    else:
        width, height, *_, alpha = images.header(data)[:6]
        sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        head = bytearray(bytes([0x10 if alpha else 0, 0, 0, 0]) + sizes)
    head[0] |= 0x04  # there is XMP
    xmp = b"XMP " + struct.pack("<I", len(packet)) + packet + b"\0" * (len(packet) % 2)
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(head) + chunks + xmp
    return b"RIFF" + struct.pack("<I", len(body)) + body
