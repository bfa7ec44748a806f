"""A slow backend delays nobody but those who ask it: in virtual time, and over real sockets."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from csmsd.app import open_csms
from csmsd.config import Access, Config, Listen
from csmsd.env import Env
from csmsd.errors import BackendUnavailable
from csmsd.hookspecs import hookimpl
from csmsd.plugin import NoConfig, Plugin
from csmsd.station import Station
from csmsd_authorizer import AuthorizerConfig, Question
from csmsd_authorizer.backend import open_backend
from csmsd_core import DataTransfer, DataTransferResponse, Heartbeat, HeartbeatResponse, IdTagInfo
from tests.durability.wire import Wire, connect
from tests.plugins.authorizer.backend import FakeBackend, authorize, csms_with


class Slowcoach(Plugin[NoConfig]):
    """Somebody else's plugin, which needs one of csmsd's tasks for each answer."""

    name = "slowcoach"
    requires = ("core",)

    @hookimpl
    async def data_transfer(self, station: Station, request: DataTransfer) -> DataTransferResponse:
        await trio.sleep(0.01)
        return DataTransferResponse("Accepted")


@pytest.mark.req("AUTH-13")
async def test_others_do_not_wait_for_those_who_wait_for_the_backend() -> None:
    backend = FakeBackend()
    backend.delay = 60
    async with csms_with(backend, more=(Slowcoach,), when_unavailable="tag_table", breaker_failures=10**6) as csms:
        waiting = [await csms.connect(f"CP-{number}") for number in range(500)]  # twice as many as csmsd has tasks
        other = await csms.connect("OTHER")

        async def wait(station: Any) -> None:
            with pytest.raises(Exception, match="InternalError"):
                await authorize(station, "STRANGER")

        async with trio.open_nursery() as nursery:
            for station in waiting:
                nursery.start_soon(wait, station)
            await trio.sleep(0.5)
            begun = trio.current_time()
            await other.send("Heartbeat", Heartbeat(), HeartbeatResponse)
            await other.send("DataTransfer", DataTransfer("x"), DataTransferResponse)
            assert trio.current_time() - begun == pytest.approx(0.01, abs=0.005)
            assert backend.busy == 16  # the others have not even been asked


class Handler(BaseHTTPRequestHandler):
    """Takes its time; then everybody may charge."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server: Any = self.server
        self.rfile.read(int(self.headers["Content-Length"]))
        server.clients.add(self.client_address)
        time.sleep(server.delay)
        body = b'{"status": "Accepted"}'
        try:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # csmsd did not wait for so long

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Silence."""


@pytest.fixture
def real_backend() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.delay, server.clients = 0.0, set()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.trio(run=trio.run)
async def test_over_tls_only_a_backend_that_is_vouched_for_is_asked(tmp_path: Path, real_backend: Any) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    real_backend.socket = context.wrap_socket(real_backend.socket, server_side=True)
    question = Question("CP-1", "T", "authorize")
    for ca in (authority, stranger):
        ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        url = f"https://127.0.0.1:{real_backend.server_port}/"
        async with open_backend(AuthorizerConfig(url, ca_file=str(tmp_path / "ca.pem")), Env(), None) as backend:
            if ca is authority:
                assert await backend.ask(question) == IdTagInfo("Accepted")
            else:
                with pytest.raises(BackendUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                    await backend.ask(question)


async def call(wire: Wire, action: str, payload: str) -> tuple[bytes, float]:
    """The answer, and how long it took."""
    begun = time.monotonic()
    await wire.send(f'[2,"{begun}","{action}",{payload}]'.encode())
    return await wire.receive(), time.monotonic() - begun


@pytest.mark.req("AUTH-09", "AUTH-13")
@pytest.mark.trio(run=trio.run)
async def test_over_real_sockets_a_slow_backend_costs_its_own_stations_the_time_limit_only(
    tmp_path: Path, real_backend: Any
) -> None:
    table = {"url": f"http://127.0.0.1:{real_backend.server_port}/", "time_limit": 1.0, "cache_ttl": 0, "at_once": 4}
    config = Config(
        plugins=("core", "authorizer"),
        listen=Listen(ocpp="127.0.0.1:0", http=""),
        access=Access(authentication="none", unknown_stations="register"),
        data_dir=tmp_path,
        plugin={"authorizer": table},
    )
    async with open_csms(config) as csms:
        port = int(csms.ocpp_urls[0].split(":")[2].split("/")[0])
        wires = [await connect(port, f"CP-{number}") for number in range(20)]
        for wire in wires:
            assert b"Accepted" in (await call(wire, "Authorize", '{"idTag":"T"}'))[0]
        assert len(real_backend.clients) <= 4  # connections are used again

        real_backend.delay = 1.7
        slow = list[tuple[bytes, float]]()

        async def ask(wire: Wire) -> None:
            slow.append(await call(wire, "Authorize", '{"idTag":"T"}'))

        async with trio.open_nursery() as nursery:
            for wire in wires[1:]:
                nursery.start_soon(ask, wire)
            await trio.sleep(0.1)
            took = sorted([(await call(wires[0], "Heartbeat", "{}"))[1] for _ in range(100)])
        assert took[50] < 0.1  # a median, so that a busy machine is no failure
        assert all(b"InternalError" in answer for answer, _ in slow)
        assert min(seconds for _, seconds in slow) > 0.9
        assert max(seconds for _, seconds in slow) < 5
        for wire in wires:
            await wire.aclose()
