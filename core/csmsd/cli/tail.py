"""`csmsd tail`: what stations say and do, as it happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

import click
import msgspec

from csmsd.cli.output import Output, printable
from csmsd.cli.remote import takes_server
from csmsd.client import ApiClient, ServerEvent, ServerUnreachable

_PAUSE = 2.0  # seconds between attempts to come back
_PAYLOAD_WIDTH = 200  # characters; --json has all of it


class _Exchange(msgspec.Struct, frozen=True):
    direction: str
    action: str
    request: str
    response: str | None
    error: str
    microseconds: int = 0
    deviations: list[msgspec.Raw] = msgspec.field(default_factory=list[msgspec.Raw])


class _Attempt(msgspec.Struct, frozen=True):
    stage: str
    peer: str
    cause: str = ""


class _Arrived(msgspec.Struct, frozen=True):
    peer: str = ""
    replaces: bool = False


class _Departed(msgspec.Struct, frozen=True):
    reason: str = ""


@click.command()
@click.argument("station_id", metavar="[STATION]", default="")
@click.option("--kind", "kinds", multiple=True, help="Only events of this kind, like exchange. May be repeated.")
@takes_server
def tail(client: ApiClient, output: Output, station_id: str, kinds: tuple[str, ...]) -> None:
    """Watch messages and events live; with STATION only its own.

    With --json each line is one JSON object. Comes back by itself when the server restarts; Ctrl-C ends it.
    """
    with suppress(KeyboardInterrupt):
        for event in events_for_ever(client, station_id or None, ",".join(kinds) or None):
            click.echo(msgspec.json.encode(event) if output.is_json else line_of(event))


def line_of(event: ServerEvent) -> str:
    """One event in one line."""
    at = f"{event.at.astimezone():%H:%M:%S}" if event.at is not None else "        "
    words = _WORDS.get(event.kind, _other)(event)
    return f"{at} {printable(event.station_id) or '-':<16} {printable(words)}"


def events_for_ever(
    client: ApiClient, station_id: str | None, kinds: str | None, pause: float = _PAUSE
) -> Iterator[ServerEvent]:
    """The feed, again and again; only if nobody answers at the first attempt it fails. `pause` in seconds."""
    has_connected = False
    while True:
        try:
            for event in client.events(station_id=station_id, kinds=kinds):
                has_connected = True
                yield event
            has_connected = True
        except ServerUnreachable as error:
            if not has_connected:
                raise
            click.echo(f"({error}; trying again)", err=True)
        time.sleep(pause)


def _exchange(event: ServerEvent) -> str:
    exchange = msgspec.json.decode(event.data, type=_Exchange)
    arrow = "->" if exchange.direction == "in" else "<-"
    answer = f"{exchange.error} {exchange.response or ''}".strip() if exchange.error else exchange.response or "{}"
    words = f"{arrow} {exchange.action or 'malformed frame'} {_cut(exchange.request)}  =>  {_cut(answer)}"
    deviations = f"  [{len(exchange.deviations)} deviation(s)]" if exchange.deviations else ""
    return f"{words}  {exchange.microseconds / 1000:.1f} ms{deviations}"


def _attempt(event: ServerEvent) -> str:
    attempt = msgspec.json.decode(event.data, type=_Attempt)
    if attempt.stage == "admitted":
        return f"was let in from {attempt.peer}"
    return f"refused at {attempt.stage}, from {attempt.peer}: {attempt.cause}"


def _connected(event: ServerEvent) -> str:
    return f"is online from {msgspec.json.decode(event.data, type=_Arrived).peer}"


def _disconnected(event: ServerEvent) -> str:
    return f"is offline: {msgspec.json.decode(event.data, type=_Departed).reason}"


def _missed(_: ServerEvent) -> str:
    return "(some events were missed here)"


def _other(event: ServerEvent) -> str:
    return f"{event.kind} {_cut(bytes(event.data).decode('utf-8', 'replace'))}"


def _cut(text: str) -> str:
    return text if len(text) <= _PAYLOAD_WIDTH else text[: _PAYLOAD_WIDTH - 1] + "…"


_WORDS: Mapping[str, Callable[[ServerEvent], str]] = {
    "exchange": _exchange,
    "station.attempt": _attempt,
    "station.connected": _connected,
    "station.disconnected": _disconnected,
    "resync": _missed,
}
