"""What a courier has in memory: the facts read and not yet done, per station, and how far that lets the cursor move.

A station that is refused, or that has more facts than its share, becomes a straggler: its later facts stay in the table
until it has room again, and a position of its own is kept for it, so that the cursor of the others may pass it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from csmsd._kernel.outbox_statements import Progress, Straggler
from csmsd.facts import RecordedFact


@dataclass(slots=True)
class StationBacklog:
    """The facts of one station that wait for a plugin."""

    station_id: str
    position: int  # everything of this station up to here is delivered or set aside
    waiting: deque[RecordedFact] = field(default_factory=deque[RecordedFact])
    is_straggler: bool = False
    last_left: int = 0  # the last fact that was left in the table
    left: int = 0  # how many were
    refusals: int = 0  # of the first one that waits

    @property
    def is_done(self) -> bool:
        """Nothing waits, neither here nor in the table."""
        return not self.waiting and self.position >= self.last_left

    def leave(self, fact: RecordedFact) -> None:
        """Let a fact stay in the table for now."""
        self.is_straggler = True
        self.last_left = max(self.last_left, fact.id)
        self.left += 1

    def leave_all_but_first(self) -> None:
        """Let the others in the backlog pass: the first one will take its time."""
        self.is_straggler = True
        while len(self.waiting) > 1:
            self.leave(self.waiting.pop())

    def refill(self, facts: Sequence[RecordedFact], read_to: int) -> None:
        """Take in what was left in the table; none: there is nothing up to there any more."""
        self.waiting.extend(facts)
        self.left = max(0, self.left - len(facts))
        if not facts:
            self.position = read_to

    def finish_first(self) -> None:
        """The first one is delivered or set aside."""
        self.position, self.refusals = self.waiting.popleft().id, 0


class Backlog:
    """The backlog of one plugin, bounded by `window` facts and one more of each straggler."""

    def __init__(self, window: int, share: int, cursor: int, stragglers: Iterable[Straggler]) -> None:
        self._window, self._share = window, share
        self._noted_cursor = self.read_to = cursor
        self._noted = {straggler.station_id: straggler.position for straggler in stragglers}
        self._stations = {
            straggler.station_id: StationBacklog(
                straggler.station_id,
                straggler.position,
                is_straggler=True,
                last_left=straggler.last_left,
                left=straggler.left,
            )
            for straggler in stragglers
            if straggler.left
        }

    def __len__(self) -> int:
        return sum(len(station.waiting) + station.left for station in self._stations.values())

    @property
    def stations(self) -> Sequence[StationBacklog]:
        """Those with facts that wait."""
        return list(self._stations.values())

    @property
    def room(self) -> int:
        """How many facts may be read now; what a straggler stands at does not count, or a few would stop them all."""
        return max(0, self._window - sum(len(each.waiting) - each.is_straggler for each in self._stations.values()))

    @property
    def room_of_straggler(self) -> int:
        """How many facts a straggler may read now: always one."""
        return max(1, min(self._share, self.room))

    def take(self, fact: RecordedFact) -> StationBacklog | None:
        """Put a fact into its station's backlog, or leave it; returns the backlog if it is a new one."""
        station = self._stations.get(fact.station_id)
        if station is None:
            station = self._stations[fact.station_id] = StationBacklog(fact.station_id, fact.id - 1, deque([fact]))
            return station
        if station.is_straggler or len(station.waiting) >= self._share:
            station.leave(fact)
        else:
            station.waiting.append(fact)
        return None

    def forget(self, station: StationBacklog) -> None:
        """Nothing of this station waits any more."""
        del self._stations[station.station_id]

    def progress(self) -> Progress | None:
        """What has to be written down now, or None."""
        stations = self._stations.values()
        held = (station.waiting[0].id - 1 for station in stations if station.waiting and not station.is_straggler)
        cursor = max(self._noted_cursor, min(held, default=self.read_to))
        behind = {each.station_id: each.position for each in stations if each.is_straggler and each.position < cursor}
        moved = {station_id: to for station_id, to in behind.items() if self._noted.get(station_id) != to}
        caught_up = self._noted.keys() - behind.keys()
        if cursor == self._noted_cursor and not moved and not caught_up:
            return None
        return Progress(cursor, moved, caught_up)

    def note(self, progress: Progress) -> None:
        """It is written down, durably."""
        self._noted_cursor = progress.cursor
        self._noted.update(progress.behind)
        for station_id in progress.caught_up:
            del self._noted[station_id]
