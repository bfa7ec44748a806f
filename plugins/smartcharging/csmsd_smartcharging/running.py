"""Which transactions run where, in memory: what plain code needs on the spot.

Kept up to date by the Core profile's facts, so it may lag a moment behind; who can wait asks the Core profile.
"""

from __future__ import annotations

from collections import OrderedDict

from csmsd_core import CorePlugin, Transaction, TransactionFilter
from csmsd_smartcharging.composite import Running

PAGE = 1000
REMEMBERED = 10_000  # ended transactions, for answers that come late (RPC-24)


class RunningTransactions:
    """Open transactions by station."""

    def __init__(self) -> None:
        self._open: dict[str, dict[int, Transaction]] = {}
        self._ended: OrderedDict[int, None] = OrderedDict()

    async def load(self, core: CorePlugin) -> None:
        """Read what is open; before stations are let in."""
        before_id = None
        while True:
            page = await core.transactions.list(TransactionFilter(status="open", before_id=before_id, limit=PAGE))
            for each in page:
                self.started(each)
            if len(page) < PAGE:
                return
            before_id = page[-1].id

    def started(self, transaction: Transaction) -> None:
        """A transaction runs (again)."""
        if transaction.id not in self._ended:
            self._open.setdefault(transaction.station_id, {})[transaction.id] = transaction

    def reopened(self, transaction: Transaction) -> None:
        """What was thought to have ended has not (TX-32)."""
        self._ended.pop(transaction.id, None)
        self.started(transaction)

    def ended(self, transaction: Transaction) -> None:
        """A transaction has stopped, was closed or superseded."""
        of_station = self._open.get(transaction.station_id, {})
        of_station.pop(transaction.id, None)
        if not of_station:
            self._open.pop(transaction.station_id, None)
        self._ended[transaction.id] = None
        while len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)

    def has_ended(self, transaction_id: int) -> bool:
        """Whether a transaction is known to have ended not long ago."""
        return transaction_id in self._ended

    def current(self, station_id: str, connector_id: int) -> Transaction | None:
        """The current transaction of a connector (TX-39)."""
        here = [each for each in self._open.get(station_id, {}).values() if each.connector_id == connector_id]
        return max(here, key=recency, default=None)

    def by_remote_start(self, station_id: str, remote_start_id: str) -> Transaction | None:
        """The open transaction that a remote start has led to (TX-10)."""
        of_station = self._open.get(station_id, {}).values()
        return next((each for each in of_station if each.remote_start_id == remote_start_id), None)


def recency(transaction: Transaction) -> tuple[object, ...]:
    """The greatest is the current one of a connector (TX-39)."""
    return transaction.started_at, transaction.start_received_at, transaction.id


async def running_at(core: CorePlugin, station_id: str) -> tuple[Running, ...]:
    """The current transactions of a station's connectors, as the database knows them."""
    found = await core.transactions.list(TransactionFilter(station_id=station_id, status="open", limit=PAGE))
    current: dict[int, Transaction] = {}
    for each in sorted(found, key=recency):
        current[each.connector_id] = each
    return tuple(Running(each.connector_id, each.id, each.started_at) for each in current.values())
