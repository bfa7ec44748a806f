"""One effect for a message that a station sends several times: the same answer for all of them (RPC-12)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from csmsd.ocpp.frames import Call
from csmsd.pending import Pending

MEMORY = 3600.0  # seconds an answer is kept
PER_STATION = 16
STATIONS = 100_000


class Repeats:
    """CALLRESULTs by station and message id; a CALLERROR is never repeated, and a boot starts anew."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._stations: OrderedDict[str, OrderedDict[str, tuple[bytes, float, bytes]]] = OrderedDict()
        self._in_hand: dict[tuple[str, str], tuple[bytes, Pending[bytes | None]]] = {}

    def find(self, station_id: str, call: Call) -> bytes | None:
        """The payload of the answer to the same message within the last hour."""
        known = self._stations.get(station_id)
        found = known.get(_key(call)) if known is not None else None
        if found is None:
            return None
        request, kept_at, answer = found
        is_same = request == bytes(call.payload) and self._monotonic() - kept_at < MEMORY
        return answer if is_same else None

    def in_hand(self, station_id: str, call: Call) -> Pending[bytes | None] | None:
        """The answer to come if the same message is being answered now, maybe on an older connection."""
        request, answer = self._in_hand.get((station_id, _key(call)), (b"", None))
        return answer if request == bytes(call.payload) else None

    def begin(self, station_id: str, call: Call) -> None:
        """A message is being answered; `end` follows."""
        self._in_hand[station_id, _key(call)] = bytes(call.payload), Pending()

    def end(self, station_id: str, call: Call, answer: bytes | None) -> None:
        """The payload of its answer is remembered; None: it got none, and the next try is a new one."""
        _, pending = self._in_hand.pop((station_id, _key(call)), (b"", None))
        if answer is not None:
            self._keep(station_id, call, answer)
        if pending is not None:
            pending.settle(answer)

    def _keep(self, station_id: str, call: Call, answer: bytes) -> None:
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
