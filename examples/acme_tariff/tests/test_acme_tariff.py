"""The plugin in a whole csmsd, in virtual time, and its file after accidents."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from csmsd.testing import TestCsms, open_test_csms
from csmsd_acme_tariff import TariffPlugin
from csmsd_acme_tariff.invoices import Invoice, InvoiceFile
from csmsd_core.messages import StartTransaction, StartTransactionResponse, StopTransaction, StopTransactionResponse


async def charge(csms: TestCsms, station: Any, energy_wh: int) -> int:
    """One transaction; its id."""
    meter = energy_wh * 1000  # no two starts are alike
    start = StartTransaction(1, "TAG", meter, csms.host.env.now())
    begun = await station.send("StartTransaction", start, StartTransactionResponse)
    stop = StopTransaction(begun.transaction_id, meter + energy_wh, csms.host.env.now())
    await station.send("StopTransaction", stop, StopTransactionResponse)
    transaction_id: int = begun.transaction_id
    return transaction_id


async def all_taken(csms: TestCsms) -> None:
    """Wait until the plugin has taken every fact. The disk needs real time, of which virtual time knows nothing."""
    while any(each.backlog for each in csms.host.plugins.status() if each.name == "acme_tariff"):
        await trio.to_thread.run_sync(time.sleep, 0.01)


def invoices(path: Path) -> list[Invoice]:
    return [msgspec.json.decode(line, type=Invoice) for line in path.read_bytes().splitlines()]


async def test_each_transaction_gets_one_invoice(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=["core", TariffPlugin], data_dir=tmp_path) as csms:
        station = await csms.connect("CP-1")
        ids = [await charge(csms, station, energy) for energy in (10_000, 1_010)]
        await all_taken(csms)
    found = invoices(tmp_path / "invoices.jsonl")
    assert [(each.transaction_id, each.energy_wh, each.cents) for each in found] == [
        (ids[0], 10_000, 590),
        (ids[1], 1_010, 149),
    ]


async def test_what_stops_while_the_plugin_is_disabled_is_invoiced_later(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_test_csms(plugins=["core", TariffPlugin], data_dir=tmp_path) as csms:
        station = await csms.connect("CP-1")
        ids = [await charge(csms, station, 1)]
        await all_taken(csms)
        await csms.host.plugins.disable("acme_tariff")
        ids.append(await charge(csms, station, 2))
        await csms.host.plugins.enable("acme_tariff")
        ids.append(await charge(csms, station, 3))
        await all_taken(csms)
    assert [each.transaction_id for each in invoices(tmp_path / "invoices.jsonl")] == ids


def invoice(fact_id: int, transaction_id: int = 1) -> Invoice:
    return Invoice(fact_id, transaction_id, "CP-1", "TAG", 1000, 149, "EUR")


def test_a_fact_that_comes_again_is_written_once(tmp_path: Path) -> None:
    for _ in range(2):  # the second time in a new process
        file = InvoiceFile(tmp_path / "file")
        file.load()
        file.add(invoice(7))
        file.add(invoice(7))
    assert invoices(tmp_path / "file") == [invoice(7)]


@pytest.mark.parametrize("torn", range(1, 60, 7))
def test_a_line_that_a_kill_has_torn_is_written_anew(tmp_path: Path, torn: int) -> None:
    file = InvoiceFile(tmp_path / "file")
    file.load()
    file.add(invoice(7))
    file.add(invoice(8, 2))
    content = (tmp_path / "file").read_bytes()
    (tmp_path / "file").write_bytes(content[:-torn])
    file = InvoiceFile(tmp_path / "file")
    file.load()
    for fact_id in (7, 8):
        file.add(invoice(fact_id, fact_id - 6))
    assert (tmp_path / "file").read_bytes() == content


def test_a_transaction_that_stops_again_gets_a_correction(tmp_path: Path) -> None:
    file = InvoiceFile(tmp_path / "file")
    file.load()
    file.add(invoice(7))
    file.add(invoice(9))
    assert [each.corrects for each in invoices(tmp_path / "file")] == [None, 7]
