"""What the first tab of a station shows, and how it stays live."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from csmsd.events import Event
from csmsd.journal import Exchange, ExchangeFilter
from csmsd_core import ConnectorStatus, Transaction
from csmsd_core.tables import station as station_table
from csmsd_ui.desk import Desk
from csmsd_ui.live import EVERYTHING, LiveView, Part
from csmsd_ui.rendering import Viewer

EXCHANGES = 20
_decode_exchange = msgspec.json.Decoder(Exchange).decode
ABOUT = sa.select(station_table).where(station_table.c.station_id == sa.bindparam("id"))
FACTS = (
    ("charge_point_serial_number", "Serial"),
    ("charge_box_serial_number", "Charge box"),
    ("iccid", "ICCID"),
    ("imsi", "IMSI"),
    ("meter_type", "Meter"),
    ("meter_serial_number", "Meter serial"),
)


@dataclass(frozen=True, slots=True)
class ConnectorCard:
    """A connector as its card shows it."""

    status: ConnectorStatus
    name: str
    is_live: bool  # False: the station is offline, so this may be old
    transaction: Transaction | None


@dataclass(frozen=True, slots=True)
class Session:
    """A running transaction in figures; None: the station does not measure that."""

    id: int
    connector_id: int
    started_at: datetime
    at: datetime | None
    energy: int | None  # Wh since the start
    power: str | None
    current: str | None
    soc: str | None


@dataclass(frozen=True, slots=True)
class About:
    """What a station told about itself."""

    line: str
    facts: Sequence[tuple[str, str]]


async def about(desk: Desk, station_id: str) -> About:
    """Vendor, model and firmware in a line, the rest as pairs."""

    def read(connection: sa.Connection) -> Any:
        return connection.execute(ABOUT, {"id": station_id}).mappings().first()

    row = await desk.host.store.read(read)
    if row is None:
        return About("has not introduced itself yet", ())
    words = [row["vendor"], row["model"], f"firmware {row['firmware_version']}" if row["firmware_version"] else None]
    return About(
        ", ".join(filter(None, (" ".join(filter(None, words[:2])), words[2]))),
        [(label, row[name]) for name, label in FACTS if row[name]],
    )


async def cards(desk: Desk, station_id: str) -> list[ConnectorCard]:
    """The connectors, the whole station last and only if it says more than that it is available."""
    core, is_live = desk.core, desk.host.stations.find(station_id) is not None
    found: list[ConnectorCard] = []
    for status in core.statuses.of_station(station_id):
        if status.connector_id == 0:
            continue
        current = await core.transactions.current(station_id, status.connector_id)
        found.append(ConnectorCard(status, f"Connector {status.connector_id}", is_live, current))
    whole = core.statuses.of_connector(station_id, 0)
    if whole is not None and (whole.status != "Available" or not found):
        found.append(ConnectorCard(whole, "Whole station", is_live, None))
    return found


async def sessions(desk: Desk, connectors: Sequence[ConnectorCard]) -> list[Session]:
    """The running transactions of these connectors."""
    found: list[Session] = []
    for card in connectors:
        if card.transaction is None:
            continue
        readings = await desk.core.transactions.readings(card.transaction.id)
        last: dict[str, int] = {}
        for reading in readings[-30:]:
            for name in ("energy_wh", "power_w", "current_ma", "soc_permille"):
                value = getattr(reading, name)
                if value is not None:
                    last[name] = value
        energy = last.get("energy_wh")
        found.append(
            Session(
                card.transaction.id,
                card.transaction.connector_id,
                card.transaction.started_at,
                readings[-1].at if readings else None,
                None if energy is None else energy - card.transaction.meter_start,
                f"{last['power_w'] / 1000:.1f}" if "power_w" in last else None,
                f"{last['current_ma'] / 1000:.1f}" if "current_ma" in last else None,
                f"{last['soc_permille'] / 10:.0f}" if "soc_permille" in last else None,
            )
        )
    return found


class LiveStation(LiveView):
    """The live parts of one station's page."""

    def __init__(self, desk: Desk, station_id: str, viewer: Viewer) -> None:
        self.station_id = station_id
        self._desk, self._id, self._viewer = desk, station_id, viewer
        self._recent: deque[Exchange] = deque(maxlen=EXCHANGES)

    def dirtied(self, event: Event) -> Iterable[str]:
        """See LiveView."""
        match event.kind.partition(".")[0]:
            case "station":
                return ("state", "connectors")
            case "connector":
                return ("connectors",)
            case "transaction":
                return ("connectors", "session")
            case "exchange":
                exchange = _decode_exchange(event.data)
                self._recent.appendleft(exchange)
                return ("exchanges", "session") if exchange.action == "MeterValues" else ("exchanges",)
            case _:
                return ()

    @property
    def unsettled(self) -> frozenset[str]:
        """Messages that have no link yet."""
        return frozenset({"exchanges"}) if self._recent else frozenset()

    async def render(self, dirty: frozenset[str]) -> Sequence[Part]:
        """See LiveView."""
        wanted = frozenset({"state", "connectors", "session", "exchanges"}) if EVERYTHING in dirty else dirty
        parts: list[Part] = []
        fragment = self._desk.pages.fragment
        if "state" in wanted:
            is_online = self._desk.host.stations.find(self._id) is not None
            html = fragment(self._viewer, "station_state.html", is_online=is_online)
            parts.append(Part("station-state", html))
        if wanted & {"connectors", "session"}:
            connectors = await cards(self._desk, self._id)
            if "connectors" in wanted:
                html = fragment(self._viewer, "station_connectors.html", connectors=connectors)
                parts.append(Part("connectors", html))
            html = fragment(self._viewer, "station_session.html", sessions=await sessions(self._desk, connectors))
            parts.append(Part("session", html))
        if "exchanges" in wanted:
            html = fragment(self._viewer, "station_exchanges.html", exchanges=await self._exchanges())
            parts.append(Part("exchanges", html))
        return parts

    async def _exchanges(self) -> list[Exchange]:
        """The newest, those that are not in the database yet before the others."""
        stored = list(await self._desk.host.journal.exchanges(ExchangeFilter(self._id, limit=EXCHANGES)))
        known = {(each.call_id, each.direction, each.at) for each in stored}
        fresh = [each for each in self._recent if (each.call_id, each.direction, each.at) not in known]
        self._recent = deque(fresh, maxlen=EXCHANGES)
        return sorted([*fresh, *stored], key=lambda each: each.at, reverse=True)[:EXCHANGES]
