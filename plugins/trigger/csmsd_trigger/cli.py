"""`csmsd trigger`: ask a station of a running csmsd for a message, over the management API."""

from __future__ import annotations

from datetime import datetime
from typing import get_args

import click
import msgspec

from csmsd.cli.call import print_warnings
from csmsd.cli.failure import ExitCode, Failure
from csmsd.cli.output import Output
from csmsd.cli.remote import takes_server
from csmsd.client import ApiClient, segment
from csmsd_trigger.messages import MessageTrigger


class _Trigger(msgspec.Struct, frozen=True):
    state: str
    answered_at: datetime
    message: msgspec.Raw = msgspec.Raw(b"null")  # null: none came


class _View(msgspec.Struct, frozen=True):
    trigger: _Trigger
    warnings: tuple[str, ...] = ()


@click.command()
@click.argument("station_id", metavar="STATION")
@click.argument("message", type=click.Choice(get_args(MessageTrigger)))
@click.option("--connector", "connector_id", type=click.IntRange(0), help="Only of this connector; 0: the station's.")
@click.option("--wait", type=click.FloatRange(0, 3600), metavar="SECONDS", help="For the message. [as configured]")
@takes_server
def trigger(
    client: ApiClient, output: Output, station_id: str, message: str, connector_id: int | None, wait: float | None
) -> None:
    """Ask STATION to send MESSAGE now, and show what comes.

    \b
    Exit codes: 0 it came, 1 the station or csmsd refused, 2 usage,
    3 the station is offline, 4 nothing came in time, 5 no server answers.
    """
    body = {"requested_message": message, "connector_id": connector_id, "wait": wait}
    answer = client.post(f"/stations/{segment(station_id)}/trigger", body, timeout=None)
    view = msgspec.json.decode(answer, type=_View)
    if not output.is_json:
        print_warnings(view.warnings)
    match view.trigger.state:
        case "arrived":
            output.record(answer, lambda: _pretty(view.trigger.message))
        case "accepted" | "nothing came":
            raise Failure(f"{station_id} accepted, but {message} has not come", ExitCode.TIMEOUT)
        case state:
            raise Failure(f"{station_id} will not send {message}: {state}")


def _pretty(message: msgspec.Raw) -> str:
    return msgspec.json.format(bytes(message), indent=2).decode()
