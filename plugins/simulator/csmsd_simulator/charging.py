"""Transactions: what people do at the connectors, who may charge, how it begins and ends (1.6 §3.5, §4.8, §4.10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from csmsd_core.messages import (
    Authorize,
    AuthorizeResponse,
    IdTagInfo,
    Reason,
    StartTransaction,
    StartTransactionResponse,
    StopTransaction,
    StopTransactionResponse,
)
from csmsd_simulator.car import Car
from csmsd_simulator.connectors import Connector, Permission, Transaction
from csmsd_simulator.tags import UNKNOWN

if TYPE_CHECKING:
    from csmsd_simulator.station import SimulatedStation

_ACCEPTED = IdTagInfo("Accepted")


class Charging:
    """The transactions of one station."""

    def __init__(self, station: SimulatedStation) -> None:
        self._station = station

    # -- what people do --------------------------------------------------------------------------------

    def plug_in(self, connector: Connector, car: Car) -> None:
        """A cable is plugged in."""
        if connector.car is not None:
            return
        connector.car = car
        connector.meter.phases = min(car.phases, self._station.settings.phases)
        self._station.tell(f"connector {connector.id}: a car is plugged in, battery at {car.soc} %")
        self._station.refresh(connector)
        if connector.permission is not None and connector.is_free:
            self._begin(connector, connector.permission)

    def unplug(self, connector: Connector) -> None:
        """The cable is taken out; a transaction ends with that."""
        if connector.car is None:
            return
        self._station.metering.advance(connector)
        if connector.transaction is not None and not self._station.quirks.lost_stop:
            self.stop(connector, "EVDisconnected")
        connector.car, connector.is_finishing = None, False
        connector.transaction = None
        self._station.tell(f"connector {connector.id}: unplugged")
        self._station.refresh(connector)

    def present(self, connector: Connector, id_tag: str) -> None:
        """A tag is held to the reader: it starts, or stops, a transaction."""
        transaction = connector.transaction
        if transaction is not None and transaction.id_tag.casefold() == id_tag.casefold():
            self.stop(connector, "Local", id_tag)
        elif transaction is None and connector.is_free:
            self.authorize(id_tag, lambda info: self._presented(connector, id_tag, info))

    def authorize(self, id_tag: str, done: Callable[[IdTagInfo], None]) -> None:
        """Find out whether a tag may charge: from the central system, or without it (1.6 §3.5)."""
        station, keys = self._station, self._station.configuration
        uses_list, uses_cache = keys.flag("LocalAuthListEnabled"), keys.flag("AuthorizationCacheEnabled")
        known = station.tags.verdict(id_tag, station.now(), uses_list=uses_list, uses_cache=uses_cache)
        is_known_good = known is not None and known.status == "Accepted"
        if station.quirks.no_authorize or (keys.flag("LocalPreAuthorize") and is_known_good):
            done(known or _ACCEPTED)
            return
        if not station.line.is_online:
            done(self._offline_verdict(known))
            return

        def answered(payload: bytes | None) -> None:
            if payload is None:
                done(self._offline_verdict(known))
                return
            info = msgspec.json.decode(payload, type=AuthorizeResponse).id_tag_info
            station.tags.remember(id_tag, info)
            station.tell(f"Authorize {id_tag}: {info.status}")
            done(info)

        station.line.call("Authorize", lambda: Authorize(id_tag), answered)

    # -- beginning ---------------------------------------------------------------------------------------

    def permit(self, connector: Connector, id_tag: str, info: IdTagInfo = _ACCEPTED) -> None:
        """Begin as soon as a car is plugged in; ConnectionTimeOut ends the wait."""
        timeout = self._station.configuration.number("ConnectionTimeOut") or 3600
        ends = self._station.clock.after(timeout, lambda: self._give_up(connector))
        permission = Permission(id_tag, info.parent_id_tag, ends)
        if connector.car is not None and not connector.is_finishing:
            self._begin(connector, permission)
        else:
            connector.permission = permission
            self._station.refresh(connector)

    def _presented(self, connector: Connector, id_tag: str, info: IdTagInfo) -> None:
        reservation = connector.reservation
        if info.status != "Accepted" or not connector.is_free:
            self._station.tell(f"connector {connector.id}: {id_tag} may not charge ({info.status})")
        elif reservation is not None and not reservation.admits(id_tag, info.parent_id_tag):
            self._station.tell(f"connector {connector.id}: reserved for somebody else")
        else:
            self.permit(connector, id_tag, info)

    def _begin(self, connector: Connector, permission: Permission) -> None:
        station, meter = self._station, connector.meter
        permission.ends.cancel()
        connector.permission = None
        meter.read_at = station.clock.monotonic()
        transaction = Transaction(
            connector.id,
            permission.id_tag,
            meter.register_wh,
            station.now(),
            station.clock.monotonic(),
            parent_id_tag=permission.parent_id_tag,
        )
        connector.transaction = transaction
        reservation = station.reservations.use(connector, permission.id_tag, permission.parent_id_tag)
        request = StartTransaction(
            connector.id, transaction.id_tag, transaction.meter_start, transaction.started_at, reservation
        )
        station.tell(f"connector {connector.id}: transaction of {transaction.id_tag} begins")
        if not station.quirks.lost_start:
            station.line.deliver(
                "StartTransaction", lambda: request, lambda payload: self._started(connector, transaction, payload)
            )
        station.metering.begin(connector)
        station.refresh(connector)

    def _started(self, connector: Connector, transaction: Transaction, payload: bytes | None) -> None:
        if payload is None:
            return
        answer = msgspec.json.decode(payload, type=StartTransactionResponse)
        transaction.transaction_id = answer.transaction_id
        self._station.tags.remember(transaction.id_tag, answer.id_tag_info)
        self._station.tell(f"transaction {answer.transaction_id}: {answer.id_tag_info.status}")
        if answer.id_tag_info.status in ("Accepted", "ConcurrentTx") or connector.transaction is not transaction:
            return
        transaction.is_refused = True
        if self._station.configuration.flag("StopTransactionOnInvalidId"):
            self.stop(connector, "DeAuthorized")
        self._station.refresh(connector)

    def _give_up(self, connector: Connector) -> None:
        if connector.permission is not None:
            connector.permission = None
            self._station.tell(f"connector {connector.id}: nobody has plugged in")
            self._station.refresh(connector)

    def _offline_verdict(self, known: IdTagInfo | None) -> IdTagInfo:
        keys = self._station.configuration
        if known is not None and keys.flag("LocalAuthorizeOffline"):
            return known
        return _ACCEPTED if known is None and keys.flag("AllowOfflineTxForUnknownId") else UNKNOWN

    # -- ending ------------------------------------------------------------------------------------------

    def stop(self, connector: Connector, reason: Reason, id_tag: str | None = None) -> None:
        """End the connector's transaction, if there is one."""
        transaction, station = connector.transaction, self._station
        if transaction is None:
            return
        station.metering.end(connector)
        connector.transaction, connector.is_finishing = None, connector.car is not None
        station.profiles.end_of(transaction.session)
        stopped_at, meter_stop = station.now(), connector.meter.register_wh
        if id_tag is not None and station.quirks.other_case:
            id_tag = id_tag.swapcase()

        def build() -> StopTransaction:
            known = -1 if transaction.transaction_id is None else transaction.transaction_id
            number = -1 if station.quirks.minus_one_transaction else known
            return StopTransaction(number, meter_stop, stopped_at, id_tag, reason, tuple(transaction.data))

        station.tell(
            f"connector {connector.id}: transaction ends ({reason}), {meter_stop - transaction.meter_start} Wh charged"
        )
        station.energy_wh += meter_stop - transaction.meter_start
        station.line.deliver("StopTransaction", build, lambda payload: self._stopped(transaction, payload))
        if station.quirks.values_after_stop:
            station.metering.send(connector, transaction, "Transaction.End")
        if connector.becomes_operative is not None:
            connector.is_operative, connector.becomes_operative = connector.becomes_operative, None
        station.refresh(connector)
        station.has_stopped()

    def stop_all(self, reason: Reason) -> None:
        """End all transactions."""
        for connector in self._station.connectors:
            self.stop(connector, reason)

    def _stopped(self, transaction: Transaction, payload: bytes | None) -> None:
        if payload is not None:
            info = msgspec.json.decode(payload, type=StopTransactionResponse).id_tag_info
            if info is not None:
                self._station.tags.remember(transaction.id_tag, info)
