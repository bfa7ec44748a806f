"""What is happening now, for those who watch: live, lossy, never stored. Facts that must arrive use the outbox."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime

import msgspec
import trio

_encode = msgspec.json.Encoder().encode


class Event(msgspec.Struct, frozen=True):
    """Something just happened. `kind` is dotted: `station.connected`, `exchange`, `transaction.started`."""

    kind: str
    station_id: str
    at: datetime
    data: msgspec.Raw  # JSON object


class Subscription:
    """One watcher's bounded queue. Who does not keep up loses events and is told so by an event of kind `resync`."""

    def __init__(self, kinds: frozenset[str], station_id: str | None, capacity: int) -> None:
        self.kinds, self.station_id = kinds, station_id
        self._send, self.channel = trio.open_memory_channel[Event](capacity)
        self._has_lost = False

    def offer(self, event: Event) -> None:
        """Queue the event if the watcher wants it and there is room."""
        if self.station_id is not None and event.station_id != self.station_id:
            return
        if self.kinds and event.kind not in self.kinds:
            return
        try:
            if self._has_lost:
                self._send.send_nowait(Event("resync", "", event.at, msgspec.Raw(b"{}")))
                self._has_lost = False
            self._send.send_nowait(event)
        except trio.WouldBlock:
            self._has_lost = True
        except trio.BrokenResourceError:
            pass  # the watcher is leaving


class Events:
    """The live feed of one csmsd."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    @property
    def is_watched(self) -> bool:
        """Does anybody look? If not, building an event is wasted work."""
        return bool(self._subscriptions)

    def publish(self, kind: str, station_id: str, at: datetime, data: object) -> None:
        """Tell everybody who watches; `data` is anything msgspec can encode as a JSON object."""
        if self._subscriptions:
            event = Event(kind, station_id, at, msgspec.Raw(_encode(data)))
            for subscription in list(self._subscriptions):
                subscription.offer(event)

    @contextmanager
    def watch(
        self, kinds: frozenset[str] = frozenset(), station_id: str | None = None, capacity: int = 1000
    ) -> Generator[trio.MemoryReceiveChannel[Event], None, None]:
        """Receive events until the block ends; no kinds means all of them."""
        subscription = Subscription(kinds, station_id, capacity)
        self._subscriptions.add(subscription)
        try:
            with subscription.channel:
                yield subscription.channel
        finally:
            self._subscriptions.discard(subscription)
