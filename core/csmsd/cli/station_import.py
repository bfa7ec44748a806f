"""`csmsd station import`: what a manufacturer delivers with a batch of chargers (SEC-26)."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from io import StringIO
from typing import Any, BinaryIO

import click
import msgspec

from csmsd.cli.failure import ExitCode, Failure
from csmsd.cli.output import Output
from csmsd.cli.remote import takes_server
from csmsd.client import ApiClient, ApiError, segment

IDENTITY = "station_id"
COLUMNS = (IDENTITY, "password", "registration", "security_profile", "serial_number", "note")
_REGISTRATIONS = ("Accepted", "Pending", "Rejected")
_PROFILES = ("0", "1", "2", "3")


class Delivered(msgspec.Struct, frozen=True):
    """A line of the file, checked."""

    line: int
    station_id: str
    body: dict[str, Any]  # of the PUT that registers or changes it


class Imported(msgspec.Struct, frozen=True):
    """What came of it."""

    added: int
    changed: int


@click.command("import")
@click.argument("file", type=click.File("rb"), metavar="FILE.csv")
@click.option("--update", is_flag=True, help="Change stations that are registered already.")
@click.option("--dry-run", is_flag=True, help="Check the file, and change nothing.")
@takes_server
def import_stations(client: ApiClient, output: Output, file: BinaryIO, update: bool, dry_run: bool) -> None:
    """Register many stations: identities, passwords and serial numbers as a manufacturer delivers them.

    \b
      station_id,password,serial_number,security_profile,registration,note
      CP-1,correct-horse-bat,SN-0815,2,Accepted,north gate

    The first line names the columns, in any order; only station_id must be there, and an empty cell changes nothing.
    FILE is CSV in UTF-8, or - for standard input. It is checked as a whole before anything is changed. Keep it as safe
    as the passwords in it: they go to the server and nowhere else.
    """
    delivered = list(read_delivery(file.read()))
    known = {msgspec.json.decode(each, type=_Known).id for each in client.items("/stations")}
    repeated = [each for each in delivered if each.station_id in known]
    if repeated and not update:
        first = repeated[0]
        others = f", and {len(repeated) - 1} more" if len(repeated) > 1 else ""
        raise Failure(f"line {first.line}: {first.station_id} is registered already{others}: --update changes them")
    result = Imported(len(delivered) - len(repeated), len(repeated))
    if not dry_run:
        _put(client, delivered)
    verb = "would be" if dry_run else "are"
    output.record(result, lambda: f"{result.added} stations {verb} added, {result.changed} changed")


class _Known(msgspec.Struct, frozen=True):
    id: str


def read_delivery(content: bytes) -> Iterator[Delivered]:
    """Check the lines of a file; Failure, with the number of the line, for the first that cannot be used."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unusable(f"it is not UTF-8 (byte {error.start})") from None
    rows = csv.reader(StringIO(text, newline=""), strict=True)
    lines: dict[str, int] = {}
    try:
        columns = _columns([name.strip() for name in next(rows, list[str]())])
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            row = _row(rows.line_num, columns, cells)
            if earlier := lines.get(row.station_id):
                raise _unusable(f"line {row.line}: {row.station_id} is in line {earlier} already")
            lines[row.station_id] = row.line
            yield row
    except csv.Error as error:
        raise _unusable(f"line {rows.line_num}: {error}") from None
    if not lines:
        raise _unusable("it names no station")


def _columns(names: Sequence[str]) -> Sequence[str]:
    for name in names:
        if name not in COLUMNS:
            near = get_close_matches(name, COLUMNS, n=1)
            advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(COLUMNS)}"
            raise _unusable(f"line 1: there is no column {name!r}; {advice}")
        if names.count(name) > 1:
            raise _unusable(f"line 1: the column {name} is there twice")
    if IDENTITY not in names:
        raise _unusable(f"line 1 must name the columns, {IDENTITY} among them")
    return names


def _row(line: int, columns: Sequence[str], cells: Sequence[str]) -> Delivered:
    if len(cells) != len(columns):
        raise _unusable(f"line {line} has {len(cells)} cells, line 1 names {len(columns)} columns")
    fields: dict[str, Any] = {name: cell for name, cell in zip(columns, cells, strict=True) if cell}
    station_id = fields.pop(IDENTITY, "")
    if not station_id:
        raise _unusable(f"line {line}: {IDENTITY} is empty")
    _check_choice(line, fields, "registration", _REGISTRATIONS)
    _check_choice(line, fields, "security_profile", _PROFILES)
    if "security_profile" in fields:
        fields["security_profile"] = int(fields["security_profile"])
    return Delivered(line, station_id, fields)


def _check_choice(line: int, fields: dict[str, Any], name: str, choices: Sequence[str]) -> None:
    if name in fields and fields[name] not in choices:
        raise _unusable(f"line {line}: {name} is one of {', '.join(choices)}, not {fields[name]!r}")


def _put(client: ApiClient, delivered: Sequence[Delivered]) -> None:
    with click.progressbar(delivered, label="importing", file=sys.stderr) as bar:
        for done, each in enumerate(bar):
            try:
                client.put(f"/stations/{segment(each.station_id)}", each.body)
            except ApiError as error:
                raise Failure(
                    f"line {each.line}: {each.station_id}: {error}; the {done} before it are imported:"
                    " mend the line and import the file again with --update"
                ) from error


def _unusable(reason: str) -> Failure:
    return Failure(f"the file cannot be used: {reason}", ExitCode.USAGE)
