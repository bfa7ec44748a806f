"""Stations: list, register, change, remove (OPS-03)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType

from csmsd.errors import UnknownStation
from csmsd.host import Host
from csmsd.ocpp.decoding import Tolerance
from csmsd.station import Registration, StationRecord
from csmsd_web.paging import After, Limit, Page, link_after
from csmsd_web.problems import Problem


class ConnectionView(msgspec.Struct, frozen=True):
    """The connection of a station that is online."""

    peer: str
    listener: str
    connected_at: datetime
    security_profile: int


class StationView(msgspec.Struct, frozen=True, kw_only=True):
    """A station, connected or not; never its secret."""

    id: str
    online: bool
    last_seen_at: datetime | None
    registration: Registration
    announced: Registration | None
    security_profile: int | None
    profile_upgrade_to: int | None  # admitted as well, until it was used once (SEC-42)
    tolerance: Tolerance | None
    accept_long_message_ids: bool
    whole_seconds: bool
    call_timeout: float | None
    heartbeat_interval: int | None
    serial_number: str
    note: str
    has_credentials: bool
    created_at: datetime | None
    connection: ConnectionView | None
    generated_password: str | UnsetType = UNSET  # in the one answer to the request that asked for it (SEC-34)


class StationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can be set; what is left out stays as it is, or gets its default for a new station."""

    password: str | UnsetType = UNSET
    generate_password: bool = False
    registration: Registration | UnsetType = UNSET
    security_profile: int | UnsetType | None = UNSET
    profile_upgrade_to: int | UnsetType | None = UNSET
    tolerance: Tolerance | UnsetType | None = UNSET
    accept_long_message_ids: bool | UnsetType = UNSET
    whole_seconds: bool | UnsetType = UNSET
    call_timeout: float | UnsetType | None = UNSET
    heartbeat_interval: int | UnsetType | None = UNSET
    serial_number: str | UnsetType = UNSET
    note: str | UnsetType = UNSET

    @property
    def fields(self) -> Mapping[str, Any]:
        """Those of the record that are given."""
        given = msgspec.structs.asdict(self)
        del given["password"], given["generate_password"]
        return {name: value for name, value in given.items() if value is not UNSET}


def view_of(host: Host, record: StationRecord) -> StationView:
    """A station as the API shows it."""
    station = host.stations.find(record.id)
    fields: dict[str, Any] = msgspec.structs.asdict(record) | {
        "online": station is not None,
        "last_seen_at": host.stations.last_seen(record.id),
        "connection": None
        if station is None
        else ConnectionView(station.peer, station.listener, station.connected_at, station.security_profile),
    }
    return StationView(**fields)


@get("/stations", scope="read", summary="List stations", tags=["Stations"])
async def list_stations(
    request: Request[Any, Any, Any],
    host: NamedDependency[Host],
    online: FromQuery[bool | None] = None,
    registration: FromQuery[Registration | None] = None,
    search: Annotated[
        str, QueryParameter(description="Part of the identity, serial number or note, in any case.")
    ] = "",
    limit: Limit = 100,
    after: After = None,
) -> Page[StationView]:
    """In the order of their identities."""
    records = list(host.stations.records())
    start = 0 if after is None else bisect_right(records, after, key=lambda record: record.id)
    wanted = search.casefold()
    found: list[StationView] = []
    for record in records[start:]:
        if registration is not None and record.registration != registration:
            continue
        if wanted and not any(wanted in text.casefold() for text in (record.id, record.serial_number, record.note)):
            continue
        if online is not None and (host.stations.find(record.id) is not None) is not online:
            continue
        if len(found) == limit:
            return Page(found, link_after(request, found[-1].id))
        found.append(view_of(host, record))
    return Page(found)


@get("/stations/{station_id:str}", scope="read", summary="Look a station up", tags=["Stations"])
async def get_station(host: NamedDependency[Host], station_id: FromPath[str]) -> StationView:
    """Its record, and its connection if it is online."""
    return view_of(host, host.stations.record(station_id))


@put("/stations/{station_id:str}", scope="operate", summary="Register or change a station", tags=["Stations"])
async def put_station(
    request: Request[Any, Any, Any], host: NamedDependency[Host], station_id: FromPath[str], data: JSONBody[StationBody]
) -> StationView:
    """With `generate_password` the answer holds the new password; nobody can read it again."""
    password = None if data.password is UNSET else data.password
    if data.generate_password:
        if password is not None:
            raise Problem(422, "invalid-request", "give password or generate_password, not both")
        password = host.credentials.generate()
    before = find(host, station_id)
    wanted = msgspec.structs.replace(before or StationRecord(station_id), **data.fields)
    record = await host.stations.register(wanted, password)
    action = "station.register" if before is None else "station.change"
    host.audit.record(request.user, action, station_id, before, record)
    if password is not None:
        host.audit.record(request.user, "station.credentials", station_id)
    shown = view_of(host, record)
    if data.generate_password:
        return msgspec.structs.replace(shown, generated_password=password)
    return shown


@delete("/stations/{station_id:str}", scope="operate", summary="Remove a station", tags=["Stations"])
async def delete_station(
    request: Request[Any, Any, Any], host: NamedDependency[Host], station_id: FromPath[str]
) -> None:
    """Its record and credentials are forgotten, its connection is closed, its history stays."""
    before = host.stations.record(station_id)
    await host.stations.remove(station_id)
    host.audit.record(request.user, "station.remove", station_id, before)


@delete("/stations/{station_id:str}/credentials", scope="operate", summary="Withdraw credentials", tags=["Stations"])
async def delete_credentials(
    request: Request[Any, Any, Any], host: NamedDependency[Host], station_id: FromPath[str]
) -> None:
    """No password of the station is valid any more; its connection stays until it is closed (BOOT-11)."""
    host.stations.record(station_id)
    await host.credentials.withdraw(station_id)
    host.audit.record(request.user, "station.withdraw", station_id)


@post(
    "/stations/{station_id:str}/disconnect",
    scope="operate",
    summary="Close a station's connection",
    tags=["Stations"],
    status_code=204,
)
async def disconnect_station(
    request: Request[Any, Any, Any], host: NamedDependency[Host], station_id: FromPath[str]
) -> None:
    """It will come back if it may."""
    host.stations.get(station_id).close(1000, "closed by the operator")
    host.audit.record(request.user, "station.disconnect", station_id)


def find(host: Host, station_id: str) -> StationRecord | None:
    """The record, or None."""
    try:
        return host.stations.record(station_id)
    except UnknownStation:
        return None


ROUTES = [list_stations, get_station, put_station, delete_station, delete_credentials, disconnect_station]
