"""Columns of plugins: asked once for all rows of a page; one that fails says so in its cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from csmsd_ui.extension import Column

if TYPE_CHECKING:
    from csmsd_ui.desk import Desk


@dataclass(frozen=True, slots=True)
class Cell:
    """A text in a column of a plugin."""

    text: str
    is_number: bool


async def cells_of(desk: Desk, columns: Sequence[tuple[str, Column]], ids: Sequence[str]) -> list[list[Cell]]:
    """For each id the cells of all columns."""
    table: list[list[Cell]] = [[] for _ in ids]
    for plugin, column in columns:
        trouble = ""
        texts: dict[str, str] = {}
        try:
            with trio.fail_after(desk.config.panel_timeout):
                texts = dict(await column.cells(ids))
        except trio.TooSlowError:
            trouble = "too slow"
        except Exception:
            trouble = "failed"
            desk.pages.log.exception("the column %s of the plugin %s failed", column.label, plugin)
        for cells, id_ in zip(table, ids, strict=True):
            cells.append(Cell(trouble or str(texts.get(id_, "")), column.is_number))
    return table
