"""`csmsd station`: register stations, look at them, change and remove them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import click
import msgspec

from csmsd.cli.failure import Failure
from csmsd.cli.greeting import own_address
from csmsd.cli.output import Output, cell_text
from csmsd.cli.remote import takes_server
from csmsd.cli.station_import import import_stations
from csmsd.client import ApiClient, ApiError, segment

REGISTRATIONS = click.Choice(["Accepted", "Pending", "Rejected"])
_LOOPBACK = ("127.0.0.1", "localhost", "::1", None)


class Connection(msgspec.Struct, frozen=True):
    """The connection of a station that is online."""

    peer: str
    listener: str
    connected_at: datetime
    security_profile: int


class StationLine(msgspec.Struct, frozen=True):
    """A station as the API shows it."""

    id: str
    online: bool
    registration: str
    has_credentials: bool
    last_seen_at: datetime | None = None
    announced: str | None = None
    security_profile: int | None = None
    tolerance: str | None = None
    accept_long_message_ids: bool = False
    whole_seconds: bool = False
    call_timeout: float | None = None
    heartbeat_interval: int | None = None
    serial_number: str = ""
    note: str = ""
    created_at: datetime | None = None
    connection: Connection | None = None
    generated_password: str = ""


class _Info(msgspec.Struct, frozen=True):
    ocpp_urls: Sequence[str]
    authentication: str


@click.group()
def station() -> None:
    """Stations: add, import, list, show, set, remove."""


station.add_command(import_stations)


@station.command("list")
@click.option("--online/--offline", default=None, help="Only those that are connected, or are not.")
@click.option("--search", default=None, metavar="TEXT", help="Part of the identity, serial number or note.")
@takes_server
def list_stations(client: ApiClient, output: Output, online: bool | None, search: str | None) -> None:
    """List stations."""
    output.rows(
        client.items("/stations", online=online, search=search),
        StationLine,
        (
            ("station", lambda row: row.id),
            ("online", lambda row: row.online),
            ("registration", lambda row: row.registration),
            ("last seen", lambda row: row.last_seen_at),
            ("from", lambda row: row.connection and row.connection.peer),
            ("note", lambda row: row.note),
        ),
        "no stations: `csmsd station add <station id>` registers one",
    )


@station.command()
@click.argument("station_id")
@takes_server
def show(client: ApiClient, output: Output, station_id: str) -> None:
    """Show everything about one station."""
    answer = client.get(f"/stations/{segment(station_id)}")
    found = msgspec.json.decode(answer, type=StationLine)
    output.record(answer, lambda: _all_about(found))


@station.command()
@click.argument("station_id")
@click.option("--password", help="Its password, instead of a generated one; - reads it from standard input.")
@click.option("--no-password", is_flag=True, help="None: for listeners without authentication.")
@click.option("--registration", type=REGISTRATIONS, help="What it is told when it boots. [Accepted]")
@click.option("--profile", "security_profile", type=click.IntRange(0, 3), help="The security profile it must use.")
@click.option("--serial", "serial_number", metavar="TEXT", help="Its serial number.")
@click.option("--note", metavar="TEXT", help="For people.")
@takes_server
def add(
    client: ApiClient,
    output: Output,
    station_id: str,
    password: str | None,
    no_password: bool,
    **fields: Any,
) -> None:
    """Register a station and print the URL and the password to enter in it.

    The password is generated, and shown this once, unless you give one.
    """
    if password is not None and no_password:
        raise click.UsageError("--password and --no-password exclude each other")
    if _exists(client, station_id):
        raise Failure(f"{station_id} is registered already: `csmsd station set` changes it")
    body = _given(fields) | _password_wish(password, generate=not no_password)
    answer = client.put(f"/stations/{segment(station_id)}", body)
    added = msgspec.json.decode(answer, type=StationLine)
    info = msgspec.json.decode(client.get("/info"), type=_Info)
    output.record(answer, lambda: _instructions(client, info, added))


@station.command("set")
@click.argument("station_id")
@click.option("--password", help="A new password; - reads it from standard input.")
@click.option("--generate-password", is_flag=True, help="A new password, generated and shown this once.")
@click.option("--registration", type=REGISTRATIONS, help="What it is told when it boots.")
@click.option("--profile", "security_profile", metavar="0..3", help="The security profile it must use; or default.")
@click.option("--tolerance", metavar="NAME", help="lenient, transactional or strict; or default.")
@click.option("--call-timeout", metavar="SECONDS", help="For its answer to a command; or default.")
@click.option("--heartbeat-interval", metavar="SECONDS", help="What it is told; or default.")
@click.option("--long-message-ids/--no-long-message-ids", "accept_long_message_ids", default=None)
@click.option("--whole-seconds/--no-whole-seconds", default=None, help="Timestamps to it without milliseconds.")
@click.option("--serial", "serial_number", metavar="TEXT", help="Its serial number.")
@click.option("--note", metavar="TEXT", help="For people.")
@takes_server
def set_station(
    client: ApiClient,
    output: Output,
    station_id: str,
    password: str | None,
    generate_password: bool,
    **fields: Any,
) -> None:
    """Change a station; what is not given stays. "default" means: as configured for all."""
    if password is not None and generate_password:
        raise click.UsageError("--password and --generate-password exclude each other")
    body = _given(fields) | _password_wish(password, generate=generate_password)
    if not body:
        raise click.UsageError("nothing to change: give at least one option")
    path = f"/stations/{segment(station_id)}"
    client.get(path)  # it must exist: a PUT would register it
    answer = client.put(path, body)
    changed = msgspec.json.decode(answer, type=StationLine)
    output.record(answer, lambda: _changed(changed))


@station.command()
@click.argument("station_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@takes_server
def remove(client: ApiClient, output: Output, station_id: str, yes: bool) -> None:
    """Forget a station and its password, and close its connection. Its history stays."""
    path = f"/stations/{segment(station_id)}"
    client.get(path)
    if not yes:
        click.confirm(f"Remove {station_id}?", abort=True, err=True)
    client.delete(path)
    output.done(f"{station_id} is removed")


def charger_url(client: ApiClient, ocpp_url: str, station_id: str) -> str:
    """What to enter in the charger: with an address it can reach in place of "every interface"."""
    parts = urlsplit(ocpp_url)
    if parts.hostname in ("::", "0.0.0.0"):  # noqa: S104 - it is replaced here
        server = urlsplit(client.url).hostname
        host = own_address() if server in _LOOPBACK else str(server)
        parts = parts._replace(netloc=f"[{host}]:{parts.port}" if ":" in host else f"{host}:{parts.port}")
    return f"{parts.geturl().rstrip('/')}/{quote(station_id, safe='')}"


def _exists(client: ApiClient, station_id: str) -> bool:
    try:
        client.get(f"/stations/{segment(station_id)}")
    except ApiError as error:
        if error.status == 404:
            return False
        raise
    return True


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a PUT: numbers as such, "default" as null."""
    numbers = {"security_profile": int, "heartbeat_interval": int, "call_timeout": float}
    body: dict[str, Any] = {}
    for name, value in fields.items():
        if value is None:
            continue
        try:
            body[name] = None if value == "default" else numbers[name](value) if name in numbers else value
        except ValueError:
            flag = "--profile" if name == "security_profile" else f"--{name.replace('_', '-')}"
            raise click.BadParameter(f"{value!r} is no number", param_hint=flag) from None
    return body


def _password_wish(password: str | None, *, generate: bool) -> dict[str, Any]:
    if password is None:
        return {"generate_password": True} if generate else {}
    if password == "-":  # noqa: S105 - where to read it
        password = sys.stdin.readline().rstrip("\r\n")
    return {"password": password}


def _instructions(client: ApiClient, info: _Info, added: StationLine) -> str:
    lines = [f"{added.id} is registered. Enter in the charger:"]
    urls = [charger_url(client, url, added.id) for url in info.ocpp_urls]
    lines += [f"  URL       {url}" for url in urls] or ["  URL       (the server has no listener for stations)"]
    if added.generated_password:
        lines += [f"  user      {added.id}", f"  password  {added.generated_password}   (shown only now)"]
    elif added.has_credentials:
        lines += [f"  user      {added.id}", "  password  the one you gave"]
    elif info.authentication == "required":
        lines.append("It cannot connect yet: the server requires passwords (csmsd station set … --generate-password).")
    lines.append("If the charger appends its identity by itself, leave that out of the URL.")
    return "\n".join(lines)


def _changed(changed: StationLine) -> str:
    if changed.generated_password:
        return f"{changed.id} is changed; its new password, shown only now: {changed.generated_password}"
    return f"{changed.id} is changed"


def _all_about(found: StationLine) -> str:
    fields = msgspec.structs.asdict(found)
    del fields["connection"], fields["generated_password"]
    if found.connection is not None:
        fields |= {
            "connected_from": found.connection.peer,
            "connected_at": found.connection.connected_at,
            "listener": found.connection.listener,
        }
    width = max(map(len, fields))
    return "\n".join(f"{name.replace('_', ' '):<{width}}  {cell_text(value)}" for name, value in fields.items())
