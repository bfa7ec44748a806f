"""`csmsd events`, and a csmsd that is killed while a receiver has an event and has not answered yet."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result

from csmsd.client import ApiClient
from tests.cli.conftest import Cli, Server, close, eventually, start

SETTINGS = """
[plugin.events.webhooks]
internal_networks = ["127.0.0.0/8"]
attempts = 2
first_pause = 0.05
longest_pause = 0.05
"""


@dataclass
class Hook:
    """A receiver in threads; `holds` lets nobody have an answer."""

    url: str = ""
    status: int = 204
    events: list[dict[str, Any]] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    holds: threading.Event | None = None

    def take(self, body: bytes) -> int:
        event = msgspec.json.decode(body)
        self.events.append(event)
        if self.holds is not None:
            self.holds.wait(30)
        self.answered.append(event["id"])
        return self.status


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status = made.take(self.rfile.read(int(self.headers["content-length"])))
            try:
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()
            except OSError:
                pass  # whoever asked is dead

        def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """Starts the same csmsd again and again."""
    (tmp_path / "csmsd.toml").write_text(SETTINGS)
    servers: list[Server] = []

    def one() -> Server:
        servers.append(start(tmp_path))
        return servers[-1]

    yield one
    for server in servers:
        close(server)


def said(result: Result, code: int = 0) -> str:
    assert result.exit_code == code, result.output
    return result.stdout


def test_a_webhook_is_added_tested_watched_and_removed(run: Callable[[], Server], cli: Cli, hook: Hook) -> None:
    server = run()

    def remote(*arguments: str) -> Result:
        return cli(*arguments, environ=server.environ)

    assert "no webhooks: `csmsd events webhook add <url>` adds one" in said(remote("events", "webhook", "list"))
    assert "transaction_stopped" in said(remote("events", "types"))
    text = said(remote("events", "webhook", "add", hook.url, "--type", "station_registered", "--station", "DEPOT-*"))
    assert "webhook 1 is added" in text
    assert "whsec_" in text
    assert "the receiver answered 204" in said(remote("events", "webhook", "test", "1"))
    hook.status = 404
    refused = remote("events", "webhook", "test", "1")
    assert "webhook 1 took no test: the receiver answered 404" in refused.stderr
    for station in ("DEPOT-1", "CP-1"):
        said(remote("station", "add", station, "--no-password"))
    eventually(lambda: "DEPOT-1" in said(remote("events", "webhook", "dead-letters", "1")))
    assert "the receiver answered 404" in said(remote("plugins", "facts", "events"))
    (dead,) = msgspec.json.decode(said(remote("events", "webhook", "dead-letters", "1", "--json")))
    for command in (("events", "webhook", "retry", "1"), ("plugins", "retry", "events", "--all")):
        assert "answered 404" in remote(*command).stderr
    hook.status = 200
    assert "webhook 1 has taken 1 events" in said(remote("events", "webhook", "retry", "1", str(dead["fact_id"])))
    assert "no dead letters" in said(remote("events", "webhook", "dead-letters", "1"))
    assert "no fact is set aside for events" in said(remote("plugins", "facts", "events", "--reader", "webhook-1"))
    assert "DEPOT-1" in said(remote("events", "webhook", "deliveries", "1"))
    assert hook.url in said(remote("events", "webhook", "list"))
    assert "webhook 1 is disabled" in said(remote("events", "webhook", "disable", "1"))
    hook.status = 400
    said(remote("station", "add", "DEPOT-2", "--no-password"))
    assert "webhook 1 is enabled" in said(remote("events", "webhook", "enable", "1"))
    eventually(lambda: "DEPOT-2" in said(remote("plugins", "facts", "events")))
    (dead,) = msgspec.json.decode(said(remote("plugins", "facts", "events", "--json")))
    one = (str(dead["fact_id"]), "--reader", "webhook-1")
    assert "answered 400" in remote("plugins", "retry", "events", *one).stderr
    assert "is discarded" in said(remote("plugins", "discard", "events", *one))
    assert "webhook 1 is removed" in said(remote("events", "webhook", "remove", "1"))
    assert "there is no webhook 1" in remote("events", "webhook", "remove", "1").stderr
    assert remote("plugins", "retry", "events").exit_code == 2


@pytest.mark.req("B-09")
def test_a_csmsd_that_is_killed_before_it_has_the_answer_delivers_again(
    run: Callable[[], Server], cli: Cli, hook: Hook
) -> None:
    server = run()
    said(cli("events", "webhook", "add", hook.url, environ=server.environ))
    hook.holds = threading.Event()
    for number in range(5):
        said(cli("station", "add", f"CP-{number}", "--no-password", environ=server.environ))
    eventually(lambda: len(hook.events) == 5)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    first = [event["id"] for event in hook.events]
    hook.holds.set()
    hook.holds = None
    eventually(lambda: len(hook.answered) == 5)
    again = run()
    eventually(lambda: len(hook.events) == 10)
    assert sorted(event["id"] for event in hook.events[5:]) == sorted(first)
    with ApiClient(again.environ["CSMSD_URL"], again.environ["CSMSD_TOKEN"]) as client:
        eventually(lambda: msgspec.json.decode(client.get("/webhooks/1"))["backlog"] == 0)
    code, _ = again.stop()
    assert code == 0
