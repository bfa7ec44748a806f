"""A station's certificate: requested, checked, issued, sent, registered, revoked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from csmsd.errors import InvalidPayload, StationUnavailable
from csmsd.hookspecs import hookimpl
from csmsd.plugin import Plugin
from csmsd.testing import open_test_csms
from csmsd_security.authority import Authority, AuthorityError
from csmsd_security.certificate_rows import StationCertificate, UnknownCertificate, leaf_of
from csmsd_security.messages import (
    CertificateSigned,
    CertificateSignedResponse,
    ExtendedTriggerMessageResponse,
    SignCertificate,
)
from tests.plugins.security.conftest import START, Site, virtual_env
from tests.plugins.security.pki import ec_key, issue, name, pem_of, request_of


@pytest.fixture
async def certified(site: Site) -> Site:
    """A csmsd with a certificate authority, and a station that takes what it gets."""
    site.plugin.authority.create("ecdsa", "csmsd", 1, START)
    site.station.behaviour["CertificateSigned"] = CertificateSignedResponse("Accepted")
    return site


async def ask(site: Site, csr: str) -> str:
    """The station asks for a certificate: what it is told."""
    answer = await site.station.send_raw("SignCertificate", msgspec.json.encode(SignCertificate(csr)))
    await trio.sleep(1)
    status: str = msgspec.json.decode(answer)["status"]
    return status


def rows(site: Site) -> list[StationCertificate]:
    return list(site.plugin.certificates.book.of_station("CP-1"))


@pytest.mark.req("SEC-50", "SEC-53", "SEC-55", "MSG-58", "TC_074", "RPC-26")
async def test_a_request_is_confirmed_and_the_certificate_follows_in_a_call_of_its_own(certified: Site) -> None:
    key = ec_key()
    assert await ask(certified, request_of(key)) == "Accepted"
    kinds = [message[:2] for message in certified.station.received]
    assert kinds == [b"[3", b"[2"]
    leaf = leaf_of(certified.sent("CertificateSigned")["certificateChain"])
    assert leaf is not None
    assert leaf.public_key() == key.public_key()
    subject = {each.oid: each.value for each in leaf.subject}
    assert subject == {NameOID.COMMON_NAME: "SN-1", NameOID.ORGANIZATION_NAME: "csmsd"}
    assert leaf.not_valid_before_utc <= certified.host.env.now() - timedelta(minutes=59)
    assert leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value == x509.ExtendedKeyUsage(
        [ExtendedKeyUsageOID.CLIENT_AUTH]
    )
    assert 0 < leaf.serial_number < 1 << 159
    [row] = rows(certified)
    assert (row.state, row.serial_number) == ("accepted", f"{leaf.serial_number:x}")


@pytest.mark.req("SEC-51")
async def test_requests_that_are_not_in_order_are_refused_and_noted(certified: Site) -> None:
    request = request_of(ec_key())
    tampered = x509.load_pem_x509_csr(request.encode())
    broken = bytearray(tampered.public_bytes(Encoding.DER))
    broken[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(broken)).public_bytes(Encoding.PEM).decode()
    weak = request_of(rsa.generate_private_key(65_537, 1024))
    short = request_of(ec.generate_private_key(ec.SECP192R1()))
    strange = x509.CertificateSigningRequestBuilder().subject_name(name("SN-1"))
    edwards = strange.sign(ed25519.Ed25519PrivateKey.generate(), None)
    other = edwards.public_bytes(Encoding.PEM).decode()
    for csr in ("nonsense", forged, weak, short, other):
        assert await ask(certified, csr) == "Rejected"
    assert [row.state for row in rows(certified)] == ["failed"] * 5
    assert certified.station.calls == []


@pytest.mark.req("SEC-51")
async def test_without_an_authority_nothing_is_promised(site: Site) -> None:
    assert await ask(site, request_of(ec_key())) == "Rejected"


@pytest.mark.req("SEC-51")
async def test_a_subject_that_deviates_is_put_right_and_flagged(certified: Site) -> None:
    assert await ask(certified, request_of(ec_key(), "wrong", "factory")) == "Accepted"
    [row] = rows(certified)
    assert "CN=SN-1" in row.subject
    assert "'wrong'" in row.reason
    assert "'factory'" in row.reason


@pytest.mark.req("SEC-51")
async def test_where_the_serial_number_is_not_known_the_request_names_the_station(certified: Site) -> None:
    await certified.host.stations.change("CP-1", serial_number="")
    await ask(certified, request_of(ec_key(), "its own"))
    assert "CN=its own" in rows(certified)[0].subject


@pytest.mark.req("SEC-56", "TC_077")
async def test_a_rejected_certificate_is_discarded_and_nothing_is_repeated(certified: Site) -> None:
    certified.station.behaviour["CertificateSigned"] = CertificateSignedResponse("Rejected")
    assert await ask(certified, request_of(ec_key())) == "Accepted"
    event = b'{"type":"InvalidChargePointCertificate","timestamp":"2026-01-01T11:00:00Z"}'
    assert await certified.station.send_raw("SecurityEventNotification", event) == b"{}"
    await trio.sleep(600)
    assert rows(certified)[0].state == "rejected"
    assert len([call for call in certified.station.calls if call.action == "CertificateSigned"]) == 1


@pytest.mark.req("SEC-56")
async def test_a_newer_certificate_retires_the_older_one_in_a_while(certified: Site) -> None:
    await ask(certified, request_of(ec_key()))
    await ask(certified, request_of(ec_key()))
    newest, older = rows(certified)
    assert newest.superseded_until is None
    assert older.superseded_until is not None
    assert older.superseded_until - older.changed_at == timedelta(days=30)


@pytest.mark.req("RPC-12")
async def test_a_retransmission_gets_the_stored_answer_and_no_second_certificate(certified: Site) -> None:
    payload = msgspec.json.encode(SignCertificate(request_of(ec_key())))
    for _ in range(2):
        assert b"Accepted" in await certified.station.send_raw("SignCertificate", payload, call_id="x")
        await trio.sleep(1)
    assert len(rows(certified)) == 1


@pytest.mark.req("SEC-54")
async def test_a_chain_longer_than_the_station_takes_is_not_sent(certified: Site) -> None:
    await certified.configure(CertificateSignedMaxChainSize="100")
    await ask(certified, request_of(ec_key()))
    [row] = rows(certified)
    assert row.state == "failed"
    assert "SEC-54" in row.reason


@pytest.mark.req("SEC-54")
async def test_a_chain_is_never_longer_than_the_message_may_be(certified: Site) -> None:
    key, issuer = ec_key(), ec_key()
    await ask(certified, request_of(key))
    [row] = rows(certified)
    root = issue(issuer, name("root"), START)
    csr_row = msgspec.structs.replace(row, csr="")
    chain = pem_of(issue(key, name("SN-1"), START, issuer=(issuer, root)))
    plugin = certified.plugin
    for length, is_too_long in ((10_000, False), (10_001, True)):
        padded = chain.ljust(length, "\n")
        if is_too_long:
            with pytest.raises(InvalidPayload, match="SEC-54"):
                await plugin.certificates.deliver(plugin.core, csr_row, padded)
        else:
            await plugin.certificates.deliver(plugin.core, csr_row, padded)
            assert len(certified.sent("CertificateSigned")["certificateChain"]) == length


class OtherAuthority(Plugin[Any]):
    """An authority elsewhere, for better or worse."""

    name = "other"
    requires = ("security",)
    chain: str | None = None

    @hookimpl
    async def issue_certificate(self) -> str | None:
        return self.chain


@pytest.fixture
async def external() -> AsyncIterator[Site]:
    plugin = {"security": {"authority": "external"}}
    async with open_test_csms(plugins=["core", "security", OtherAuthority], env=virtual_env(), plugin=plugin) as csms:
        site = Site(csms, await csms.connect("CP-1", serial_number="SN-1"))
        site.station.behaviour["CertificateSigned"] = CertificateSignedResponse("Accepted")
        yield site


@pytest.mark.req("SEC-52", "SEC-57")
async def test_another_authority_may_issue_and_its_failure_is_told_to_the_operator(external: Site) -> None:
    key = ec_key()
    other: Any = external.host.plugins.get("other")
    with external.host.events.watch(frozenset({"security.certificate.failed"})) as feed:
        assert await ask(external, request_of(key)) == "Accepted"
        await feed.receive()
    assert "SEC-57" in rows(external)[0].reason
    root_key = ec_key()
    root = issue(root_key, name("root"), START)
    other.chain = pem_of(issue(key, name("SN-1"), START, issuer=(root_key, root)))
    assert await ask(external, request_of(key)) == "Accepted"
    assert rows(external)[0].state == "accepted"
    other.chain = pem_of(root)
    await ask(external, request_of(key))
    assert "another key" in rows(external)[0].reason


@pytest.mark.req("SEC-52")
async def test_a_chain_signed_elsewhere_is_uploaded(certified: Site) -> None:
    plugin, key, root_key = certified.plugin, ec_key(), ec_key()
    await ask(certified, request_of(key))
    [row] = rows(certified)
    chain = pem_of(issue(key, name("SN-1"), START, issuer=(root_key, issue(root_key, name("root"), START))))
    sent = await plugin.certificates.deliver(plugin.core, row, chain)
    assert (sent.state, certified.sent("CertificateSigned")["certificateChain"]) == ("accepted", chain)
    with pytest.raises(InvalidPayload, match="PEM"):
        await plugin.certificates.deliver(plugin.core, row, "nonsense")
    await certified.station.disconnect()
    await trio.sleep(1)
    with pytest.raises(StationUnavailable):
        await plugin.certificates.deliver(plugin.core, row, chain)


@pytest.mark.req("SEC-56", "MSG-50")
async def test_a_chain_sent_on_the_raw_route_is_registered_as_well(certified: Site) -> None:
    key = ec_key()
    chain = pem_of(issue(key, name("SN-1"), START, issuer=(key, issue(key, name("root"), START))))
    await certified.submit("CertificateSigned", CertificateSigned(chain))
    assert [row.state for row in rows(certified)] == ["accepted"]


@pytest.mark.req("SEC-23")
async def test_revoked_certificates_are_in_the_list_of_the_authority(certified: Site) -> None:
    await ask(certified, request_of(ec_key()))
    [row] = rows(certified)
    await certified.plugin.certificates.revoke(row.id, actor="op")
    crl = x509.load_pem_x509_crl(certified.plugin.certificates.revocation_lists().encode())
    assert [entry.serial_number for entry in crl] == [int(row.serial_number, 16)]
    root = certified.plugin.authority.roots["ecdsa"]
    assert crl.is_signature_valid(root.certificate.public_key())  # type: ignore[arg-type]  # an EC key
    with pytest.raises(UnknownCertificate):
        await certified.plugin.certificates.revoke("none", actor="op")


@pytest.mark.req("SEC-50")
async def test_what_runs_out_is_reported_and_nothing_is_asked_for(certified: Site) -> None:
    await ask(certified, request_of(ec_key()))
    assert certified.plugin.certificates.expiring() == []
    await trio.sleep(340 * 86_400)
    assert len(certified.plugin.certificates.expiring()) == 1
    assert [call.action for call in certified.station.calls] == ["CertificateSigned"]


@pytest.mark.req("SEC-50")
@pytest.mark.parametrize("automatically", [True, False])
async def test_what_runs_out_is_told_and_renewed_if_the_operator_wants_that(automatically: bool) -> None:
    settings = {"security": {"certificate_days": 1, "renew_automatically": automatically}}
    async with open_test_csms(plugins=["core", "security"], env=virtual_env(), plugin=settings) as csms:
        site = Site(csms, await csms.connect("CP-1", serial_number="SN-1"))
        site.plugin.authority.create("ecdsa", "csmsd", 1, START)
        site.station.behaviour["CertificateSigned"] = CertificateSignedResponse("Accepted")
        site.station.behaviour["ExtendedTriggerMessage"] = ExtendedTriggerMessageResponse("Accepted")
        await ask(site, request_of(ec_key()))
        with csms.host.events.watch(frozenset({"security.certificate.expiring"})) as feed:
            await site.plugin._propose_renewals()
            assert (await feed.receive()).station_id == "CP-1"
        await trio.sleep(1)
        wanted = [{"requestedMessage": "SignChargePointCertificate"}] if automatically else []
        asked = [msgspec.json.decode(call.payload) for call in site.station.calls if call.action[:8] == "Extended"]
        assert asked == wanted


@pytest.mark.req("SEC-25")
def test_keys_are_for_their_owner_only_and_never_replaced(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    authority.create("ecdsa", "ACME", 1, START)
    key = tmp_path / "authority" / "ecdsa.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700
    with pytest.raises(AuthorityError, match="already"):
        Authority(tmp_path / "authority").create("ecdsa", "ACME", 2, START)
    again = Authority(tmp_path / "authority")
    again.load()
    assert again.roots["ecdsa"].pem == authority.roots["ecdsa"].pem
    key.chmod(0o644)
    with pytest.raises(AuthorityError, match="chmod 600"):
        again.load()
    key.write_text("nonsense")
    with pytest.raises(AuthorityError, match="cannot be used"):
        again.load()


@pytest.mark.req("SEC-56")
async def test_certificates_are_remembered_over_a_restart(tmp_path: Path) -> None:
    for expected in (0, 1):
        async with open_test_csms(plugins=["core", "security"], env=virtual_env(), data_dir=tmp_path) as csms:
            site = Site(csms, await csms.connect("CP-1", serial_number="SN-1"))
            assert len(rows(site)) == expected
            if not expected:
                site.plugin.authority.create("ecdsa", "csmsd", 1, START)
                site.station.behaviour["CertificateSigned"] = CertificateSignedResponse("Accepted")
                await ask(site, request_of(ec_key()))
