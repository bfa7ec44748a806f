"""`csmsd reservation`: reservations at the stations of a running csmsd, over its management API."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from csmsd.cli.call import print_warnings
from csmsd.cli.failure import Failure
from csmsd.cli.output import Output
from csmsd.cli.remote import takes_server
from csmsd.client import ApiClient, segment
from csmsd_reservation.booking import Booked
from csmsd_reservation.records import Reservation

DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    """30s, 15m, 2h, 1d."""
    if value is None:
        return None
    match = DURATION.fullmatch(value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no duration like 90s, 15m, 2h or 1d")
    return int(match[1]) * SECONDS[match[2]]


def _moment(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """ISO 8601, without a zone local time."""
    try:
        return None if value is None else datetime.fromisoformat(value).astimezone(UTC).isoformat()
    except ValueError:
        raise click.BadParameter(f"{value!r} is no moment like 2030-12-31T23:59:59Z") from None


@click.group()
def reservation() -> None:
    """Reservations: add, list, cancel."""


@reservation.command("add")
@click.argument("station_id", metavar="STATION")
@click.argument("id_tag")
@click.option("--connector", "connector_id", type=click.IntRange(0), default=0, help="Which; 0 = any. [0]")
@click.option("--for", "expires_in", callback=_seconds, metavar="DURATION", help="How long: 90s, 15m, 2h, 1d. [15m]")
@click.option("--until", "expires_at", callback=_moment, metavar="WHEN", help="Until when, instead of --for.")
@click.option("--parent", "parent_id_tag", metavar="TAG", help="The group that may use it. [the id tag's]")
@click.option("--no-group", "is_alone", is_flag=True, help="Only this id tag may use it.")
@click.option("--id", "reservation_id", type=int, metavar="NUMBER", help="Its id; one that exists is replaced.")
@takes_server
def add_reservation(client: ApiClient, output: Output, station_id: str, is_alone: bool, **fields: Any) -> None:
    """Reserve a connector of STATION for ID_TAG."""
    if fields["expires_in"] is not None and fields["expires_at"] is not None:
        raise click.UsageError("give either --for or --until")
    if fields["expires_at"] is None and fields["expires_in"] is None:
        fields["expires_in"] = 15 * 60
    body = {name: value for name, value in fields.items() if value is not None} | {"with_group": not is_alone}
    answer = client.post(f"/stations/{segment(station_id)}/reservations", body, timeout=None)
    booked = msgspec.json.decode(answer, type=Booked)
    if not output.is_json:
        print_warnings(booked.warnings)
    if booked.status != "Accepted" or booked.reservation is None:
        raise Failure(f"{station_id} reserves nothing: it answered {booked.status}")
    reserved = booked.reservation
    until = f"{reserved.expires_at.astimezone():%Y-%m-%d %H:%M:%S}"
    output.record(answer, lambda: f"reservation {reserved.reservation_id} holds until {until}")


@reservation.command("list")
@click.option("--station", "station_id", metavar="STATION", help="Only of this station.")
@click.option("--all", "is_all", is_flag=True, help="Also those that are over.")
@click.option("--limit", type=click.IntRange(1), default=20, help="How many at most, the newest first. [20]")
@takes_server
def list_reservations(client: ApiClient, output: Output, station_id: str | None, is_all: bool, limit: int) -> None:
    """List reservations, newest first."""
    output.rows(
        client.items("/reservations", most=limit, station_id=station_id, live=None if is_all else True),
        Reservation,
        (
            ("id", lambda row: row.reservation_id),
            ("station", lambda row: row.station_id),
            ("connector", lambda row: row.connector_id or "any"),
            ("id tag", lambda row: row.id_tag),
            ("group", lambda row: row.parent_id_tag or None),
            ("until", lambda row: row.expires_at),
            ("state", lambda row: row.state),
            ("transaction", lambda row: row.transaction_id),
        ),
        "no reservations: `csmsd reservation add <station> <id tag>` makes one",
    )


@reservation.command("cancel")
@click.argument("reservation_id", type=int)
@takes_server
def cancel_reservation(client: ApiClient, output: Output, reservation_id: int) -> None:
    """Cancel a reservation at its station."""
    answer = client.post(f"/reservations/{reservation_id}/cancel", timeout=None)
    booked = msgspec.json.decode(answer, type=Booked)
    if not output.is_json:
        print_warnings(booked.warnings)
    if booked.status != "Accepted":
        raise Failure(f"the station knows no reservation {reservation_id}: it answered {booked.status}")
    output.record(answer, lambda: f"reservation {reservation_id} is cancelled")
