"""A result becomes a file that says which model made it, with which settings and when, and is signed."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import c2pa

from diptych import __version__, images
from diptych.card import Card
from diptych.images import Picture
from diptych.provenance import mark
from diptych.provenance.certificate import certificate

MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
    "GIF": "image/gif",
}
"""The formats that have room for credentials."""

MADE_BY_A_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's word for it."""

SETTINGS = "org.diptych.translation"
"""The label of our own assertion."""

NO_LOOKUPS = {"verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False}}


class Sealer:
    """Turns the results of one model into files with credentials.

    card, version: the model's. model: the name it goes by. certificate: the user's, by default this computer's own.
    mark: also mark the pixels invisibly with the version. Making one takes some milliseconds, and may make a
    certificate. Raises ConfigError for a certificate that cannot be used.
    """

    def __init__(
        self, card: Card, version: str, *, model: str = "", certificate_path: Path | None = None, mark: bool = False
    ) -> None:
        self.about = {"model": model or card.title(), "version": version, "method": card.method}
        own = certificate(certificate_path)
        self.signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(own.algorithm, own.chain, own.key, None))
        self.version, self.mark = version, mark

    def encode(self, picture: Picture, format: str, controls: Mapping[str, Any] | None = None) -> bytes:
        """The bytes of the file, sealed where its format has room for credentials. Raises DataError as images do."""
        array = picture.array
        if self.mark and picture.palette is None and not picture.ids and mark.has_room(array):
            array = mark.embed(array, self.version)
        data = images.encode(array, format, alpha=picture.alpha, palette=picture.palette)
        return self.seal(data, format, controls or {}) if format in MEDIA_TYPES else data

    def seal(self, data: bytes, format: str, controls: Mapping[str, Any]) -> bytes:
        """The same picture with credentials and settings; its pixels stay as they are."""
        about = {**self.about, "controls": {name: plain(value) for name, value in sorted(controls.items())}}
        about["made_with"] = f"diptych {__version__}"
        with_settings = noted(data, format, json.dumps(about))
        builder = c2pa.Builder.from_json(json.dumps(manifest(about)), context())
        sealed = io.BytesIO()
        try:
            builder.sign(self.signer, MEDIA_TYPES[format], io.BytesIO(with_settings), sealed)
        finally:
            builder.close()
        return sealed.getvalue()


@cache
def context() -> Any:
    """How credentials are made: without thumbnails, which would take a hundred kilobytes, and without look-ups."""
    return c2pa.Context.from_dict({**NO_LOOKUPS, "builder": {"thumbnail": {"enabled": False}}})


def manifest(about: Mapping[str, Any]) -> dict[str, Any]:
    """What is claimed: a model has made it, just now, with these settings."""
    diptych = {"name": "diptych", "version": __version__}
    made = {
        "action": "c2pa.created",
        "when": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "softwareAgent": diptych,
        "digitalSourceType": MADE_BY_A_MODEL,
    }
    return {
        "claim_generator_info": [diptych],
        "title": f"made by {about['model']}",
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [made]}},
            {"label": SETTINGS, "data": about},
        ],
    }


def plain(value: Any) -> Any:
    """A control as JSON can hold it: of an example picture, that there was one."""
    return value if isinstance(value, str | int | float | bool | None) else "a picture"


def noted(data: bytes, format: str, text: str) -> bytes:
    """The file with `text` where other programs show it: in a PNG's text, or a JPEG's comment."""
    if format == "PNG":
        body = b"iTXtdiptych\0\0\0\0\0" + text.encode()
        chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
        return data[:33] + chunk + data[33:]  # after the signature (8) and the header's chunk (25)
    if format == "JPEG":
        comment = text.encode()[:65533]
        return data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]
    return data
