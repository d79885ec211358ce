"""Certificates for tests: a user's, from an authority of its own, in any state."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from diptych.provenance.making import make, name


def user_certificate(place: Path, *, called: str = "", **lasts: float) -> tuple[Path, Path]:
    """A file with key and chain, which lasts that long from now on, and one with its authority alone.

    called: the signer's name; by default a number.
    """
    with patch("diptych.provenance.making.name", lambda one: name(called if called and "computer" in one else one)):
        whole = make(timedelta(**(lasts or {"days": 9})))
    pem, root = place / "user.pem", place / "ca.pem"
    pem.write_bytes(whole)
    pem.chmod(0o600)
    root.write_bytes(whole[whole.rindex(b"-----BEGIN") :])
    return pem, root
