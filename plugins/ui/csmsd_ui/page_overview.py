"""The first page: what needs somebody, then numbers, then what happens."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from litestar import Response, get
from litestar.response import Redirect
from litestar.types import ASGIApp, ControllerRouterHandler

from csmsd.events import Event
from csmsd_core.transaction_tables import transaction
from csmsd_ui.attention import concerns
from csmsd_ui.desk import Desk
from csmsd_ui.live import EVERYTHING, LiveView, Part
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import Viewer

STATES = (
    "Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Reserved", "Unavailable",
    "Faulted",
)  # fmt: skip
CLASSES = {"SuspendedEV": "suspended", "SuspendedEVSE": "suspended", "Finishing": "preparing"}
LATEST = 12
LOOKS = 3
OPEN = (
    sa.select(sa.func.count())
    .select_from(transaction)
    .where(transaction.c.stop_rank == 0, transaction.c.superseded_by.is_(None))
)
BEGUN = sa.select(sa.func.count(), sa.func.sum(transaction.c.meter_stop - transaction.c.meter_start)).where(
    transaction.c.started_at >= sa.bindparam("since", type_=transaction.c.started_at.type)  # there is an index by it
)


@dataclass(frozen=True, slots=True)
class Happening:
    """A line of what happens."""

    at: datetime
    station_id: str
    status: str  # of a connector; "" for something else
    words: str


async def numbers(desk: Desk, viewer: Viewer) -> dict[str, Any]:
    """The figures, and the bar of connectors."""
    fleet = await desk.figures.fleet()
    midnight = viewer.now.astimezone(viewer.zone).replace(hour=0, minute=0, second=0, microsecond=0)

    def read(connection: sa.Connection) -> tuple[int, int, int]:
        running = connection.execute(OPEN).scalar_one()
        begun, energy = connection.execute(BEGUN, {"since": midnight}).one()
        return running, begun, int(energy or 0)

    running, begun, energy = await desk.host.store.read(read)
    total = sum(fleet.connectors.values())
    bar: list[tuple[str, float, float]] = []
    at = 0.0
    for state in STATES:
        share = fleet.connectors.get(state, 0) / total * 1000 if total else 0
        bar.append((CLASSES.get(state, state.lower()), round(at, 2), round(share, 2)))
        at += share
    plugins = desk.host.plugins.status()
    return {
        "fleet": fleet,
        "running": running,
        "begun": begun,
        "energy": energy,
        "total": total,
        "bar": bar,
        "states": [(state, fleet.connectors.get(state, 0)) for state in STATES],
        "plugins_on": sum(each.state == "enabled" for each in plugins),
        "plugins_bad": sum(each.state in ("quarantined", "failed") for each in plugins),
        "backlog": sum(each.backlog for each in plugins),
    }


def happening(event: Event) -> Happening | None:
    """An event in words; None for what is no news."""
    data: dict[str, Any] = msgspec.json.decode(event.data)
    match event.kind:
        case "station.connected":
            return Happening(event.at, event.station_id, "", "connected")
        case "station.disconnected":
            return Happening(event.at, event.station_id, "", f"disconnected: {data.get('reason') or 'no reason given'}")
        case "connector.status":
            error = str(data.get("error_code", "NoError"))
            words = f"connector {data.get('connector_id')}" + ("" if error == "NoError" else f", {error}")
            return Happening(event.at, event.station_id, str(data.get("status", "")), words)
        case "transaction.started":
            return Happening(
                event.at, event.station_id, "", f"transaction {data.get('id')} began, {data.get('id_tag')}"
            )
        case "transaction.stopped":
            energy = data.get("energy_wh")
            told = f", {energy / 1000:.2f} kWh" if isinstance(energy, int) else ""
            return Happening(event.at, event.station_id, "", f"transaction {data.get('id')} ended{told}")
        case _:
            return None


class LiveOverview(LiveView):
    """Numbers and news; the list of concerns with them, at most every two seconds."""

    kinds = frozenset(
        {
            "station.connected",
            "station.disconnected",
            "connector.status",
            "transaction.started",
            "transaction.stopped",
            "transaction.updated",
            "station.attempt",
        }
    )

    def __init__(self, desk: Desk, viewer: Viewer) -> None:
        self._desk, self._viewer = desk, viewer
        self._news: deque[Happening] = deque(maxlen=LATEST)
        self._judged_at: datetime | None = None
        self._looks = 0  # how often to count anew: a count may be two seconds old

    def dirtied(self, event: Event) -> Iterable[str]:
        """See LiveView."""
        new = happening(event)
        if new is not None:
            self._news.appendleft(new)
        self._looks = LOOKS
        return ("numbers", "news")

    @property
    def unsettled(self) -> frozenset[str]:
        """See LiveView."""
        return frozenset({"numbers"}) if self._looks else frozenset()

    async def render(self, dirty: frozenset[str]) -> Sequence[Part]:
        """See LiveView."""
        fragment, now = self._desk.pages.fragment, self._desk.host.env.now()
        parts = [Part("news", fragment(self._viewer, "overview_news.html", news=list(self._news)))]
        if self._judged_at is None or (now - self._judged_at).total_seconds() >= 1.4 or EVERYTHING in dirty:
            self._judged_at = now
            self._looks = max(0, self._looks - 1)
            figures = await numbers(self._desk, self._viewer)
            parts.append(Part("numbers", fragment(self._viewer, "overview_numbers.html", **figures)))
            found = await concerns(self._desk)
            parts.append(Part("concerns", fragment(self._viewer, "overview_concerns.html", concerns=found)))
        return parts


def overview_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """The page and its stream."""

    @get("/ui/", scope="read")
    async def overview(request: AnyRequest) -> Response[str]:
        """What needs somebody."""
        viewer = desk.viewer(request)
        return desk.pages.respond(
            request,
            "overview.html",
            title="Overview",
            live="/ui/events/overview",
            concerns=await concerns(desk),
            news=[],
            urls=desk.host.ocpp_urls,
            panels=await desk.panels(request, "overview"),
            **await numbers(desk, viewer),
        )

    @get("/ui/events/overview", scope="read")
    async def watch(request: AnyRequest) -> ASGIApp:
        """As it changes."""
        return desk.stream(request, LiveOverview(desk, desk.viewer(request)))

    @get("/", scope="public")
    async def front() -> Redirect:
        """Whoever types the bare address."""
        return Redirect("/ui/")

    return [overview, watch, front]
