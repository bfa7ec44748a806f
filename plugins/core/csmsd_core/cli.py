"""`csmsd tag` and `csmsd tx`: id tags and transactions of a running csmsd, over its management API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from csmsd.cli.call import call_station, print_warnings
from csmsd.cli.failure import Failure
from csmsd.cli.output import Output, cell_text
from csmsd.cli.remote import takes_server
from csmsd.client import ApiClient, ApiError, segment
from csmsd_core.hookspecs import Price
from csmsd_core.messages import RemoteStopTransaction, RemoteStopTransactionResponse
from csmsd_core.records import Transaction
from csmsd_core.remote_starting import RemotelyStarted

STATUSES = click.Choice(["Accepted", "Blocked", "Expired"])
TRANSACTION_STATUSES = click.Choice(["open", "superseded", "stopped", "reconciled", "closed"])


class TagLine(msgspec.Struct, frozen=True):
    """An id tag as the API shows it."""

    id_tag: str
    status: str
    expiry_date: datetime | None = None
    parent_id_tag: str | None = None
    max_active_transactions: int | None = None
    note: str = ""


class _TransactionView(msgspec.Struct, frozen=True):
    transaction: Transaction
    duration_seconds: int | None = None
    price: Price | None = None


def _moment(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """ISO 8601, without a zone local time; "never" becomes ""."""
    if value is None or value == "never":
        return value and ""
    try:
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    except ValueError:
        raise click.BadParameter(f"{value!r} is no moment like 2030-12-31 or 2030-12-31T23:59:59Z") from None


def _tag_options(command: Any) -> Any:
    options = (
        click.option("--status", type=STATUSES, help="What stations are told. [Accepted]"),
        click.option(
            "--expires", "expiry_date", callback=_moment, metavar="WHEN", help="Until when it is good; or never."
        ),
        click.option("--parent", "parent_id_tag", metavar="TAG", help="Its group."),
        click.option(
            "--max-active", "max_active_transactions", type=click.IntRange(0), help="At a time; 0 = no limit."
        ),
        click.option("--note", metavar="TEXT", help="For people."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def tag() -> None:
    """Id tags: add, list, set, remove."""


@tag.command("list")
@click.option("--prefix", default=None, metavar="TEXT", help="How it begins, in any case.")
@takes_server
def list_tags(client: ApiClient, output: Output, prefix: str | None) -> None:
    """List id tags."""
    output.rows(
        client.items("/tags", prefix=prefix),
        TagLine,
        (
            ("id tag", lambda row: row.id_tag),
            ("status", lambda row: row.status),
            ("expires", lambda row: row.expiry_date),
            ("parent", lambda row: row.parent_id_tag),
            ("max active", lambda row: row.max_active_transactions),
            ("note", lambda row: row.note),
        ),
        "no id tags: `csmsd tag add <id tag>` adds one",
    )


@tag.command("add")
@click.argument("id_tag")
@_tag_options
@takes_server
def add_tag(client: ApiClient, output: Output, id_tag: str, **fields: Any) -> None:
    """Add an id tag."""
    try:
        client.get(f"/tags/{segment(id_tag)}")
    except ApiError as error:
        if error.status != 404:
            raise
    else:
        raise Failure(f"{id_tag} is known already: `csmsd tag set` changes it")
    answer = client.put(f"/tags/{segment(id_tag)}", _given(fields))
    output.record(answer, lambda: f"{id_tag} is added: {_status_in(answer)}")


@tag.command("set")
@click.argument("id_tag")
@_tag_options
@takes_server
def set_tag(client: ApiClient, output: Output, id_tag: str, **fields: Any) -> None:
    """Change an id tag; what is not given stays."""
    given = _given(fields)
    if not given:
        raise click.UsageError("nothing to change: give at least one option")
    path = f"/tags/{segment(id_tag)}"
    present = msgspec.to_builtins(msgspec.json.decode(client.get(path), type=TagLine))
    if "expiry_date" in given and present["status"] == "Expired":
        present["status"] = "Accepted"  # it followed from the date
    del present["id_tag"]
    answer = client.put(path, present | given)
    output.record(answer, lambda: f"{id_tag} is changed: {_status_in(answer)}")


@tag.command("remove")
@click.argument("id_tag")
@takes_server
def remove_tag(client: ApiClient, output: Output, id_tag: str) -> None:
    """Forget an id tag: stations are told Invalid from then on."""
    client.delete(f"/tags/{segment(id_tag)}")
    output.done(f"{id_tag} is removed")


@click.group()
def tx() -> None:
    """Transactions: list, show, start, stop, close."""


@tx.command("list")
@click.option("--station", "station_id", metavar="STATION", help="Only of this station.")
@click.option("--tag", "id_tag", metavar="TAG", help="Only of this id tag.")
@click.option("--status", type=TRANSACTION_STATUSES, help="Only in this state.")
@click.option("--open", "is_open", is_flag=True, help="Short for --status open.")
@click.option("--limit", type=click.IntRange(1), default=20, help="How many at most, the newest first. [20]")
@takes_server
def list_transactions(
    client: ApiClient, output: Output, status: str | None, is_open: bool, limit: int, **filters: Any
) -> None:
    """List transactions, newest first."""
    output.rows(
        client.items("/transactions", most=limit, status="open" if is_open else status, **filters),
        Transaction,
        (
            ("id", lambda row: row.id),
            ("station", lambda row: row.station_id),
            ("connector", lambda row: row.connector_id),
            ("id tag", lambda row: row.id_tag),
            ("status", lambda row: row.status),
            ("started", lambda row: row.started_at),
            ("stopped", lambda row: row.stopped_at),
            ("kWh", lambda row: kilowatt_hours(row.energy_wh)),
            ("reason", lambda row: row.reason),
        ),
        "no transactions",
    )


@tx.command("show")
@click.argument("transaction_id", type=int)
@takes_server
def show_transaction(client: ApiClient, output: Output, transaction_id: int) -> None:
    """Show everything about one transaction."""
    answer = client.get(f"/transactions/{transaction_id}")
    view = msgspec.json.decode(answer, type=_TransactionView)
    output.record(answer, lambda: _all_about(view))


@tx.command("start")
@click.argument("station_id", metavar="STATION")
@click.argument("id_tag", metavar="TAG")
@click.option("--connector", "connector_id", type=click.IntRange(1), metavar="N",
              help="Where. [where a car is plugged in; else the station chooses]")  # fmt: skip
@takes_server
def start_transaction(
    client: ApiClient, output: Output, station_id: str, id_tag: str, connector_id: int | None
) -> None:
    """Ask a station to start a transaction for an id tag (RemoteStartTransaction).

    Accepted means that the station will try; the transaction has begun when `csmsd tx list` shows it.
    """
    body = {"id_tag": id_tag, "connector_id": connector_id}
    answer = client.post(f"/stations/{segment(station_id)}/remote-start", body, timeout=None)
    started = msgspec.json.decode(answer, type=RemotelyStarted)
    print_warnings(started.warnings)
    if started.status != "Accepted":
        raise Failure(f"{station_id} will not start a transaction for {id_tag}: it answered {started.status}")
    where = "" if started.connector_id is None else f" on connector {started.connector_id}"
    output.record(answer, lambda: f"{station_id} will start a transaction for {id_tag}{where}")


@tx.command("stop")
@click.argument("transaction_id", type=int)
@takes_server
def stop_transaction(client: ApiClient, output: Output, transaction_id: int) -> None:
    """Ask its station to stop a transaction (RemoteStopTransaction).

    Accepted means that the station will try; the transaction has ended when the station says so.
    """
    answer = client.get(f"/transactions/{transaction_id}")
    station_id = msgspec.json.decode(answer, type=_TransactionView).transaction.station_id
    answered = call_station(client, station_id, "RemoteStopTransaction", RemoteStopTransaction(transaction_id))
    response = msgspec.json.decode(answered.result, type=RemoteStopTransactionResponse)
    print_warnings(answered.warnings)
    if response.status != "Accepted":
        raise Failure(f"{station_id} will not stop transaction {transaction_id}: it answered {response.status}")
    output.record(answered, lambda: f"{station_id} will stop transaction {transaction_id}")


@tx.command("close")
@click.argument("transaction_id", type=int)
@click.option("--meter-stop", type=int, metavar="WH", help="The meter at its end, if you know it.")
@click.option("--reason", default="Other", metavar="TEXT", help="As OCPP names it. [Other]")
@takes_server
def close_transaction(
    client: ApiClient, output: Output, transaction_id: int, meter_stop: int | None, reason: str
) -> None:
    """Close a transaction in the books, without asking the station.

    The station's own StopTransaction still wins when it arrives.
    """
    answer = client.post(f"/transactions/{transaction_id}/close", {"meter_stop": meter_stop, "reason": reason})
    output.record(answer, lambda: f"transaction {transaction_id} is closed")


def kilowatt_hours(energy_wh: int | None) -> str | None:
    """Energy for people: 12.345; exact, as the meter counts in Wh."""
    if energy_wh is None:
        return None
    sign, (whole, rest) = "-" if energy_wh < 0 else "", divmod(abs(energy_wh), 1000)
    return f"{sign}{whole}.{rest:03d}"


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a PUT: "never" and "no limit" are null."""
    cleared = {"expiry_date": "", "max_active_transactions": 0, "parent_id_tag": ""}
    return {
        name: None if name in cleared and value == cleared[name] else value
        for name, value in fields.items()
        if value is not None
    }


def _status_in(answer: msgspec.Raw) -> str:
    return msgspec.json.decode(answer, type=TagLine).status


def _all_about(view: _TransactionView) -> str:
    fields: dict[str, object] = msgspec.structs.asdict(view.transaction)
    fields |= {"duration_seconds": view.duration_seconds, "energy_kwh": kilowatt_hours(view.transaction.energy_wh)}
    if view.price is not None:
        fields["price"] = f"{view.price.minor_units} {view.price.currency} in minor units: {view.price.text}"
    shown = {name: value for name, value in fields.items() if value not in (None, "", ())}
    width = max(map(len, shown))
    return "\n".join(f"{name.replace('_', ' '):<{width}}  {cell_text(value)}" for name, value in shown.items())
