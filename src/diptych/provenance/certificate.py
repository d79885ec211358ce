"""The certificate that signs results: the user's, or one that this computer makes for itself at first use."""

from __future__ import annotations

import hashlib
import logging
import os
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from filelock import FileLock

from diptych.errors import ConfigError, StorageError, printable
from diptych.provenance.making import as_pem, make
from diptych.storage.files import irregular, storing, unfinished

CERTIFICATE = "DIPTYCH_CERTIFICATE"
"""The environment variable that names the user's certificate."""

PURPOSES = (ExtendedKeyUsageOID.EMAIL_PROTECTION, ObjectIdentifier("1.3.6.1.5.5.7.3.36"))  # the second: documentSigning
CURVES = {"secp256r1": b"es256", "secp384r1": b"es384", "secp521r1": b"es512"}


@dataclass(frozen=True)
class Certificate:
    """A private key and its certificates as PEM, the signer's first; algorithm: C2PA's name for it; expires: in UTC."""

    path: Path
    key: bytes
    chain: bytes
    algorithm: bytes
    expires: datetime


def find_certificate(path: Path | None = None) -> Certificate:
    """The certificate at `path`, or at DIPTYCH_CERTIFICATE, or this computer's own. Raises as those do."""
    given = path or (Path(os.environ[CERTIFICATE]) if os.environ.get(CERTIFICATE) else None)
    return read_certificate(given) if given else own_certificate()


def own_path() -> Path:
    """Where this computer's own certificate is kept, readable by its user alone."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "diptych" / "certificate.pem"


def own_certificate() -> Certificate:
    """This computer's own certificate, made if there is none yet or if it has expired. Raises StorageError.

    Of several processes that come at once, one makes it and the others wait. The authorities of earlier certificates
    are kept, so that what they have signed is still known.
    """
    path = own_path()
    if not usable(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(path.with_suffix(".lock")):
                if not usable(path):
                    keep_authority(path)
                    write_private(path, make())
        except (OSError, StorageError) as error:
            raise StorageError(
                f"no certificate to sign with could be made at {path} ({error}): name one with --certificate, or a "
                f"folder that can be written with XDG_CONFIG_HOME, or leave credentials out with --no-provenance"
            ) from None
    return read_certificate(path)


def usable(path: Path) -> bool:
    """Whether there is a certificate that can still sign. Raises ConfigError for one that may not be read."""
    try:
        path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ConfigError(f"the certificate {path} cannot be read: {error.strerror}") from None
    try:
        return bool(read_certificate(path))
    except ConfigError:
        return False


def keep_authority(path: Path) -> None:
    """Keep the authority of a certificate that is about to be replaced; of one that cannot be read there is none."""
    try:
        root = root_of(path)
    except ConfigError:
        return
    write_private(path.with_name(f"former-{hashlib.sha256(root).hexdigest()[:8]}.pem"), root)


def own_authorities() -> bytes:
    """The authorities of this computer's certificates, the present one and those of old, as PEM."""
    kept = b""
    for path in (own_path(), *sorted(own_path().parent.glob("former-*.pem"))):
        try:
            kept += root_of(path)
        except ConfigError:  # there is none yet, or somebody has damaged it
            continue
    return kept


def write_private(path: Path, pem: bytes) -> None:
    """Write it whole, for the user's eyes alone from the first byte on."""
    with storing(path):
        new = unfinished(path)
        try:
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
        finally:
            new.unlink(missing_ok=True)


def read_certificate(path: Path) -> Certificate:
    """A PEM file that holds a private key and its certificates. Raises ConfigError, also for one that has expired."""
    if kind := irregular(path):
        raise ConfigError(f"the certificate {path} is {kind}: name a file")
    try:
        pem = path.read_bytes()
        chain = x509.load_pem_x509_certificates(pem)
        key = serialization.load_pem_private_key(pem, None)
        keep_private(path)
    except OSError as error:
        raise ConfigError(f"the certificate {path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(
            f"{path} must hold a private key without password, and its certificates, as PEM: leave it out for this "
            f"computer's own"
        ) from None
    if chain[0].public_key() != key.public_key():
        raise ConfigError(f"{path}: the first certificate is not that of the private key: put the signer's first")
    check_purpose(path, chain[0])
    for one in chain:
        check_dates(path, one)
    signers = [one for one in chain if one.subject != one.issuer]
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    expires = min(one.not_valid_after_utc for one in chain)
    return Certificate(path, private, b"".join(map(as_pem, signers)), algorithm_of(path, key), expires)


def keep_private(path: Path) -> None:
    """A key that others may read is one that they can sign with: our own is closed to them, of a user's it is said."""
    mode = path.stat().st_mode
    if os.name == "nt" or not mode & 0o077:
        return
    if path == own_path():
        path.chmod(0o600)
    message = "it could be read by others until now" if path == own_path() else f"chmod 600 {shlex.quote(str(path))}"
    logging.getLogger("diptych").warning("the key in %s is not for you alone: %s", printable(path), printable(message))


def check_purpose(path: Path, signer: x509.Certificate) -> None:
    """Raises ConfigError for a certificate whose signatures no verifier accepts (C2PA 2.2, section 14.5)."""
    if signer.subject == signer.issuer:
        raise ConfigError(f"{path}: the certificate is signed by itself, which C2PA refuses: use one of an authority")
    try:
        uses = set(signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        signs = signer.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except (x509.ExtensionNotFound, ValueError):
        uses, signs = set(), False
    if not signs or not uses & {*PURPOSES} or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in uses:
        raise ConfigError(
            f"{path}: the certificate is not for signing: its key usage must have digitalSignature, and its extended "
            f"key usage emailProtection or documentSigning"
        )


def check_dates(path: Path, one: x509.Certificate) -> None:
    now = datetime.now(UTC)
    if now > one.not_valid_after_utc:
        raise ConfigError(
            f"the certificate {path} expired on {one.not_valid_after_utc:%Y-%m-%d}: renew it, or leave it out to sign "
            f"with this computer's own"
        )
    if now < one.not_valid_before_utc:
        raise ConfigError(f"the certificate {path} is not valid before {one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")


def algorithm_of(path: Path, key: PrivateKeyTypes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
        return CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return b"ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return b"ed25519"
    raise ConfigError(f"{path}: the key must be one on P-256, P-384 or P-521, of Ed25519, or of RSA with 2048 bits")


def root_of(path: Path) -> bytes:
    """The last certificate in a file, from which the others come: what a verifier trusts. Raises ConfigError."""
    try:
        return as_pem(x509.load_pem_x509_certificates(path.read_bytes())[-1])
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} holds no certificate that can be read: {str(error).splitlines()[0]}") from None
