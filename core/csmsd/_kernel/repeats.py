"""Answers that are given again when a station sends the same message once more (RPC-12)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from csmsd.ocpp.frames import Call

MEMORY = 3600.0  # seconds an answer is kept
PER_STATION = 16
STATIONS = 100_000


class Repeats:
    """CALLRESULTs by station and message id; a CALLERROR is never repeated, and a boot starts anew."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._stations: OrderedDict[str, OrderedDict[str, tuple[bytes, float, bytes]]] = OrderedDict()

    def find(self, station_id: str, call: Call) -> bytes | None:
        """The payload of the answer to the same message within the last hour."""
        known = self._stations.get(station_id)
        found = known.get(_key(call)) if known is not None else None
        if found is None:
            return None
        request, kept_at, answer = found
        is_same = request == bytes(call.payload) and self._monotonic() - kept_at < MEMORY
        return answer if is_same else None

    def keep(self, station_id: str, call: Call, answer: bytes) -> None:
        """Remember the payload of the answer to a message."""
        known = self._stations.setdefault(station_id, OrderedDict())
        self._stations.move_to_end(station_id)
        known[_key(call)] = bytes(call.payload), self._monotonic(), answer
        if len(known) > PER_STATION:
            known.popitem(last=False)
        if len(self._stations) > STATIONS:
            self._stations.popitem(last=False)

    def forget(self, station_id: str) -> None:
        """The station has booted: its message ids may start again."""
        self._stations.pop(station_id, None)


def _key(call: Call) -> str:
    return f"{call.action} {call.id!r}"
