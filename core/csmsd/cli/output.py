"""What commands print: tables and sentences for people, JSON with `--json`. For commands of plugins, too."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar, cast

import click
import msgspec

F = TypeVar("F", bound=Callable[..., Any])
_GAP = "  "
_NARROWEST = 8  # no column is cut below this
# What stations sent must not move the terminal's cursor.
_HARMLESS = dict.fromkeys([*range(32), *range(127, 160), 0x2028, 0x2029], "\N{REPLACEMENT CHARACTER}")


Row = TypeVar("Row", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Output:
    """Where results go."""

    is_json: bool = False

    def record(self, value: object, words: Callable[[], str]) -> None:
        """One result: JSON (a `msgspec.Raw` as it is), or what `words` says."""
        click.echo(_pretty(value) if self.is_json else words())

    def rows(
        self,
        values: Iterable[msgspec.Raw | Row],
        row: type[Row],
        columns: Sequence[tuple[str, Callable[[Row], object]]],
        empty: str,
    ) -> None:
        """A list: a table with a heading and a reader for each column, or the sentence `empty`."""
        values = list(values)
        if self.is_json:
            click.echo(_pretty(values))
        elif values:
            decoded = [
                msgspec.json.decode(each, type=row) if isinstance(each, msgspec.Raw) else each for each in values
            ]
            cells = [[cell_text(read(each)) for _, read in columns] for each in decoded]
            click.echo(table([heading for heading, _ in columns], cells))
        else:
            click.echo(empty)

    def done(self, sentence: str) -> None:
        """A change has been made that has no other result."""
        self.record({"done": sentence}, lambda: sentence)


def takes_output(function: F) -> F:
    """Give a command `--json`; it is called with `output`."""

    @wraps(function)
    def with_output(*args: Any, is_json: bool, **kwargs: Any) -> Any:
        return function(*args, output=Output(is_json), **kwargs)

    option = click.option("--json", "is_json", is_flag=True, help="Print JSON for programs.")
    return option(with_output)  # type: ignore[return-value]  # click calls it with other arguments than ours


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Aligned columns; on a terminal the widest are cut until a line fits, elsewhere nothing is."""
    columns = [max(len(row[index]) for row in (headings, *rows)) for index in range(len(headings))]
    limit = _terminal_width() if width is None else width
    if limit is not None:
        _shrink(columns, limit - len(_GAP) * (len(columns) - 1))
    lines = (_GAP.join(_fit(cell, size) for cell, size in zip(row, columns, strict=True)) for row in (headings, *rows))
    return "\n".join(line.rstrip() for line in lines)


def cell_text(value: object) -> str:
    """One value in a table."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
        case list() | tuple():
            return ", ".join(cell_text(item) for item in cast("Sequence[object]", value))
        case _:
            return printable(str(value))


def printable(text: str) -> str:
    """Text of strangers, without control characters."""
    return text.translate(_HARMLESS)


def _pretty(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _terminal_width() -> int | None:
    if "COLUMNS" in os.environ or sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return None


def _shrink(columns: list[int], limit: int) -> None:
    excess = sum(columns) - limit
    while excess > 0 and max(columns) > _NARROWEST:
        widest = columns.index(max(columns))
        below = max([size for size in columns if size < columns[widest]] + [_NARROWEST])
        cut = min(excess, columns[widest] - below)
        columns[widest] -= cut
        excess -= cut


def _fit(cell: str, size: int) -> str:
    return cell.ljust(size) if len(cell) <= size else cell[: size - 1] + "…"
