"""Security: how a charger comes in, with passwords, TLS and certificates."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import trio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from csmsd_certification.case import CaseTable
from csmsd_certification.charger import OCPP
from csmsd_certification.connection import GRANTED, Door
from csmsd_certification.execution import Execution
from csmsd_certification.states import booted

SECURITY_DOOR = CaseTable("Security")
_case = SECURITY_DOOR.case
_SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
)
# Any certificate will do while suites are looked at; how strong it is, is a criterion of its own.
_WHATEVER_THE_KEY = ":@SECLEVEL=0"
_HANDSHAKE = b"\x16"  # the first byte of a TLS record


async def _refused(execution: Execution, step: str, door: Door, subprotocols: Sequence[str] = (OCPP,)) -> None:
    status = (await execution.knock(door, tuple(subprotocols))).status
    execution.demand(step, "no upgrade", f"HTTP {status}", holds=status != GRANTED)


@_case("TC_073", "Update charge point password for HTTP basic authentication", "ChangeConfiguration")
async def new_password(execution: Execution) -> None:
    """The charger comes back with the password it was given."""
    password = execution.central.credentials.new_password()
    ordered = {"key": "AuthorizationKey", "value": password}
    arrived = await execution.order("ChangeConfiguration", ordered, status="Accepted")
    octets = len(bytes.fromhex(arrived["value"]))
    execution.demand("ChangeConfiguration.req value", "16 to 20 octets in hex", octets, holds=16 <= octets <= 20)
    execution.door = replace(execution.door, password=password)
    await execution.connect()
    await booted(execution)


@_case("TC_083", "Upgrade charge point security profile - accepted", "ChangeConfiguration", "Reset", raised_to=2)
async def raise_profile(execution: Execution) -> None:
    """From profile 1 to 2; the old one is closed from then on."""
    await execution.central.raise_profile(execution.identity, 2)
    await execution.order("ChangeConfiguration", {"key": "SecurityProfile", "value": "2"}, status="Accepted")
    await execution.order("Reset", {"type": "Hard"}, status="Accepted")
    old, execution.door = execution.door, execution.door_of(2)
    await execution.connect()
    await booted(execution)
    await _refused(execution, "connect with the old profile", old)
    await execution.connect()


@_case("TC_085", "Basic authentication - valid username/password combination")
async def basic_authentication(execution: Execution) -> None:
    """Nobody comes in without a password, or with a wrong one."""
    await _refused(execution, "connect without credentials", replace(execution.door, password=None))
    await _refused(execution, "connect with a wrong password", replace(execution.door, password="0" * 40))
    await execution.connect()
    await booted(execution)


@_case("TC_086", "TLS - server-side certificate", security_profile=2)
async def server_certificate(execution: Execution) -> None:
    """TLS 1.2 at least, the mandated suites, and a certificate that is strong enough and of the server's name."""
    await booted(execution)
    await _suites_are_available(execution)
    for suite in _SUITES:
        await _certificate_is_good(execution, suite)


@_case("TC_087", "TLS - client-side certificate", security_profile=3)
async def client_certificate(execution: Execution) -> None:
    """A certificate instead of a password; without one nobody comes in."""
    await booted(execution)
    await _suites_are_available(execution)
    stranger = replace(execution.door, tls=execution.central.credentials.client_context())
    await _refused(execution, "connect without a certificate", stranger)
    await execution.connect()


@_case("TC_088", "WebSocket subprotocol negotiation")
async def subprotocol(execution: Execution) -> None:
    """Who does not offer ocpp1.6 stays outside."""
    await _refused(execution, "connect with ocpp0.1 only", execution.door, ("ocpp0.1",))
    await execution.connect(("ocpp0.1", OCPP))
    await booted(execution)


async def _suites_are_available(execution: Execution) -> None:
    tls = execution.door.tls
    if tls is None:
        return
    for suite in _SUITES:
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        tls.set_ciphers(suite + _WHATEVER_THE_KEY)
        knocked = await execution.knock(execution.door)
        execution.demand(f"TLS 1.2 with {suite}", "the upgrade", knocked.complaint, holds=knocked.status == GRANTED)
    tls.set_ciphers("DEFAULT")
    tls.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    answer = await _answer_to_tls_1_1(execution)
    execution.demand("TLS 1.1", "no ServerHello", answer.hex(), holds=not answer.startswith(_HANDSHAKE))


async def _answer_to_tls_1_1(execution: Execution) -> bytes:
    """What a ClientHello of TLS 1.1 gets; written by hand, because our own library would not send it."""
    suites = bytes.fromhex("c02bc02cc013009c009d002f0035")
    hello = b"\x03\x02" + bytes(32) + b"\x00" + len(suites).to_bytes(2, "big") + suites + b"\x01\x00"
    handshake = b"\x01" + len(hello).to_bytes(3, "big") + hello
    parts = urlsplit(execution.central.tls_url)
    with trio.move_on_after(execution.timeout):
        async with await trio.open_tcp_stream(parts.hostname or "", parts.port or 443) as stream:
            await stream.send_all(_HANDSHAKE + b"\x03\x01" + len(handshake).to_bytes(2, "big") + handshake)
            try:
                return bytes(await stream.receive_some())
            except trio.BrokenResourceError:
                return b""
    return b""


async def _certificate_is_good(execution: Execution, suite: str) -> None:
    context = execution.central.credentials.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suite + _WHATEVER_THE_KEY)
    parts = urlsplit(execution.central.tls_url)
    host = parts.hostname or ""
    with trio.fail_after(execution.timeout):
        stream = await trio.open_ssl_over_tcp_stream(host, parts.port or 443, ssl_context=context)
        async with stream:
            await stream.do_handshake()
            certificate = x509.load_der_x509_certificate(stream.getpeercert(binary_form=True))
    key = certificate.public_key()
    size = key.key_size if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else 0
    least = 2048 if isinstance(key, rsa.RSAPublicKey) else 224
    execution.demand("the server's certificate: key", f"at least {least} bits", size, holds=size >= least)
    names = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    execution.expect("the server's certificate: CN", [host], names)
