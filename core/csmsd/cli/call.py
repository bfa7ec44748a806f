"""`csmsd call`: send a station any command, with OCPP's own payload (OPS-01)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
import msgspec

from csmsd.cli.failure import ExitCode
from csmsd.cli.output import Output, printable
from csmsd.cli.remote import takes_server
from csmsd.client import ApiClient, segment


class Answered(msgspec.Struct, frozen=True):
    """The station's answer, and what csmsd has to say about the command."""

    id: str
    result: msgspec.Raw
    warnings: Sequence[str] = ()


class Started(msgspec.Struct, frozen=True):
    """A command that has not ended yet."""

    id: str
    state: str = ""  # "" if it has ended


@click.command()
@click.argument("station_id", metavar="STATION")
@click.argument("action")
@click.argument("payload", default="{}")
@click.option("--id", "command_id", metavar="ID", help="Your id of the command: a repeat with it has no second effect.")
@click.option("--wait", type=click.IntRange(min=0), metavar="SECONDS", help="Do not wait longer for the answer.")
@takes_server
def call(
    client: ApiClient,
    output: Output,
    station_id: str,
    action: str,
    payload: str,
    command_id: str | None,
    wait: int | None,
) -> None:
    """Send STATION the command ACTION and print its answer.

    PAYLOAD is the JSON of OCPP's request, exactly [{}]; - reads it from standard input.

    \b
    Exit codes: 0 the station answered (read its status!), 1 it answered an error or csmsd refused,
    2 usage, 3 the station is offline, 4 no answer in time, 5 no server answers.
    """
    body = sys.stdin.buffer.read() if payload == "-" else payload.encode()
    _check_json(body)
    headers = {"Idempotency-Key": command_id} if command_id is not None else {}
    if wait is not None:
        headers["Prefer"] = f"wait={wait}"
    path = f"/stations/{segment(station_id)}/commands/{segment(action)}"
    answer = client.post(path, body, headers=headers, timeout=None)
    started = msgspec.json.decode(answer, type=Started)
    if not started.state:
        _print_answer(output, msgspec.json.decode(answer, type=Answered), answer)
        return
    output.record(answer, lambda: f"{action} is {started.state}; its id is {started.id}")
    raise click.exceptions.Exit(ExitCode.TIMEOUT)


def call_station(client: ApiClient, station_id: str, action: str, request: msgspec.Struct) -> Answered:
    """Send a command and wait for the answer; ApiError."""
    path = f"/stations/{segment(station_id)}/commands/{segment(action)}"
    return msgspec.json.decode(client.post(path, request, timeout=None), type=Answered)


def print_warnings(warnings: Sequence[str]) -> None:
    """What csmsd thinks of a command, on standard error."""
    for warning in warnings:
        click.secho(f"warning: {printable(warning)}", err=True, fg="yellow")


def _check_json(body: bytes) -> None:
    try:
        msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError as error:
        raise click.BadParameter(f"not a JSON object: {error}", param_hint="PAYLOAD") from None


def _print_answer(output: Output, answered: Answered, raw: msgspec.Raw) -> None:
    if not output.is_json:
        print_warnings(answered.warnings)
    output.record(raw, lambda: msgspec.json.format(bytes(answered.result), indent=2).decode())
