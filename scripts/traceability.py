#!/usr/bin/env python3
"""Write docs/traceability.md: which tests prove which row of docs/requirements/rows.csv.

Tests cite rows with `@pytest.mark.req("TX-04", ...)`. With `--check` nothing is written: it fails if the page is stale,
if a marker names no row, or if a SHALL row of this release has no test; `--missing` prints such rows.
"""

from __future__ import annotations

import contextlib
import csv
import io
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "docs/requirements/rows.csv"
PAGE = ROOT / "docs/traceability.md"
_HEADER = """# Which tests prove which requirement

Written by `make docs` from the tests' `req` markers and `docs/requirements/rows.csv`; not to be edited. A dagger marks
a decision of csmsd where the standard is silent or contradicts itself. "Later" rows belong to capabilities that are not
released yet.
"""


class Row(NamedTuple):
    """One requirement."""

    id: str
    level: str  # SHALL, SHOULD, MAY; † where the standard leaves the decision to us
    capability: str
    release: str  # first, later
    title: str

    @property
    def needs_test(self) -> bool:
        """Without a test, this release is not done."""
        return self.release == "first" and self.level.startswith("SHALL")


@dataclass
class Citations:
    """A pytest plugin that notes who cites what."""

    by_row: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        """Parametrised tests count once."""
        for item in items:
            name = f"{item.path.relative_to(ROOT)}::{item.nodeid.partition('::')[2].partition('[')[0]}"
            for marker in item.iter_markers("req"):
                for row in marker.args:
                    if name not in self.by_row[row]:
                        self.by_row[row].append(name)


def read_rows() -> dict[str, Row]:
    """All rows by id, in the order of the file."""
    with ROWS.open(encoding="utf-8", newline="") as file:
        return {line["id"]: Row(**line) for line in csv.DictReader(file)}


def collect() -> dict[str, list[str]]:
    """Tests by row, as pytest finds them; SystemExit if it cannot read the tests."""
    citations = Citations()
    output = io.StringIO()
    options = ["--collect-only", "-qq", "-p", "no:cacheprovider", "-p", "no:xdist", str(ROOT / "tests")]
    with contextlib.redirect_stdout(output):
        status = pytest.main(["--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), *options], [citations])
    if status != pytest.ExitCode.OK:
        raise SystemExit("pytest cannot collect the tests:\n" + output.getvalue().partition(" ERRORS ")[2])
    return {row: sorted(tests) for row, tests in citations.by_row.items()}


def page(rows: Mapping[str, Row], tests: Mapping[str, Sequence[str]]) -> str:
    """The page in Markdown."""
    lines = [_HEADER, *_summary(rows.values(), tests), ""]
    family = ""
    for row in rows.values():
        if (mine := row.id.replace("_", "-").partition("-")[0]) != family:
            family = mine
            lines += [f"## {family}", "", "| row | level | requirement | tests |", "|---|---|---|---|"]
        proof = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in tests.get(row.id, ()))
        note = "" if row.release == "first" else f" (later: {row.capability})"
        lines.append(f"| {row.id} | {row.level} | {row.title}{note} | {proof or '–'} |")
        if _last_of_family(row, rows):
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _last_of_family(row: Row, rows: Mapping[str, Row]) -> bool:
    ids = list(rows)
    after = ids[ids.index(row.id) + 1 :]
    return not after or after[0].replace("_", "-").partition("-")[0] != row.id.replace("_", "-").partition("-")[0]


def _summary(rows: Iterable[Row], tests: Mapping[str, Sequence[str]]) -> Iterable[str]:
    yield "| capability | release | rows | with tests |"
    yield "|---|---|---|---|"
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.capability, row.release].append(row)
    for (capability, release), members in sorted(groups.items(), key=lambda group: (group[0][1], group[0][0])):
        yield f"| {capability} | {release} | {len(members)} | {sum(row.id in tests for row in members)} |"


def unknown(rows: Mapping[str, Row], tests: Mapping[str, Sequence[str]]) -> list[str]:
    """Citations of rows that do not exist, with the first test that makes them."""
    return sorted(f"{row} ({found[0]})" for row, found in tests.items() if row not in rows)


def untested(rows: Mapping[str, Row], tests: Mapping[str, Sequence[str]]) -> list[str]:
    """Rows that need a test and have none."""
    return [row.id for row in rows.values() if row.needs_test and row.id not in tests]


def complaints(rows: Mapping[str, Row], tests: Mapping[str, Sequence[str]], written: str) -> list[str]:
    """What `--check` has to say."""
    found: list[str] = []
    if strange := unknown(rows, tests):
        found.append(f"tests cite rows that do not exist: {', '.join(strange)}")
    if missing := untested(rows, tests):
        found.append(f"rows without a test: {', '.join(missing)}")
    if written != page(rows, tests):
        found.append("docs/traceability.md is stale: make docs")
    return found


def main(arguments: Sequence[str]) -> int:
    """Exit status."""
    rows, tests = read_rows(), collect()
    if "--missing" in arguments:
        sys.stdout.write("".join(f"{row}\n" for row in untested(rows, tests)))
        return 0
    if "--check" not in arguments:
        PAGE.write_text(page(rows, tests), encoding="utf-8")
        return 0
    found = complaints(rows, tests, PAGE.read_text(encoding="utf-8") if PAGE.exists() else "")
    sys.stderr.write("".join(f"{complaint}\n" for complaint in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
