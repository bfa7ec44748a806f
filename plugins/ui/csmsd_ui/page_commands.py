"""Commands: the form, what csmsd thinks of it, and what the station answered. The same as the API's route."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import trio
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from csmsd.errors import CsmsdError
from csmsd.host import CommandRecord
from csmsd_ui.command_forms import box_of, command_of, findings, outcome_words, payload_from, values_from
from csmsd_ui.desk import Desk
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import segment
from csmsd_ui.station_view import about
from csmsd_ui.tabs import head_of

OWN = ("csrf_token", "_mode", "_id", "_text", "_do", "_action")  # fields of the form that are not of the payload


async def _submit(
    desk: Desk,
    request: AnyRequest,
    station_id: str,
    action: str,
    values: Mapping[str, str],
    payload: bytes,
    command_id: str,
    text: str | None,
    warnings: Sequence[str],
) -> Response[str]:
    actor = request.user
    try:
        record = await desk.host.commands.submit(
            station_id, action, payload, actor=actor, command_id=command_id or None
        )
    except CsmsdError as refusal:
        return await _show(desk, request, station_id, action, values, text=text, error=str(refusal), warnings=warnings)
    desk.host.audit.record(actor, "command.submit", station_id, None, {"id": record.id, "action": action})
    with trio.move_on_after(desk.config.command_patience):
        record = await desk.host.commands.outcome(record.id)
    return await _show(desk, request, station_id, action, values, text=text, warnings=warnings, outcome=record)


async def _show(
    desk: Desk,
    request: AnyRequest,
    station_id: str,
    action: str,
    values: Mapping[str, str],
    *,
    text: str | None = None,
    error: str = "",
    warnings: Sequence[str] = (),
    outcome: CommandRecord | None = None,
) -> Response[str]:
    box = box_of(desk, station_id, action, values, text=text, error=error, warnings=warnings)
    words = None if outcome is None else outcome_words(outcome)
    shown: dict[str, Any] = {"box": box, "outcome": outcome, "words": words}
    if request.headers.get("hx-request") == "true":
        return desk.pages.answer(request, "command_box.html", **shown)
    head = head_of(desk, desk.viewer(request), station_id, "commands", (await about(desk, station_id)).line)
    return desk.pages.respond(request, "command.html", title=f"{action} for {station_id}", head=head, **shown)


def command_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """Choose, fill in, send."""

    @get("/ui/stations/{station_id:str}/commands", scope="operate")
    async def choose(
        request: AnyRequest, station_id: FromPath[str], action: FromQuery[str] = ""
    ) -> Response[str] | Redirect:
        """All commands; with `action` the way to its form."""
        if action:
            return Redirect(f"/ui/stations/{segment(station_id)}/commands/{segment(action)}")
        viewer = desk.viewer(request)
        head = head_of(desk, viewer, station_id, "commands", (await about(desk, station_id)).line)
        kinds = sorted(desk.host.commands.known.items())
        recent = await desk.host.commands.recent(station_id, 20)
        return desk.pages.respond(
            request,
            "commands.html",
            title=f"Commands for {station_id}",
            head=head,
            kinds=[(name, command.summary) for name, command in kinds],
            recent=[(record, *outcome_words(record)) for record in recent],
        )

    @get("/ui/stations/{station_id:str}/commands/{action:str}", scope="operate")
    async def form(request: AnyRequest, station_id: FromPath[str], action: FromPath[str]) -> Response[str]:
        """The form, filled in from the query."""
        values = {name: value for name, value in request.query_params.items() if name not in OWN}
        viewer = desk.viewer(request)
        head = head_of(desk, viewer, station_id, "commands", (await about(desk, station_id)).line)
        box = box_of(desk, station_id, action, values)
        if request.headers.get("hx-request") == "true":
            return desk.pages.answer(request, "command_box.html", box=box)
        return desk.pages.respond(request, "command.html", title=f"{action} for {station_id}", head=head, box=box)

    @post("/ui/stations/{station_id:str}/commands/{action:str}", scope="operate", status_code=200)
    async def send(request: AnyRequest, station_id: FromPath[str], action: FromPath[str]) -> Response[str]:
        """Send it, or change the form: a row more, or the other mode."""
        sent = {name: str(value) for name, value in (await request.form()).items()}
        values = {name: value for name, value in sent.items() if name not in OWN}
        do, mode = sent.get("_do", "send"), sent.get("_mode", "form")
        command = command_of(desk, action)
        text = sent.get("_text", "")
        payload = text.encode("utf-8", "surrogatepass") if mode == "json" else payload_from(command, values)
        if do.startswith("add:"):
            name = f"{do[4:]}.rows"
            count = values.get(name, "0")
            return await _show(desk, request, station_id, action, {**values, name: str(int(count) + 1)})
        if do == "json":
            return await _show(desk, request, station_id, action, values, text=payload.decode("utf-8", "replace"))
        if do == "form":
            return await _show(desk, request, station_id, action, values_from(text))
        shown = text if mode == "json" else None
        error, warnings = findings(desk, station_id, action, payload)
        if error or do == "check":
            return await _show(desk, request, station_id, action, values, text=shown, error=error, warnings=warnings)
        return await _submit(desk, request, station_id, action, values, payload, sent.get("_id", ""), shown, warnings)

    @get("/ui/stations/{station_id:str}/outcomes/{command_id:str}", scope="read")
    async def outcome(request: AnyRequest, station_id: FromPath[str], command_id: FromPath[str]) -> Response[str]:
        """What became of a command that took its time."""
        record = await desk.host.commands.find(command_id)
        words = None if record is None else outcome_words(record)
        return desk.pages.answer(
            request, "command_outcome.html", outcome=record, words=words, box={"station_id": station_id}
        )

    return [choose, form, send, outcome]
