"""What stations were asked to send, and whether it came (TRG-04, TRG-06, SEC-74); whichever command asks for it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from types import MappingProxyType
from typing import Literal

import msgspec
import trio

from csmsd.command import AnyCommand
from csmsd.errors import CsmsdError
from csmsd.events import Event
from csmsd.host import Host
from csmsd.journal import Exchange
from csmsd.pending import Pending
from csmsd.station import Station
from csmsd_core.trigger_rules import TriggerRequest

log = logging.getLogger("csmsd.plugin.core")

State = Literal["accepted", "arrived", "nothing came", "rejected", "not implemented", "failed"]
STATES: dict[str, State] = {"Accepted": "accepted", "Rejected": "rejected", "NotImplemented": "not implemented"}
REMEMBERED = 50  # triggers of each station


class Trigger(msgspec.Struct, frozen=True):
    """One request to send a message, and what came of it. `accepted`: the message is waited for."""

    station_id: str
    requested_message: str
    connector_id: int | None  # None: the station and all connectors
    state: State
    answered_at: datetime  # or given up
    ended_at: datetime | None = None  # None: it is waited for
    message: msgspec.Raw | None = None  # the request that came, redacted
    error: str = ""  # why it failed; of a message that came: the CALLERROR code that csmsd gave it


class _Entry:
    """A trigger under way; told apart by its request, because an answer may come late (RPC-24)."""

    def __init__(self, request: TriggerRequest) -> None:
        self.request = request
        self.trigger: Trigger | None = None
        self.ended: Pending[Trigger] = Pending()


class _Connector(msgspec.Struct, rename="camel"):
    connector_id: int | None = None


_read_exchange = msgspec.json.Decoder(Exchange).decode
_read_connector = msgspec.json.Decoder(_Connector).decode


class Triggers:
    """Those of one command since csmsd was started; they mean nothing to a later one.

    `kind` begins the names of the live events. `actions` names the action that a trigger makes a station send, where it
    is called otherwise. An accepted one is expected in `expect(station_id, action)`.
    """

    def __init__(
        self,
        host: Host,
        command: AnyCommand,
        patience: float,
        expect: Callable[[str, str], None],
        *,
        kind: str,
        actions: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._host, self._command, self._patience, self._expect = host, command, patience, expect
        self._kind, self._actions = kind, actions
        self._entries: dict[str, deque[_Entry]] = {}  # by station, newest last
        self._nursery: trio.Nursery | None = None

    def serve_in(self, nursery: trio.Nursery) -> None:
        """Where to watch for the messages of accepted triggers."""
        self._nursery = nursery

    async def send(self, station: Station, request: TriggerRequest) -> Pending[Trigger]:
        """Trigger a message: what the result will be when it arrives, or nothing came.

        Errors: those of `Station.call`.
        """
        await station.call(self._command, request)
        entry = self._latest(station.id, request)
        assert entry is not None, "the answer was noted before it was told"
        return entry.ended

    def recent(self, station_id: str) -> Sequence[Trigger]:
        """The last triggers of a station, newest first."""
        return [each.trigger for each in reversed(self._entries.get(station_id, ())) if each.trigger is not None]

    def answered(self, station_id: str, request: TriggerRequest, status: str) -> None:
        """The station's answer, in time or late; what it accepts may pass even while it is Pending (BOOT-21)."""
        entry, now = self._open(station_id, request), self._host.env.now()
        trigger = _trigger(station_id, request, STATES[status], now)
        if status != "Accepted":
            self._end(entry, msgspec.structs.replace(trigger, ended_at=now))
            return
        entry.trigger = trigger
        self._expect(station_id, self._action_of(request.requested_message))
        self._watch(entry, trigger)

    def failed(self, station_id: str, request: TriggerRequest, error: CsmsdError) -> None:
        """No proper answer; one may still come late."""
        now = self._host.env.now()
        trigger = _trigger(station_id, request, "failed", now)
        self._open(station_id, request).trigger = msgspec.structs.replace(trigger, ended_at=now, error=str(error))

    def _latest(self, station_id: str, request: TriggerRequest) -> _Entry | None:
        entries = self._entries.get(station_id, deque[_Entry]())
        return next((each for each in reversed(entries) if each.request is request), None)

    def _open(self, station_id: str, request: TriggerRequest) -> _Entry:
        """The entry of this request, also one that was given up; a new one if it is sent once more."""
        entry = self._latest(station_id, request)
        if entry is None or entry.ended.is_settled:
            entry = _Entry(request)
            self._entries.setdefault(station_id, deque(maxlen=REMEMBERED)).append(entry)
        return entry

    def _watch(self, entry: _Entry, trigger: Trigger) -> None:
        """From this moment on, so that nothing is missed that follows the answer in the same breath."""
        assert self._nursery is not None, "nobody asks a plugin that does not run"
        watching = ExitStack()
        channel = watching.enter_context(self._host.events.watch(frozenset({"exchange"}), trigger.station_id))
        self._nursery.start_soon(self._wait, entry, trigger, channel, watching)

    async def _wait(
        self, entry: _Entry, trigger: Trigger, channel: trio.MemoryReceiveChannel[Event], watching: ExitStack
    ) -> None:
        with watching, trio.move_on_after(self._patience):
            async for event in channel:
                exchange = _read_exchange(event.data) if event.kind == "exchange" else None
                if exchange is not None and self._satisfies(exchange, trigger):
                    message = msgspec.Raw(exchange.request.encode())
                    now = self._host.env.now()
                    arrived = msgspec.structs.replace(
                        trigger, state="arrived", ended_at=now, message=message, error=exchange.error
                    )
                    self._end(entry, arrived)
                    return
        log.warning(
            "%s accepted to send %s, but nothing came within %g s (TRG-06)",
            trigger.station_id, trigger.requested_message, self._patience,
        )  # fmt: skip
        self._end(entry, msgspec.structs.replace(trigger, state="nothing came", ended_at=self._host.env.now()))

    def _action_of(self, requested_message: str) -> str:
        return self._actions.get(requested_message, requested_message)

    def _satisfies(self, exchange: Exchange, trigger: Trigger) -> bool:
        """A regular message that happens to come is as good as the triggered one (TRG-04)."""
        if exchange.direction != "in" or exchange.action != self._action_of(trigger.requested_message):
            return False
        if exchange.at < trigger.answered_at:
            return False
        if trigger.connector_id is None:
            return True
        try:
            return _read_connector(exchange.request).connector_id == trigger.connector_id
        except msgspec.MsgspecError:
            return False

    def _end(self, entry: _Entry, trigger: Trigger) -> None:
        entry.trigger = trigger
        kind = f"{self._kind}.{trigger.state.replace(' ', '_')}"
        self._host.events.publish(kind, trigger.station_id, self._host.env.now(), trigger)
        entry.ended.settle(trigger)


def _trigger(station_id: str, request: TriggerRequest, state: State, now: datetime) -> Trigger:
    return Trigger(station_id, request.requested_message, request.connector_id, state, now)
