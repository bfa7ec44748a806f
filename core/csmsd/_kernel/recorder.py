"""Where every exchange goes when it is over: the journal, those who watch live, and the observers among the plugins."""

from __future__ import annotations

import re

from csmsd._kernel.journal import DatabaseJournal
from csmsd.events import Events
from csmsd.hookspecs import call_handled
from csmsd.host import Hooks
from csmsd.journal import Exchange
from csmsd.pending import Pending
from csmsd.station import Station

SHOWN = 1000  # characters of a message that is kept as it came
_MAY_BE_SECRET = re.compile(rb"authorization", re.IGNORECASE)


def excerpt(message: bytes) -> str:
    """A message nobody could make sense of, shortened; withheld if a station's password may be in it (WS-24)."""
    if _MAY_BE_SECRET.search(message):
        return "(withheld: it may hold a secret)"
    return message[:SHOWN].decode(errors="replace")


class Recorder:
    """One csmsd's. Nothing in here makes a station wait, except `before_refusal`."""

    __slots__ = ("_events", "_hooks", "_journal")

    def __init__(self, journal: DatabaseJournal, events: Events, hooks: Hooks) -> None:
        self._journal, self._events, self._hooks = journal, events, hooks

    def record(self, exchange: Exchange) -> None:
        """Note a command, or a frame that was no CALL."""
        self._journal.record(exchange)
        if self._events.is_watched:
            self._events.publish("exchange", exchange.station_id, exchange.at, exchange)

    def handled(self, station: Station, exchange: Exchange) -> None:
        """Note a CALL that has been answered."""
        self.record(exchange)
        self._hooks.tell(call_handled, station, exchange)

    def before_refusal(self, station: Station, exchange: Exchange) -> Pending[None]:
        """Note a transaction message that is about to be refused: durable when it settles (BOOT-31, VAL-14)."""
        if self._events.is_watched:
            self._events.publish("exchange", exchange.station_id, exchange.at, exchange)
        self._hooks.tell(call_handled, station, exchange)
        return self._journal.record_durably(exchange)
