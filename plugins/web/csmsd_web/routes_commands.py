"""Commands: any message that a station can be sent, with a payload equal to OCPP's (OP-01 … OP-04, OPS-01)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import trio
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter

from csmsd.host import CommandRecord, Commands, CommandState, Host
from csmsd_web.command_warnings import warnings_about
from csmsd_web.paging import Limit, Page
from csmsd_web.problems import Problem

KEY = re.compile(r"[!-~]{1,255}", re.ASCII)  # visible ASCII
WAIT = re.compile(r"\bwait\s*=\s*(\d{1,6})\b", re.ASCII)

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(name="Idempotency-Key", description="A repeat with the same key is answered, not sent again."),
]
Prefer = Annotated[
    str | None,
    HeaderParameter(name="Prefer", description="`respond-async`: 202 at once; `wait=10`: 202 after so many seconds."),
]


class Answer(msgspec.Struct, frozen=True):
    """What the station answered, and what csmsd has to say about the command."""

    id: str
    result: msgspec.Raw
    warnings: tuple[str, ...]


class CommandView(msgspec.Struct, frozen=True):
    """A command and what became of it; secrets are masked."""

    id: str
    station_id: str
    action: str
    request: msgspec.Raw
    state: CommandState
    submitted_at: datetime
    actor: str
    finished_at: datetime | None
    result: msgspec.Raw | None
    error_code: str
    error: str
    warnings: tuple[str, ...] = ()


class CommandKind(msgspec.Struct, frozen=True):
    """A command that stations can be sent."""

    name: str
    summary: str


@post(
    "/stations/{station_id:str}/commands/{action:str}",
    scope="operate",
    summary="Send a command",
    tags=["Commands"],
    status_code=200,
)
async def send_command(
    request: Request[Any, Any, Any],
    host: NamedDependency[Host],
    station_id: FromPath[str],
    action: FromPath[str],
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response[Any]:
    """The body is the OCPP request's payload, the result is the OCPP response's."""
    if idempotency_key is not None and KEY.fullmatch(idempotency_key) is None:
        raise Problem(422, "invalid-request", "Idempotency-Key must be 1 to 255 visible ASCII characters")
    payload = await request.body()
    warnings = warnings_about(host, station_id, action, payload)
    record = await host.commands.submit(station_id, action, payload, actor=request.user, command_id=idempotency_key)
    patience = patience_of(prefer)
    ended = None
    with trio.move_on_after(patience):
        ended = await host.commands.outcome(record.id)
    if ended is None or ended.finished_at is None:
        location = f"/api/v1/commands/{quote(record.id, safe='')}"
        return Response(view_of(record, warnings), status_code=202, headers={"location": location})
    return Response(answer_of(ended, warnings))


def patience_of(prefer: str | None) -> float:
    """How many seconds to wait for the station's answer (RFC 7240)."""
    if prefer is None:
        return float("inf")
    if "respond-async" in prefer.lower():
        return 0
    wait = WAIT.search(prefer)
    return float("inf") if wait is None else float(wait[1])


def answer_of(record: CommandRecord, warnings: tuple[str, ...]) -> Answer:
    """The station's answer, or the Problem that says why there is none."""
    if record.state == "answered":
        return Answer(record.id, record.result or msgspec.Raw(b"{}"), warnings)
    more: dict[str, Any] = {"id": record.id, "warnings": warnings}
    match record.state:
        case "failed" if record.error_code == "invalid response":
            raise Problem(502, "invalid-response", record.error, response=record.result, **more)
        case "failed":
            details = record.result or msgspec.Raw(b"{}")
            raise Problem(
                502,
                "call-error",
                f"the station answered {record.action} with {record.error_code}: {record.error or 'no description'}",
                code=record.error_code,
                description=record.error,
                details=details,
                **more,
            )
        case "timeout":
            raise Problem(504, "call-timeout", record.error, **more)
        case "disconnected":
            raise Problem(409, "station-disconnected", record.error, **more)
        case "refused":
            raise Problem(403, "command-refused", record.error, **more)
        case _:
            raise Problem(500, "outcome-unknown", record.error or "nobody knows what became of the command", **more)


def view_of(record: CommandRecord, warnings: tuple[str, ...] = ()) -> CommandView:
    """A command as the API shows it."""
    return CommandView(**msgspec.structs.asdict(record), warnings=warnings)


@get("/commands", scope="read", summary="List commands that were submitted", tags=["Commands"])
async def list_commands(
    host: NamedDependency[Host], station_id: FromQuery[str | None] = None, limit: Limit = 100
) -> Page[CommandView]:
    """Newest first."""
    return Page([view_of(record) for record in await host.commands.recent(station_id, limit)])


@get("/commands/{command_id:str}", scope="read", summary="Look a command up", tags=["Commands"])
async def get_command(host: NamedDependency[Host], command_id: FromPath[str]) -> CommandView:
    """As it is now; state `queued` or `sent` while it has not ended."""
    record = await host.commands.find(command_id)
    if record is None:
        raise Problem(404, "unknown-command", f"no command was submitted under the id {command_id}")
    return view_of(record)


@get("/command-kinds", scope="read", summary="List commands that can be sent", tags=["Commands"])
async def list_command_kinds(host: NamedDependency[Host]) -> Page[CommandKind]:
    """Those of the enabled plugins, by name; OpenAPI has their payloads."""
    return Page(kinds(host.commands))


def kinds(commands: Commands) -> Sequence[CommandKind]:
    """What can be sent, by name."""
    return [CommandKind(name, command.summary) for name, command in sorted(commands.known.items())]


ROUTES = [send_command, list_commands, get_command, list_command_kinds]
