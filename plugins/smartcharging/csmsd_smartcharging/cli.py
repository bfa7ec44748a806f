"""`csmsd profile`: charging profiles of stations of a running csmsd, over its management API."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, get_args

import click
import msgspec

from csmsd.cli.call import print_warnings
from csmsd.cli.failure import Failure
from csmsd.cli.output import Output, cell_text, table
from csmsd.cli.remote import takes_server
from csmsd.client import ApiClient, segment
from csmsd_core.messages import ChargingProfilePurpose
from csmsd_smartcharging.composite import Composite
from csmsd_smartcharging.differences import Difference

PURPOSES = {"max": "ChargePointMaxProfile", "default": "TxDefaultProfile", "tx": "TxProfile"}
KINDS = {"absolute": "Absolute", "recurring": "Recurring", "relative": "Relative"}


class HeldLine(msgspec.Struct, frozen=True):
    """A profile as the API shows it."""

    id: int
    connector_id: int
    purpose: str
    stack_level: int
    transaction_id: int | None
    accepted_at: datetime


class _Sent(msgspec.Struct, frozen=True):
    status: str
    state: str
    error_code: str = ""
    error: str = ""
    warnings: tuple[str, ...] = ()


class _Preview(msgspec.Struct, frozen=True):
    differences: tuple[Difference, ...]
    replaced: tuple[int, ...]
    after: Composite


def _periods(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> list[dict[str, Any]]:
    """`16`, or `3600:10`, or `3600:10/1` with the number of phases."""
    return [_period(value) for value in values]


def _period(text: str) -> dict[str, Any]:
    start, _, rest = text.rpartition(":")
    limit, _, phases = rest.partition("/")
    try:
        period = {"start_period": int(start or 0), "limit": Decimal(limit)}
        return period | ({"number_phases": int(phases)} if phases else {})
    except (ValueError, InvalidOperation):
        raise click.BadParameter(f"{text!r} is no period like 16, 3600:10 or 3600:10/1") from None


def _draft_options(command: Any) -> Any:
    options = (
        click.argument("station_id", metavar="STATION"),
        click.argument("periods", nargs=-1, callback=_periods, metavar="[SECOND:]LIMIT[/PHASES]..."),
        click.option("--connector", "connector_id", type=click.IntRange(0), default=0, help="0: all of them. [0]"),
        click.option("--purpose", type=click.Choice(list(PURPOSES)), default="default", help="[default]"),
        click.option("--kind", type=click.Choice(list(KINDS)), default="absolute", help="[absolute]"),
        click.option("--daily", "recurs", flag_value="Daily", help="It recurs every day."),
        click.option("--weekly", "recurs", flag_value="Weekly", help="It recurs every week."),
        click.option("--unit", type=click.Choice(["A", "W"]), default="A", help="Of the limits. [A]"),
        click.option("--level", "stack_level", type=click.IntRange(0), default=0, help="The higher prevails. [0]"),
        click.option("--duration", type=click.IntRange(1), metavar="SECONDS", help="How long it lasts. [a day]"),
        click.option("--template", default="", metavar="NAME", help="A template instead of all that."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def profile() -> None:
    """Charging profiles: list, preview, set, clear, composite."""


@profile.command("list")
@click.argument("station_id", metavar="STATION")
@takes_server
def list_profiles(client: ApiClient, output: Output, station_id: str) -> None:
    """List what STATION holds."""
    output.rows(
        client.items(f"/stations/{segment(station_id)}/charging-profiles"),
        HeldLine,
        (
            ("id", lambda row: row.id),
            ("connector", lambda row: row.connector_id),
            ("purpose", lambda row: row.purpose),
            ("level", lambda row: row.stack_level),
            ("transaction", lambda row: row.transaction_id),
            ("accepted", lambda row: row.accepted_at),
        ),
        f"{station_id} holds no charging profiles",
    )


@profile.command("preview")
@_draft_options
@takes_server
def preview_profile(client: ApiClient, output: Output, station_id: str, **fields: Any) -> None:
    """Show what a profile would change at STATION, and send nothing."""
    answer = client.post(f"/stations/{segment(station_id)}/charging-profiles/preview", _body(fields))
    found = msgspec.json.decode(answer, type=_Preview)
    output.record(answer, lambda: _changes(found))


@profile.command("set")
@_draft_options
@takes_server
def set_profile(client: ApiClient, output: Output, station_id: str, **fields: Any) -> None:
    """Install a profile at STATION.

    \b
    csmsd profile set CP-1 16                           16 A for a day
    csmsd profile set CP-1 0:16 3600:10 --connector 2   16 A, after an hour 10 A
    csmsd profile set CP-1 11000 --unit W --purpose max
    """
    answer = client.post(f"/stations/{segment(station_id)}/charging-profiles", _body(fields), timeout=None)
    _report(output, answer, station_id)


@profile.command("clear")
@click.argument("station_id", metavar="STATION")
@click.option("--id", "profile_id", type=int, help="Only this one.")
@click.option("--connector", "connector_id", type=click.IntRange(0), help="Only those of this connector.")
@click.option("--purpose", type=click.Choice(get_args(ChargingProfilePurpose)), help="Only those of this purpose.")
@click.option("--level", "stack_level", type=click.IntRange(0), help="Only those of this level.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@takes_server
def clear_profiles(
    client: ApiClient, output: Output, station_id: str, profile_id: int | None, everything: bool, **fields: Any
) -> None:
    """Remove profiles of STATION: one by its id, those that fit, or all."""
    given = {name: value for name, value in fields.items() if value is not None}
    chosen = (profile_id is not None) + bool(given) + everything
    if chosen != 1:
        raise click.UsageError("give --id alone, or what they have in common, or --all")
    body = given if profile_id is None else {"id": profile_id}
    answer = client.post(f"/stations/{segment(station_id)}/charging-profiles/clear", body, timeout=None)
    _report(output, answer, station_id)


@profile.command("composite")
@click.argument("station_id", metavar="STATION")
@click.option("--connector", "connector_id", type=click.IntRange(0), default=0, help="0: the whole station. [0]")
@click.option("--duration", type=click.IntRange(1), default=86_400, metavar="SECONDS", help="How far. [a day]")
@click.option("--unit", type=click.Choice(["A", "W"]), help="[that of the profiles]")
@takes_server
def composite_schedule(client: ApiClient, output: Output, station_id: str, **query: Any) -> None:
    """Work out what the profiles of STATION add up to from now on."""
    answer = client.get(f"/stations/{segment(station_id)}/composite-schedule", **query)
    found = msgspec.json.decode(answer, type=Composite)
    output.record(answer, lambda: _steps(found))


def _body(fields: dict[str, Any]) -> dict[str, Any]:
    where = {"connector_id": fields["connector_id"]}
    if fields["template"]:
        return where | {"template": fields["template"]}
    if not fields["periods"]:
        raise click.UsageError("give at least one limit, or --template")
    recurs = fields["recurs"]
    draft = {
        "purpose": PURPOSES[fields["purpose"]],
        "kind": "Recurring" if recurs else KINDS[fields["kind"]],
        "recurrency_kind": recurs,
        "periods": fields["periods"],
        "unit": fields["unit"],
        "stack_level": fields["stack_level"],
    }
    if fields["duration"] is not None:
        draft["duration"] = fields["duration"]
    return where | {"draft": draft}


def _report(output: Output, answer: msgspec.Raw, station_id: str) -> None:
    sent = msgspec.json.decode(answer, type=_Sent)
    if not output.is_json:
        print_warnings(sent.warnings)
    if sent.state != "answered":
        raise Failure(f"{station_id} did not take it ({sent.state}): {sent.error_code} {sent.error}".strip())
    output.record(answer, lambda: f"{station_id} answered {sent.status}")
    if sent.status not in ("Accepted", "Unknown"):
        raise click.exceptions.Exit(1)


def _changes(found: _Preview) -> str:
    lines = [f"it replaces profile {', '.join(map(str, found.replaced))}"] if found.replaced else []
    if not found.differences:
        return "\n".join([*lines, "it changes nothing in that time"])
    start = found.after.start
    rows = [
        [
            _moment(start, each.start),
            _moment(start, each.end),
            _limit(each.before),
            f"{_limit(each.after)} {found.after.unit}",
        ]
        for each in found.differences
    ]
    return "\n".join([*lines, table(["from", "to", "now", "then"], rows)])


def _steps(found: Composite) -> str:
    rows = [
        [
            _moment(found.start, each.start_period),
            f"{_limit(each.limit)} {found.unit}",
            cell_text(each.number_phases),
        ]
        for each in found.periods
    ]
    return table(["from", "limit", "phases"], rows)


def _moment(start: datetime, second: int) -> str:
    return cell_text(start + timedelta(seconds=second))


def _limit(limit: Decimal | None) -> str:
    return "unlimited" if limit is None else str(limit)
