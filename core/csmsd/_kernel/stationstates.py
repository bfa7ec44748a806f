"""What is stored of every station, at hand in memory; it changes only when a change has been committed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from csmsd._kernel.stationrows import Change, StationState, change_stations, load_stations
from csmsd.errors import UnknownStation
from csmsd.pending import Pending
from csmsd.store import Store

Watcher = Callable[[str, StationState | None], None]


class StationStates:
    """The memory that the station book and the credential book share."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._write = partial(change_stations, record_facts=store.record_facts)  # one object: it is what is batched
        self._states: dict[str, StationState] = {}
        self._changing: Counter[str] = Counter()  # changes on their way, by station
        self._watchers: list[Watcher] = []

    async def load(self) -> None:
        """Read everything, once, at start."""
        for station_id, state in (await self._store.read(load_stations)).items():
            self._committed(station_id, state)

    def watch(self, watcher: Watcher) -> None:
        """Call a plain function with every state as it is loaded or committed; None: the station is gone."""
        self._watchers.append(watcher)

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, station_id: str) -> bool:
        return station_id in self._states

    def __iter__(self) -> Iterator[StationState]:
        return iter(list(self._states.values()))

    def find(self, station_id: str) -> StationState | None:
        """The state that was committed last."""
        return self._states.get(station_id)

    def get(self, station_id: str) -> StationState:
        """The same; UnknownStation if there is none."""
        state = self._states.get(station_id)
        if state is None:
            raise UnknownStation(f"no station {station_id!r} is registered")
        return state

    def is_changing(self, station_id: str) -> bool:
        """Is a change on its way? Then what is at hand is about to be outdated."""
        return station_id in self._changing

    def put(self, station_id: str, edit: Callable[[StationState | None], StationState | None]) -> Pending[None]:
        """Store a change; a station that is not there may come into being, and one that is there may vanish."""
        return self._submit(station_id, edit).then(lambda _: None)

    def change(self, station_id: str, edit: Callable[[StationState], StationState]) -> Pending[StationState]:
        """Store a change of a station that is there; UnknownStation."""

        def edit_if_known(state: StationState | None) -> StationState | None:
            return None if state is None else edit(state)

        def known(state: StationState | None) -> StationState:
            if state is None:
                raise UnknownStation(f"no station {station_id!r} is registered")
            return state

        return self._submit(station_id, edit_if_known).then(known)

    def _submit(
        self, station_id: str, edit: Callable[[StationState | None], StationState | None]
    ) -> Pending[StationState | None]:
        self._changing[station_id] += 1
        pending = self._store.submit(self._write, Change(station_id, edit))
        committed = pending.then(lambda state: self._committed(station_id, state))
        committed.when_settled(lambda _state, _error: self._forget_change(station_id))
        return committed

    def _committed(self, station_id: str, state: StationState | None) -> StationState | None:
        if state is None:
            self._states.pop(station_id, None)
        else:
            self._states[station_id] = state
        for watcher in self._watchers:
            watcher(station_id, state)
        return state

    def _forget_change(self, station_id: str) -> None:
        self._changing[station_id] -= 1
        if not self._changing[station_id]:
            del self._changing[station_id]
