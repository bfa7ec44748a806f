"""Remote starts: durable before they are sent, good for the station's StartTransaction, and seen not to happen.

A remote start that has not been refused is a temporary permission for its id tag on that station: for a while, and
until the transaction that was started with it has ended (AUTH-10).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
import sqlalchemy as sa

from csmsd.errors import CallFailed, CsmsdError, InvalidResponse, NeverSent
from csmsd.host import Host
from csmsd.station import Station
from csmsd_core.config import CoreConfig
from csmsd_core.folding import folded
from csmsd_core.messages import RemoteStartTransaction, RemoteStartTransactionResponse, StartTransaction
from csmsd_core.tables import remote_start
from csmsd_core.transaction_tables import transaction

Outcome = Literal["sent", "accepted", "rejected", "failed"]
State = Literal["sent", "accepted", "rejected", "failed", "started", "not started"]


FORGET_REQUEST_AFTER = 3600.0  # seconds; an answer later than that changes nothing any more
PLUG_IN_MARGIN = 60.0  # seconds after ConnectionTimeOut
SHORTEST_LOOK = 0.1  # seconds


class RemoteStart(msgspec.Struct, frozen=True):
    """One RemoteStartTransaction that was sent."""

    id: str
    station_id: str
    id_tag: str
    connector_id: int | None  # None: the station chooses
    requested_at: datetime
    valid_until: datetime  # no StartTransaction is expected after this
    outcome: Outcome = "sent"  # sent: not answered yet, or never
    transaction_id: int | None = None

    def state(self, now: datetime) -> State:
        """What has become of it; Accepted alone means that the station will try (OP-10, OP-11)."""
        if self.transaction_id is not None:
            return "started"
        if self.outcome in ("rejected", "failed") or now < self.valid_until:
            return self.outcome
        return "not started"


class OutcomeRow(msgspec.Struct, frozen=True):
    """The station's answer, on its way to the database."""

    id: str
    outcome: Outcome
    valid_until: datetime


class NotStarted(msgspec.Struct, frozen=True):
    """Live event `remote_start.not_started` (OP-11)."""

    id: str
    id_tag: str
    connector_id: int | None


SELECT = sa.select(
    remote_start.c.id,
    remote_start.c.station_id,
    remote_start.c.id_tag,
    remote_start.c.connector_id,
    remote_start.c.requested_at,
    remote_start.c.valid_until,
    remote_start.c.outcome,
    transaction.c.id.label("transaction_id"),
).select_from(remote_start.outerjoin(transaction, transaction.c.remote_start_id == remote_start.c.id))
SELECT_IN_FORCE = SELECT.where(
    remote_start.c.outcome.in_(("sent", "accepted")),
    sa.or_(
        sa.and_(
            transaction.c.id.is_(None),
            remote_start.c.valid_until > sa.bindparam("now", type_=remote_start.c.valid_until.type),
        ),
        sa.and_(transaction.c.id.isnot(None), transaction.c.stop_rank == 0),
    ),
)
SELECT_OF_STATION = (
    SELECT.where(remote_start.c.station_id == sa.bindparam("station_id"))
    .order_by(remote_start.c.requested_at.desc(), remote_start.c.id)
    .limit(sa.bindparam("count"))
)
ADD = sa.insert(remote_start)
SET_OUTCOME = (
    sa.update(remote_start)
    .where(remote_start.c.id == sa.bindparam("wanted"))
    .values(outcome=sa.bindparam("new_outcome"), valid_until=sa.bindparam("new_valid_until"))
)


def add_remote_starts(connection: sa.Connection, rows: Sequence[RemoteStart]) -> Sequence[None]:
    """Store remote starts before they are sent."""
    connection.execute(
        ADD,
        [
            {
                "id": row.id,
                "station_id": row.station_id,
                "id_tag": row.id_tag,
                "id_tag_key": folded(row.id_tag),
                "connector_id": row.connector_id,
                "requested_at": row.requested_at,
                "valid_until": row.valid_until,
                "outcome": row.outcome,
            }
            for row in rows
        ],
    )
    return [None] * len(rows)


def set_outcomes(connection: sa.Connection, rows: Sequence[OutcomeRow]) -> Sequence[None]:
    """Store what stations answered."""
    connection.execute(
        SET_OUTCOME,
        [{"wanted": row.id, "new_outcome": row.outcome, "new_valid_until": row.valid_until} for row in rows],
    )
    return [None] * len(rows)


class RemoteStarts:
    """The remote starts of one csmsd: those that may still start or have started a transaction that goes on."""

    def __init__(self, host: Host, config: CoreConfig, connection_timeout: Callable[[str], int | None]) -> None:
        self._host, self._config, self._connection_timeout = host, config, connection_timeout
        self._waiting: dict[tuple[str, str], RemoteStart] = {}  # by station and folded id tag; the newest
        self._running: dict[int, tuple[str, str]] = {}  # by transaction
        self._permits: Counter[tuple[str, str]] = Counter()  # how often each is in `_running`
        self._sent: dict[int, tuple[RemoteStartTransaction, RemoteStart]] = {}  # by identity of the request

    async def load(self) -> None:
        """Read those in force; before stations are let in."""
        now = self._host.env.now()

        def read(connection: sa.Connection) -> list[RemoteStart]:
            return [RemoteStart(**row) for row in connection.execute(SELECT_IN_FORCE, {"now": now}).mappings()]

        for each in await self._host.store.read(read):
            key = (each.station_id, folded(each.id_tag))
            if each.transaction_id is None:
                self._waiting[key] = each
                self._watch(each.id, key, each.valid_until - now)
            else:
                self._run(each.transaction_id, key)

    def permits(self, station_id: str, id_tag: str, now: datetime) -> bool:
        """Whether this id tag may charge there because an operator asked for it (AUTH-10)."""
        if not self._config.remote_start_grants:
            return False
        key = (station_id, folded(id_tag))
        waiting = self._waiting.get(key)
        return (waiting is not None and now < waiting.valid_until) or key in self._permits

    async def prepare(self, station: Station, request: RemoteStartTransaction) -> None:
        """Store it before the station can act on it."""
        now, window = self._host.env.now(), self._window(station.id)
        each = RemoteStart(self._host.env.new_id(), station.id, request.id_tag, request.connector_id, now, now + window)
        await self._host.store.submit(add_remote_starts, each)
        self._sent[id(request)] = request, each
        key = (station.id, folded(request.id_tag))
        self._waiting[key] = each
        self._watch(each.id, key, window)
        self._host.call_later(FORGET_REQUEST_AFTER, lambda: self._sent.pop(id(request), None))

    def id_of(self, request: RemoteStartTransaction) -> str | None:
        """The id that a remote start is stored under, until it is answered; its transaction will name it."""
        sent = self._sent.get(id(request))
        return None if sent is None else sent[1].id

    def answered(self, request: RemoteStartTransaction, response: RemoteStartTransactionResponse) -> None:
        """The station's answer: the window begins when it says Accepted, and closes when it says Rejected."""
        self._settle(request, "accepted" if response.status == "Accepted" else "rejected")

    def failed(self, request: RemoteStartTransaction, error: CsmsdError) -> None:
        """A CALLERROR refuses it; a time-out or a lost connection leaves it open, for the station may start yet."""
        if isinstance(error, CallFailed | InvalidResponse | NeverSent):
            self._settle(request, "failed")

    def started(self, station_id: str, request: StartTransaction, transaction_id: int) -> None:
        """A StartTransaction was stored: if it fits (TX-10), the permission lasts until that transaction ends."""
        key = (station_id, folded(request.id_tag))
        waiting = self._waiting.get(key)
        if waiting is None or waiting.connector_id not in (None, request.connector_id):
            return
        if request.timestamp >= waiting.requested_at - self._config.transactions.remote_tolerance:
            del self._waiting[key]
            self._run(transaction_id, key)

    def stopped(self, station_id: str, transaction_id: int) -> None:
        """A transaction of the station has ended, and the permission with it; another's is not touched (WS-08)."""
        key = self._running.get(transaction_id)
        if key is not None and key[0] == station_id:
            del self._running[transaction_id]
            self._permits[key] -= 1
            self._permits += Counter()  # without those at zero

    async def of_station(self, station_id: str, limit: int = 100) -> Sequence[RemoteStart]:
        """Remote starts of a station, newest first."""
        parameters = {"station_id": station_id, "count": limit}

        def read(connection: sa.Connection) -> list[RemoteStart]:
            return [RemoteStart(**row) for row in connection.execute(SELECT_OF_STATION, parameters).mappings()]

        return await self._host.store.read(read)

    def _window(self, station_id: str) -> timedelta:
        """As configured, but never shorter than the station lets its driver plug in (OP-11)."""
        patience = self._connection_timeout(station_id) or 0
        return timedelta(seconds=max(self._config.remote_start_window, patience + PLUG_IN_MARGIN))

    def _settle(self, request: RemoteStartTransaction, outcome: Outcome) -> None:
        _, each = self._sent.pop(id(request), (request, None))
        if each is None:
            return
        valid_until = self._host.env.now() + self._window(each.station_id)
        self._host.store.submit_later(set_outcomes, OutcomeRow(each.id, outcome, valid_until))
        key = (each.station_id, folded(each.id_tag))
        waiting = self._waiting.get(key)
        if waiting is None or waiting.id != each.id:
            return  # started already, or asked for again
        if outcome == "accepted":
            self._waiting[key] = msgspec.structs.replace(each, outcome=outcome, valid_until=valid_until)
        else:
            del self._waiting[key]

    def _run(self, transaction_id: int, key: tuple[str, str]) -> None:
        if transaction_id not in self._running:
            self._running[transaction_id] = key
            self._permits[key] += 1

    def _watch(self, remote_start_id: str, key: tuple[str, str], remaining: timedelta) -> None:
        """Look again when the window should be over; an Accepted in between has moved its end."""

        def look() -> None:
            waiting, now = self._waiting.get(key), self._host.env.now()
            if waiting is None or waiting.id != remote_start_id:
                return
            if now < waiting.valid_until:
                self._watch(remote_start_id, key, waiting.valid_until - now)
                return
            del self._waiting[key]
            event = NotStarted(waiting.id, waiting.id_tag, waiting.connector_id)
            self._host.events.publish("remote_start.not_started", waiting.station_id, now, event)

        self._host.call_later(max(remaining.total_seconds(), SHORTEST_LOOK), look)
