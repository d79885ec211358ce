"""What a file says about who made it, and whether that is still true of it."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import c2pa

from diptych import images
from diptych.errors import DataError
from diptych.provenance import mark
from diptych.provenance.certificate import own_path, root_of
from diptych.provenance.sealing import MEDIA_TYPES, NO_LOOKUPS, SETTINGS

State = Literal["intact", "changed", "none"]
Signer = Literal["this computer", "trusted", "unknown", "nobody"]


@dataclass(frozen=True)
class Verdict:
    """What is known of a file.

    state: intact since it was signed; changed, in pixels or in what it says; none: it has no credentials. signer: this
    computer; trusted, by a certificate that was given; unknown; nobody. The rest is what the signer says: made_with,
    model, version, method, controls, time. by_a_model: whether it says that a model made it. mark: the version that
    the pixels are marked with, if they are.
    """

    state: State
    signer: Signer = "nobody"
    signed_by: str = ""
    made_with: str = ""
    model: str = ""
    version: str = ""
    method: str = ""
    controls: dict[str, Any] = field(default_factory=dict)
    time: str = ""
    by_a_model: bool = False
    mark: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def to_text(self) -> str:
        """The verdict in words."""
        if self.state == "none":
            marked = f"; its pixels are marked with the model version {self.mark}" if self.mark else ""
            return f"no content credentials{marked}"
        signer = {"this computer": "signed by this computer", "trusted": f"signed by {self.signed_by}, trusted"}
        lines = [
            "intact: unchanged since it was signed"
            if self.state == "intact"
            else "CHANGED since it was signed: what follows was said of another picture",
            signer.get(self.signer, f"signed by {self.signed_by or 'nobody that can be read'}, whom none vouches for"),
            f"made by a model: {self.model}, version {self.version}, method {self.method}" if self.model else "",
            "made by a model" if self.by_a_model and not self.model else "",
            f"with {', '.join(f'{name}={value}' for name, value in self.controls.items())}" if self.controls else "",
            f"on {self.time}, by {self.made_with}" if self.time else f"by {self.made_with}",
            f"its pixels are marked with the model version {self.mark}" if self.mark else "",
        ]
        return "\n".join(line for line in lines if line)


def verify(source: bytes | Path, *, trust: Sequence[Path] = ()) -> Verdict:
    """Read and check the credentials of a picture file.

    trust: certificates (PEM) of authorities that are trusted besides this computer's own. Raises DataError where the
    file is no picture, ConfigError for a certificate that cannot be read.
    """
    data = source if isinstance(source, bytes) else read(source)
    format = images.format_of(data)
    manifests = manifest_in(data, format, b"".join(root_of(path) for path in trust))
    if manifests is None:
        return Verdict("none", mark=mark_in(data))
    store, state = manifests
    signer: Signer = "unknown"
    if state == "Trusted":
        signer = "trusted"
    elif own_path().exists() and validity(data, format, root_of(own_path())) == "Trusted":
        signer = "this computer"
    return read_claim(store, "changed" if state == "Invalid" else "intact", signer, mark_in(data))


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}): check the path and its permissions") from None


def manifest_in(data: bytes, format: str, anchors: bytes) -> tuple[dict[str, Any], str] | None:
    """The manifest store and its validity, or None where there is none."""
    if format not in MEDIA_TYPES:
        return None
    try:
        with c2pa.Reader(MEDIA_TYPES[format], io.BytesIO(data), context=trusting(anchors)) as reader:
            return json.loads(reader.json()), reader.get_validation_state() or "Invalid"
    except c2pa.C2paError as error:
        return None if "ManifestNotFound" in str(error) else ({}, "Invalid")


def validity(data: bytes, format: str, anchors: bytes) -> str:
    found = manifest_in(data, format, anchors)
    return found[1] if found else "Invalid"


def trusting(anchors: bytes) -> Any:
    settings: dict[str, Any] = {**NO_LOOKUPS}
    if anchors:
        settings["trust"] = {"trust_anchors": anchors.decode()}
    return c2pa.Context.from_dict(settings)


def read_claim(store: dict[str, Any], state: State, signer: Signer, marked: str | None) -> Verdict:
    """What the manifest of the file itself claims."""
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    said = {entry.get("label"): entry.get("data", {}) for entry in manifest.get("assertions", [])}
    actions = said.get("c2pa.actions.v2", {}).get("actions", [])
    ours = said.get(SETTINGS, {})
    generator = (manifest.get("claim_generator_info") or [{}])[0]
    return Verdict(
        state,
        signer,
        signed_by=manifest.get("signature_info", {}).get("common_name", ""),
        made_with=ours.get("made_with", f"{generator.get('name', '')} {generator.get('version', '')}".strip()),
        model=ours.get("model", ""),
        version=ours.get("version", ""),
        method=ours.get("method", ""),
        controls=ours.get("controls", {}),
        time=next((action["when"] for action in actions if "when" in action), ""),
        by_a_model=any("trainedAlgorithmicMedia" in action.get("digitalSourceType", "") for action in actions),
        mark=marked,
    )


def mark_in(data: bytes) -> str | None:
    """The invisible mark, where the picture can be decoded."""
    try:
        return mark.extract(images.read(data).array)
    except DataError:
        return None
