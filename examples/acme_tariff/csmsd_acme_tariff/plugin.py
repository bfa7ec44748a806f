"""The plugin: the price when somebody asks, and an invoice when a transaction has stopped."""

from __future__ import annotations

from functools import partial

import trio

from csmsd import Host, Plugin, hookimpl
from csmsd_acme_tariff.config import TariffConfig
from csmsd_acme_tariff.invoices import Invoice, InvoiceFile
from csmsd_core import Price, Transaction


class TariffPlugin(Plugin[TariffConfig]):
    """Prices transactions by ACME's tariff, and writes an invoice for each."""

    name = "acme_tariff"
    requires = ("core",)
    config_type = TariffConfig

    def __init__(self, config: TariffConfig, host: Host) -> None:
        super().__init__(config, host)
        self._file = InvoiceFile(host.config.data_dir / config.file)
        self._lock = trio.Lock()  # facts of several stations come at the same time

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Read what was written before; facts that come first wait for it."""
        async with self._lock:
            await trio.to_thread.run_sync(self._file.load)
        task_status.started()

    @hookimpl
    async def price_transaction(self, transaction: Transaction) -> Price | None:
        """What the API and `csmsd tx show` name."""
        cents = self._cents(transaction)
        return None if cents is None else Price(self.config.currency, cents, "ACME's tariff")

    @hookimpl
    async def transaction_stopped(self, station_id: str, fact: Transaction, fact_id: int) -> None:
        """Returning takes the fact; whatever is raised, a full disk for instance, has it come again later."""
        cents = self._cents(fact)
        invoice = Invoice(fact_id, fact.id, station_id, fact.id_tag, fact.energy_wh, cents, self.config.currency)
        async with self._lock:
            # Not to be given up half-way: a line that is being written is written.
            await trio.to_thread.run_sync(partial(self._file.add, invoice), abandon_on_cancel=False)

    def _cents(self, transaction: Transaction) -> int | None:
        """Half a cent is rounded up."""
        energy = transaction.energy_wh
        if energy is None or energy < 0:
            return None
        return self.config.cents_per_session + (energy * self.config.cents_per_kwh + 500) // 1000
