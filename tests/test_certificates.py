"""Who signs: this computer with a certificate that it makes once, or a user with one that verifiers accept."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from certificates import user_certificate
from cryptography.hazmat.primitives import hashes, serialization
from pictures import noise

from diptych import images
from diptych.errors import ConfigError, StorageError
from diptych.model.card import Card, Domain
from diptych.provenance import Sealer, verify
from diptych.provenance.certificate import own_authorities, own_certificate, own_path, write_private
from diptych.provenance.making import as_pem, begun, make, name, usage

CARD = Card(method="pix2pix", options={}, source=Domain(name="maps", channels=3), target=Domain(name="day", channels=3))
VERSION = "0123456789ab"


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another computer: its folder for configuration is empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


def png(sealer: Sealer) -> bytes:
    return sealer.seal(images.encode(noise(24, 24), "PNG"), "PNG", {"seed": 7})


def test_the_own_certificate_is_made_once_for_the_users_eyes() -> None:
    first = own_certificate()
    assert own_certificate() == first
    assert own_path().stat().st_mode & 0o777 == 0o600
    assert {path.name for path in own_path().parent.iterdir()} <= {"certificate.pem", "certificate.lock"}


def test_a_key_that_others_may_read_is_closed_to_them_or_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Sealer(CARD, VERSION)
    assert not caplog.messages
    own_path().chmod(0o644)
    Sealer(CARD, VERSION)
    assert stat.S_IMODE(own_path().stat().st_mode) == 0o600
    pem, _ = user_certificate(tmp_path)
    pem.chmod(0o640)
    Sealer(CARD, VERSION, certificate_path=pem)
    assert stat.S_IMODE(pem.stat().st_mode) == 0o640
    assert [str(path) in said for path, said in zip((own_path(), pem), caplog.messages, strict=True)] == [True, True]
    assert caplog.messages[1].endswith(f"chmod 600 {pem}")


def test_processes_that_start_at_once_have_one_certificate() -> None:
    code = (
        "import time; from diptych.provenance import certificate; make = certificate.make;"
        "certificate.make = lambda: time.sleep(0.5) or make(); print(certificate.own_certificate().chain)"
    )
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    chains = {process.communicate()[0] for process in running}
    assert len(chains) == 1
    assert "BEGIN CERTIFICATE" in chains.pop()


@pytest.mark.parametrize("damage", [lambda pem: make(timedelta(hours=-1)), lambda pem: pem[:300]])
def test_an_expired_or_damaged_own_certificate_is_replaced(damage: Callable[[bytes], bytes]) -> None:
    first = own_certificate()
    write_private(own_path(), damage(own_path().read_bytes()))
    assert own_certificate().chain != first.chain
    assert verify(png(Sealer(CARD, VERSION))).signer == "this computer"


def test_what_an_earlier_certificate_signed_is_still_known(monkeypatch: pytest.MonkeyPatch) -> None:
    old = png(Sealer(CARD, VERSION))
    with monkeypatch.context() as later:
        later.setattr("diptych.provenance.certificate.usable", lambda path: False)
        own_certificate()
    assert own_authorities().count(b"BEGIN") == 2
    assert verify(old).signer == "this computer"


def test_a_certificate_that_expires_meanwhile_is_renewed() -> None:
    sealer = Sealer(CARD, VERSION)
    write_private(own_path(), make(timedelta(hours=-1)))
    sealer.expires = datetime.now(UTC) - timedelta(hours=1)
    assert verify(png(sealer)).signer == "this computer"
    assert sealer.expires > datetime.now(UTC)


def test_where_no_certificate_can_be_made_the_remedies_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="--no-provenance"):
        Sealer(CARD, VERSION)


def test_a_users_certificate_signs_and_is_trusted_through_its_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem, root = user_certificate(tmp_path)
    sealed = png(Sealer(CARD, VERSION, certificate_path=pem))
    assert (verify(sealed).state, verify(sealed).signer) == ("intact", "unknown")
    assert verify(sealed, trust=[root]).signer == "trusted"
    monkeypatch.setenv("DIPTYCH_CERTIFICATE", str(pem))
    assert verify(png(Sealer(CARD, VERSION)), trust=[root]).signer == "trusted"
    assert verify(sealed, trust=[user_certificate(tmp_path)[1]]).signer == "unknown"


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        Sealer(CARD, VERSION, certificate_path=path)
    return str(caught.value)


def test_a_users_certificate_that_cannot_sign_is_refused_at_the_start(tmp_path: Path) -> None:
    good, root = user_certificate(tmp_path)
    other = tmp_path / "other.pem"
    assert "cannot be read: No such file" in refused(tmp_path / "none.pem")
    assert "must hold a private key" in refused(root)
    key = good.read_bytes()[: good.read_bytes().index(b"-----BEGIN CERT")]
    other.write_bytes(make())
    other.write_bytes(key + other.read_bytes()[other.read_bytes().index(b"-----BEGIN CERT") :])
    assert "not that of the private key" in refused(other)
    other.write_bytes(make(timedelta(hours=-1)))
    assert re.search(r"expired on \d{4}-\d\d-\d\d: renew it", refused(other))


@pytest.mark.parametrize(("purpose", "by_itself"), [(False, True), (False, False)])
def test_a_certificate_whose_signatures_nobody_accepts_is_refused(
    purpose: bool, by_itself: bool, tmp_path: Path
) -> None:
    pem = make()
    key = serialization.load_pem_private_key(pem, None)
    ours = name("me")
    built = begun(ours, ours if by_itself else name("them"), key, timedelta(days=1))
    leaf = built.add_extension(usage(signs_certificates=False), critical=True).sign(key, hashes.SHA256())
    (tmp_path / "odd.pem").write_bytes(pem[: pem.index(b"-----BEGIN CERT")] + as_pem(leaf))
    assert ("signed by itself" if by_itself else "not for signing") in refused(tmp_path / "odd.pem")


def test_a_file_whose_certificate_has_run_out_since_is_not_called_changed(tmp_path: Path) -> None:
    pem, _ = user_certificate(tmp_path, seconds=2)
    sealer = Sealer(CARD, VERSION, certificate_path=pem)
    sealed = png(sealer)
    assert verify(sealed).state == "intact"
    while datetime.now(UTC) <= sealer.expires + timedelta(seconds=1):
        time.sleep(0.1)
    verdict = verify(sealed)
    assert verdict.state == "expired"
    assert "the certificate has expired" in verdict.to_text()
    with pytest.raises(ConfigError, match="expired on"):
        png(sealer)
