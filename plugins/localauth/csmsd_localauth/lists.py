"""The mirrors of stations' lists: what answers, reports and conflicts mean, kept before and after every message."""

from __future__ import annotations

import logging
from typing import Any

import sqlalchemy as sa

from csmsd.errors import CallFailed, CallTimeout, CsmsdError, NeverSent
from csmsd.host import Host
from csmsd.pending import Pending
from csmsd.station import Station
from csmsd_localauth.ledger import read_entries, read_states, write_changes
from csmsd_localauth.messages import (
    AuthorizationData,
    GetLocalListVersion,
    GetLocalListVersionResponse,
    SendLocalList,
    SendLocalListResponse,
)
from csmsd_localauth.mirror import (
    NOT_SUPPORTED_CODES,
    Answered,
    Change,
    Conflicted,
    ListState,
    Reported,
    Sent,
    Unsupported,
)

log = logging.getLogger("csmsd.plugin.localauth")

FORGET_REQUEST_AFTER = 3600.0  # seconds; no answer comes later than that


class Lists:
    """The mirrors of one csmsd."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._states: dict[str, ListState] = {}
        self._orders: dict[int, tuple[SendLocalList, int]] = {}  # by identity of the request
        self._given_up: dict[int, GetLocalListVersion] = {}
        self._last: dict[str, Pending[ListState]] = {}  # the newest change of each station

    async def load(self) -> None:
        """Read what is known of each list; before stations are let in."""
        self._states = await self._host.store.read(read_states)

    def state_of(self, station_id: str) -> ListState:
        """What is known now, without a query."""
        return self._states.get(station_id) or ListState(station_id=station_id, changed_at=self._host.env.now())

    async def settled(self, station_id: str) -> ListState:
        """The same, when all that was told so far is stored."""
        last = self._last.get(station_id)
        return self.state_of(station_id) if last is None else await last

    async def entries_of(self, station_id: str) -> dict[str, AuthorizationData]:
        """The mirrored entries, by folded id tag."""

        def read(connection: sa.Connection) -> dict[str, AuthorizationData]:
            return read_entries(connection, station_id)

        return await self._host.store.read(read)

    # -- commands on their way -------------------------------------------------------------------------------------

    async def prepare(self, station: Station, request: SendLocalList) -> None:
        """Durable before the station can act on it: a version is never used twice, an open message never forgotten."""
        state = await self._record(Sent(station.id, request.list_version, self._host.env.now()))
        key = id(request)
        self._orders[key] = request, state.sends
        self._host.call_later(FORGET_REQUEST_AFTER, lambda: self._orders.pop(key, None))

    def answered(self, station_id: str, request: SendLocalList, response: SendLocalListResponse) -> None:
        """In time or late (LAL-08)."""
        self._settle(station_id, request, response.status, "")

    def failed(self, station_id: str, request: SendLocalList, error: CsmsdError) -> None:
        """A CALLERROR is an answer; without one, or with a broken one, the station may have taken the list."""
        if isinstance(error, CallFailed):
            self._settle(station_id, request, "", error.code)
        elif isinstance(error, NeverSent):
            self._settle(station_id, request, "", "never sent")

    def reported(self, station_id: str, request: GetLocalListVersion, response: GetLocalListVersionResponse) -> None:
        """A version that comes late may be out of date, and is not looked at (LAL-12)."""
        if self._given_up.pop(id(request), None) is None:
            self._watch(self._record(Reported(station_id, response.list_version, self._host.env.now())))

    def not_reported(self, station_id: str, request: GetLocalListVersion, error: CsmsdError) -> None:
        """No version."""
        if isinstance(error, CallTimeout):
            key = id(request)
            self._given_up[key] = request
            self._host.call_later(FORGET_REQUEST_AFTER, lambda: self._given_up.pop(key, None))
        elif isinstance(error, CallFailed) and error.code in NOT_SUPPORTED_CODES:
            self._watch(self._record(Unsupported(station_id, self._host.env.now())))

    async def conflicted(self, station_id: str) -> None:
        """The station says LocalListConflict (LAL-11, CORE-06)."""
        await self._record(Conflicted(station_id, self._host.env.now()))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _settle(self, station_id: str, request: SendLocalList, status: str, error: str) -> None:
        _, order = self._orders.pop(id(request), (request, None))
        if order is not None:
            self._watch(self._record(Answered(station_id, order, request, status, error, self._host.env.now())))

    def _record(self, change: Change) -> Pending[ListState]:
        self._last[change.station_id] = recorded = self._host.store.submit(write_changes, change).then(self._publish)
        return recorded

    def _publish(self, state: ListState) -> ListState:
        before, self._states[state.station_id] = self._states.get(state.station_id), state
        now = self._host.env.now()
        self._host.events.publish("local_list.changed", state.station_id, now, state)
        if state.concern and (before is None or before.concern != state.concern):
            log.warning("the local list of %s should be synchronised: %s", state.station_id, state.concern)
            self._host.events.publish("local_list.sync_proposed", state.station_id, now, state)
        return state

    @staticmethod
    def _watch(recorded: Pending[Any]) -> None:
        def report(_: object, error: BaseException | None) -> None:
            if error is not None:
                log.error("what a station said of its local list could not be stored: %s", error)

        recorded.when_settled(report)
