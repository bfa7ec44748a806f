"""A station's record: add it, change it, give it a password, let it go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from csmsd.errors import CsmsdError, InvalidStation
from csmsd.ocpp.decoding import Tolerance
from csmsd.station import Registration, StationRecord
from csmsd_ui.addresses import addresses_for
from csmsd_ui.desk import Desk
from csmsd_ui.doctor import is_known
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import segment
from csmsd_ui.station_view import about
from csmsd_ui.tabs import head_of
from csmsd_ui.targets import back_to
from csmsd_ui.typed import typed_in

REGISTRATIONS = ("Accepted", "Pending", "Rejected")


def station_record_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """What changes a record; each change is in the audit."""

    @get("/ui/stations/add", scope="operate", sync_to_thread=False)
    def add_page(request: AnyRequest, id: FromQuery[str] = "") -> Response[str]:  # noqa: A002 -- the query's name
        """The form, with the identity that somebody has knocked with."""
        return desk.pages.respond(
            request,
            "station_add.html",
            title="Add a station",
            error="",
            station_id=id,
            note="",
            may_be_open=_open(desk),
        )

    @post("/ui/stations/add", scope="operate", status_code=200)
    async def add(request: AnyRequest) -> Response[str]:
        """Register it; the password is shown this once."""
        form = await typed_in(request)
        station_id, note = form.get("id", "").strip(), form.get("note", "")
        password = _password(desk, form)
        registration: Registration = "Pending" if form["registration"] == "Pending" else "Accepted"
        try:
            _refuse_known(desk, station_id)
            record = await desk.host.stations.register(StationRecord(station_id, registration, note=note), password)
        except CsmsdError as error:
            text = str(error)
            return desk.pages.respond(
                request,
                "station_add.html",
                title="Add a station",
                status=422,
                error=text,
                station_id=station_id,
                note=note,
                may_be_open=_open(desk),
            )
        desk.host.audit.record(request.user, "station.register", station_id, None, record)
        return _settled(desk, request, station_id, password, "is registered")

    @get("/ui/stations/{station_id:str}/edit", scope="operate")
    async def edit_page(request: AnyRequest, station_id: FromPath[str]) -> Response[str]:
        """All that can be set."""
        head = head_of(desk, desk.viewer(request), station_id, "edit", (await about(desk, station_id)).line)
        return desk.pages.respond(
            request,
            "station_edit.html",
            title=f"Record of {station_id}",
            head=head,
            record=desk.host.stations.record(station_id),
            registrations=REGISTRATIONS,
            tolerances=[each.value for each in Tolerance],
            addresses=addresses_for(desk.host, station_id),
        )

    @post("/ui/stations/{station_id:str}/edit", scope="operate", status_code=303)
    async def edit(request: AnyRequest, station_id: FromPath[str]) -> Redirect:
        """Keep what is typed."""
        before, form = desk.host.stations.record(station_id), await typed_in(request)
        try:
            wanted = msgspec.convert({**msgspec.to_builtins(before), **_fields(form)}, StationRecord)
        except (msgspec.ValidationError, ValueError) as error:
            raise HTTPException(detail=f"This cannot be kept: {error}.", status_code=422) from None
        record = await desk.host.stations.register(wanted)
        desk.host.audit.record(request.user, "station.change", station_id, before, record)
        return back_to(f"/ui/stations/{segment(station_id)}/edit")

    @post("/ui/stations/{station_id:str}/password", scope="operate", status_code=200)
    async def password(request: AnyRequest, station_id: FromPath[str]) -> Response[str]:
        """A new one, shown this once."""
        record, form = desk.host.stations.record(station_id), await typed_in(request)
        new = _password(desk, {"kind": "make", **form})
        await desk.host.stations.register(record, new)
        desk.host.audit.record(request.user, "station.credentials", station_id)
        return _settled(desk, request, station_id, new, "has a new password")

    @post("/ui/stations/{station_id:str}/disconnect", scope="operate", status_code=303)
    async def disconnect(request: AnyRequest, station_id: FromPath[str]) -> Redirect:
        """It comes back if it may."""
        desk.host.stations.get(station_id).close(1000, "closed by the operator")
        desk.host.audit.record(request.user, "station.disconnect", station_id)
        return back_to(f"/ui/stations/{segment(station_id)}")

    @post("/ui/stations/{station_id:str}/remove", scope="operate", status_code=303)
    async def remove(request: AnyRequest, station_id: FromPath[str]) -> Redirect:
        """Its record is forgotten, its history stays; its id is typed as proof that it is meant."""
        before, form = desk.host.stations.record(station_id), await typed_in(request)
        if form.get("id", "").strip() != station_id:
            raise HTTPException(detail=f"Type {station_id} to remove it.", status_code=422)
        await desk.host.stations.remove(station_id)
        desk.host.audit.record(request.user, "station.remove", station_id, before)
        return back_to("/ui/stations")

    return [add_page, add, edit_page, edit, password, disconnect, remove]


def _settled(desk: Desk, request: AnyRequest, station_id: str, password: str | None, what: str) -> Response[str]:
    return desk.pages.respond(
        request,
        "station_added.html",
        title=f"{station_id} {what}",
        station_id=station_id,
        password=password,
        what=what,
        addresses=addresses_for(desk.host, station_id),
    )


def _open(desk: Desk) -> bool:
    return desk.host.config.access.authentication != "required"


def _refuse_known(desk: Desk, station_id: str) -> None:
    if is_known(desk.host, station_id):
        raise InvalidStation(f"{station_id} is registered already")


def _password(desk: Desk, form: Mapping[str, str]) -> str | None:
    match form.get("kind", "make"):
        case "typed" if form.get("password"):
            return form["password"]
        case "none":
            return None
        case _:
            return desk.host.credentials.generate()


def _fields(form: Mapping[str, str]) -> dict[str, Any]:
    """The record's fields as typed; an empty number is None."""
    numbers = ("security_profile", "profile_upgrade_to", "heartbeat_interval")
    fields: dict[str, Any] = {name: form.get(name, "") for name in ("registration", "serial_number", "note")}
    fields |= {name: int(form[name]) if form.get(name, "").strip() else None for name in numbers}
    fields["call_timeout"] = float(form["call_timeout"]) if form.get("call_timeout", "").strip() else None
    fields["tolerance"] = form.get("tolerance") or None
    fields["whole_seconds"] = form.get("whole_seconds") == "yes"
    fields["accept_long_message_ids"] = form.get("accept_long_message_ids") == "yes"
    return fields
