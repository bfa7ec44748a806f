#!/usr/bin/env python3
"""csmsd without the web plugin: nothing listens but the stations' port, and the program itself is the operator.

Run it with a folder for the data. It prints where the station should connect, and ends with a line for the first
transaction that has been stored.
"""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from csmsd import Config, Host, NoConfig, Plugin, StationRecord, hookimpl, open_csms
from csmsd.config import Listen
from csmsd_core import Transaction


class ReceiptPlugin(Plugin[NoConfig]):
    """Hands finished transactions to the program; a fact may come twice, so whoever counts looks at its id."""

    name = "receipt"
    requires = ("core",)

    def __init__(self, config: NoConfig, host: Host) -> None:
        super().__init__(config, host)
        self.finished, self.receipts = trio.open_memory_channel[Transaction](100)

    @hookimpl
    async def transaction_stopped(self, fact: Transaction) -> None:
        """Called after the COMMIT, and again if it was not taken."""
        await self.finished.send(fact)


async def main(folder: Path) -> None:
    """Until one transaction is over."""
    config = Config(data_dir=folder, listen=Listen(ocpp="127.0.0.1:0", http=""))
    async with open_csms(config, plugins=["core", ReceiptPlugin]) as csms:
        await csms.stations.register(StationRecord("CP-1"), password="correct-horse-bat")
        print(f"{csms.ocpp_urls[0]}/CP-1", flush=True)
        receipt = csms.plugins.get("receipt")
        assert isinstance(receipt, ReceiptPlugin)
        fact = await receipt.receipts.receive()
        print(f"transaction {fact.id} of {fact.station_id}: {fact.energy_wh} Wh", flush=True)


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]) if len(sys.argv) > 1 else Path("data"))
