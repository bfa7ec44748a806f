"""Security profiles 2 and 3 with other people's chargers: TLS with a password, and with certificates of both sides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from csmsd import StationRecord
from csmsd.config import Listen
from csmsd_security import SecurityPlugin
from tests.interop.charger import TlsFiles
from tests.interop.conftest import IDENTITY, PASSWORD, Csmsd, OpenCharger, run_csmsd
from tests.interop.routine import ask, boot, provision, start
from tests.plugins.security.pki import ec_key, key_pem, request_of

SERIAL_NUMBER = "SN-4711"


@asynccontextmanager
async def csmsd_within_tls(transport: str, folder: Path, profile: int) -> AsyncIterator[tuple[Csmsd, TlsFiles]]:
    """A csmsd that is reached by TLS only, with a station of this security profile; what the station trusts."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key, root = folder / "server.pem", folder / "server.key", folder / "root.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(root)
    listen = Listen(ocpp="", ocpp_tls="127.0.0.1:0", http="", certificate=(certificate,), private_key=(key,))
    station = StationRecord(IDENTITY, security_profile=profile, serial_number=SERIAL_NUMBER)
    async with run_csmsd(transport, folder, listen, station) as csmsd:
        assert csmsd.url.startswith("wss://")
        await provision(csmsd)
        yield csmsd, TlsFiles(root)


@pytest.mark.req("SEC-02", "TC_086")
async def test_a_charger_with_a_password_is_at_home_within_tls(
    transport: str, tmp_path: Path, switch_on: OpenCharger
) -> None:
    charger = await switch_on(IDENTITY)
    async with csmsd_within_tls(transport, tmp_path, 2) as (csmsd, tls):
        assert await charger.connect(csmsd.url, b"something-else-16", tls=tls) == 401
        assert await charger.connect(csmsd.url, PASSWORD, tls=tls) == 101
        await boot(charger)
        transaction = await start(charger)
        await ask(csmsd, charger, "RemoteStopTransaction", {"transactionId": transaction}, status="Accepted")
        assert await charger.leave() == (1000, "")


@pytest.mark.req("SEC-43", "SEC-50", "SEC-53", "TC_074", "TC_087")
async def test_a_charger_comes_back_with_the_certificate_that_csmsd_has_issued(
    transport: str, tmp_path: Path, switch_on: OpenCharger
) -> None:
    charger, key = await switch_on(IDENTITY), ec_key()
    async with csmsd_within_tls(transport, tmp_path, 2) as (csmsd, tls):
        security = csmsd.host.plugins.get("security")
        assert isinstance(security, SecurityPlugin)
        await security.create_authority("ecdsa", actor="operator")
        assert await charger.connect(csmsd.url, PASSWORD, tls=tls) == 101
        await boot(charger)
        await charger.will_answer("CertificateSigned", status="Accepted")
        assert await charger.call("SignCertificate", csr=request_of(key, SERIAL_NUMBER)) == {"status": "Accepted"}
        own = tmp_path / "station.pem"
        own.write_text((await charger.command("CertificateSigned"))["certificateChain"] + key_pem(key))
        await csmsd.shows([("accepted",)], "SELECT state FROM security_certificate")
        change = {"key": "SecurityProfile", "value": "3"}
        await ask(csmsd, charger, "ChangeConfiguration", change, status="Accepted")
        await charger.leave()
        assert await charger.connect(csmsd.url, tls=TlsFiles(tls.root, own)) == 101
        await boot(charger)
        assert csmsd.host.stations.record(IDENTITY).security_profile == 3
        assert await csmsd.query("SELECT used_at IS NOT NULL FROM security_certificate") == [(1,)]
        await ask(csmsd, charger, "Reset", {"type": "Soft"}, status="Accepted")
        await charger.leave()
        assert await charger.connect(csmsd.url, PASSWORD, tls=tls) == 401  # the way back is closed
