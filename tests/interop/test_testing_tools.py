"""Tools that others wrote to test a CSMS."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio
import trustme

from csmsd import StationRecord
from csmsd.config import Listen
from tests.interop.conftest import Csmsd, run_csmsd

STATION, PASSWORD = "CP001", "correct-horse-bat"
SUITES = ("transport", "rpc", "security", "chaos")
# The checks of ocpp-ws-cli that csmsd must fail: the requirement that forbids it, and what the check was told.
MUST_FAIL = {
    "Server rejects oversized frames (>128KB)": ("WS-36: messages of 1 MiB must fit", "did not close connection"),
    "Server enforces MessageId is a string": ("RPC-15: a number is echoed as a number", "[3,12345,"),
    "Server handles abrupt TCP disconnect mid-message": (
        "WS-42: who comes 50 times within a second, as in the check before, is asked to wait (503, Retry-After)",
        "Unexpected server response: 503",
    ),
    "Server rejects missing payload in CALL": (
        "RPC-32: FormatViolation is no code of OCPP 1.6",
        '"FormationViolation"',
    ),
    "Server rejects non-object payload in CALL": ("RPC-34: payload not an object", '"FormationViolation"'),
}


async def test_ocpp(*arguments: str) -> tuple[int, str]:
    """Run the tool: exit status and what it printed."""
    command = (sys.executable, "-m", "test_ocpp", *arguments)
    done = await trio.run_process(command, capture_stdout=True, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode()


test_ocpp.__test__ = False  # type: ignore[attr-defined]  # pytest: the tool's name, not a test


@pytest.mark.req("WS-01", "WS-02", "WS-03", "WS-05", "WS-11", "WS-20", "WS-21", "TC_001", "TC_085", "TC_088")
async def test_test_ocpp_is_satisfied(csmsd: Csmsd) -> None:
    await csmsd.host.stations.register(StationRecord(STATION), PASSWORD)
    root = csmsd.url.removesuffix("/ocpp")
    for arguments in ((csmsd.url, STATION), (root, STATION), (csmsd.url, STATION, "--trailing-slash")):
        status, output = await test_ocpp(*arguments, "--password", PASSWORD)
        assert status == 0, output
        assert "Negotiated subprotocol: ocpp1.6" in output
        assert "BootNotification status: Accepted" in output
        assert "SUCCESS" in output
    refusals: tuple[tuple[tuple[str, ...], int], ...] = (
        ((csmsd.url, STATION), 401),
        ((csmsd.url, STATION, "--password", "not-this-one-it-is"), 401),
        ((csmsd.url, STATION, "--username", "CP002", "--password", PASSWORD), 401),
        ((csmsd.url, "CP002", "--password", PASSWORD), 401),
        ((csmsd.url, "CP001/connector", "--password", PASSWORD), 404),
        ((csmsd.url, STATION, "--password", PASSWORD, "--ocpp", "2.0.1"), 400),
    )
    for refused, code in refusals:
        status, output = await test_ocpp(*refused)
        assert status == 1
        assert f"HTTP {code}" in output


@pytest.mark.req("TC_086", "SEC-06", "WS-01")
async def test_test_ocpp_is_satisfied_over_tls(transport: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate, key, root = tmp_path / "certificate.pem", tmp_path / "key.pem", tmp_path / "root.pem"
    issued = authority.issue_cert("127.0.0.1", common_name="127.0.0.1")
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(root)
    listen = Listen(ocpp="", ocpp_tls="127.0.0.1:0", http="", certificate=(certificate,), private_key=(key,))
    async with run_csmsd(transport, tmp_path, listen) as csmsd:
        await csmsd.host.stations.register(StationRecord(STATION), PASSWORD)
        status, output = await test_ocpp(csmsd.url, STATION, "--password", PASSWORD, "--ca", str(root))
        assert status == 0, output
        assert "TLS: TLSv1.3" in output
        status, output = await test_ocpp(csmsd.url, STATION, "--password", PASSWORD)
        assert status == 1
        assert "CERTIFICATE_VERIFY_FAILED" in output


async def ocpp_ws_cli(node: tuple[Path, Path], csmsd: Csmsd, suite: str, reports: Path) -> dict[str, str | None]:
    """Run a suite: each check, with None if it passed and else with its complaint."""
    station = f"CP-{suite}"
    await csmsd.host.stations.register(StationRecord(station), PASSWORD)
    program, modules = node
    endpoint = urlsplit(csmsd.url)._replace(netloc=f"{station}:{PASSWORD}@{urlsplit(csmsd.url).netloc}").geturl()
    command = [str(program), str(modules / "ocpp-ws-cli" / "dist" / "index.js"), "test", "--report", "json"]
    options = ["-e", endpoint, "-i", station, "-p", "ocpp1.6", "--suite", suite, "--report-dir", str(reports / suite)]
    await trio.run_process([*command, *options], capture_stdout=True, cwd=reports)
    [report] = (reports / suite).iterdir()
    checks = json.loads(report.read_bytes())["testResults"]
    return {check["name"]: None if check["passed"] else check["issue"] for check in checks}


@pytest.mark.req(
    "WS-11", "WS-12", "WS-32", "WS-36", "WS-42", "RPC-15", "RPC-24", "RPC-32", "RPC-34", "RPC-35", "RPC-30"
)
async def test_ocpp_ws_cli_finds_what_the_requirements_demand(
    csmsd: Csmsd, node: tuple[Path, Path], tmp_path: Path
) -> None:
    complaints: dict[str, str | None] = {}

    async def run(suite: str) -> None:
        complaints.update(await ocpp_ws_cli(node, csmsd, suite, tmp_path))

    async with trio.open_nursery() as nursery:
        for suite in SUITES:
            nursery.start_soon(run, suite)
    assert len(complaints) == 21
    assert {check for check, complaint in complaints.items() if complaint} == set(MUST_FAIL)
    for check, (_requirement, evidence) in MUST_FAIL.items():
        assert evidence in (complaints[check] or "")
    assert csmsd.host.is_ready


@pytest.mark.req("WS-36")
async def test_ocpp_ws_cli_finds_the_limit_of_messages_if_it_is_as_low_as_the_tool_expects(
    transport: str, node: tuple[Path, Path], tmp_path: Path
) -> None:
    listen = Listen(ocpp="127.0.0.1:0", http="")
    async with run_csmsd(transport, tmp_path, listen, message_bytes=131_072) as csmsd:
        complaints = await ocpp_ws_cli(node, csmsd, "transport", tmp_path)
    assert set(complaints.values()) == {None}
