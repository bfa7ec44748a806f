"""TLS as the security whitepaper wants it."""

from __future__ import annotations

import contextlib
import datetime
import ssl
from pathlib import Path

import pytest
import trio
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from csmsd._kernel.transport.tls import (
    REASONS,
    SUITES,
    KeyPair,
    check_certificate,
    context_of,
    explain,
    server_context,
)
from csmsd.config import Listen
from csmsd.errors import ConfigError
from tests.kernel.conftest import Authority, House, OpenHouse, Peer, upgrade_request

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

SIGNED_WITH_SHA1 = """\
-----BEGIN CERTIFICATE-----
MIIBbTCCARSgAwIBAgIUA7CNCOudPw2Q2WndbXEbNVsMD3wwCQYHKoZIzj0EATAM
MQowCAYDVQQDDAFhMCAXDTI2MTEyNTExNDMwMFoYDzIxMjYxMTAxMTE0MzAwWjAM
MQowCAYDVQQDDAFhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEjPFV5ZaiRJdc
maTwtUV3bOYe/AXU+sTQxwkJ1BUGxReEwWeUbLH9t4QrYHZVUNSmf7E0gA5P7XGc
fj9pCIMU8KNTMFEwHQYDVR0OBBYEFAi2GolJvaSILOOU1gEVEcZMeNqGMB8GA1Ud
IwQYMBaAFAi2GolJvaSILOOU1gEVEcZMeNqGMA8GA1UdEwEB/wQFMAMBAf8wCQYH
KoZIzj0EAQNIADBFAiEAxSikLhZhYGfPN5aOxkMlWQDKVq+Z6m+01gmRpHGCwYMC
IFq2gB+y3OXqFtuieNSMg/NVm0sZKo6FfkOJgk4vFsax
-----END CERTIFICATE-----
"""


def self_signed(folder: Path, key: PrivateKey, name: str = "a") -> KeyPair:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime(2026, 1, 1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=36_500))
    )
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    certificate = builder.sign(key, digest)
    pair = KeyPair(folder / f"{name}.crt", folder / f"{name}.key")
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pair.private_key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pair


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2048)


@pytest.fixture
def pairs(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> list[KeyPair]:
    return [
        self_signed(tmp_path, rsa_key, name="rsa"),
        self_signed(tmp_path, ec.generate_private_key(ec.SECP256R1()), name="ecdsa"),
    ]


def client(suites: str = SUITES, *, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = newest
    context.set_ciphers(suites)
    return context


def shake(server: ssl.SSLContext, other: ssl.SSLContext) -> ssl.SSLObject:
    """Both sides in memory; the client's view, or the first SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (other.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True))
    for _ in range(10):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    assert ends[0].version()
    return ends[0]


@pytest.mark.req("SEC-05", "SEC-06")
@pytest.mark.parametrize(
    "suite",
    [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ],
)
def test_every_mandated_suite_is_spoken_with_two_certificates_on_one_listener(suite: str, pairs: list[KeyPair]) -> None:
    cipher = shake(server_context(pairs), client(suite)).cipher()
    assert cipher is not None
    assert cipher[0] == suite


@pytest.mark.req("SEC-03")
def test_tls_1_3_is_spoken(pairs: list[KeyPair]) -> None:
    assert shake(server_context(pairs), client(newest=ssl.TLSVersion.TLSv1_3)).version() == "TLSv1.3"


@pytest.mark.req("SEC-03", "SEC-09")
@pytest.mark.parametrize(
    ("suites", "newest"),
    [
        ("ALL:@SECLEVEL=0", ssl.TLSVersion.TLSv1_1),
        ("ALL:@SECLEVEL=0", ssl.TLSVersion.TLSv1),
        ("AES128-SHA", ssl.TLSVersion.TLSv1_2),
        ("ECDHE-RSA-AES256-SHA384", ssl.TLSVersion.TLSv1_2),
        ("NULL:@SECLEVEL=0", ssl.TLSVersion.TLSv1_2),
        ("aNULL:@SECLEVEL=0", ssl.TLSVersion.TLSv1_2),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_and_weak_suites_are_refused(suites: str, newest: ssl.TLSVersion, pairs: list[KeyPair]) -> None:
    other = client(suites, newest=newest)
    if newest < ssl.TLSVersion.TLSv1_2:
        other.minimum_version = newest
    with pytest.raises(ssl.SSLError):
        shake(server_context(pairs), other)


@pytest.mark.req("SEC-09")
def test_neither_compression_nor_renegotiation_is_possible(pairs: list[KeyPair]) -> None:
    context = server_context(pairs)
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert shake(context, client()).compression() is None


# -- files ------------------------------------------------------------------------------------------------


@pytest.mark.req("SEC-07")
def test_short_keys_weak_signatures_and_strange_keys_are_refused(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    weak: list[tuple[PrivateKey, str]] = [
        (rsa.generate_private_key(65_537, 1024), "the RSA key has 1024 bits; at least 2048 are needed"),
        (ec.generate_private_key(ec.SECP192R1()), "the EC key has 192 bits; at least 224 are needed"),
        (ed25519.Ed25519PrivateKey.generate(), "neither RSA nor EC"),
    ]
    for key, message in weak:
        with pytest.raises(ConfigError, match=message):
            server_context([self_signed(tmp_path, key)])
    old = tmp_path / "old.pem"
    old.write_text(SIGNED_WITH_SHA1)
    with pytest.raises(ConfigError, match="signed with sha1; SHA-256 or better is needed"):
        check_certificate(old)
    assert server_context([self_signed(tmp_path, rsa_key)])


@pytest.mark.req("SEC-06")
def test_files_that_cannot_be_used_are_named(tmp_path: Path, pairs: list[KeyPair]) -> None:
    good = pairs[0]
    junk = tmp_path / "junk.pem"
    junk.write_text("nothing")
    missing = tmp_path / "missing.pem"
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        rsa.generate_private_key(65_537, 2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    for pair, message in (
        (KeyPair(missing, good.private_key), "missing.pem: cannot be read"),
        (KeyPair(junk, good.private_key), "junk.pem: holds no certificate"),
        (KeyPair(good.certificate, missing), "missing.pem: cannot be read"),
        (KeyPair(good.certificate, junk), "junk.pem: does not fit"),
        (KeyPair(good.certificate, pairs[1].private_key), "ecdsa.key: does not fit"),
        (KeyPair(good.certificate, locked), "locked.pem: does not fit"),
    ):
        with pytest.raises(ConfigError, match=message):
            server_context([pair])
    for roots, message in ((missing, "missing.pem: cannot be read"), (junk, "junk.pem: holds no certificates")):
        with pytest.raises(ConfigError, match=message):
            server_context([good], client_roots=[roots])


@pytest.mark.req("SEC-06")
def test_the_configuration_names_as_many_keys_as_certificates(pairs: list[KeyPair]) -> None:
    certificates = tuple(pair.certificate for pair in pairs)
    assert context_of(Listen(certificate=certificates, private_key=tuple(pair.private_key for pair in pairs)))
    with pytest.raises(ConfigError, match="every certificate needs its key"):
        context_of(Listen(certificate=certificates, private_key=(pairs[0].private_key,)))
    with pytest.raises(ConfigError, match=r"needs listen\.certificate"):
        context_of(Listen())


# -- on the wire, with both backends ----------------------------------------------------------------------


async def failed_handshake(house: House, context: ssl.SSLContext) -> str:
    """The client's error when the server refuses."""
    peer = await house.dial()
    stream = trio.SSLStream(peer.stream, context, server_hostname="localhost", https_compatible=True)
    with pytest.raises(trio.BrokenResourceError) as caught:  # noqa: PT012
        await stream.do_handshake()
        await stream.receive_some(1)  # with TLS 1.3 a client hears of it here
    return repr(caught.value.__cause__)


@pytest.mark.req("SEC-09", "SEC-10")
async def test_a_refused_handshake_is_told_to_both_sides(open_house: OpenHouse) -> None:
    house = await open_house(security="tls")
    assert "ALERT" in await failed_handshake(house, client("AES128-SHA"))
    await house.door.until(lambda: bool(house.door.refusals))
    [(stage, cause, target)] = house.door.turned
    assert (stage, target) == ("tls", "")
    assert cause == REASONS["NO_SHARED_CIPHER"]
    assert len(house.door.refusals) == 1


@pytest.mark.parametrize(
    "garbage", [upgrade_request(), b"\x16\x03\x01\x00\x05hello" * 20, b"\xff" * 500, b"\x80\x2e\x01"]
)
async def test_garbage_instead_of_tls_ends_that_connection_only(open_house: OpenHouse, garbage: bytes) -> None:
    house = await open_house(security="tls")
    peer = await house.dial()
    await peer.send(garbage)
    peer.finish()
    await peer.rest()
    await house.door.until(lambda: bool(house.door.refusals))
    assert house.door.turned[0][0] == "tls"
    await (await house.enter())[0].say("still there")


@pytest.mark.req("SEC-11")
async def test_a_replaced_certificate_is_used_by_new_connections_and_drops_no_old_one(
    open_house: OpenHouse, authority: Authority, tmp_path: Path
) -> None:
    house = await open_house(security="tls")
    old, _ = await house.enter()
    other = trustme.CA()
    issued = other.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "new.pem")
    house.contexts["ocpp"] = server_context([KeyPair(tmp_path / "new.pem", tmp_path / "new.pem")])
    assert "CERTIFICATE_VERIFY_FAILED" in await failed_handshake(house, authority.client())
    assert house.tls is not None
    other.configure_trust(house.tls)
    new, _ = await house.enter()
    for peer in (old, new):
        await peer.say("hello")
        assert await peer.frame() == (1, b"hello")


async def with_certificate(house: House, context: ssl.SSLContext) -> Peer:
    house.tls = context
    peer, _ = await house.enter()
    return peer


@pytest.mark.req("SEC-12", "SEC-20", "SEC-10")
async def test_a_client_certificate_is_optional_but_verified_if_shown(
    open_house: OpenHouse, authority: Authority, tmp_path: Path
) -> None:
    house = await open_house(security="tls")
    roots = tmp_path / "roots.pem"
    authority.ca.cert_pem.write_to_path(roots)
    files = [KeyPair(authority.certificate, authority.private_key)]
    house.contexts["ocpp"] = server_context(files, client_roots=[roots])

    bare, known, stranger = authority.client(), authority.client(), authority.client()
    issued = authority.ca.issue_cert("CP-1")
    issued.configure_cert(known)
    trustme.CA().issue_cert("CP-1").configure_cert(stranger)

    await with_certificate(house, bare)
    assert house.door.stations[-1].request.client_certificate is None
    await with_certificate(house, known)
    certificate = house.door.stations[-1].request.client_certificate
    assert certificate == ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
    assert "ALERT" in await failed_handshake(house, stranger)
    await house.door.until(lambda: len(house.door.turned) == 1)
    house.contexts["ocpp"] = server_context(files, client_roots=[roots], client_certificates="required")
    assert "ALERT" in await failed_handshake(house, bare)
    await house.door.until(lambda: len(house.door.turned) == 2)
    assert len(house.door.stations) == 2
    assert [(stage, cause) for stage, cause, _ in house.door.turned] == [
        ("tls", "The peer's certificate is not good: unable to get local issuer certificate."),
        ("tls", REASONS["PEER_DID_NOT_RETURN_A_CERTIFICATE"]),
    ]


def test_reasons_are_in_plain_words_and_never_the_peers() -> None:
    assert explain(None).startswith("The peer left")
    assert explain(ConnectionResetError()).startswith("The peer left")
    assert explain(ssl.SSLError(1, "x")) == "The TLS handshake failed (SSLError)."
