"""Revocation lists of the operator's CA, made by openssl: whose certificate is on one does not come in (SEC-23)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from csmsd import Config, StationRecord, open_csms
from csmsd.cli.main import csmsd
from csmsd.config import Listen
from csmsd.errors import ConfigError
from csmsd.journal import Attempt
from csmsd_security.revocation import RevocationLists
from tests.plugins.security.conftest import OpenSsl
from tests.plugins.security.pki import Key, ec_key, issue, key_pem, name, pem_of
from tests.plugins.security.test_client_certificates import (
    NOW,
    PASSWORD,
    ROOT,
    ROOT_KEY,
    Charger,
    client,
    listen,
    transport,
)

__all__ = ["listen", "transport"]  # fixtures

CONFIGURATION = """\
[ca]
default_ca = operator
[operator]
database = index.txt
default_md = sha256
crlnumber = crlnumber
"""


class Registrar:
    """The operator's CA, which is openssl: what it revokes is on the next list."""

    def __init__(self, openssl: OpenSsl, folder: Path, key: Key = ROOT_KEY, root: x509.Certificate = ROOT) -> None:
        self._openssl, self._folder = openssl, folder
        self.list = folder / "crl.pem"
        (folder / "ca.cnf").write_text(CONFIGURATION)
        (folder / "index.txt").write_text("")
        (folder / "crlnumber").write_text("01\n")
        (folder / "ca.key").write_text(key_pem(key))
        (folder / "ca.pem").write_text(pem_of(root))

    def revoke(self, certificate: x509.Certificate) -> None:
        (self._folder / "bad.pem").write_text(pem_of(certificate))
        self._run("-revoke", "bad.pem", "-crl_reason", "keyCompromise")

    def publish(self, *validity: str) -> Path:
        self._run("-gencrl", *(validity or ("-crldays", "7")), "-out", self.list)
        return self.list

    def _run(self, *arguments: str | Path) -> None:
        self._openssl("ca", "-config", "ca.cnf", "-keyfile", "ca.key", "-cert", "ca.pem", *arguments)


@pytest.fixture
def registrar(openssl: OpenSsl, tmp_path: Path) -> Registrar:
    return Registrar(openssl, tmp_path)


@pytest.fixture
async def charger(transport: str, listen: Listen, registrar: Registrar, tmp_path: Path) -> AsyncIterator[Charger]:
    settings = {"security": {"client_crl": (str(registrar.publish()),)}}
    config = Config(
        plugins=("core", "security"),
        data_dir=tmp_path / "data",
        listen=listen,
        transport=transport,  # type: ignore[arg-type]  # a str of that Literal
        plugin=settings,
    )
    async with open_csms(config) as host:
        await host.stations.register(StationRecord("CP-1", security_profile=3, serial_number="SN-1"), PASSWORD)
        yield Charger(host, tmp_path)


async def refusal(charger: Charger) -> Attempt:
    """The first one; it is stored a moment later than the station hears of it."""
    with trio.fail_after(20):
        while True:
            for attempt in await charger.host.journal.attempts(station_id="CP-1"):
                if attempt.cause:
                    return attempt
            await trio.sleep(0.01)


@pytest.mark.req("SEC-23", "SEC-11", "SEC-10")
async def test_who_is_on_the_list_that_was_read_last_stays_outside_and_who_is_inside_stays_there(
    charger: Charger, registrar: Registrar
) -> None:
    stolen, good = client(), client()
    async with charger.visit(stolen) as (status, stream):
        assert status == 101
        registrar.revoke(stolen)
        registrar.publish()
        assert await charger.knock(good) == 101  # takes the other one's place
        assert await charger.knock(stolen) == 101  # nobody has read the list yet
    async with charger.visit(good) as (status, stream):
        assert status == 101
        charger.host.reload_certificates()
        assert await charger.knock(stolen) == 401
        refused = await refusal(charger)
        assert "the certificate does not count: it is revoked by CN=operator's root,O=csmsd" in refused.cause
        assert refused.stage == "credentials"
        await stream.send_all(b"\x89\x80\x00\x00\x00\x00")  # a ping
        with trio.fail_after(10):
            assert await stream.receive_some(2) == b"\x8a\x00"  # nobody has been dropped
    assert await charger.knock(good) == 101


@pytest.mark.req("SEC-23")
async def test_the_built_in_authority_needs_no_list(charger: Charger) -> None:
    root = await charger.plugin.create_authority("ecdsa", actor="op")
    key = ec_key()
    chain = charger.plugin.authority.sign(
        key.public_key(), common_name="SN-1", organisation="csmsd", serial_number=77, now=NOW, days=30
    )
    assert root.certificate.subject != ROOT.subject
    assert await charger.knock(x509.load_pem_x509_certificate(chain.encode()), key=key) == 101


@pytest.mark.req("SEC-23", "SEC-11")
async def test_a_list_that_cannot_be_read_leaves_the_old_one_in_force(
    charger: Charger, registrar: Registrar, caplog: pytest.LogCaptureFixture
) -> None:
    stolen = client()
    registrar.revoke(stolen)
    registrar.publish()
    charger.host.reload_certificates()
    registrar.list.write_text("nonsense")
    charger.host.reload_certificates()
    assert "the revocation lists stay as they are: " in caplog.text
    assert await charger.knock(stolen) == 401


@pytest.mark.req("SEC-23")
async def test_a_list_that_is_out_of_date_is_used_and_remarked_on(
    charger: Charger, registrar: Registrar, caplog: pytest.LogCaptureFixture
) -> None:
    stolen = client()
    registrar.revoke(stolen)
    registrar.publish("-crl_lastupdate", "20260101000000Z", "-crl_nextupdate", "20260102000000Z")
    charger.host.reload_certificates()
    assert "is out of date since 2026-01-02 00:00 UTC and still used" in caplog.text
    assert await charger.knock(stolen) == 401
    assert await charger.knock(client()) == 101


# -- without sockets ------------------------------------------------------------------------------------------


def lists_of(folder: Path, roots: list[x509.Certificate], *files: Path) -> RevocationLists:
    (folder / "authorities.pem").write_text("".join(map(pem_of, roots)))
    lists = RevocationLists(files, [folder / "authorities.pem"])
    lists.load(())
    return lists


@pytest.mark.req("SEC-23")
def test_a_revoked_authority_makes_all_its_certificates_useless(registrar: Registrar, tmp_path: Path) -> None:
    middle_key, other_key = ec_key(), ec_key()
    by_root = (ROOT_KEY, ROOT)
    middle = _authority(middle_key, "middle")
    leaf = issue(ec_key(), name("SN-1"), NOW, issuer=(middle_key, middle))
    assert lists_of(tmp_path, [ROOT, middle], registrar.publish()).objection(leaf) is None
    registrar.revoke(middle)
    found = lists_of(tmp_path, [ROOT, middle], registrar.publish()).objection(leaf)
    assert found is not None
    assert found.startswith("its authority CN=middle,O=csmsd is revoked by ")
    stranger = issue(ec_key(), name("SN-1"), NOW, issuer=(other_key, _authority(other_key, "other")))
    found = lists_of(tmp_path, [ROOT, middle], registrar.publish()).objection(stranger)
    assert found is not None
    assert "nobody knows whether it is revoked: CN=other" in found
    assert lists_of(tmp_path, [ROOT], registrar.publish()).objection(client(issuer=by_root)) is None


def _authority(key: Key, common_name: str) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(ROOT.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return builder.sign(ROOT_KEY, hashes.SHA256())


@pytest.mark.req("SEC-23")
def test_the_same_number_of_another_authority_is_not_revoked(
    registrar: Registrar, openssl: OpenSsl, tmp_path: Path
) -> None:
    other_key = ec_key()
    other = issue(other_key, name("another root"), NOW, days=365)
    certificate = issue(ec_key(), name("SN-1"), NOW, issuer=(other_key, other))
    registrar.revoke(certificate)  # by its number alone
    path = registrar.publish()
    assert format(certificate.serial_number, "X") in openssl("crl", "-in", path, "-noout", "-text")
    assert lists_of(tmp_path, [ROOT, other], path).objection(certificate) is None


@pytest.mark.req("SEC-23")
def test_lists_that_nobody_known_has_signed_or_that_are_incomplete_are_refused(tmp_path: Path) -> None:
    builder = x509.CertificateRevocationListBuilder().issuer_name(ROOT.subject)
    delta = builder.last_update(NOW).next_update(NOW + timedelta(days=1))
    delta = delta.add_extension(x509.DeltaCRLIndicator(1), critical=True)
    (tmp_path / "delta.pem").write_bytes(delta.sign(ROOT_KEY, hashes.SHA256()).public_bytes(Encoding.PEM))
    forged = builder.last_update(NOW).next_update(NOW + timedelta(days=1)).sign(ec_key(), hashes.SHA256())
    (tmp_path / "forged.pem").write_bytes(forged.public_bytes(Encoding.PEM))
    (tmp_path / "junk.pem").write_text("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
    for file, complaint in (
        ("missing.pem", r"missing\.pem: cannot be read"),
        ("root.pem", r"root\.pem: holds no revocation list in PEM form"),
        ("junk.pem", r"junk\.pem: a revocation list in it cannot be read"),
        ("delta.pem", r"delta\.pem: holds a delta or an indirect list"),
        ("forged.pem", r"forged\.pem: no certificate in the files of listen\.client_roots has signed the list of CN="),
    ):
        (tmp_path / "root.pem").write_text(pem_of(ROOT))
        with pytest.raises(ConfigError, match=complaint):
            lists_of(tmp_path, [ROOT], tmp_path / file)


@pytest.mark.req("SEC-23")
def test_check_finds_a_list_that_no_start_would_take(tmp_path: Path) -> None:
    environ = {"CSMSD_PLUGIN_SECURITY_CLIENT_CRL": str(tmp_path / "none.pem")}
    result = CliRunner().invoke(csmsd, ["check", "--plugins=core,security"], env=environ)
    assert result.exit_code != 0
    assert "none.pem: cannot be read" in result.stdout, result.output
