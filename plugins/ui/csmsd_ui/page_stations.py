"""The list of stations: a filter, fifty rows, live."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from litestar import Response, get
from litestar.params import FromQuery
from litestar.types import ASGIApp, ControllerRouterHandler

from csmsd.errors import UnknownStation
from csmsd.events import Event
from csmsd.station import StationRecord
from csmsd_core import ConnectorStatus
from csmsd_core.tables import station as station_table
from csmsd_ui.columns import Cell, cells_of
from csmsd_ui.desk import Desk
from csmsd_ui.extension import Column
from csmsd_ui.filters import Filter, parse
from csmsd_ui.live import EVERYTHING, LiveView, Part
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import Viewer, query_of, row_id

ROWS = 50
KINDS = frozenset({"station.connected", "station.disconnected", "connector.status"})
FIELDS = ("status", "online", "registration")
ABOUT = sa.select(
    station_table.c.station_id, station_table.c.vendor, station_table.c.model, station_table.c.firmware_version
).where(station_table.c.station_id.in_(sa.bindparam("ids", expanding=True)))


@dataclass(frozen=True, slots=True)
class Row:
    """One station of the list."""

    id: str
    is_online: bool
    connectors: Sequence[ConnectorStatus]
    model: str
    firmware: str
    registration: str
    last_seen: datetime | None
    cells: Sequence[Cell]


class Listing:
    """What the list and its live rows have in common."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def page(self, q: str, after: str) -> tuple[list[str], bool]:
        """The ids of one page, and whether there are more."""
        fleet, fits = await self.desk.figures.fleet(), self._filter(parse(q, FIELDS))
        records = fleet.records
        start = bisect_right(records, after, key=lambda record: record.id) if after else 0
        found: list[str] = []
        for record in records[start:]:
            if fits(record):
                if len(found) == ROWS:
                    return found, True
                found.append(record.id)
        return found, False

    def _filter(self, wanted: Filter) -> Callable[[StationRecord], bool]:
        stations, statuses = self.desk.host.stations, self.desk.core.statuses
        states = {each.casefold() for each in wanted.values("status")}
        registrations = {each.casefold() for each in wanted.values("registration")}
        online = {each.casefold() in ("yes", "true", "1") for each in wanted.values("online")}

        def fits(record: StationRecord) -> bool:
            if registrations and record.registration.casefold() not in registrations:
                return False
            if online and (stations.find(record.id) is not None) not in online:
                return False
            if states and not any(each.status.casefold() in states for each in statuses.of_station(record.id)):
                return False
            return wanted.finds(record.id, record.serial_number, record.note)

        return fits

    async def rows(self, ids: Sequence[str], columns: Sequence[tuple[str, Column]]) -> list[Row]:
        """The rows of these stations; one that has been removed meanwhile is left out."""
        host, statuses = self.desk.host, self.desk.core.statuses
        known = {record.id: record for record in map(self._record, ids) if record is not None}

        def read(connection: sa.Connection) -> dict[str, Any]:
            return {row.station_id: row for row in connection.execute(ABOUT, {"ids": list(known)})}

        about = await host.store.read(read) if known else {}
        cells = await cells_of(self.desk, columns, list(known))
        rows: list[Row] = []
        for number, (id_, record) in enumerate(known.items()):
            told = about.get(id_)
            rows.append(
                Row(
                    id_,
                    host.stations.find(id_) is not None,
                    [each for each in statuses.of_station(id_) if each.connector_id][:12],
                    "" if told is None else " ".join(filter(None, (told.vendor, told.model))),
                    "" if told is None else told.firmware_version or "",
                    record.registration,
                    host.stations.last_seen(id_),
                    cells[number],
                )
            )
        return rows

    def _record(self, station_id: str) -> StationRecord | None:
        try:
            return self.desk.host.stations.record(station_id)
        except UnknownStation:
            return None

    def columns(self) -> list[tuple[str, Column]]:
        """Those of the plugins."""
        return self.desk.extras.columns("stations")


class LiveRows(LiveView):
    """The rows that one page shows."""

    kinds = KINDS

    def __init__(self, listing: Listing, ids: Sequence[str], viewer: Viewer) -> None:
        self._listing, self._ids, self._viewer = listing, frozenset(ids), viewer

    def dirtied(self, event: Event) -> Iterable[str]:
        """See LiveView."""
        return (event.station_id,) if event.station_id in self._ids else ()

    async def render(self, dirty: frozenset[str]) -> Sequence[Part]:
        """See LiveView."""
        ids = sorted(self._ids if EVERYTHING in dirty else dirty)
        rows = await self._listing.rows(ids, self._listing.columns())
        pages = self._listing.desk.pages
        return [Part(row_id("st", row.id), pages.fragment(self._viewer, "stations_row.html", row=row)) for row in rows]


def station_list_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """The list, and its stream."""
    listing = Listing(desk)

    @get("/ui/stations", scope="read")
    async def stations(request: AnyRequest, q: FromQuery[str] = "", after: FromQuery[str] = "") -> Response[str]:
        """Fifty stations, in the order of their ids."""
        ids, has_more = await listing.page(q, after)
        columns = listing.columns()
        fleet, wanted = await desk.figures.fleet(), parse(q, FIELDS)
        quick = [
            ("All", "", fleet.stations),
            ("Online", "online:yes", fleet.online),
            ("Offline", "online:no", fleet.stations - fleet.online),
            ("Faulted", "status:Faulted", len({each.station_id for each in fleet.faulted})),
            ("Pending", "registration:Pending", fleet.pending),
        ]
        return desk.pages.respond(
            request,
            "stations.html",
            title="Stations",
            live="/ui/events/stations" + query_of(q=q, after=after) if ids else "",
            rows=await listing.rows(ids, columns),
            columns=[column for _, column in columns],
            q=q,
            after=after,
            words=wanted.removable(),
            unknown=wanted.unknown,
            fleet=fleet,
            quick=quick,
            next="/ui/stations" + query_of(q=q, after=ids[-1]) if has_more else "",
            first="/ui/stations" + query_of(q=q) if after else "",
        )

    @get("/ui/events/stations", scope="read")
    async def watch_stations(request: AnyRequest, q: FromQuery[str] = "", after: FromQuery[str] = "") -> ASGIApp:
        """The rows of that page as they change."""
        ids, _ = await listing.page(q, after)
        return desk.stream(request, LiveRows(listing, ids, desk.viewer(request)))

    return [stations, watch_stations]
