"""Reservations: made durable before they are sent, followed until they end (RES-01 … RES-09)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
import trio

from csmsd.errors import CallFailed, CallTimeout, CsmsdError, NeverSent, StationUnavailable
from csmsd.host import Host
from csmsd.pending import Pending
from csmsd.station import Station
from csmsd_core import ConnectorStatusChanged, CorePlugin, Transaction
from csmsd_reservation.changes import Answered, Cancelled, Change, Expired, OutOfService, Requested, Started
from csmsd_reservation.ledger import SELECT, SELECT_LIVE, Ledger, reservation_of
from csmsd_reservation.messages import (
    CancelReservation,
    CancelReservationResponse,
    ReserveNow,
    ReserveNowResponse,
)
from csmsd_reservation.records import Finding, Reservation
from csmsd_reservation.tables import finding, reservation

log = logging.getLogger("csmsd.plugin.reservation")

OUT_OF_SERVICE = frozenset({"Faulted", "Unavailable"})
FORGET_REQUEST_AFTER = 3600.0  # seconds; nobody answers a ReserveNow later than that
LONGEST_SLEEP = 300.0  # seconds; the wall clock may be set meanwhile
SHORTEST_SLEEP = 0.05  # seconds
LAST_NUMBER = 2**62

PAGE = (
    SELECT.where(
        reservation.c.number < sa.bindparam("before"),
        sa.or_(
            sa.bindparam("station_id", type_=sa.Text).is_(None),
            reservation.c.station_id == sa.bindparam("station_id", type_=sa.Text),
        ),
        sa.or_(
            sa.bindparam("any_state", type_=sa.Boolean).is_(True),
            reservation.c.state.in_(sa.bindparam("states", expanding=True)),
        ),
    )
    .order_by(reservation.c.number.desc())
    .limit(sa.bindparam("count"))
)
LATEST = (
    SELECT.where(reservation.c.reservation_id == sa.bindparam("reservation_id"))
    .order_by(reservation.c.number.desc())
    .limit(1)
)
FINDINGS = (
    sa.select(finding)
    .where(finding.c.transaction_id < sa.bindparam("before"))
    .order_by(finding.c.transaction_id.desc())
    .limit(sa.bindparam("count"))
)


class _Sent:
    """A ReserveNow on its way; told apart by its request, because an answer may come late (RPC-24)."""

    def __init__(self, request: ReserveNow, stored: Reservation) -> None:
        self.request, self.stored = request, stored
        self.is_under_way = True  # not answered, not given up
        self.result: Pending[Reservation] | None = None


class Reservations:
    """The reservations of one csmsd."""

    def __init__(self, host: Host, tolerance: timedelta) -> None:
        self._host, self._ledger = host, Ledger(host.store, tolerance)
        self._live: dict[int, Reservation] = {}  # by number
        self._live_at: Counter[str] = Counter()  # how many of them, by station
        self._sent: dict[int, _Sent] = {}  # by identity of the request
        self._has_changed = trio.Event()

    # -- life ------------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the live ones; before stations are let in."""

        def read(connection: sa.Connection) -> list[Reservation]:
            return [reservation_of(row) for row in connection.execute(SELECT_LIVE).mappings()]

        self._live = {each.number: each for each in await self._host.store.read(read)}
        self._live_at = Counter(each.station_id for each in self._live.values())

    async def expire(self) -> None:
        """End what has expired by our clock, until cancelled (RES-06)."""
        while True:
            self._has_changed = trio.Event()
            ends = [each.expires_at for each in self._live.values()]
            if ends:
                left = (min(ends) - self._host.env.now()).total_seconds()
                if left <= 0:
                    await self._record(Expired(self._host.env.now()))
                    continue
                patience = min(max(left, SHORTEST_SLEEP), LONGEST_SLEEP)
            else:
                patience = LONGEST_SLEEP
            with trio.move_on_after(patience):
                await self._has_changed.wait()

    # -- commands on their way -------------------------------------------------------------------------------------

    async def prepare(self, station: Station, request: ReserveNow) -> None:
        """Durable before the station can act on it."""
        wanted = Reservation(
            number=0,
            reservation_id=request.reservation_id,
            station_id=station.id,
            connector_id=request.connector_id,
            id_tag=request.id_tag,
            parent_id_tag=request.parent_id_tag or "",
            expires_at=request.expiry_date,
            requested_at=self._host.env.now(),
        )
        (stored,) = await self._record(Requested(wanted))
        key = id(request)
        self._sent[key] = sent = _Sent(request, stored)
        self._host.call_later(FORGET_REQUEST_AFTER, lambda: self._forget(key, sent))

    def answered(self, request: ReserveNow, response: ReserveNowResponse) -> None:
        """The station's answer, in time or late (RES-04)."""
        self._settle(request, response.status)

    def failed(self, request: ReserveNow, error: CsmsdError) -> None:
        """A CALLERROR refuses it; without an answer, or with a broken one, the station may hold it."""
        sent = self._sent.get(id(request))
        if isinstance(error, CallFailed | NeverSent):
            self._settle(request, "")
        elif sent is not None:
            sent.is_under_way = False
            if not isinstance(error, CallTimeout | StationUnavailable):
                log.warning("nobody knows whether %s was reserved: %s", sent.stored.station_id, error)

    def cancel_answered(self, station_id: str, request: CancelReservation, response: CancelReservationResponse) -> None:
        """Accepted: it is cancelled; Rejected: it is gone (RES-07)."""
        behind = tuple(each.stored.number for each in self._sent.values() if each.is_under_way)
        accepted = response.status == "Accepted"
        now = self._host.env.now()
        self._watch(self._record(Cancelled(station_id, request.reservation_id, accepted, behind, now)))

    def result_of(self, request: ReserveNow) -> Pending[Reservation] | None:
        """What an answered request has become; None if nothing is known of it."""
        sent = self._sent.get(id(request))
        return None if sent is None else sent.result

    # -- facts of the Core profile ---------------------------------------------------------------------------------

    async def started(self, transaction: Transaction) -> None:
        """A transaction may use a reservation up (RES-06, TX-09). Most have none to use: that is known without asking.

        A reservation is in memory before its station hears of it, and so before a transaction can begin with it.
        """
        if transaction.reservation_id is None and not self._live_at[transaction.station_id]:
            return
        await self._record(Started(transaction, self._host.env.now()))

    async def status_changed(self, station_id: str, fact: ConnectorStatusChanged, core: CorePlugin) -> None:
        """An outage ends the connector's reservations, that of the station all, that of all connectors those of 0."""
        if fact.status not in OUT_OF_SERVICE:
            return
        connectors = {fact.connector_id} | ({0} if is_all_out(core, station_id) else set[int]())
        is_station = fact.connector_id == 0
        await self._record(OutOfService(station_id, tuple(sorted(connectors)), is_station, fact.received_at))

    # -- questions -------------------------------------------------------------------------------------------------

    def live_with_id(self, reservation_id: int) -> Sequence[Reservation]:
        """Those that stations hold or may hold under this id, oldest first."""
        return [each for _, each in sorted(self._live.items()) if each.reservation_id == reservation_id]

    async def new_id(self) -> int:
        """A reservationId that was never used (RES-01)."""
        return await self._host.store.submit(self._ledger.take_ids, None)

    async def latest(self, reservation_id: int) -> Reservation | None:
        """The last ReserveNow with this id."""

        def read(connection: sa.Connection) -> Reservation | None:
            row = connection.execute(LATEST, {"reservation_id": reservation_id}).mappings().first()
            return None if row is None else reservation_of(row)

        return await self._host.store.read(read)

    async def page(
        self,
        *,
        station_id: str | None = None,
        states: Sequence[str] = (),
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[Reservation]:
        """Newest first; no states means all."""
        parameters: Mapping[str, Any] = {
            "before": before or LAST_NUMBER,
            "station_id": station_id,
            "any_state": not states,
            "states": list(states) or [""],
            "count": limit,
        }

        def read(connection: sa.Connection) -> list[Reservation]:
            return [reservation_of(row) for row in connection.execute(PAGE, parameters).mappings()]

        return await self._host.store.read(read)

    async def findings(self, *, before: int | None = None, limit: int = 100) -> Sequence[Finding]:
        """Transactions whose reservationId fits nothing, newest first (TX-09)."""
        parameters = {"before": before or LAST_NUMBER, "count": limit}

        def read(connection: sa.Connection) -> list[Finding]:
            return [Finding(**row) for row in connection.execute(FINDINGS, parameters).mappings()]

        return await self._host.store.read(read)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _settle(self, request: ReserveNow, status: str) -> None:
        sent = self._sent.get(id(request))
        if sent is None:
            return
        sent.is_under_way = False
        stored = sent.stored
        answer = Answered(stored.number, stored.station_id, stored.reservation_id, status, self._host.env.now())
        recorded = self._record(answer)
        self._watch(recorded)

        def mine(changed: tuple[Reservation, ...]) -> Reservation:
            return next((each for each in changed if each.number == stored.number), stored)

        sent.result = recorded.then(mine)

    def _record(self, change: Change) -> Pending[tuple[Reservation, ...]]:
        return self._host.store.submit(self._ledger.write, change).then(self._publish)

    def _publish(self, changed: tuple[Reservation, ...]) -> tuple[Reservation, ...]:
        for each in changed:
            was_live = self._live.pop(each.number, None) is not None
            if each.is_live:
                self._live[each.number] = each
            self._count(each.station_id, each.is_live - was_live)
            self._host.events.publish("reservation.changed", each.station_id, self._host.env.now(), each)
        if changed:
            self._has_changed.set()
        return changed

    def _count(self, station_id: str, change: int) -> None:
        self._live_at[station_id] += change
        if not self._live_at[station_id]:
            del self._live_at[station_id]

    def _forget(self, key: int, sent: _Sent) -> None:
        if self._sent.get(key) is sent:
            del self._sent[key]

    @staticmethod
    def _watch(recorded: Pending[Any]) -> None:
        def report(_: object, error: BaseException | None) -> None:
            if error is not None:
                log.error("what became of a reservation could not be stored: %s", error)

        recorded.when_settled(report)


def is_all_out(core: CorePlugin, station_id: str) -> bool:
    """Whether every connector is Faulted or Unavailable, as far as the station has told how many it has."""
    statuses = {each.connector_id: each.status for each in core.statuses.of_station(station_id) if each.connector_id}
    count = core.configuration.number(station_id, "NumberOfConnectors") or len(statuses)
    return len(statuses) >= count > 0 and all(status in OUT_OF_SERVICE for status in statuses.values())
