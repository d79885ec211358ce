"""What a file says about who made it, and whether that is still true of it."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

import c2pa

from diptych import images
from diptych.errors import DataError, printable
from diptych.provenance import mark
from diptych.provenance.certificate import own_authorities, root_of
from diptych.provenance.sealing import NO_LOOKUPS, SEALABLE, TRANSLATION, UNTRUSTED, failures
from diptych.provenance.settings import MADE_BY_A_MODEL, read_settings
from diptych.provenance.uncovered import uncovered
from diptych.storage.files import irregular

State = Literal["intact", "changed", "expired", "none"]
Signer = Literal["this computer", "trusted", "unknown", "nobody"]

STRAY = "stray"
"""Under which a manifest store has what our own check of it has found."""
EXPIRED = {"signingCredential.expired", "claimSignature.outsideValidity"}
SAYS = {
    "intact": "intact: no pixel and no word has changed since it was signed",
    "changed": "CHANGED since it was signed, in its pixels or in what it says: what follows was said of another file",
    "expired": "unchanged, but the certificate has expired since: nobody can tell whether it was signed before",
    "none": "no content credentials: what follows may have been written by anybody",
}
VOUCHED = {
    "this computer": "signed by this computer",
    "trusted": "signed by {by}, whom a given authority vouches for",
    "unknown": "signed by {by}, whom nobody vouches for: anybody can sign as anybody",
}


@dataclass(frozen=True)
class Verdict:
    """What is known of a file.

    state: intact since it was signed; changed, in pixels or in what it says, or its credentials are damaged; expired:
    unchanged, but the certificate has run out since; none: it has no credentials. signer: this computer; trusted, by an
    authority that was given; unknown; nobody. The rest is what the file says, and is worth what its state and signer
    are: made_with, model, version, method, controls, time, the sha256 of what was translated. by_a_model: whether it
    says that a model made it. mark: the version that the pixels are marked with. stray: what is in the file and covered
    by no signature, where there is anything: such a file counts as changed.
    """

    state: State
    signer: Signer = "nobody"
    signed_by: str = ""
    made_with: str = ""
    model: str = ""
    version: str = ""
    method: str = ""
    controls: dict[str, Any] = field(default_factory=dict)
    source_sha256: str = ""
    time: str = ""
    by_a_model: bool = False
    mark: str = ""
    stray: str = ""

    @property
    def intact(self) -> bool:
        return self.state == "intact"

    @property
    def trusted(self) -> bool:
        """Whether it is intact, and signed by this computer or by whom a given authority vouches for."""
        return self.intact and self.signer in ("this computer", "trusted")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def to_text(self) -> str:
        """The verdict in words; what the file says of itself stands in quotation marks, each value on one line."""
        named = f"made by the model {quoted(self.model)}, version {quoted(self.version)}, method {quoted(self.method)}"
        controls = ", ".join(f"{quoted(name)} = {quoted(value)}" for name, value in self.controls.items())
        lines = [
            named if self.model else "made by a model" if self.by_a_model else "",
            f"with {controls}" if controls else "",
            f"by {quoted(self.made_with)}" + (f", {quoted(self.time)}" if self.time else "") if self.made_with else "",
            f"from a file whose sha256 is {quoted(self.source_sha256)}" if self.source_sha256 else "",
        ]
        first = [SAYS[self.state] if any(lines) or self.state != "none" else "no content credentials"]
        first += [f"it has {printable(self.stray)}, which no signature covers"] if self.stray else []
        if self.signer in VOUCHED:
            first.append(VOUCHED[self.signer].format(by=quoted(self.signed_by) if self.signed_by else "nobody"))
        last = f"its pixels are marked with the model version {self.mark}" if self.mark else ""
        return "\n".join(line for line in (*first, *lines, last) if line)


def quoted(text: object) -> str:
    """What a stranger has written, as one line that nobody takes for ours."""
    return '"' + printable(text).replace('"', "\\x22") + '"'


def verify(source: bytes | Path, *, trust: Sequence[Path] = ()) -> Verdict:
    """Read and check the credentials of a picture or a film.

    trust: certificates (PEM) of authorities that are trusted besides this computer's own. Raises DataError where the
    file is neither, ConfigError for a certificate that cannot be read.
    """
    anchors = b"".join(root_of(path) for path in trust)
    with opened(source) as file:
        if film := film_format(file.read(12)):
            return verdict_of(file, film, anchors, {}, "")
        file.seek(0)
        data = file.read()
    return verdict_of(io.BytesIO(data), images.format_of(data), anchors, read_settings(data), mark_in(data))


def opened(source: bytes | Path) -> BinaryIO:
    if isinstance(source, Path) and (kind := irregular(source)):
        raise DataError(f"{source!s}: is {kind}, no picture: name a file")
    try:
        return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    except OSError as error:
        raise DataError(f"{source!s}: cannot be read ({error.strerror}): check the path and its permissions") from None


def film_format(start: bytes) -> str:
    """The format of a film that begins so, empty of anything else; AVIF and HEIF begin alike."""
    if start[:4] == b"\x1aE\xdf\xa3" or (start[:4], start[8:]) == (b"RIFF", b"AVI "):
        return "a film without credentials"
    if start[4:8] != b"ftyp" or start[8:12] in (b"avif", b"avis", b"heic", b"mif1"):
        return ""
    return "MOV" if start[8:12] == b"qt  " else "MP4"


def verdict_of(file: BinaryIO, format: str, anchors: bytes, unsigned: dict[str, Any], marked: str) -> Verdict:
    store = credentials(file, format, own_authorities())
    if store is None:
        return verdict("none", "nobody", {}, unsigned, marked)
    signer: Signer = "this computer"
    if UNTRUSTED in failures(store):
        signer = "unknown"
        if anchors and UNTRUSTED not in failures(found := credentials(file, format, anchors) or {}):
            store, signer = found, "trusted"
    return verdict(state_of(store), signer, active(store), {}, marked, store.get(STRAY, ""))


def credentials(file: BinaryIO, format: str, anchors: bytes) -> dict[str, Any] | None:
    """The checked manifest store; empty where it cannot be read, None where there is none."""
    if format not in SEALABLE:
        return None
    trusting = {"trust": {"trust_anchors": anchors.decode()}} if anchors else {}
    try:
        context = c2pa.Context.from_dict({**NO_LOOKUPS, **trusting})
        file.seek(0)
        with c2pa.Reader(SEALABLE[format], file, context=context) as reader:
            store = json.loads(reader.json())
            details = json.loads(reader.detailed_json())
            hashed = active(details).get("assertion_store", {})
            return {**store, STRAY: uncovered(file, format, hashed)}
    except (c2pa.C2paError, ValueError) as error:
        return None if "ManifestNotFound" in f"{type(error).__name__}: {error}" else {}


def state_of(store: dict[str, Any]) -> State:
    faults = failures(store) - {UNTRUSTED}
    if not store or faults - EXPIRED or store[STRAY]:
        return "changed"
    return "expired" if faults else "intact"


def active(store: dict[str, Any]) -> dict[str, Any]:
    """The manifest of the file itself, not those of what it was made from."""
    return store.get("manifests", {}).get(store.get("active_manifest"), {})


def verdict(
    state: State,
    signer: Signer,
    manifest: dict[str, Any],
    unsigned: dict[str, Any],
    marked: str,
    stray: str = "",
) -> Verdict:
    """The verdict, with what the manifest claims, or without one what the plain metadata says."""
    assertions = {entry.get("label"): entry.get("data") for entry in manifest.get("assertions", [])}
    actions = [
        action
        for action in dictionary(assertions.get("c2pa.actions.v2")).get("actions", [])
        if isinstance(action, dict)
    ]
    ours = dictionary(assertions.get(TRANSLATION)) or unsigned
    generator = (manifest.get("claim_generator_info") or [{}])[0]
    signature = dictionary(manifest.get("signature_info"))
    return Verdict(
        state,
        signer if signature else "nobody",
        signed_by=str(signature.get("common_name") or signature.get("issuer") or ""),
        made_with=word(ours, "made_with") or f"{generator.get('name', '')} {generator.get('version', '')}".strip(),
        model=word(ours, "model"),
        version=word(ours, "version"),
        method=word(ours, "method"),
        controls=dictionary(ours.get("controls")),
        source_sha256=word(ours, "source_sha256"),
        time=next((str(action["when"]) for action in actions if "when" in action), ""),
        by_a_model=bool(unsigned) or any(action.get("digitalSourceType") == MADE_BY_A_MODEL for action in actions),
        mark=marked,
        stray=stray,
    )


def dictionary(value: Any) -> dict[str, Any]:
    """What ought to be a dictionary, as one: it may come from a stranger."""
    return value if isinstance(value, dict) else {}


def word(assertion: dict[str, Any], name: str) -> str:
    return str(assertion.get(name, ""))


def mark_in(data: bytes) -> str:
    """The invisible mark, where the picture can be decoded and has one."""
    try:
        return mark.extract(images.read(data).array) or ""
    except DataError:
        return ""
