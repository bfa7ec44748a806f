"""What a transaction costs by the built-in tariff, and who may say otherwise."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csmsd.errors import ConfigError
from csmsd.hookspecs import hookimpl
from csmsd.plugin import NoConfig, Plugin
from csmsd.testing import open_test_csms
from csmsd_core import (
    Price,
    StartTransaction,
    StartTransactionResponse,
    StopTransaction,
    StopTransactionResponse,
    Tariff,
    Transaction,
    price,
)
from tests.plugins.profile import EPOCH, ask, in_virtual_time, virtual_env

OPEN = Transaction(
    id=1, station_id="CP-1", connector_id=1, id_tag="T", started_at=EPOCH, start_received_at=EPOCH, meter_start=0,
    verdict="Accepted",
)  # fmt: skip


def stopped(energy_wh: int | None, seconds: int) -> Transaction:
    """After so long."""
    return msgspec.structs.replace(OPEN, stop_id=1, energy_wh=energy_wh, stopped_at=EPOCH + timedelta(seconds=seconds))


def test_energy_time_and_session_add_up_and_the_sum_is_rounded() -> None:
    tariff = Tariff("EUR", per_kwh=59, per_minute=2, per_session=100)
    assert price(tariff, stopped(12_345, 754)) == Price("EUR", 853, "12.345 kWh at 59 + 12:34 min at 2 + session 100")


@given(
    st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**5), st.integers(0, 10**5), st.integers(0, 10**5)
)
def test_the_price_is_the_exact_one_rounded_half_up(energy: int, seconds: int, kwh: int, minute: int, fee: int) -> None:
    exact = Fraction(energy * kwh, 1000) + Fraction(seconds * minute, 60) + fee
    found = price(Tariff("EUR", kwh, minute, fee), stopped(energy, seconds))
    assert found is not None
    assert -Fraction(1, 2) < exact - found.minor_units < Fraction(1, 2) or found.minor_units - exact == Fraction(1, 2)


@pytest.mark.parametrize(
    ("tariff", "transaction"),
    [
        (Tariff(), stopped(1, 1)),
        (Tariff("EUR", 1, 1), OPEN),
        (Tariff("EUR", per_kwh=1), stopped(None, 60)),
        (Tariff("EUR", per_kwh=1), stopped(-5, 60)),
        (Tariff("EUR", per_minute=1), stopped(5, -60)),
    ],
)
def test_what_is_not_known_has_no_price(tariff: Tariff, transaction: Transaction) -> None:
    assert price(tariff, transaction) is None


def test_what_is_not_counted_need_not_be_known() -> None:
    found = price(Tariff("EUR", per_session=250), stopped(None, -60))
    assert found == Price("EUR", 250, "session 250")


class FlatRate(Plugin[NoConfig]):
    """Knows better for one id tag."""

    name = "flat_rate"
    requires = ("core",)

    @hookimpl
    async def price_transaction(self, transaction: Transaction) -> Price | None:
        return Price("EUR", 0, "flat rate") if transaction.id_tag == "FLAT" else None


@pytest.mark.trio(run=in_virtual_time)
async def test_the_api_names_the_price_and_a_plugin_may_know_better() -> None:
    table: dict[str, Any] = {"core": {"tariff": {"currency": "EUR", "per_kwh": 50}}}
    prices = list[Any]()
    async with open_test_csms(plugins=["core", "web", FlatRate], plugin=table, env=virtual_env()) as csms:
        station = await csms.connect("CP-1")
        for tag in ("T", "FLAT"):
            start = StartTransaction(1, tag, 0, csms.host.env.now())
            begun = await station.send("StartTransaction", start, StartTransactionResponse)
            path = f"/transactions/{begun.transaction_id}"
            assert (await ask(csms, "GET", path)).json()["price"] is None
            stop = StopTransaction(begun.transaction_id, 2_000, csms.host.env.now() + timedelta(hours=1))
            await station.send("StopTransaction", stop, StopTransactionResponse)
            prices.append((await ask(csms, "GET", path)).json()["price"])
    assert prices == [
        {"currency": "EUR", "minor_units": 100, "text": "2.000 kWh at 50"},
        {"currency": "EUR", "minor_units": 0, "text": "flat rate"},
    ]


@pytest.mark.trio(run=in_virtual_time)
async def test_a_currency_is_three_letters() -> None:
    with pytest.RaisesGroup(ConfigError, flatten_subgroups=True, allow_unwrapped=True):
        async with open_test_csms(plugins=["core"], plugin={"core": {"tariff": {"currency": "euro"}}}):
            raise AssertionError("it was started")
