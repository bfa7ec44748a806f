"""Three vendors' packages at work beside csmsd: their stations, their slow backend, and an audit of the invoices."""

from __future__ import annotations

import json
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trio

from csmsd.client import ApiClient, ApiError, find_server
from tests.architecture.conftest import ROOT, build
from tests.durability.auditor import Wire
from tests.durability.fleet import Station, WireLog

EXAMPLES = ("acme_datatransfer", "acme_tariff", "acme_authorizer")
CENTS_PER_KWH, CENTS_PER_SESSION = 49, 100  # acme_tariff's defaults
PATIENCE = 60.0


def wheel_of(example: str, folder: Path, version: str = "1.0.0") -> Path:
    """Build an example as its vendor would, from a copy, with a version of its own."""
    source = folder / f"{example}-{version}"
    shutil.copytree(ROOT / "examples" / example, source, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    project = source / "pyproject.toml"
    text, count = re.subn(r'^version = ".*"$', f'version = "{version}"', project.read_text(), flags=re.MULTILINE)
    assert count == 1
    project.write_text(text)
    return build(source, "wheel", source / "dist")


def install(programs: Path, wheel: Path) -> None:
    """Upgrade one package of an environment, while what is installed there runs."""
    command = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "-q", "--no-deps"]
    subprocess.run([*command, "--no-index", "--upgrade", str(wheel)], check=True, timeout=100)


class _CustomerService(BaseHTTPRequestHandler):
    """ACME's: every customer may charge, after a while."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server: Any = self.server
        self.rfile.read(int(self.headers["Content-Length"]))
        server.asked += 1
        time.sleep(server.delay)
        body = b'{"may_charge": true}'
        try:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # nobody waits any more

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Silence."""


@contextmanager
def customer_service(delay: float) -> Iterator[Any]:
    """A slow backend; `asked` counts."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _CustomerService)
    server.delay, server.asked, server.daemon_threads, server.block_on_close = delay, 0, True, False
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class VendorStation(Station):
    """Asks for ACME's tariff before it charges; one in ten belongs to ACME's customers."""

    def __init__(self, number: int, port: int, log: WireLog, chance: random.Random) -> None:
        super().__init__(f"CP-{number}", port, log, chance)
        self.is_acmes = number % 10 == 0
        if self.is_acmes:
            self.id_tag = f"ACME-{number}"
        self.told = Counter[str]()

    async def _charge(self, think: float, is_over: Callable[[], bool]) -> None:
        question = {"vendorId": "com.acme", "messageId": "GetTariff", "data": '{"connector": 1}'}
        answer = await self._deliver(("DataTransfer", question))
        self.told[answer["status"]] += 1
        await super()._charge(think, is_over)


class Operator:
    """Speaks the management API of the running csmsd."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def switch(self, plugin: str, state: str) -> None:
        """Enable or disable a plugin."""
        await self._ask(lambda client: client.post(f"/plugins/{plugin}/{state}"))

    async def versions(self) -> dict[str, str]:
        """The plugins that are enabled, by name."""
        plugins = await self._ask(lambda client: list(client.items("/plugins")))
        found = [json.loads(bytes(plugin)) for plugin in plugins]
        return {each["name"]: each["version"] for each in found if each["state"] == "enabled"}

    async def _ask(self, question: Callable[[ApiClient], Any]) -> Any:
        def ask() -> Any:
            with find_server(self._folder, environ={}) as client:
                return question(client)

        with trio.fail_after(PATIENCE):
            while True:
                try:
                    return await trio.to_thread.run_sync(ask)
                except ApiError as error:
                    if error.status != 503:
                        raise
                    await trio.sleep(0.1)


def read_invoices(folder: Path) -> list[dict[str, Any]]:
    """What ACME's accounting gets; a line that is being written does not count."""
    try:
        lines = (folder / "invoices.jsonl").read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def stopped_transactions(database: Path) -> dict[int, int]:
    """What is in the books: transactions and their energy."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT id, meter_stop - meter_start FROM core_transaction WHERE stop_id IS NOT NULL")
        return {id_: energy for id_, energy in rows}  # noqa: C416 - rows are no pairs for dict()


def audit_invoices(wire: Wire, stopped: dict[int, int], invoices: list[dict[str, Any]]) -> Iterator[str]:
    """Every violation, as a sentence."""
    times = Counter(invoice["transaction_id"] for invoice in invoices)
    facts = Counter(invoice["fact_id"] for invoice in invoices)
    yield from (f"transaction {id_} has {count} invoices" for id_, count in times.items() if count > 1)
    yield from (f"fact {id_} has {count} invoices" for id_, count in facts.items() if count > 1)
    yield from (f"transaction {id_} has stopped and has no invoice" for id_ in stopped.keys() - times.keys())
    yield from (f"transaction {id_} has an invoice and has not stopped" for id_ in times.keys() - stopped.keys())
    told = {stop.transaction for stop in wire.stops}
    yield from (f"the stop of transaction {id_} was confirmed and has no invoice" for id_ in told - times.keys())
    for invoice in invoices:
        energy = stopped.get(invoice["transaction_id"])
        cents = None if energy is None else CENTS_PER_SESSION + (energy * CENTS_PER_KWH + 500) // 1000
        if (invoice["energy_wh"], invoice["cents"]) != (energy, cents):
            yield f"{invoice} should be for {energy} Wh and {cents} cents"
