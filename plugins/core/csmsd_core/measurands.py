"""Sampled values: defaults filled in, units normalised, the pair as sent kept (MV-03..MV-07), all in decimals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal

import msgspec

from csmsd_core.messages import SampledValue
from csmsd_core.records import Sample

ENERGY_REGISTER = "Energy.Active.Import.Register"
NO_NUMBER = "MV-05 not a number"
BEGIN = "Transaction.Begin"

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)  # a larger exponent is no measurement
LONGEST_NUMBER = 64  # characters
_EXACT = Context(prec=2 * LONGEST_NUMBER + 100)  # nothing that `_NUMBER` matches is ever rounded
LARGEST = 2**63 - 1

_UNITS: dict[str, tuple[str, int]] = {  # as sent -> normal unit, power of ten
    **{unit: (unit, 0) for unit in ("Wh", "varh", "W", "var", "VA", "A", "V", "Celsius", "Fahrenheit", "K", "Percent")},
    "kWh": ("Wh", 3),
    "kvarh": ("varh", 3),
    "kW": ("W", 3),
    "kvar": ("var", 3),
    "kVA": ("VA", 3),
    "Celcius": ("Celsius", 0),  # VAL-10
    "Hertz": ("Hz", 0),  # VAL-11
    "Hz": ("Hz", 0),
}
_DEFAULT_UNITS = (  # by the beginning of the measurand (MV-03, MV-04)
    ("Energy.Active.", "Wh"),
    ("Energy.Reactive.", "varh"),
    ("Power.Active.", "W"),
    ("Power.Offered", "W"),
    ("Power.Reactive.", "var"),
    ("Current.", "A"),
    ("Voltage", "V"),
    ("Temperature", "Celsius"),
    ("SoC", "Percent"),
    ("Frequency", "Hz"),
)


def sample_of(sent: SampledValue) -> Sample:
    """A sampled value with everything filled in."""
    measurand = sent.measurand or ENERGY_REGISTER
    value_format = sent.format or "Raw"
    unit, shift = _unit_of(sent.unit, measurand)
    number = "" if value_format == "SignedData" else normalised(sent.value, shift)
    return Sample(
        value=sent.value,
        unit=sent.unit,
        number=number,
        normal_unit=unit,
        measurand=measurand,
        context=sent.context or "Sample.Periodic",
        format=value_format,
        location=sent.location or "Outlet",
        phase=sent.phase,
    )


def _unit_of(sent: str | None, measurand: str) -> tuple[str, int]:
    if sent is not None:
        return _UNITS.get(sent, (sent, 0))
    return next((unit for beginning, unit in _DEFAULT_UNITS if measurand.startswith(beginning)), ""), 0


def normalised(value: str, shift: int) -> str:
    """`value` times ten to the power of `shift` as a plain decimal number without trailing zeros; "" if it is none."""
    text = value.strip()
    if len(text) > LONGEST_NUMBER or _NUMBER.fullmatch(text) is None:
        return ""
    number = Decimal(text).scaleb(shift, _EXACT)
    if not number:
        return "0"
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def is_doubtful(sample: Sample) -> bool:
    """Whether it should be a number and is none (MV-05)."""
    return sample.format == "Raw" and not sample.number


def identity_of(sample: Sample) -> tuple[str, str, str, str, str | None, str]:
    """The qualifiers: values that agree in them are of the same quantity (MV-11, MV-13)."""
    return (
        sample.measurand, sample.context, sample.format, sample.location, sample.phase, sample.normal_unit,
    )  # fmt: skip


def is_same(one: Sample, other: Sample) -> bool:
    """Whether it is the same sample, however it is spelt."""
    return identity_of(one) == identity_of(other) and (one.number or one.value) == (other.number or other.value)


class Figures(msgspec.Struct, frozen=True, gc=False):
    """What charts show of one instant: rounded integers; the exact values are in the samples."""

    energy_wh: int | None = None
    power_w: int | None = None
    current_ma: int | None = None
    voltage_mv: int | None = None
    soc_permille: int | None = None


def figures_of(samples: Sequence[Sample]) -> Figures:
    """Overall values; without one, phases are added up (energy, power) or the largest is taken (current, voltage)."""
    return Figures(
        energy_wh=_figure(samples, ENERGY_REGISTER, "Wh", 0, adds_up=True),
        power_w=_figure(samples, "Power.Active.Import", "W", 0, adds_up=True),
        current_ma=_figure(samples, "Current.Import", "A", 3),
        voltage_mv=_figure(samples, "Voltage", "V", 3),
        soc_permille=_figure(samples, "SoC", "Percent", 1),
    )


def _figure(samples: Iterable[Sample], measurand: str, unit: str, shift: int, *, adds_up: bool = False) -> int | None:
    fitting = [each for each in samples if each.measurand == measurand and each.normal_unit == unit and each.number]
    if not fitting:
        return None
    location = "Outlet" if any(each.location == "Outlet" for each in fitting) else fitting[0].location
    here = [each for each in fitting if each.location == location]
    overall = next((each for each in here if each.phase is None), None)
    if overall is not None:
        return _rounded(Decimal(overall.number), shift)
    phases = {(each.phase or "")[:2]: Decimal(each.number) for each in reversed(here) if each.phase != "N"}
    if not phases or (adds_up and set(phases) != {"L1", "L2", "L3"}):
        return None  # a part of the whole would look like the whole
    return _rounded(sum(phases.values(), Decimal(0)) if adds_up else max(phases.values()), shift)


def _rounded(number: Decimal, shift: int) -> int | None:
    rounded = int(number.scaleb(shift, _EXACT).to_integral_value(ROUND_HALF_EVEN, _EXACT))
    return rounded if abs(rounded) <= LARGEST else None


def begin_register(samples: Iterable[Sample]) -> int | None:
    """The Transaction.Begin energy register in Wh, if there is one in whole Wh (TX-24)."""
    for each in samples:
        if (each.measurand, each.context, each.phase, each.normal_unit) == (ENERGY_REGISTER, BEGIN, None, "Wh"):
            number = Decimal(each.number) if each.number else None
            if number is not None and number == number.to_integral_value() and abs(number) <= LARGEST:
                return int(number)
    return None
