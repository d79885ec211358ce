"""A result becomes a file that says which model made it, with which settings and when, and is signed."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import c2pa
import numpy as np

from diptych import __version__, images
from diptych.errors import ConfigError
from diptych.images import Picture
from diptych.model.card import Card
from diptych.provenance import mark
from diptych.provenance.certificate import find_certificate
from diptych.provenance.settings import MADE_BY_A_MODEL, with_settings
from diptych.storage.files import unfinished

SEALABLE = {
    **{name: images.MEDIA_TYPES[name] for name in ("PNG", "JPEG", "WEBP", "TIFF", "AVIF", "GIF")},
    "MP4": "video/mp4",
    "MOV": "video/quicktime",
}
"""The media types of the formats that have room for credentials."""

TRANSLATION = "org.diptych.translation"
"""The label of our own assertion."""

UNTRUSTED = "signingCredential.untrusted"
"""What is found wrong with every signature where no authority is given."""

NO_LOOKUPS = {"verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False}}


class Sealer:
    """Turns the results of one model into files with content credentials; several threads may share it.

    card, version: the model's. model: the name it goes by. certificate_path: the user's certificate, by default this
    computer's own. mark: `encode` also marks the pixels invisibly with the version. Making a sealer takes some
    milliseconds, and may make a certificate. Raises ConfigError for one that cannot be used, StorageError where none
    can be made.
    """

    def __init__(
        self, card: Card, version: str, *, model: str = "", certificate_path: Path | None = None, mark: bool = False
    ) -> None:
        self.about = {"model": model or card.title(), "version": version or "not saved", "method": card.method}
        self.certificate_path, self.version, self.mark = certificate_path, version or "0", mark
        self.signer, self.expires = self.opened()

    def opened(self) -> tuple[c2pa.Signer, datetime]:
        """The signer of the certificate, and until when it is valid. Raises ConfigError for a bad one of the user's."""
        own = find_certificate(self.certificate_path)
        try:
            signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(own.algorithm, own.chain, own.key, None))
            trial = io.BytesIO()
            black = io.BytesIO(images.encode(np.zeros((1, 1), np.uint8), "PNG"))
            sign(signer, "image/png", black, trial, self.about)
            with c2pa.Reader("image/png", trial, context=context()) as reader:
                faults = failures(json.loads(reader.json()))
        except c2pa.C2paError as error:
            faults = {str(error)}
        if faults - {UNTRUSTED}:
            raise ConfigError(f"{own.path}: what this certificate signs is not accepted: {', '.join(faults)}")
        return signer, own.expires

    def encode(
        self, picture: Picture, format: str, controls: Mapping[str, Any] = {}, *, source: bytes | None = None
    ) -> bytes:
        """The bytes of the file: marked if asked, then sealed. Raises DataError as `images.encode` does."""
        array = mark.embed(picture.array, self.version) if self.marks(picture) else picture.array
        data = images.encode(array, format, alpha=picture.alpha, palette=picture.palette, metadata=picture.metadata)
        return self.seal(data, format, controls, source=source)

    def marks(self, picture: Picture) -> bool:
        """Whether `encode` marks this picture: never numbers that are names, nor one too small or of another depth."""
        return self.mark and picture.palette is None and not picture.ids and mark.has_room(picture.array)

    def notes(self, picture: Picture, format: str) -> tuple[str, ...]:
        """What `encode` has to leave out, in words."""
        notes = [] if format in SEALABLE else [f"{format} has no room for content credentials: none are written"]
        if self.mark and not self.marks(picture):
            notes.append("not marked: a mark needs 64x64 pixels of 8 bits, grey or colour, that are no class numbers")
        return tuple(notes)

    def seal(self, data: bytes, format: str, controls: Mapping[str, Any] = {}, *, source: bytes | None = None) -> bytes:
        """The same picture with credentials and settings, every pixel as it is; other formats come back unchanged.

        controls: as the method was given them; of a picture is told that there was one. source: the file that was
        translated; its sha256 is told.
        """
        if format not in SEALABLE:
            return data
        about = self.metadata(controls, source)
        plainly = {name: about[name] for name in (*self.about, "controls")}
        sealed = io.BytesIO()
        self.sign(SEALABLE[format], io.BytesIO(with_settings(data, format, plainly)), sealed, about)
        return sealed.getvalue()

    def seal_file(self, path: Path, format: str, controls: Mapping[str, Any], *, source: Path) -> tuple[str, ...]:
        """Give a film credentials where it lies; returns a note where its format has no room for them."""
        if format not in SEALABLE:
            return (f"{format} has no room for content credentials: none are written",)
        about = self.metadata(controls, None)
        with source.open("rb") as file:
            about["source_sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
        sealed = unfinished(path)
        try:
            with path.open("rb") as before, sealed.open("w+b") as after:
                self.sign(SEALABLE[format], before, after, about)
            sealed.replace(path)
        finally:
            sealed.unlink(missing_ok=True)
        return ()

    def metadata(self, controls: Mapping[str, Any], source: bytes | None) -> dict[str, Any]:
        """What is said of one result."""
        about: dict[str, Any] = {**self.about, "made_with": f"diptych {__version__}"}
        about["controls"] = {name: plain(value) for name, value in controls.items() if value is not None}
        return about if source is None else {**about, "source_sha256": hashlib.sha256(source).hexdigest()}

    def sign(self, media_type: str, unsigned: Any, signed: Any, about: Mapping[str, Any]) -> None:
        """Copy a file from one stream to another, with credentials; where the certificate has expired, by a new one."""
        if datetime.now(UTC) > self.expires:
            self.signer, self.expires = self.opened()
        sign(self.signer, media_type, unsigned, signed, about)


def sign(signer: c2pa.Signer, media_type: str, unsigned: Any, signed: Any, about: Mapping[str, Any]) -> None:
    """Copy a file from one stream to another, with credentials."""
    builder = c2pa.Builder.from_json(json.dumps(manifest(about)), context())
    try:
        builder.sign(signer, media_type, unsigned, signed)
    finally:
        builder.close()


def failures(store: Mapping[str, Any]) -> set[str]:
    """What a check of credentials found wrong, in C2PA's words."""
    results = store.get("validation_results", {})
    parts = [
        results.get("activeManifest", {}),
        *(delta["validationDeltas"] for delta in results.get("ingredientDeltas", [])),
    ]
    return {fault["code"] for part in parts for fault in part.get("failure", [])}


@cache
def context() -> Any:
    """How credentials are made: without thumbnails, which would take a hundred kilobytes, and without look-ups."""
    return c2pa.Context.from_dict({**NO_LOOKUPS, "builder": {"thumbnail": {"enabled": False}}})


def manifest(about: Mapping[str, Any]) -> dict[str, Any]:
    """What is claimed: a model has made it, just now, with these settings.

    All pixels are the model's, so that the action is c2pa.created; what was translated is named by its digest, as the
    ingredient that C2PA has for it would cost 350 bytes, and 8 kB where it has credentials of its own.
    """
    diptych = {"name": "diptych", "version": __version__}
    made = {
        "action": "c2pa.created",
        "when": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "softwareAgent": diptych,
        "digitalSourceType": MADE_BY_A_MODEL,
    }
    return {
        "claim_generator_info": [diptych],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [made]}, "created": True},
            {"label": TRANSLATION, "data": about, "created": True},
        ],
    }


def plain(value: Any) -> Any:
    """A control as JSON can hold it: of an example picture, that there was one."""
    return value if isinstance(value, str | int | float | bool) else "a picture"
