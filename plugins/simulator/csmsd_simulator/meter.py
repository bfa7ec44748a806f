"""A connector's meter: an integrator in whole watt milliseconds, and what it says in MeterValues."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from csmsd_core.messages import MeterValue, SampledValue
from csmsd_simulator.car import MWS_PER_WH, Car
from csmsd_simulator.quirks import Quirks

VOLTS = 230
REGISTER = "Energy.Active.Import.Register"


@dataclass(eq=False)
class Meter:
    """Counts what flows."""

    energy_mws: int = 0
    power_w: int = 0
    offered_w: int = 0
    read_at: float = 0.0
    phases: int = 3
    readings: int = 0

    @property
    def register_wh(self) -> int:
        """The lifetime register."""
        return self.energy_mws // MWS_PER_WH

    def advance(self, now: float, car: Car | None, speed: int) -> None:
        """Count what has flowed since the last time; `speed` times as fast as the wall clock says."""
        elapsed = int((now - self.read_at) * 1000) * speed
        self.read_at = now
        if car is not None and self.power_w:
            self.energy_mws += car.take(self.power_w * elapsed)

    def sample(
        self,
        at: datetime,
        context: str,
        measurands: Iterable[str],
        car: Car | None,
        *,
        since_wh: int = 0,
        quirks: Quirks,
    ) -> MeterValue | None:
        """What is asked for, as far as this meter knows it."""
        self.readings += 1
        register = self.register_wh
        if quirks.register_restarts:
            register -= since_wh
        if quirks.meter_drops_out and self.readings % 5 == 0:
            register = 0
        values = [
            value for measurand in measurands for value in self._values(measurand, context, car, register, quirks)
        ]
        return MeterValue(at, tuple(values)) if values else None

    def _values(
        self, measurand: str, context: str, car: Car | None, register: int, quirks: Quirks
    ) -> list[SampledValue]:
        def value(number: str, unit: str | None, phase: str | None = None, location: str = "Outlet") -> SampledValue:
            return SampledValue(number, context, None, measurand, phase, location, unit)  # type: ignore[arg-type] # texts

        if measurand in ("Current.Import", "Voltage"):
            return [value(*each) for each in self._of_phases(measurand)]
        if measurand == "SoC":
            return [] if car is None else [value(str(car.soc), "Percent", location="EV")]
        reading = self._of_all(measurand, register, quirks)
        return [value(*reading)] if reading is not None else []

    def _of_phases(self, measurand: str) -> list[tuple[str, str, str]]:
        if measurand == "Voltage":
            return [(str(VOLTS), "V", phase) for phase in ("L1-N", "L2-N", "L3-N")[: self.phases]]
        current = _tenths(self.power_w, VOLTS * self.phases)
        return [(current, "A", phase) for phase in ("L1", "L2", "L3")[: self.phases]]

    def _of_all(self, measurand: str, register: int, quirks: Quirks) -> tuple[str, str | None] | None:
        """Value and unit; None for what this meter does not know."""
        match measurand:
            case "Energy.Active.Import.Register":
                return (_thousandth(register), "kWh") if quirks.kilo_units else (str(register), "Wh")
            case "Power.Active.Import":
                return (_thousandth(self.power_w), "kW") if quirks.kilo_units else (str(self.power_w), "W")
            case "Power.Offered":
                return str(self.offered_w), "W"
            case "Current.Offered":
                return _tenths(self.offered_w, VOLTS * self.phases), "A"
            case "Frequency":
                return "50.0", "Hz" if quirks.unit_hertz else None
            case "Temperature":
                return "31", "Celsius"
            case _:
                return None


def _thousandth(number: int) -> str:
    return f"{number // 1000}.{number % 1000:03}"


def _tenths(watts: int, volts: int) -> str:
    tenths = watts * 10 // volts
    return f"{tenths // 10}.{tenths % 10}"
