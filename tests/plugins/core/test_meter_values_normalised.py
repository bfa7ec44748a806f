"""Sampled values: defaults, units, decimals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csmsd_core.measurands import begin_register, figures_of, is_same, normalised, sample_of
from csmsd_core.messages import SampledValue


@pytest.mark.req("MV-03")
def test_a_bare_value_is_an_energy_register_reading_in_wh() -> None:
    sample = sample_of(SampledValue("123"))
    assert (sample.measurand, sample.normal_unit, sample.number) == ("Energy.Active.Import.Register", "Wh", "123")
    assert (sample.context, sample.format, sample.location, sample.phase) == ("Sample.Periodic", "Raw", "Outlet", None)
    assert (sample.value, sample.unit) == ("123", None)


@pytest.mark.req("MV-04", "MV-03", "VAL-11")
@pytest.mark.parametrize(
    ("measurand", "unit"),
    [
        ("Energy.Active.Export.Interval", "Wh"),
        ("Energy.Reactive.Import.Register", "varh"),
        ("Power.Active.Export", "W"),
        ("Power.Offered", "W"),
        ("Power.Reactive.Import", "var"),
        ("Current.Offered", "A"),
        ("Voltage", "V"),
        ("Temperature", "Celsius"),
        ("SoC", "Percent"),
        ("Frequency", "Hz"),
        ("Power.Factor", ""),
        ("RPM", ""),
        ("Vendor.Thing", ""),
    ],
)
def test_each_measurand_has_its_default_unit(measurand: str, unit: str) -> None:
    assert sample_of(SampledValue("1", measurand=cast(Any, measurand))).normal_unit == unit


@pytest.mark.req("MV-07", "VAL-10", "VAL-11", "B-07")
@pytest.mark.parametrize(
    ("sent", "unit", "number", "normal"),
    [
        ("12.3456", "kWh", "12345.6", "Wh"),
        ("0.1", "kWh", "100", "Wh"),
        ("7.4", "kW", "7400", "W"),
        ("1", "kvarh", "1000", "varh"),
        ("1", "kvar", "1000", "var"),
        ("2", "kVA", "2000", "VA"),
        ("21.50", "Celcius", "21.5", "Celsius"),
        ("70", "Fahrenheit", "70", "Fahrenheit"),
        ("50.02", "Hertz", "50.02", "Hz"),
        ("3", "furlong", "3", "furlong"),
    ],
)
def test_units_are_normalised_and_the_pair_is_kept(sent: str, unit: str, number: str, normal: str) -> None:
    sample = sample_of(SampledValue(sent, unit=cast(Any, unit)))
    assert (sample.number, sample.normal_unit) == (number, normal)
    assert (sample.value, sample.unit) == (sent, unit)


@pytest.mark.req("MV-05")
@pytest.mark.parametrize(
    ("sent", "number"),
    [
        ("-1.50", "-1.5"), ("1e3", "1000"), ("1.5E-2", "0.015"), ("+7", "7"), ("-0", "0"), (".5", "0.5"), ("5.", "5"),
        (" 12 ", "12"), ("", ""), ("12,5", ""), ("NaN", ""), ("Infinity", ""), ("1_000", ""), ("0x10", ""),
        ("١٢", ""), ("1e999999999", ""), ("9" * 65, ""),
    ],
)  # fmt: skip
def test_numbers_are_read_as_decimals_and_nothing_else_is_a_number(sent: str, number: str) -> None:
    assert normalised(sent, 0) == number


@pytest.mark.req("MV-05", "MV-07", "B-07")
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=6))
def test_no_digit_is_lost(number: Decimal) -> None:
    assert Decimal(normalised(str(number), 3)) == number * 1000


@pytest.mark.req("MV-06")
def test_signed_data_is_never_a_number() -> None:
    sample = sample_of(SampledValue("1234", format="SignedData", unit="kWh"))
    assert (sample.value, sample.number, sample.unit) == ("1234", "", "kWh")
    assert figures_of([sample]).energy_wh is None


@pytest.mark.req("MV-11", "MV-13")
def test_samples_are_the_same_if_qualifiers_and_value_agree_however_they_are_spelt() -> None:
    bare = sample_of(SampledValue("1000"))
    full = SampledValue("1.0", "Sample.Periodic", "Raw", "Energy.Active.Import.Register", None, "Outlet", "kWh")
    assert is_same(bare, sample_of(full))
    for other in (
        SampledValue("1001"),
        SampledValue("1000", context="Sample.Clock"),
        SampledValue("1000", phase="L1"),
        SampledValue("1000", location="Inlet"),
        SampledValue("1000", format="SignedData"),
        SampledValue("1000", measurand="Energy.Active.Export.Register"),
    ):
        assert not is_same(bare, sample_of(other))


def _phases(measurand: str, *values: str) -> list[Any]:
    return [
        sample_of(SampledValue(value, measurand=cast(Any, measurand), phase=cast(Any, f"L{number}")))
        for number, value in enumerate(values, 1)
    ]


@pytest.mark.req("MV-16", "MV-11", "MV-12")
def test_charts_add_up_power_and_take_the_largest_current() -> None:
    assert figures_of(_phases("Power.Active.Import", "1000", "2000.4", "3000.2")).power_w == 6001
    assert figures_of(_phases("Power.Active.Import", "1000", "2000")).power_w is None
    assert figures_of(_phases("Current.Import", "15.9", "16.001", "14")).current_ma == 16001
    overall = [*_phases("Voltage", "229", "230"), sample_of(SampledValue("231.5", measurand="Voltage"))]
    assert figures_of(overall).voltage_mv == 231500
    assert figures_of([sample_of(SampledValue("1", measurand="Current.Import", phase="N"))]).current_ma is None


@pytest.mark.req("MV-05", "MSG-91")
def test_a_figure_that_no_database_can_hold_is_left_out() -> None:
    assert figures_of([sample_of(SampledValue("1e60"))]).energy_wh is None


@pytest.mark.req("MV-12")
def test_inlet_and_outlet_are_not_mixed() -> None:
    inlet, outlet = (
        sample_of(SampledValue(value, location=cast(Any, at))) for value, at in (("9", "Inlet"), ("5", "Outlet"))
    )
    assert figures_of([inlet, outlet]).energy_wh == 5
    assert figures_of([inlet]).energy_wh == 9


@pytest.mark.req("TX-24")
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (SampledValue("1000", context="Transaction.Begin"), 1000),
        (SampledValue("1", context="Transaction.Begin", unit="kWh"), 1000),
        (SampledValue("1000.5", context="Transaction.Begin"), None),
        (SampledValue("1000", context="Transaction.End"), None),
        (SampledValue("1000", context="Transaction.Begin", phase="L1"), None),
        (SampledValue("1000", context="Transaction.Begin", format="SignedData"), None),
        (SampledValue("1000", context="Transaction.Begin", measurand="Energy.Active.Export.Register"), None),
    ],
)
def test_the_begin_register_is_the_overall_import_register_in_whole_wh(
    sent: SampledValue, expected: int | None
) -> None:
    assert begin_register([sample_of(sent)]) == expected
