"""`csmsd run` as a process: how it starts, what it says, and how it goes."""

from __future__ import annotations

import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trustme

from csmsd.cli.run import obey
from tests.cli.conftest import PATIENCE, Charger, Server, eventually, launch

Run = Callable[..., Server]
Chargers = Callable[..., Charger]


@pytest.mark.req("WS-39")
def test_sigterm_sends_stations_away_and_ends_well(run_csmsd: Run, charger: Chargers) -> None:
    server = run_csmsd("--access-authentication=none", "--access-unknown-stations=register", "--plugins=core")
    station = charger(f"{server.ocpp_url}/CP-1")
    code, log = server.stop()
    assert code == 0, log
    assert station.wait_closed() == 1001
    assert "SIGTERM: stations are sent away" in log
    assert "csmsd has stopped" in log


def test_ctrl_c_ends_well_too(run_csmsd: Run) -> None:
    code, log = run_csmsd("--plugins=core").stop(signal.SIGINT)
    assert code == 0
    assert "Traceback" not in log


async def test_a_second_signal_is_left_to_the_operating_system_which_ends_even_what_hangs() -> None:
    send, receive = trio.open_memory_channel[int](1)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        send.send_nowait(signal.SIGTERM)
        scope = trio.CancelScope()
        await obey(receive, [], scope)
        assert scope.cancel_called
        assert [signal.getsignal(number) for number in before] == [signal.SIG_DFL, signal.SIG_DFL]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.req("WS-03")
def test_it_says_where_to_point_a_charger_and_what_to_do_next(run_csmsd: Run) -> None:
    server = run_csmsd()
    said = "\n".join(server.lines)
    assert "stations   ws://127.0.0.1:" in said
    assert "/ocpp/<station id>" in said
    assert f"operators  {server.environ['CSMSD_URL']}" in said
    assert "csmsd station add" in said


@pytest.mark.req("WS-07")
def test_trial_mode_lets_unknown_stations_in_and_warns_loudly(run_csmsd: Run, charger: Chargers) -> None:
    server = run_csmsd("--open", "--plugins=core")
    charger(f"{server.ocpp_url}/NEVER-SEEN")
    _, log = server.stop()
    assert "TRIAL MODE" in log
    assert "passwords are optional" in log


def test_what_is_given_on_the_command_line_is_not_opened(run_csmsd: Run) -> None:
    server = run_csmsd("--open", "--plugins=core", "--access-unknown-stations=refuse")
    _, log = server.stop()
    assert "TRIAL MODE" not in log


def test_a_second_csmsd_on_the_same_data_is_told_who_has_it(run_csmsd: Run, tmp_path: Path) -> None:
    first = run_csmsd("--plugins=core")
    second = launch(tmp_path, "run", "--plugins=core", "--listen-ocpp=127.0.0.1:0", "--listen-http=")
    _, log = second.communicate(timeout=PATIENCE)
    assert second.returncode == 2
    assert log.startswith("csmsd: store.url: ")
    assert f"in use by another csmsd (process {first.process.pid})" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("key", ["ocpp", "http"])
def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path, key: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        flags = {"ocpp": "127.0.0.1:0", "http": "127.0.0.1:0"} | {key: f"127.0.0.1:{other.getsockname()[1]}"}
        process = launch(tmp_path, "run", *(f"--listen-{name}={address}" for name, address in flags.items()))
        _, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    (sentence,) = [line for line in log.splitlines() if line.startswith("csmsd: ")]
    assert f"listen.{key}: cannot listen on 127.0.0.1:" in sentence
    assert "something else listens there" in sentence
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--plugins=core,nosuch"], "no installed package offers a plugin nosuch"),
        (["--set", "plugin.core.heartbeat_interval=0"], "plugin.core.heartbeat_interval must be a whole number"),
        (["--set", "heartbeat"], "expected KEY=VALUE"),
        (["--config", "nowhere.toml"], "nowhere.toml: cannot be read"),
        (["--store-url", "mysql://x/y"], "csmsd cannot use 'mysql'"),
        (["--listen-ocpp", "0.0.0.0:0"], "would carry passwords unencrypted over the network"),
        (["--listen-ocpp-tls", "127.0.0.1:0"], "listen.ocpp_tls needs listen.certificate"),
    ],
)
@pytest.mark.req("WS-40")
def test_what_cannot_be_used_is_one_sentence_and_exit_code_2(
    tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    process = launch(tmp_path, "run", "--listen-ocpp=127.0.0.1:0", "--plugins=core", *arguments)
    _, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert complaint in log
    assert "Traceback" not in log


def test_logs_are_json_if_asked_for(run_csmsd: Run) -> None:
    _, log = run_csmsd("--plugins=core", "--log-format=json", "--open").stop()
    lines = [msgspec.json.decode(line, type=dict[str, Any]) for line in log.splitlines()]
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    assert lines[-1]["message"] == "csmsd has stopped"


@pytest.mark.req("SEC-11")
def test_sighup_reads_certificates_again_and_keeps_the_old_ones_if_the_new_are_broken(
    run_csmsd: Run, tmp_path: Path
) -> None:
    authority = trustme.CA()
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    issue(authority, chain, key)
    server = run_csmsd(
        "--plugins=core",
        "--listen-ocpp-tls=127.0.0.1:0",
        f"--listen-certificate={chain}",
        f"--listen-private-key={key}",
    )
    port = int(next(line for line in server.lines if "wss://" in line).split(":")[2].split("/")[0])
    first = certificate_at(authority, port)
    issue(authority, chain, key)
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: certificate_at(authority, port) != first)
    second = certificate_at(authority, port)
    chain.write_text("nonsense")
    server.process.send_signal(signal.SIGHUP)
    server.process.send_signal(signal.SIGHUP)
    assert certificate_at(authority, port) == second
    code, log = server.stop()
    assert code == 0
    assert "the certificates stay as they are" in log


def issue(authority: trustme.CA, chain: Path, key: Path) -> None:
    certificate = authority.issue_cert("127.0.0.1")
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())


def certificate_at(authority: trustme.CA, port: int) -> bytes:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with (
        socket.create_connection(("127.0.0.1", port)) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as tls,
    ):
        shown = tls.getpeercert(binary_form=True)
    assert shown is not None
    return shown
