"""Cars: how much they take, and when they have had enough. Power in whole watts, energy in watt milliseconds."""

from __future__ import annotations

from dataclasses import dataclass

MWS_PER_WH = 3_600_000
_RAMP_SECONDS = 20  # from nothing to full power
_TAPER_FROM = 80  # percent; beyond it the battery takes less and less
_WEAKEST_SHARE = 10  # percent of full power, at the very end


@dataclass(eq=False)
class Car:
    """A battery with a plug."""

    capacity_wh: int = 60_000
    charge_mws: int = 60_000 * MWS_PER_WH * 40 // 100
    max_power_w: int = 11_000
    phases: int = 3

    @classmethod
    def arriving(cls, capacity_wh: int, percent: int, max_power_w: int, phases: int = 3) -> Car:
        """With a battery that is charged to `percent`."""
        return cls(capacity_wh, capacity_wh * MWS_PER_WH * percent // 100, max_power_w, phases)

    @property
    def soc(self) -> int:
        """State of charge in percent, rounded down."""
        return min(100, self.charge_mws * 100 // (self.capacity_wh * MWS_PER_WH))

    @property
    def is_full(self) -> bool:
        """It takes no more."""
        return self.charge_mws >= self.capacity_wh * MWS_PER_WH

    def wanted_power(self, seconds: float) -> int:
        """What it takes if it may, `seconds` after it began."""
        if self.is_full:
            return 0
        power = self.max_power_w * min(int(seconds) + 1, _RAMP_SECONDS) // _RAMP_SECONDS
        soc = self.soc
        if soc > _TAPER_FROM:
            share = 100 - (100 - _WEAKEST_SHARE) * (soc - _TAPER_FROM) // (100 - _TAPER_FROM)
            power = power * share // 100
        return power

    def take(self, energy_mws: int) -> int:
        """Charge; what it really took."""
        taken = min(energy_mws, self.capacity_wh * MWS_PER_WH - self.charge_mws)
        self.charge_mws += taken
        return taken
