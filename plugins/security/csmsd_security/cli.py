"""`csmsd security`: events, certificates and profiles of a running csmsd, over its management API."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import click
import msgspec

from csmsd.cli.call import print_warnings
from csmsd.cli.failure import Failure
from csmsd.cli.output import Output
from csmsd.cli.remote import takes_server
from csmsd.client import ApiClient, segment
from csmsd_security.jobs import STARTED
from csmsd_security.messages import LogType


class EventLine(msgspec.Struct, frozen=True):
    """A security event as the API shows it."""

    id: int
    station_id: str
    type: str
    reported_at: datetime
    count: int
    is_critical: bool
    tech_info: str | None = None
    acknowledged_at: datetime | None = None


class _Started(msgspec.Struct, frozen=True):
    request_id: int
    status: str
    filename: str | None = None
    warnings: tuple[str, ...] = ()


def _moment(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """ISO 8601, without a zone local time."""
    if value is None:
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    except ValueError:
        raise click.BadParameter(f"{value!r} is no moment like 2030-12-31T23:59:59Z") from None


@click.group()
def security() -> None:
    """Security: events, certificates, logs, signed firmware, profiles."""


@security.command("events")
@click.option("--station", metavar="STATION", help="Only of this station.")
@click.option("--alerts", is_flag=True, help="Only critical ones that nobody has acknowledged.")
@click.option("--acknowledge", "acknowledged", type=int, metavar="ID", help="Acknowledge this one instead.")
@click.option("--limit", type=click.IntRange(1), default=20, help="How many at most, the newest first. [20]")
@takes_server
def list_events(
    client: ApiClient, output: Output, station: str | None, alerts: bool, acknowledged: int | None, limit: int
) -> None:
    """List security events, newest first."""
    if acknowledged is not None:
        answer = client.post(f"/security/events/{acknowledged}/acknowledge", {})
        output.record(answer, lambda: f"event {acknowledged} is acknowledged")
        return
    output.rows(
        client.items("/security/events", most=limit, station=station, alerts="true" if alerts else None),
        EventLine,
        (
            ("id", lambda row: row.id),
            ("station", lambda row: row.station_id),
            ("type", lambda row: row.type),
            ("critical", lambda row: "yes" if row.is_critical else None),
            ("reported", lambda row: row.reported_at),
            ("count", lambda row: row.count),
            ("info", lambda row: row.tech_info),
            ("acknowledged", lambda row: row.acknowledged_at),
        ),
        "no security events",
    )


@security.command("get-log")
@click.argument("station_id", metavar="STATION")
@click.argument("location", metavar="URL")
@click.option("--type", "log_type", type=click.Choice(get_args(LogType)), default="SecurityLog", help="[SecurityLog]")
@click.option("--from", "oldest", callback=_moment, metavar="WHEN", help="Nothing older.")
@click.option("--to", "latest", callback=_moment, metavar="WHEN", help="Nothing newer.")
@click.option("--retries", type=click.IntRange(0), help="Attempts more, if the upload fails.")
@click.option("--retry-interval", type=click.IntRange(0), metavar="SECONDS", help="Between them.")
@takes_server
def get_log(
    client: ApiClient,
    output: Output,
    station_id: str,
    location: str,
    log_type: str,
    oldest: str | None,
    latest: str | None,
    retries: int | None,
    retry_interval: int | None,
) -> None:
    """Have STATION upload a log to URL."""
    body = {
        "remote_location": location,
        "log_type": log_type,
        "oldest_timestamp": oldest,
        "latest_timestamp": latest,
        "retries": retries,
        "retry_interval": retry_interval,
    }
    answer = client.post(f"/stations/{segment(station_id)}/log", body, timeout=None)
    _print_started(output, station_id, answer)


@security.command("update-signed")
@click.argument("station_id", metavar="STATION")
@click.argument("location", metavar="URL")
@click.option("--certificate", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="PEM.")
@click.option("--signature", required=True, metavar="BASE64", help="Of the whole file; @FILE reads it from a file.")
@click.option("--retrieve-at", callback=_moment, metavar="WHEN", help="Not before. [now]")
@click.option("--install-at", callback=_moment, metavar="WHEN", help="Not before.")
@takes_server
def update_signed(
    client: ApiClient,
    output: Output,
    station_id: str,
    location: str,
    certificate: Path,
    signature: str,
    retrieve_at: str | None,
    install_at: str | None,
) -> None:
    """Have STATION fetch signed firmware from URL and install it."""
    body = {
        "location": location,
        "signing_certificate": certificate.read_text(),
        "signature": Path(signature[1:]).read_text().strip() if signature.startswith("@") else signature,
        "retrieve_at": retrieve_at,
        "install_at": install_at,
    }
    answer = client.post(f"/stations/{segment(station_id)}/signed-update", body, timeout=None)
    _print_started(output, station_id, answer)


def _print_started(output: Output, station_id: str, answer: msgspec.Raw) -> None:
    started = msgspec.json.decode(answer, type=_Started)
    if not output.is_json:
        print_warnings(started.warnings)
    if started.status not in STARTED:
        raise Failure(f"{station_id} will not do it: it answered {started.status}")
    name = f", file {started.filename}" if started.filename else ""
    output.record(answer, lambda: f"{station_id} answered {started.status} to request {started.request_id}{name}")
