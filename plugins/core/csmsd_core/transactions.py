"""Transactions as a service: what the plugin's action hooks, other plugins and operators call.

The plain methods answer a station's message with a `Pending` that settles after the COMMIT (TX-04). A retransmission
has one effect and gets an answer each time (RPC-12); the implausible is stored, flagged and answered (TX-07, MV-01).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import msgspec

from csmsd.errors import CsmsdError
from csmsd.host import Host
from csmsd.pending import Pending
from csmsd.station import Arrival, Station
from csmsd_core import flags, transaction_queries
from csmsd_core.attribution import MeterRow
from csmsd_core.authorization import TagVerdict
from csmsd_core.corrections import Closing, Corrections, Decision, Outcome, Reopening, Separation, UnknownTransaction
from csmsd_core.folding import folded
from csmsd_core.measurands import begin_register
from csmsd_core.messages import (
    IdTagInfo,
    MeterValues,
    MeterValuesResponse,
    StartTransaction,
    StartTransactionResponse,
    StopTransaction,
    StopTransactionResponse,
)
from csmsd_core.meter_values import Metering, elements_of, mark_known
from csmsd_core.moments import IMPLAUSIBLE, Moment, moment_of
from csmsd_core.records import Proposal, Reading, Stop, Transaction
from csmsd_core.starting import Started, Starting, StartRow
from csmsd_core.stop_ledger import StopRow
from csmsd_core.stopping import Stopped, Stopping
from csmsd_core.transaction_queries import TransactionFilter
from csmsd_core.transaction_rules import TransactionRules

NOT_VERIFIED = "AUTH-14 not verified"
HISTORICAL = "TX-30 historical"
AHEAD = "TX-07 future timestamp"
NO_CONNECTOR = "TX-07 no connector"
NEGATIVE_METER = "TX-07 negative meter"
RESERVATION = "TX-09 reservation"
NOT_ASCII = "VAL-18 not printable ASCII"


class Transactions:
    """All transactions of one csmsd."""

    def __init__(
        self, host: Host, rules: TransactionRules, noted: Callable[[Transaction], None] = lambda _transaction: None
    ) -> None:
        self._noted = noted  # told of each transaction that has been started or changed, after the COMMIT
        self._host, self._rules = host, rules
        self._starting = Starting(host.store, rules)
        self._stopping = Stopping(host.store, rules)
        self._metering = Metering(host.store, rules)
        self._corrections = Corrections(host.store, rules)

    # -- messages of stations ------------------------------------------------------------------------------------

    def start(
        self, station: Station, request: StartTransaction, arrival: Arrival, verdict: TagVerdict
    ) -> Pending[StartTransactionResponse]:
        """Store a StartTransaction; a refused tag has a transaction too (TX-01, TX-03)."""
        moment = moment_of(request.timestamp, arrival.received_at)
        info = verdict.info
        row = StartRow(
            station_id=station.id,
            connector_id=request.connector_id,
            id_tag=request.id_tag,
            id_tag_key=folded(request.id_tag),
            meter_start=request.meter_start,
            moment=moment,
            reservation_id=request.reservation_id,
            verdict=info.status,
            parent_id_tag=info.parent_id_tag or "",
            parent_key=folded(info.parent_id_tag or ""),
            is_verified=verdict.is_verified,
            max_active=verdict.max_active_transactions,
            flags=self._doubts(request, arrival, moment, verdict),
        )

        def answer(started: Started) -> StartTransactionResponse:
            for superseded in started.superseded:
                self._publish("transaction.updated", superseded)
            if started.is_new:
                self._publish("transaction.started", started.transaction)
            return StartTransactionResponse(started.transaction.id, _with_status(info, started.status))

        return self._host.store.submit(self._starting.write, row).then(answer)

    def stop(
        self, station: Station, request: StopTransaction, arrival: Arrival, verdict: TagVerdict | None
    ) -> Pending[StopTransactionResponse]:
        """Store a StopTransaction; `verdict` is that of its idTag, None without one (TX-20, TX-21)."""
        moment = moment_of(request.timestamp, arrival.received_at)
        info = None if verdict is None else verdict.info
        elements = elements_of(request.transaction_data, arrival, "transactionData")
        registers = (begin_register(element.samples) for element in elements)
        row = StopRow(
            station_id=station.id,
            reference=request.transaction_id,
            meter_stop=request.meter_stop,
            moment=moment,
            stop_key=moment.key,
            id_tag=request.id_tag,
            id_tag_key=folded(request.id_tag or ""),
            parent_key=folded((info.parent_id_tag if info is not None else None) or ""),
            reason=request.reason or "Local",  # VAL-12, TX-26
            verdict="" if info is None else info.status,
            begin_wh=next((each for each in registers if each is not None), None),
            elements=elements,
            flags=_marks(arrival, moment, request.id_tag or ""),
        )

        def answer(stopped: Stopped) -> StopTransactionResponse:
            if stopped.stops_transaction and stopped.transaction is not None:
                self._publish("transaction.stopped", stopped.transaction)
            return StopTransactionResponse(info if request.id_tag is not None else None)

        return self._host.store.submit(self._stopping.write, row).then(answer)

    def meter_values(self, station: Station, request: MeterValues, arrival: Arrival) -> Pending[MeterValuesResponse]:
        """Store MeterValues, whatever is in them (MV-01)."""
        row = MeterRow(
            station.id,
            request.connector_id,
            request.transaction_id,
            arrival.received_at,
            elements_of(request.meter_value, arrival, "meterValue"),
        )
        return self._host.store.submit(self._metering.write, row).then(lambda _: MeterValuesResponse())

    def acknowledged(self, station_id: str, transaction_id: int) -> Pending[None]:
        """The station has accepted a command with this id: if the transaction is its own, it knows it (TX-24)."""
        return self._host.store.submit(mark_known, (station_id, transaction_id))

    # -- operators -----------------------------------------------------------------------------------------------

    def close(
        self, transaction_id: int, *, actor: str, meter_stop: int | None = None, reason: str = "Other"
    ) -> Pending[Transaction]:
        """Close an open transaction until its stop arrives (TX-32, TX-40); UnknownTransaction, NotPossible."""
        env = self._host.env
        row = Closing(transaction_id, actor, env.now(), env.new_id(), meter_stop, reason)
        done = self._host.store.submit(self._corrections.close, row)
        return self._audited(done, actor, "transaction.close", "transaction.stopped")

    def reopen(self, transaction_id: int, *, actor: str) -> Pending[Transaction]:
        """Take a close, or the mark "superseded", back (TX-32); UnknownTransaction, NotPossible."""
        done = self._host.store.submit(self._corrections.reopen, Reopening(transaction_id, actor))
        return self._audited(done, actor, "transaction.reopen", "transaction.updated")

    def accept(self, proposal_id: int, *, actor: str) -> Pending[Transaction]:
        """Let a stop, or readings, belong to the proposed transaction (TX-24, TX-41); UnknownProposal, NotPossible."""
        done = self._host.store.submit(self._corrections.decide, Decision(proposal_id, actor, is_accepted=True))
        return self._audited(done, actor, "proposal.accept", "transaction.updated")

    def dismiss(self, proposal_id: int, *, actor: str) -> Pending[Transaction]:
        """Never propose that again; UnknownProposal, NotPossible."""
        done = self._host.store.submit(self._corrections.decide, Decision(proposal_id, actor, is_accepted=False))
        return self._audited(done, actor, "proposal.dismiss", "transaction.updated")

    def separate(
        self,
        stop_id: int,
        *,
        actor: str,
        started_at: datetime,
        meter_start: int,
        id_tag: str,
        connector_id: int | None = None,
    ) -> Pending[Transaction]:
        """Make a transaction of its own of a stop that came second (TX-22); UnknownProposal, NotPossible."""
        row = Separation(
            stop_id, actor, self._host.env.now(), started_at, meter_start, id_tag, folded(id_tag), connector_id
        )
        done = self._host.store.submit(self._corrections.separate, row)
        return self._audited(done, actor, "transaction.separate", "transaction.started")

    # -- questions -----------------------------------------------------------------------------------------------

    async def find(self, transaction_id: int) -> Transaction:
        """One transaction with all its flags (TX-37); UnknownTransaction."""
        now, staleness = self._host.env.now(), self._rules.staleness
        found = await self._host.store.read(
            lambda connection: transaction_queries.find(connection, transaction_id, now, staleness)
        )
        if found is None:
            raise UnknownTransaction(f"there is no transaction {transaction_id}")
        return found

    async def list(self, wanted: TransactionFilter) -> Sequence[Transaction]:
        """Transactions, newest first."""
        now, staleness = self._host.env.now(), self._rules.staleness
        return await self._host.store.read(
            lambda connection: transaction_queries.page(connection, wanted, now, staleness)
        )

    async def current(self, station_id: str, connector_id: int) -> Transaction | None:
        """The current transaction of a connector (TX-39)."""
        now, staleness = self._host.env.now(), self._rules.staleness
        return await self._host.store.read(
            lambda connection: transaction_queries.current(connection, station_id, connector_id, now, staleness)
        )

    async def readings(self, transaction_id: int) -> Sequence[Reading]:
        """All readings of a transaction, in the order of their effective times."""
        return await self._host.store.read(partial(transaction_queries.readings_of, transaction_id=transaction_id))

    async def readings_at(
        self, station_id: str, connector_id: int, *, since: datetime, until: datetime
    ) -> Sequence[Reading]:
        """All readings of a connector, or of the main meter (0), from `since` to before `until` (MV-08)."""
        return await self._host.store.read(
            lambda connection: transaction_queries.readings_at(connection, station_id, connector_id, since, until)
        )

    async def stops(self, transaction_id: int) -> Sequence[Stop]:
        """Every stop of a transaction, in the order of arrival (TX-22, TX-40)."""
        return await self._host.store.read(partial(transaction_queries.stops_of, transaction_id=transaction_id))

    async def unmatched_stops(self, station_id: str | None = None, limit: int = 100) -> Sequence[Stop]:
        """StopTransactions that belong to no transaction, newest first (TX-24, TX-25)."""
        return await self._host.store.read(
            lambda connection: transaction_queries.unmatched(connection, station_id, limit)
        )

    async def proposals(self, station_id: str | None = None, limit: int = 100) -> Sequence[Proposal]:
        """What waits for an operator's decision, oldest first (TX-24, TX-41)."""
        return await self._host.store.read(
            lambda connection: transaction_queries.proposals(connection, station_id, limit)
        )

    # -- inside --------------------------------------------------------------------------------------------------

    def _doubts(
        self, request: StartTransaction, arrival: Arrival, moment: Moment, verdict: TagVerdict
    ) -> tuple[str, ...]:
        """What is implausible about a start (TX-07)."""
        marks = list(_marks(arrival, moment, request.id_tag))
        if not verdict.is_verified:
            marks.append(NOT_VERIFIED)
        if request.connector_id <= 0:
            marks.append(NO_CONNECTOR)
        if request.meter_start < 0:
            marks.append(NEGATIVE_METER)
        if request.reservation_id is not None:
            marks.append(RESERVATION)
        if moment.received_at - moment.at > self._rules.tolerance:
            marks.append(HISTORICAL)
        if moment.at - moment.received_at > self._rules.tolerance:
            marks.append(AHEAD)
        return tuple(marks)

    def _publish(self, kind: str, transaction: Transaction) -> None:
        self._noted(transaction)
        events = self._host.events
        if events.is_watched:
            events.publish(kind, transaction.station_id, self._host.env.now(), transaction)

    def _audited(self, done: Pending[Outcome], actor: str, action: str, kind: str) -> Pending[Transaction]:
        def tell(outcome: Outcome) -> Transaction:
            if isinstance(outcome, CsmsdError):
                raise outcome
            self._host.audit.record(actor, action, f"transaction {outcome.id}", None, outcome)
            self._publish(kind, outcome)
            return outcome

        return done.then(tell)


def _marks(arrival: Arrival, moment: Moment, id_tag: str) -> tuple[str, ...]:
    """Deviations of the message itself, not of the meter values in it."""
    marks = [flags.flag_of(each) for each in arrival.deviations if not each.path.startswith("transactionData[")]
    if moment.is_implausible:
        marks.append(IMPLAUSIBLE)
    if not (id_tag.isascii() and (id_tag.isprintable())):
        marks.append(NOT_ASCII)
    return flags.unique(marks)


def _with_status(info: IdTagInfo, status: str) -> IdTagInfo:
    if status == info.status:
        return info
    return msgspec.structs.replace(info, status="ConcurrentTx")
