"""The other tabs of a station that the Core profile and the journal fill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from csmsd.journal import ExchangeFilter
from csmsd_core.configuration import is_secret
from csmsd_core.configuration_keys import known_key
from csmsd_ui.desk import Desk
from csmsd_ui.page_transactions import ROWS, wanted_of
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import query_of, segment
from csmsd_ui.station_view import about
from csmsd_ui.tabs import head_of
from csmsd_ui.targets import back_to


def station_tab_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """One route for each tab."""

    async def show(
        request: AnyRequest, station_id: str, tab: str, title: str, template: str, **context: Any
    ) -> Response[str]:
        head = head_of(desk, desk.viewer(request), station_id, tab, (await about(desk, station_id)).line)
        return desk.pages.respond(request, template, title=f"{title} of {station_id}", head=head, **context)

    @get("/ui/stations/{station_id:str}/transactions", scope="read")
    async def transactions(
        request: AnyRequest, station_id: FromPath[str], before: FromQuery[int | None] = None
    ) -> Response[str]:
        """Newest first."""
        wanted, _ = wanted_of("", before, station_id)
        found = list(await desk.core.transactions.list(wanted))
        path = f"/ui/stations/{segment(station_id)}/transactions"
        return await show(
            request,
            station_id,
            "transactions",
            "Transactions",
            "station_transactions.html",
            rows=[(each, []) for each in found[:ROWS]],
            columns=[],
            next=path + query_of(before=found[ROWS - 1].id) if len(found) > ROWS else "",
            first=path if before is not None else "",
        )

    @get("/ui/stations/{station_id:str}/configuration", scope="read")
    async def configuration(request: AnyRequest, station_id: FromPath[str], q: FromQuery[str] = "") -> Response[str]:
        """Every key that is known, with what it means."""
        mirror = await desk.core.configuration.of_station(station_id)
        word = q.strip().casefold()
        rows = [
            (entry, known_key(entry.key), is_secret(entry.key))
            for entry in mirror.entries
            if entry.is_known and word in entry.key.casefold()
        ]
        absent = [entry.key for entry in mirror.entries if not entry.is_known]
        return await show(
            request,
            station_id,
            "configuration",
            "Configuration",
            "station_configuration.html",
            rows=rows,
            absent=absent,
            read_at=mirror.read_at,
            q=q,
        )

    @post("/ui/stations/{station_id:str}/configuration/read", scope="operate", status_code=303)
    async def read_configuration(request: AnyRequest, station_id: FromPath[str]) -> Redirect:
        """Ask the station for all of it."""
        station = desk.host.stations.get(station_id)
        desk.host.audit.record(request.user, "configuration.refresh", station_id, None, ())
        await desk.core.configuration.refresh(station)
        return back_to(f"/ui/stations/{segment(station_id)}/configuration")

    @get("/ui/stations/{station_id:str}/messages", scope="read")
    async def messages(request: AnyRequest, station_id: FromPath[str]) -> Redirect:
        """The inspector, with this station as its filter."""
        return Redirect("/ui/messages" + query_of(q=f"station:{station_id}"))

    @get("/ui/stations/{station_id:str}/connections", scope="read")
    async def connections(request: AnyRequest, station_id: FromPath[str]) -> Response[str]:
        """Its attempts to connect."""
        attempts = await desk.host.journal.attempts(station_id=station_id, limit=100)
        return await show(
            request, station_id, "connections", "Connections", "station_connections.html", attempts=attempts
        )

    @get("/ui/stations/{station_id:str}/deviations", scope="read")
    async def deviations(request: AnyRequest, station_id: FromPath[str]) -> Response[str]:
        """Which rules it breaks, how often, with the latest messages that did."""
        found = await desk.host.journal.deviations(station_id=station_id)
        lately = await desk.host.journal.exchanges(ExchangeFilter(station_id, only_deviating=True, limit=20))
        return await show(
            request,
            station_id,
            "deviations",
            "Deviations",
            "station_deviations.html",
            deviations=found,
            exchanges=lately,
        )

    return [transactions, configuration, read_configuration, messages, connections, deviations]
