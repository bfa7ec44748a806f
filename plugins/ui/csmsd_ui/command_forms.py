"""The box with a command's form: which command, what has been typed, what csmsd has to say about it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from csmsd.command import AnyCommand
from csmsd.errors import CsmsdError, InvalidPayload, UnknownCommand
from csmsd.host import CommandRecord
from csmsd_core.configuration_keys import KEYS
from csmsd_ui.desk import Desk
from csmsd_ui.forms import Typed, Widget, fields_of, flat, payload_of, widgets
from csmsd_web.command_warnings import warnings_about

# Effects that deserve a question first.
QUESTIONS = {
    "Reset": "Reset the station? Transactions that run on it end.",
    "UnlockConnector": "Unlock the connector? A transaction that runs on it ends.",
    "ClearCache": "Empty the station's authorization cache?",
    "UpdateFirmware": "Update the station's firmware? It restarts, and transactions that run on it may end.",
    "SignedUpdateFirmware": "Update the station's firmware? It restarts, and transactions that run on it may end.",
    "DeleteCertificate": "Delete the certificate in the station? It may not come back without it.",
}


@dataclass(frozen=True, slots=True)
class CommandBox:
    """All that the template of the box needs."""

    station_id: str
    action: str
    summary: str
    actions: Sequence[str]
    widgets: Sequence[Widget]
    command_id: str
    question: str
    is_online: bool
    mode: str = "form"  # or json
    text: str = ""  # in JSON mode
    error: str = ""  # of nothing in particular
    warnings: Sequence[str] = ()


def command_of(desk: Desk, action: str) -> AnyCommand:
    """A command by its name; UnknownCommand."""
    command = desk.host.commands.known.get(action)
    if command is None:
        raise UnknownCommand(f"no enabled plugin offers a command {action}")
    return command


def box_of(
    desk: Desk,
    station_id: str,
    action: str,
    values: Mapping[str, str] | None = None,
    *,
    text: str | None = None,
    error: str = "",
    warnings: Sequence[str] = (),
) -> CommandBox:
    """The box as it begins, or with what was typed and what is wrong with it."""
    command = command_of(desk, action)
    hints = _hints(desk, station_id, action)
    defaults: Mapping[str, str] = hints.pop("defaults")
    at, message = _place(error)
    typed = Typed({**defaults, **(values or {})}, at, message)
    made = widgets(fields_of(command), typed, hints)
    return CommandBox(
        station_id,
        action,
        command.summary,
        sorted(desk.host.commands.known),
        made,
        desk.host.env.new_id(),
        QUESTIONS.get(action, ""),
        desk.host.stations.find(station_id) is not None,
        "form" if text is None else "json",
        text if text is not None else "",
        "" if at and _has(made, at) else message,
        warnings,
    )


def payload_from(command: AnyCommand, values: Mapping[str, str]) -> bytes:
    """What a form has sent, as the payload."""
    return payload_of(fields_of(command), values)


def values_from(text: str) -> dict[str, str]:
    """A payload as the fields of a form; nothing if it is no JSON."""
    try:
        return flat(json.loads(text, parse_float=str, parse_int=str))
    except (ValueError, RecursionError):
        return {}


def findings(desk: Desk, station_id: str, action: str, payload: bytes) -> tuple[str, Sequence[str]]:
    """What is wrong with a payload, and what should be known before it is sent (OP-02)."""
    try:
        return "", warnings_about(desk.host, station_id, action, payload)
    except InvalidPayload as error:
        return str(error), ()
    except CsmsdError as error:
        return str(error), ()


def _hints(desk: Desk, station_id: str, action: str) -> dict[str, dict[str, Any]]:
    core = desk.core
    connectors = [str(each.connector_id) for each in core.statuses.of_station(station_id)]
    choices: dict[str, Any] = {"connectorId": connectors}
    if action in ("ChangeConfiguration", "GetConfiguration"):
        choices["key"] = [key.name for key in KEYS]
    defaults: dict[str, str] = {}
    help_: dict[str, str] = {}
    for hint in desk.extras.hints(action):
        choices |= hint.choices
        defaults |= hint.defaults
        help_ |= hint.help
    return {"choices": choices, "help": help_, "defaults": defaults}


def _place(error: str) -> tuple[str, str]:
    """The path that a complaint of the schema names, `a.b[0].c: why`, as the form's, and the complaint."""
    head, colon, rest = error.partition(": ")
    if colon and " " not in head and head[:1].isupper() and "." not in head:
        head, colon, rest = rest.partition(": ")  # the command's name
        if not colon:
            return "", head
    if not colon or " " in head:
        return "", error
    return head.replace("[", ".").replace("]", ""), rest


def _has(made: Sequence[Widget], path: str) -> bool:
    return any(each.path == path or _has(each.children, path) for each in made)


def outcome_words(record: CommandRecord) -> tuple[str, str]:
    """What became of a command: the kind of note, and a sentence."""
    name = record.action
    match record.state:
        case "answered":
            return "ok", _answer(record)
        case "queued":
            return "", f"{name} waits for its turn."
        case "sent":
            return "", f"{name} was sent; the station has not answered yet."
        case "failed":
            return "bad", f"The station refused {name}: {record.error_code or 'error'}. {record.error}".strip()
        case "timeout":
            return "warn", f"No answer to {name} in time. It may still act."
        case "disconnected":
            return "bad", f"The connection was lost before {name} was answered; it is not sent again."
        case "refused":
            return "warn", f"{name} was not sent. {record.error}"
        case _:
            return "warn", record.error or f"Nobody knows what became of {name}."


def _answer(record: CommandRecord) -> str:
    took = ""
    if record.finished_at is not None:
        took = f" in {(record.finished_at - record.submitted_at).total_seconds() * 1000:,.0f} ms"
    try:
        result = msgspec.json.decode(record.result or b"{}")
    except msgspec.DecodeError:
        result = None
    status = result.get("status") if isinstance(result, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]: JSON has no types
    return f"{status or 'Answered'}{took}."
