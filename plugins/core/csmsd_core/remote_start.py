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
from csmsd_core.messages import RemoteStartTransaction, RemoteStartTransactionResponse
from csmsd_core.records import Transaction
from csmsd_core.tables import remote_start
from csmsd_core.transaction_rows import NO_STOP
from csmsd_core.transaction_tables import transaction

Outcome = Literal["sent", "accepted", "rejected", "failed"]
State = Literal["sent", "accepted", "rejected", "failed", "started", "not started"]


Key = tuple[str, str]  # station and folded id tag

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
SELECT_WAITING = SELECT.where(
    remote_start.c.outcome.in_(("sent", "accepted")),
    transaction.c.id.is_(None),
    remote_start.c.valid_until > sa.bindparam("now", type_=remote_start.c.valid_until.type),
)
SELECT_RUNNING = SELECT.where(transaction.c.stop_rank == NO_STOP, transaction.c.superseded_by.is_(None))
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
        self._waiting: dict[Key, dict[str, RemoteStart]] = {}  # those that may still start, by id
        self._running: dict[int, Key] = {}  # by transaction
        self._permits: Counter[Key] = Counter()  # how often each is in `_running`
        self._sent: dict[int, tuple[RemoteStartTransaction, RemoteStart]] = {}  # by identity of the request

    async def load(self) -> None:
        """Read those in force; before stations are let in."""
        now = self._host.env.now()

        def read(connection: sa.Connection) -> tuple[list[RemoteStart], list[RemoteStart]]:
            waiting = connection.execute(SELECT_WAITING, {"now": now}).mappings()
            running = connection.execute(SELECT_RUNNING).mappings()
            return [RemoteStart(**row) for row in waiting], [RemoteStart(**row) for row in running]

        waiting, running = await self._host.store.read(read)
        for each in waiting:
            self._wait_for(each, each.valid_until - now)
        for each in running:
            if each.transaction_id is not None:
                self._run(each.transaction_id, _key(each))

    def permits(self, station_id: str, id_tag: str, now: datetime) -> bool:
        """Whether this id tag may charge there because an operator asked for it (AUTH-10)."""
        if not self._config.remote_start_grants:
            return False
        key = (station_id, folded(id_tag))
        waiting = self._waiting.get(key, {}).values()
        return any(now < each.valid_until for each in waiting) or key in self._permits

    async def prepare(self, station: Station, request: RemoteStartTransaction) -> None:
        """Store it before the station can act on it."""
        now, window = self._host.env.now(), self._window(station.id)
        each = RemoteStart(self._host.env.new_id(), station.id, request.id_tag, request.connector_id, now, now + window)
        await self._host.store.submit(add_remote_starts, each)
        self._sent[id(request)] = request, each
        self._wait_for(each, window)
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

    def note(self, transaction: Transaction) -> None:
        """A transaction as it is stored now: the permission that led to it lasts until it ends, however that is."""
        if transaction.status != "open":
            self._end(transaction.id)
        elif transaction.remote_start_id is not None:
            key = (transaction.station_id, folded(transaction.id_tag))
            self._take(key, transaction.remote_start_id)
            self._run(transaction.id, key)

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
        key = _key(each)
        if each.id not in self._waiting.get(key, {}):
            return  # started already
        if outcome == "accepted":
            self._waiting[key][each.id] = msgspec.structs.replace(each, outcome=outcome, valid_until=valid_until)
        else:
            self._take(key, each.id)

    def _wait_for(self, each: RemoteStart, remaining: timedelta) -> None:
        self._waiting.setdefault(_key(each), {})[each.id] = each
        self._watch(each.id, _key(each), remaining)

    def _take(self, key: Key, remote_start_id: str) -> None:
        waiting = self._waiting.get(key, {})
        waiting.pop(remote_start_id, None)
        if not waiting:
            self._waiting.pop(key, None)

    def _run(self, transaction_id: int, key: Key) -> None:
        if transaction_id not in self._running:
            self._running[transaction_id] = key
            self._permits[key] += 1

    def _end(self, transaction_id: int) -> None:
        key = self._running.pop(transaction_id, None)
        if key is not None:
            self._permits[key] -= 1
            self._permits += Counter()  # without those at zero

    def _watch(self, remote_start_id: str, key: Key, remaining: timedelta) -> None:
        """Look again when the window should be over; an Accepted in between has moved its end."""

        def look() -> None:
            waiting, now = self._waiting.get(key, {}).get(remote_start_id), self._host.env.now()
            if waiting is None:
                return
            if now < waiting.valid_until:
                self._watch(remote_start_id, key, waiting.valid_until - now)
                return
            self._take(key, remote_start_id)
            event = NotStarted(waiting.id, waiting.id_tag, waiting.connector_id)
            self._host.events.publish("remote_start.not_started", waiting.station_id, now, event)

        self._host.call_later(max(remaining.total_seconds(), SHORTEST_LOOK), look)


def _key(each: RemoteStart) -> Key:
    return each.station_id, folded(each.id_tag)
