"""Simulated stations on real sockets, in real time, with small numbers."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
import trio
import trustme
from click.testing import CliRunner
from trio_websocket import WebSocketRequest, serve_websocket

from csmsd.app import open_csms
from csmsd.cli.failure import first_of
from csmsd.config import Access, Config, Listen
from csmsd.host import Host
from csmsd.station import StationRecord
from csmsd_core import CorePlugin, Tag, Transaction, TransactionFilter
from csmsd_simulator import Clock, StationSettings, build_station, parse_quirks
from csmsd_simulator.cli import simulate as simulate_command
from csmsd_simulator.cli import swarm as swarm_command
from csmsd_simulator.files import Transfer
from csmsd_simulator.simulating import GaveUp, Simulation, simulate
from csmsd_simulator.swarm import Load, swarm
from csmsd_simulator.transfers import Transfers
from csmsd_simulator.visitors import Traffic
from csmsd_simulator.websocket import Endpoint, keep_connected, tls_context

TAG = "SIMULATED"
PATIENCE = 30.0
QUICK = Traffic((TAG,), shortest_gap=0, longest_gap=1, longest_stay=3600, sessions=1)


@asynccontextmanager
async def running(folder: Path, **settings: Any) -> AsyncGenerator[Host]:
    """A csmsd on a free port that registers whoever comes."""
    config = Config(
        plugins=("core",),
        data_dir=folder,
        listen=Listen(ocpp="127.0.0.1:0", http=""),
        access=Access(authentication="optional", unknown_stations="register"),
    )
    with trio.fail_after(PATIENCE):
        async with open_csms(msgspec.structs.replace(config, **settings)) as csms:
            core = csms.plugins.get("core")
            assert isinstance(core, CorePlugin)
            await core.tags.put(Tag(TAG), actor="test")
            yield csms


async def transactions(csms: Host) -> list[Transaction]:
    core = csms.plugins.get("core")
    assert isinstance(core, CorePlugin)
    return list(await core.transactions.list(TransactionFilter()))


async def run_station(simulation: Simulation, stop_after: float = PATIENCE) -> list[str]:
    """Let all drivers have been there, or end it; what happened."""
    stop = trio.Event()

    async def end() -> None:
        await trio.sleep(stop_after)
        stop.set()

    story: list[str] = []
    clock = Clock()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clock.run)
        nursery.start_soon(end)
        await simulate(simulation, clock, story.append, stop)
        nursery.cancel_scope.cancel()
    return story


async def test_a_station_charges_over_a_websocket(tmp_path: Path) -> None:
    async with running(tmp_path) as csms:
        settings = StationSettings("CP-1", connectors=2, speed=3600)
        story = await run_station(Simulation(settings, Endpoint(csms.ocpp_urls[0]), QUICK))
        found = await transactions(csms)
        assert {each.connector_id for each in found} == {1, 2}
        assert all(each.is_stopped and (each.energy_wh or 0) > 0 for each in found)
        assert any("BootNotification: Accepted" in line for line in story)
        assert await csms.journal.deviations() == []


async def test_transactions_end_before_an_interrupted_station_leaves(tmp_path: Path) -> None:
    async with running(tmp_path) as csms:
        simulation = Simulation(StationSettings("CP-1"), Endpoint(csms.ocpp_urls[0]), replace(QUICK, first_gap=0.1))
        await run_station(simulation, stop_after=4)
        found = await transactions(csms)
        assert [(each.is_stopped, each.reason) for each in found] == [(True, "Local")] * 2


async def test_a_station_shows_its_password_over_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("127.0.0.1")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "chain.pem").write_bytes(b"".join(blob.bytes() for blob in own.cert_chain_pems))
    listen = Listen(
        ocpp="",
        ocpp_tls="127.0.0.1:0",
        http="",
        certificate=(tmp_path / "chain.pem",),
        private_key=(tmp_path / "key.pem",),
    )
    async with running(tmp_path, listen=listen, access=Access()) as csms:
        await csms.stations.register(StationRecord("CP-1"), "a-password-that-fits")
        url, settings = csms.ocpp_urls[0], StationSettings("CP-1", connectors=1, speed=3600, security_profile=2)
        assert url.startswith("wss://")
        endpoint = Endpoint(url, "a-password-that-fits", tls_context(tmp_path / "ca.pem"))
        await run_station(Simulation(settings, endpoint, QUICK))
        assert [each.is_stopped for each in await transactions(csms)] == [True]
        stranger = Endpoint(url, "another-password", tls_context(tmp_path / "ca.pem"))
        with pytest.RaisesGroup(GaveUp, flatten_subgroups=True, allow_unwrapped=True):
            await run_station(Simulation(settings, stranger, QUICK, attempts=1))
        suspicious = Endpoint(url, "a-password-that-fits", ssl.create_default_context())
        with pytest.RaisesGroup(GaveUp, flatten_subgroups=True, allow_unwrapped=True):
            await run_station(Simulation(settings, suspicious, QUICK, attempts=1))


async def test_a_station_shows_a_certificate_of_its_own(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    station = authority.issue_cert("cp-1.example")
    station.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "chain.pem").write_bytes(b"".join(blob.bytes() for blob in station.cert_chain_pems))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    seen: list[Any] = []

    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        await stream.do_handshake()
        seen.append(stream.getpeercert())
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_ssl_over_tcp, serve, 0, context, host="127.0.0.1"))
        port = listener.transport_listener.socket.getsockname()[1]
        client = tls_context(tmp_path / "ca.pem", tmp_path / "chain.pem", tmp_path / "key.pem")
        simulation = Simulation(
            StationSettings("CP-1"), Endpoint(f"wss://127.0.0.1:{port}", ssl_context=client), QUICK, attempts=1
        )
        with pytest.RaisesGroup(GaveUp, flatten_subgroups=True, allow_unwrapped=True):
            await run_station(simulation)
        nursery.cancel_scope.cancel()
    assert ("DNS", "cp-1.example") in seen[0]["subjectAltName"]


async def test_a_station_that_is_refused_says_so_and_gives_up(tmp_path: Path) -> None:
    async with running(tmp_path, access=Access()) as csms:
        endpoint = Endpoint(csms.ocpp_urls[0])
        with pytest.RaisesGroup(GaveUp, flatten_subgroups=True, allow_unwrapped=True) as gave_up:
            await run_station(Simulation(StationSettings("CP-1"), endpoint, QUICK, attempts=2))
        assert "refused with HTTP status 401" in str(first_of(gave_up.value))


@pytest.mark.parametrize(("quirks", "answers"), [((), True), (("no-pong",), False)])
async def test_pings_are_answered_unless_the_quirk_forbids_it(quirks: tuple[str, ...], answers: bool) -> None:
    outcomes: list[bool] = []
    has_ended = trio.Event()

    async def serve(request: WebSocketRequest) -> None:
        socket = await request.accept(subprotocol="ocpp1.6")
        with trio.move_on_after(0.5) as scope:
            await socket.ping(b"there?")
        outcomes.append(not scope.cancelled_caught)
        has_ended.set()

    clock = Clock()
    station = build_station(StationSettings("CP-1", quirks=parse_quirks(quirks)), clock)
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, serve, "127.0.0.1", 0, None)
        nursery.start_soon(clock.run)
        nursery.start_soon(keep_connected, station, Endpoint(f"ws://127.0.0.1:{server.port}"))
        with trio.fail_after(PATIENCE):
            await has_ended.wait()
        nursery.cancel_scope.cancel()
    assert outcomes == [answers]


async def test_a_station_that_offers_no_subprotocol_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as csms:
        settings = replace(StationSettings("CP-1"), quirks=parse_quirks(["no-subprotocol"]))
        with pytest.RaisesGroup(GaveUp, flatten_subgroups=True, allow_unwrapped=True):
            await run_station(Simulation(settings, Endpoint(csms.ocpp_urls[0]), QUICK, attempts=1))


async def test_a_swarm_is_served_without_fault_and_counts_its_calls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(tmp_path) as csms:
        load = Load(stations=8, seconds=2.0, rate=40.0, ramp=50.0, tag=TAG)
        tally = await swarm(load, Endpoint(csms.ocpp_urls[0]), every=0.5)
        assert tally.problems(load.stations) == []
        found = await transactions(csms)
        assert len(found) == 8
        assert all(each.is_stopped for each in found)
        assert len(tally.seconds["MeterValues"]) > 20
        printed = capsys.readouterr().out
        assert "8/8 online" in printed
        assert "StopTransaction" in printed


async def test_a_swarm_owns_up_to_what_went_wrong(tmp_path: Path) -> None:
    async with running(tmp_path) as csms:
        load = Load(stations=3, seconds=1.0, rate=10.0, tag="NOBODY")
        idle = await swarm(load, Endpoint(csms.ocpp_urls[0]))
        assert idle.problems(3) == ["3 stations never charged: is their tag accepted?"]
    nobody = await swarm(load, Endpoint("ws://127.0.0.1:9"))
    assert nobody.problems(3)[0] == "3 stations were never accepted"


async def test_files_move_over_http() -> None:
    requests: list[bytes] = []

    async def serve(stream: trio.SocketStream) -> None:
        request = b""
        while b"\r\n\r\n" not in request or (request.startswith(b"PUT") and not request.endswith(b"log\n")):
            request += await stream.receive_some()
        requests.append(request)
        status = b"404 Not Found" if b"missing" in request else b"200 OK"
        await stream.send_all(b"HTTP/1.1 " + status + b"\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")

    outcomes: list[bytes | None] = []
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
            url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
            async with trio.open_nursery() as moving:
                transfers = Transfers(moving)
                transfers.start(Transfer(f"{url}/firmware.bin", is_upload=False), outcomes.append)
            async with trio.open_nursery() as moving:
                upload = Transfer(f"{url}/upload/", is_upload=True, name="CP-1.log", content=b"log\n")
                Transfers(moving).start(upload, outcomes.append)
            async with trio.open_nursery() as moving:
                Transfers(moving).start(Transfer(f"{url}/missing", is_upload=False), outcomes.append)
                Transfers(moving).start(Transfer("gopher://x/", is_upload=False), outcomes.append)
            nursery.cancel_scope.cancel()
    assert outcomes == [b"abc", b"", None, None]
    assert requests[1].startswith(b"PUT /upload/CP-1.log HTTP/1.1")


def test_the_demo_is_alive_within_seconds(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "csmsd", "demo", "--seconds", "10"],
        cwd=tmp_path,
        env={"CSMSD_PLUGINS": "core,web,simulator", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "operators  http://127.0.0.1:" in done.stdout
    assert "GARAGE-1  BootNotification: Accepted" in done.stdout
    assert "begins" in done.stdout, "somebody charges"


def test_the_shell_lists_quirks_and_refuses_nonsense() -> None:
    def run(command: click.Command, *arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(command, arguments)
        return result.exit_code, result.output

    code, text = run(simulate_command, "--quirks")
    assert (code, "minus-one-transaction" in text) == (0, True)
    code, text = run(simulate_command, "CP-1", "--quirk", "no-such-thing")
    assert (code, "no quirk" in text) == (2, True)
    assert run(simulate_command, "CP-1", "--url", "http://x")[0] == 2
    assert run(simulate_command, "CP-1", "--set", "Nothing=1")[0] == 2
    code, text = run(simulate_command, "CP-1", "--url", "ws://127.0.0.1:9/ocpp", "--attempts", "1")
    assert (code, "gives up" in text) == (1, True)
    code, text = run(swarm_command, "--stations", "1", "--seconds", "1", "--url", "ws://127.0.0.1:9/ocpp")
    assert (code, "never accepted" in text) == (1, True)
