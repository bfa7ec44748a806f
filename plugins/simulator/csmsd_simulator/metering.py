"""Energy that flows, and the meter values about it (1.6 §3.14, §4.7)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from csmsd_core.messages import MeterValue, MeterValues, ReadingContext
from csmsd_simulator.connectors import Connector, Transaction
from csmsd_simulator.meter import VOLTS

if TYPE_CHECKING:
    from csmsd_simulator.clock import Timer
    from csmsd_simulator.station import SimulatedStation

TICK_SECONDS = 5.0  # power is constant in between
_MIDNIGHT = datetime(2000, 1, 1, tzinfo=UTC)


class Metering:
    """The meters of one station."""

    def __init__(self, station: SimulatedStation) -> None:
        self._station = station
        self._tick: Timer | None = None
        self._samples: dict[int, Timer] = {}
        self._aligned: Timer | None = None
        self.align()

    def begin(self, connector: Connector) -> None:
        """A transaction has begun."""
        transaction = connector.transaction
        assert transaction is not None
        self.advance(connector)
        self._keep(connector, transaction, "Transaction.Begin")
        self._schedule(connector, transaction)
        if self._tick is None:
            self._tick = self._station.clock.after(TICK_SECONDS, self._flow)

    def end(self, connector: Connector) -> None:
        """It is about to end."""
        self.advance(connector)
        if connector.transaction is not None:
            self._keep(connector, connector.transaction, "Transaction.End")
        connector.meter.power_w = connector.meter.offered_w = 0
        timer = self._samples.pop(connector.id, None)
        if timer is not None:
            timer.cancel()

    def advance(self, connector: Connector) -> None:
        """Count what has flowed, then find out what flows from now on."""
        meter, car, station = connector.meter, connector.car, self._station
        now = station.clock.monotonic()
        meter.advance(now, car, station.settings.speed)
        meter.offered_w = self._offered(connector)
        transaction = connector.transaction
        wanted = car.wanted_power((now - transaction.began) * station.settings.speed) if car and transaction else 0
        meter.power_w = min(wanted, meter.offered_w)

    def send(self, connector: Connector, transaction: Transaction | None, context: ReadingContext) -> None:
        """Send MeterValues of what is true now."""
        self.advance(connector)
        key = "MeterValuesAlignedData" if context == "Sample.Clock" else "MeterValuesSampledData"
        value = self._sample(connector, transaction, context, self._station.configuration.items(key))
        if value is None:
            return

        def build() -> MeterValues:
            number = transaction.transaction_id if transaction is not None else None
            if self._station.quirks.zero_transaction:
                number = 0
            return MeterValues(connector.id, (value,), number)

        if transaction is None:
            self._station.line.call("MeterValues", build)
        else:
            self._station.line.deliver("MeterValues", build)

    def align(self) -> None:
        """ClockAlignedDataInterval has changed: values are due at whole multiples of it since midnight."""
        if self._aligned is not None:
            self._aligned.cancel()
        interval = self._station.configuration.number("ClockAlignedDataInterval")
        if interval:
            since_midnight = (self._station.now() - _MIDNIGHT).total_seconds() % 86_400
            self._aligned = self._station.clock.after(interval - since_midnight % interval, self._send_aligned)

    # -- inside --------------------------------------------------------------------------------------

    def _send_aligned(self) -> None:
        if not self._station.quirks.no_meter_values:
            for connector in self._station.connectors:
                self.send(connector, connector.transaction, "Sample.Clock")
        self.align()

    def _schedule(self, connector: Connector, transaction: Transaction) -> None:
        interval = self._station.configuration.number("MeterValueSampleInterval")
        if interval and not self._station.quirks.no_meter_values:
            self._samples[connector.id] = self._station.clock.after(
                interval, lambda: self._send_sampled(connector, transaction)
            )

    def _send_sampled(self, connector: Connector, transaction: Transaction) -> None:
        if connector.transaction is transaction:
            self.send(connector, transaction, "Sample.Periodic")
            self._schedule(connector, transaction)

    def _flow(self) -> None:
        self._tick = None
        for connector in self._station.connectors:
            if connector.transaction is not None:
                self.advance(connector)
                if connector.meter.offered_w == 0 and self._station.quirks.zero_ends:
                    self._station.charging.stop(connector, "Other")
                self._station.refresh(connector)
        if any(connector.transaction is not None for connector in self._station.connectors):
            self._tick = self._station.clock.after(TICK_SECONDS, self._flow)

    def _offered(self, connector: Connector) -> int:
        """What the station lets this car have."""
        transaction, station = connector.transaction, self._station
        if transaction is None or transaction.is_refused:
            return 0
        most = station.settings.max_power_w
        if station.quirks.ignores_limits:
            return most
        phases, now = connector.meter.phases, station.now()
        limit = station.profiles.limit(transaction.session, now, phases)
        together = station.profiles.station_limit(now, phases)
        if together is not None:
            active = sum(each.transaction is not None for each in station.connectors)
            limit = min(together // max(active, 1), most if limit is None else limit)
        return min(most, most if limit is None else self._in_steps(limit, phases))

    def _in_steps(self, limit: int, phases: int) -> int:
        step = int(self._station.quirks.limit_steps) * VOLTS * phases
        return limit // step * step if step else limit

    def _keep(self, connector: Connector, transaction: Transaction, context: ReadingContext) -> None:
        """For the transactionData of StopTransaction."""
        value = self._sample(connector, transaction, context, self._station.configuration.items("StopTxnSampledData"))
        if value is not None:
            transaction.data.append(value)

    def _sample(
        self, connector: Connector, transaction: Transaction | None, context: ReadingContext, measurands: list[str]
    ) -> MeterValue | None:
        return connector.meter.sample(
            self._station.now(),
            context,
            measurands,
            connector.car,
            since_wh=transaction.meter_start if transaction is not None else 0,
            quirks=self._station.quirks,
        )
