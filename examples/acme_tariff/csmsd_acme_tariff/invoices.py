"""The file with the invoices: one line each, written exactly once.

A fact comes at least once: csmsd may be killed after a line is on the disk and before it knows that the fact was taken,
and then the fact comes again. So the file itself says which facts it has, and a line that a kill has torn is cut off.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class Invoice(msgspec.Struct, frozen=True):
    """One line."""

    fact_id: int  # of the `transaction_stopped` that it tells of
    transaction_id: int
    station_id: str
    id_tag: str
    energy_wh: int | None
    cents: int | None  # None: the meter is in doubt, somebody has to look
    currency: str
    corrects: int | None = None  # the invoice that this one replaces: its fact_id


class InvoiceFile:
    """Plain and blocking: call it in a thread, one call at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._facts: set[int] = set()
        self._last: dict[int, int] = {}  # by transaction: its last invoice

    def load(self) -> None:
        """Learn what has been written, and cut off what a kill has torn."""
        self._facts.clear()
        self._last.clear()
        with self._path.open("a+b") as file:
            file.seek(0)
            whole = 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._note(msgspec.json.decode(line, type=Invoice))
                whole += len(line)
            file.truncate(whole)
            os.fsync(file.fileno())

    def add(self, invoice: Invoice) -> None:
        """Write it down, unless that has been done; it is on the disk when this returns."""
        if invoice.fact_id in self._facts:
            return
        written = msgspec.structs.replace(invoice, corrects=self._last.get(invoice.transaction_id))
        try:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(written) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            self.load()  # a full disk may have taken a part of the line
            raise
        self._note(written)

    def _note(self, invoice: Invoice) -> None:
        self._facts.add(invoice.fact_id)
        self._last[invoice.transaction_id] = invoice.fact_id
