"""Certificates for tests: a user's, from an authority of its own, in any state."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from diptych.provenance.making import make


def user_certificate(place: Path, **lasts: float) -> tuple[Path, Path]:
    """A file with key and chain, which lasts that long from now on, and one with its authority alone."""
    whole = make(timedelta(**(lasts or {"days": 9})))
    pem, root = place / "user.pem", place / "ca.pem"
    pem.write_bytes(whole)
    root.write_bytes(whole[whole.rindex(b"-----BEGIN") :])
    return pem, root
