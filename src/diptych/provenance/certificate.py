"""The certificate that signs results: the user's, or one that this computer makes for itself at first use."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from diptych.errors import ConfigError
from diptych.files import storing, unfinished

CERTIFICATE = "DIPTYCH_CERTIFICATE"
"""The environment variable that names the user's certificate."""

LASTS = timedelta(days=3650)
CURVES = {"secp256r1": b"es256", "secp384r1": b"es384", "secp521r1": b"es512"}


@dataclass(frozen=True)
class Certificate:
    """A private key and its chain of certificates, the signer's first, as PEM; algorithm: C2PA's name."""

    key: bytes
    chain: bytes
    algorithm: bytes


def certificate(path: Path | None = None) -> Certificate:
    """The certificate at `path`, or at DIPTYCH_CERTIFICATE, or this computer's own. Raises ConfigError."""
    given = path or (Path(os.environ[CERTIFICATE]) if os.environ.get(CERTIFICATE) else None)
    return read_certificate(given) if given else own_certificate()


def own_path() -> Path:
    """Where this computer's own certificate is kept, readable by its user alone."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "diptych" / "certificate.pem"


def own_certificate() -> Certificate:
    """This computer's own certificate, made if there is none yet or if it has expired. Raises StorageError."""
    path = own_path()
    if path.exists():
        try:
            return read_certificate(path)
        except ConfigError:  # expired or damaged: it is ours to replace
            put(path, make(), replace=True)
    else:
        put(path, make(), replace=False)
    return read_certificate(path)


def put(path: Path, pem: bytes, *, replace: bool) -> None:
    """Write it whole, for the user's eyes alone; of several processes that make one at once, the first one's stays."""
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = unfinished(path)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(handle, "wb") as file:
                file.write(pem)
            if replace or os.name != "posix":
                os.replace(new, path)
            else:
                link_if_free(new, path)
        finally:
            new.unlink(missing_ok=True)


def link_if_free(new: Path, path: Path) -> None:
    try:
        os.link(new, path)
    except FileExistsError:
        return


def read_certificate(path: Path) -> Certificate:
    """A PEM file that holds a private key and its certificates. Raises ConfigError, also for one that has expired."""
    try:
        pem = path.read_bytes()
        chain = x509.load_pem_x509_certificates(pem)
        key = serialization.load_pem_private_key(pem, None)
    except OSError as error:
        raise ConfigError(f"the certificate {path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path} must hold a private key without password, and its certificates: {reason}") from None
    check_dates(path, chain[0])
    if chain[0].public_key() != key.public_key():
        raise ConfigError(f"{path}: the first certificate is not that of the private key: put the signer's first")
    signers = chain if chain[-1].subject != chain[-1].issuer or len(chain) == 1 else chain[:-1]
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificate(private, b"".join(map(as_pem, signers)), algorithm_of(path, key))


def check_dates(path: Path, first: x509.Certificate) -> None:
    now = datetime.now(UTC)
    if now > first.not_valid_after_utc:
        raise ConfigError(
            f"the certificate {path} expired on {first.not_valid_after_utc:%Y-%m-%d}: renew it, or leave it out: then "
            f"this computer's own signs"
        )
    if now < first.not_valid_before_utc:
        raise ConfigError(f"the certificate {path} is not valid before {first.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")


def algorithm_of(path: Path, key: PrivateKeyTypes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
        return CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return b"ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return b"ed25519"
    raise ConfigError(f"{path}: content credentials are signed with a key on P-256, P-384, P-521, Ed25519, or by RSA")


def root_of(path: Path) -> bytes:
    """The last certificate in a file, from which the others come: what a verifier trusts. Raises ConfigError."""
    try:
        return as_pem(x509.load_pem_x509_certificates(path.read_bytes())[-1])
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} holds no certificate that can be read: {str(error).splitlines()[0]}") from None


def make(lasts: timedelta = LASTS) -> bytes:
    """A new key, its certificate, and that of the authority it comes from, whose own key is forgotten."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    number = secrets.token_hex(4)  # authorities of one name are told apart by it
    ours, theirs = name(f"this computer {number}"), name(f"this computer's authority {number}")
    root = (
        begun(theirs, theirs, authority, lasts)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(signs_certificates=True), critical=True)
        .sign(authority, hashes.SHA256())
    )
    leaf = (
        begun(ours, theirs, key, lasts)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        .sign(authority, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + as_pem(leaf) + as_pem(root)


def begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, lasts: timedelta
) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - timedelta(days=1)  # clocks differ
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=1) + lasts)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Diptych"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def as_pem(one: x509.Certificate) -> bytes:
    return one.public_bytes(serialization.Encoding.PEM)
