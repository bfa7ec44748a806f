"""Profiles 2 and 3 on real sockets: who comes in, and who does not."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from msgspec.structs import replace

from csmsd import Config, Host, StationRecord, open_csms
from csmsd.config import Listen
from csmsd_security import SecurityPlugin
from csmsd_security.certificate_rows import StationCertificate, with_chain
from tests.plugins.security.pki import Key, ec_key, issue, key_pem, name, pem_of

NOW = datetime.now(UTC)
PASSWORD = "correct-horse-bat"
ROOT_KEY, SERVER_KEY, CLIENT_KEY = ec_key(), ec_key(), ec_key()
ROOT = issue(ROOT_KEY, name("operator's root"), NOW, days=365)
OTHER_ROOT = issue(CLIENT_KEY, name("somebody's root"), NOW, days=365)
BY_ROOT = (ROOT_KEY, ROOT)


def client(common_name: str = "SN-1", organisation: str = "csmsd", **more: Any) -> x509.Certificate:
    return issue(CLIENT_KEY, name(common_name, organisation), NOW, **{"issuer": BY_ROOT, **more})


class Charger:
    """Connects over TLS as it is told."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host, self._folder = host, folder
        self._address = host.ocpp_urls[-1].removeprefix("wss://").partition("/")[0]

    @property
    def plugin(self) -> SecurityPlugin:
        plugin = self.host.plugins.get("security")
        assert isinstance(plugin, SecurityPlugin)
        return plugin

    async def knock(
        self, certificate: x509.Certificate | None = None, *, password: bool = False, key: Key = CLIENT_KEY
    ) -> int:
        """The HTTP status; 0 if TLS or the peer ended it before."""
        async with self.visit(certificate, password=password, key=key) as (status, _):
            return status

    @asynccontextmanager
    async def visit(
        self, certificate: x509.Certificate | None = None, *, password: bool = False, key: Key = CLIENT_KEY
    ) -> AsyncGenerator[tuple[int, trio.SSLStream[trio.SocketStream]], None]:
        """The same, and the connection, which ends with the block."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate is not None:
            file = self._folder / "client.pem"
            file.write_text(pem_of(certificate) + key_pem(key))
            context.load_cert_chain(file)
        host, _, port = self._address.rpartition(":")
        lines = ["GET /ocpp/CP-1 HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol: ocpp1.6",
        ]
        if password:
            lines.append("Authorization: Basic " + base64.b64encode(f"CP-1:{PASSWORD}".encode()).decode())
        stream = trio.SSLStream(await trio.open_tcp_stream(host, int(port)), context)
        try:
            with trio.fail_after(20):
                try:
                    await stream.send_all(("\r\n".join(lines) + "\r\n\r\n").encode())
                    answer = await stream.receive_some(4096)
                except trio.BrokenResourceError:
                    answer = b""
            yield int(answer.split()[1]) if answer else 0, stream
        finally:
            await trio.aclose_forcefully(stream)

    async def register(
        self, certificate: x509.Certificate, station_id: str = "CP-1", **fields: Any
    ) -> StationCertificate:
        row = StationCertificate(str(certificate.serial_number), station_id, "accepted", NOW, NOW, **fields)
        return await self.plugin.certificates.book.put(with_chain(row, pem_of(certificate), certificate))


@pytest.fixture(params=["reactor", "trio-websocket"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def listen(tmp_path: Path) -> Listen:
    (tmp_path / "server.pem").write_text(pem_of(issue(SERVER_KEY, name("localhost"), NOW)))
    (tmp_path / "server.key").write_text(key_pem(SERVER_KEY))
    (tmp_path / "roots.pem").write_text(pem_of(ROOT))
    return Listen(
        ocpp="",
        ocpp_tls="127.0.0.1:0",
        http="",
        certificate=(tmp_path / "server.pem",),
        private_key=(tmp_path / "server.key",),
        client_roots=(tmp_path / "roots.pem",),
    )


@pytest.fixture
async def charger(transport: str, listen: Listen, tmp_path: Path) -> AsyncIterator[Charger]:
    config = Config(plugins=("core", "security"), data_dir=tmp_path / "data", listen=listen, transport=transport)  # type: ignore[arg-type]  # a str of that Literal
    async with open_csms(config) as host:
        await host.stations.register(StationRecord("CP-1", security_profile=3, serial_number="SN-1"), PASSWORD)
        yield Charger(host, tmp_path)


@pytest.mark.req("WS-26", "SEC-12", "SEC-20", "SEC-22", "TC_087")
async def test_a_station_comes_in_with_its_certificate_alone_and_a_password_is_superfluous(charger: Charger) -> None:
    assert await charger.knock(client()) == 101
    assert await charger.knock(client("CP-1")) == 101
    assert await charger.knock(client(), password=True) == 101
    assert await charger.knock(password=True) == 401
    assert await charger.knock() == 401


@pytest.mark.req("SEC-20", "SEC-21", "SEC-22", "SEC-24")
@pytest.mark.parametrize(
    ("certificate", "status"),
    [
        (client(issuer=(CLIENT_KEY, OTHER_ROOT)), 0),
        (client(days=-1), 0),
        (client(usage=ExtendedKeyUsageOID.SERVER_AUTH), 0),
        (client("SN-2"), 401),
        (client(organisation="factory"), 401),
    ],
    ids=["wrong CA", "expired", "server only", "foreign name", "foreign organisation"],
)
async def test_other_certificates_do_not_open_the_door(
    charger: Charger, certificate: x509.Certificate, status: int
) -> None:
    assert await charger.knock(certificate) == status


@pytest.mark.req("SEC-23", "SEC-56", "SEC-22")
async def test_what_the_register_says_of_a_certificate_counts(charger: Charger) -> None:
    revoked, foreign, old, new = client(), client(), client(), client()
    row = await charger.register(revoked)
    assert await charger.knock(revoked) == 101
    await charger.plugin.certificates.revoke(row.id, actor="op")
    assert await charger.knock(revoked) == 401
    await charger.register(foreign, "CP-9")
    assert await charger.knock(foreign) == 401
    await charger.register(old, superseded_until=NOW)
    newest = await charger.register(new)
    assert await charger.knock(old) == 101  # the newer one was not used yet
    book = charger.plugin.certificates.book
    await book.put(replace(newest, requested_at=datetime.now(UTC)))
    assert await charger.knock(new) == 101
    assert await charger.knock(old) == 401


@pytest.mark.req("SEC-12", "SEC-43", "SEC-44", "TC_083")
async def test_from_2_to_3_and_never_back(charger: Charger) -> None:
    await charger.host.stations.change("CP-1", security_profile=2, profile_upgrade_to=3)
    assert await charger.knock(password=True) == 101
    assert await charger.knock(client()) == 101
    assert charger.host.stations.record("CP-1").security_profile == 3
    assert await charger.knock(password=True) == 401
    assert await charger.knock(client()) == 101


@pytest.mark.req("SEC-53", "SEC-20", "SEC-11", "TC_074")
async def test_a_certificate_of_the_built_in_authority_opens_the_door_without_a_restart(charger: Charger) -> None:
    await charger.plugin.create_authority("ecdsa", actor="op")
    chain = charger.plugin.authority.sign(
        CLIENT_KEY.public_key(), common_name="SN-1", organisation="csmsd", serial_number=77, now=NOW, days=30
    )
    assert await charger.knock(x509.load_pem_x509_certificate(chain.encode())) == 101


@pytest.mark.req("SEC-08", "SEC-11")
async def test_a_certificate_that_is_read_anew_is_looked_at(
    charger: Charger, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    charger.host.reload_certificates()
    assert caplog.messages == []  # what is to be said of the old one was said at start
    listen.certificate[0].write_text(pem_of(issue(SERVER_KEY, name("other.example"), NOW, days=7)))
    charger.host.reload_certificates()
    assert len([message for message in caplog.messages if "server.pem: it expires at " in message]) == 1


@pytest.mark.req("SEC-24")
@pytest.mark.parametrize("address", ["10.0.0.1", "wss://charge.example"])
async def test_a_name_that_is_an_address_does_not_count(charger: Charger, address: str) -> None:
    await charger.host.stations.change("CP-1", serial_number=address)
    assert await charger.knock(client(address)) == 401


@pytest.mark.req("SEC-12")
async def test_a_listener_that_requires_certificates_ends_the_handshake(
    transport: str, listen: Listen, tmp_path: Path
) -> None:
    strict = replace(listen, client_certificates="required")
    config = Config(plugins=("core", "security"), data_dir=tmp_path / "data", listen=strict, transport=transport)  # type: ignore[arg-type]  # a str of that Literal
    async with open_csms(config) as host:
        await host.stations.register(StationRecord("CP-1", serial_number="SN-1"), PASSWORD)
        charger = Charger(host, tmp_path)
        assert await charger.knock(password=True) == 0
        assert await charger.knock(client()) == 101
