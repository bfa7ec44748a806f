"""`csmsd locallist`: local authorization lists of the stations of a running csmsd, over its management API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
import msgspec

from csmsd.cli.call import call_station, print_warnings
from csmsd.cli.failure import Failure
from csmsd.cli.output import Output, printable
from csmsd.cli.remote import takes_server
from csmsd.client import ApiClient, segment
from csmsd_localauth.messages import AuthorizationData, GetLocalListVersion, GetLocalListVersionResponse
from csmsd_localauth.mirror import ListState
from csmsd_localauth.sync import SyncResult


class _View(msgspec.Struct, frozen=True):
    state: ListState
    is_certain: bool
    entries: tuple[AuthorizationData, ...]


def _limit_options(command: Any) -> Any:
    for name, help_text in (
        ("--max-entries-per-message", "If the station does not tell, or wrongly."),
        ("--max-entries", "How many the station can hold, if it does not tell."),
    ):
        command = click.option(name, type=click.IntRange(1), metavar="NUMBER", help=help_text)(command)
    return command


@click.group()
def locallist() -> None:
    """Local authorization lists: show, sync, send, version."""


@locallist.command("show")
@click.argument("station_id", metavar="STATION")
@takes_server
def show_list(client: ApiClient, output: Output, station_id: str) -> None:
    """Show what csmsd knows of the list of STATION."""
    answer = client.get(f"/stations/{segment(station_id)}/local-list")
    if output.is_json:
        output.record(answer, str)
        return
    view = msgspec.json.decode(answer, type=_View)
    click.echo(_summary(view))
    output.rows(
        view.entries,
        AuthorizationData,
        (
            ("id tag", lambda row: row.id_tag),
            ("status", lambda row: row.id_tag_info and row.id_tag_info.status),
            ("expires", _expiry),
            ("parent", lambda row: row.id_tag_info and row.id_tag_info.parent_id_tag),
        ),
        "no entries",
    )


@locallist.command("sync")
@click.argument("station_id", metavar="STATION")
@click.option("--full", is_flag=True, help="Replace the whole list, whatever it contains.")
@_limit_options
@takes_server
def sync_list(client: ApiClient, output: Output, station_id: str, **body: Any) -> None:
    """Bring the list of STATION in line with the id tags: only what has changed, if that is safe."""
    _show_result(output, station_id, client.post(_path(station_id, "sync"), body, timeout=None))


@locallist.command("send")
@click.argument("station_id", metavar="STATION")
@click.argument("id_tags", nargs=-1)
@click.option("--full/--differential", "is_full", default=False, help="Replace the list, or change it. [change]")
@click.option("--remove", "removed", multiple=True, metavar="TAG", help="Take this one out; may be repeated.")
@_limit_options
@takes_server
def send_list(client: ApiClient, output: Output, station_id: str, is_full: bool, **body: Any) -> None:
    """Send STATION only these ID_TAGS, with what is known of them."""
    if not is_full and not body["id_tags"] and not body["removed"]:
        raise click.UsageError("nothing to send: give id tags, or --remove, or --full to empty the list")
    body["update_type"] = "Full" if is_full else "Differential"
    _show_result(output, station_id, client.post(_path(station_id, "send"), body, timeout=None))


@locallist.command("version")
@click.argument("station_id", metavar="STATION")
@takes_server
def show_version(client: ApiClient, output: Output, station_id: str) -> None:
    """Ask STATION for the version of its list."""
    answered = call_station(client, station_id, "GetLocalListVersion", GetLocalListVersion())
    version = msgspec.json.decode(answered.result, type=GetLocalListVersionResponse).list_version
    if not output.is_json:
        print_warnings(answered.warnings)
    meanings = {-1: "-1: it has no local list", 0: "0: its list is empty"}
    output.record(answered, lambda: meanings.get(version, str(version)))


def _path(station_id: str, verb: str) -> str:
    return f"/stations/{segment(station_id)}/local-list/{verb}"


def _show_result(output: Output, station_id: str, answer: msgspec.Raw) -> None:
    result = msgspec.json.decode(answer, type=SyncResult)
    told = "; ".join(result.messages)
    match result.outcome:
        case "in sync":
            output.record(answer, lambda: f"{station_id} is in line with the id tags already")
        case "updated":
            output.record(answer, lambda: f"{station_id} has {result.state.size} entries now ({told})")
        case "failed":
            raise Failure(f"{station_id} has not taken the list ({told})")
        case "not supported":
            raise Failure(f"{station_id} has no local list")


def _summary(view: _View) -> str:
    state = view.state
    if not state.is_supported:
        return f"{state.station_id} has no local list"
    version = "unknown" if state.version is None else str(state.version)
    certainty = "" if view.is_certain else ", but that is not certain"
    concern = f"\nproposed: csmsd locallist sync {state.station_id} ({state.concern})" if state.concern else ""
    return printable(f"version {version}, {state.size} entries{certainty}") + concern


def _expiry(row: AuthorizationData) -> datetime | None:
    return None if row.id_tag_info is None else row.id_tag_info.expiry_date
