"""Curves for charts: what a station measured over time, thinned so that no peak and no dip is lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from csmsd_core.records import Reading

POINTS = 600
# Attribute of a reading, label, unit, divisor, colour, filled.
CURVES = (
    ("power_w", "power", "kW", 1000, "st-charging", True),
    ("current_ma", "current", "A", 1000, "st-available", False),
    ("soc_permille", "state of charge", "%", 10, "st-reserved", False),
)
EMPTY = "No meter values: look at MeterValueSampleInterval and MeterValuesSampledData in the station's configuration."


def series_of(readings: Sequence[Reading]) -> dict[str, Any]:
    """For charts.js: moments in seconds, and for each curve as many values, null where there was none."""
    power = [curve for curve in CURVES if any(getattr(each, curve[0]) is not None for each in readings)]
    if any(curve[0] == "power_w" for curve in power):
        power = [curve for curve in power if curve[0] != "current_ma"]  # two axes at most
    shown = [each for each in readings if any(getattr(each, curve[0]) is not None for curve in power)]
    kept = thinned([_first(each, power) for each in shown], POINTS)
    series = [
        {
            "label": label,
            "unit": unit,
            "color": color,
            "fill": is_filled,
            "spans": True,
            "values": [_scaled(getattr(shown[index], name), divisor) for index in kept],
        }
        for name, label, unit, divisor, color, is_filled in power
    ]
    if not series:
        return _energy(readings)
    return {"x": [shown[index].at.timestamp() for index in kept], "series": series, "empty": EMPTY}


def _energy(readings: Sequence[Reading]) -> dict[str, Any]:
    """The register, if a station tells nothing else."""
    shown = [each for each in readings if each.energy_wh is not None]
    kept = thinned([each.energy_wh or 0 for each in shown], POINTS)
    values = [_scaled(shown[index].energy_wh, 1000) for index in kept]
    curve = {"label": "meter", "unit": "kWh", "color": "st-charging", "fill": True, "points": True, "values": values}
    return {"x": [shown[index].at.timestamp() for index in kept], "series": [curve] if kept else [], "empty": EMPTY}


def _first(reading: Reading, curves: Sequence[tuple[Any, ...]]) -> int:
    return next((getattr(reading, curve[0]) for curve in curves if getattr(reading, curve[0]) is not None), 0)


def _scaled(value: int | None, divisor: int) -> float | None:
    return None if value is None else value / divisor


def thinned(values: Sequence[int], most: int) -> list[int]:
    """Indexes of at most `most` values: of each stretch the lowest and the highest, in their order."""
    if len(values) <= most:
        return list(range(len(values)))
    stretches = most // 2
    kept: set[int] = set()
    for stretch in range(stretches):
        start, end = len(values) * stretch // stretches, len(values) * (stretch + 1) // stretches
        indexes = range(start, end)
        kept.add(min(indexes, key=values.__getitem__))
        kept.add(max(indexes, key=values.__getitem__))
    return sorted(kept)
