"""The check of the audit's chain, over any connection: the server's, or a command's on a file that nobody serves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa

from csmsd._kernel.storage import tables
from csmsd._kernel.storage.chain import BASE, GENESIS, HEAD, Content, hash_of
from csmsd.host import AuditFinding, AuditVerdict

PAGE = 2000
MOST_FINDINGS = 100
TRIM = "audit.trim"  # the action of the entry that retention leaves: what it has deleted is known to the chain
_ANCHOR = re.compile(r"(\d{1,18}):([0-9a-f]{64})", re.ASCII)
_PAGE = sa.select(tables.audit).where(tables.audit.c.id > sa.bindparam("after")).order_by(tables.audit.c.id).limit(PAGE)


class _Trimmed(msgspec.Struct, frozen=True):
    """What an entry `audit.trim` says."""

    last: int = 0
    hash: str = GENESIS


class _Check:
    """One walk from the oldest entry to the newest."""

    def __init__(self, base: tuple[int, str], anchor: tuple[int, str] | None) -> None:
        self.id, self.hash = base
        self.base, self.anchor = base, anchor
        self.entries = self.first_id = 0
        self.trimmed = _Trimmed()
        self.findings: list[AuditFinding] = []

    def find(self, kind: Any, first: int, last: int, words: str) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(AuditFinding(kind, first, last, words))

    def take(self, row: sa.Row[Any]) -> None:
        """The next entry."""
        self.entries += 1
        self.first_id = self.first_id or row.id
        is_next = row.id == self.id + 1
        if not is_next:
            self.find("missing", self.id + 1, row.id - 1, f"{_entries(self.id + 1, row.id - 1)} missing")
        content = Content(row.id, row.at, row.actor, row.way, row.action, row.subject, row.before, row.after)
        if hash_of(content, row.previous) != row.hash:
            self.find("changed", row.id, row.id, f"entry {row.id} is not as it was written: changed, or moved here")
        elif is_next and row.previous != self.hash:
            self.find(
                "replaced", row.id - 1, row.id, f"entry {row.id} was written after another entry {row.id - 1} than this"
            )
        if self.anchor is not None and row.id == self.anchor[0] and row.hash != self.anchor[1]:
            self.find("replaced", 1, row.id, f"entry {row.id} is another than the one whose hash was noted")
        if row.action == TRIM and row.after is not None:
            self.trimmed = msgspec.json.decode(row.after, type=_Trimmed)
        self.id, self.hash = row.id, row.hash

    def end(self, head: tuple[int, str]) -> None:
        """After the newest entry."""
        head_id, head_hash = head
        if head_id > self.id:
            self.find("missing", self.id + 1, head_id, f"{_entries(self.id + 1, head_id)} missing at the end")
        elif head_id < self.id:
            self.find("added", head_id + 1, self.id, f"csmsd has not written {_entries(head_id + 1, self.id)[:-4]}")
        elif head_hash != self.hash:
            self.find("replaced", self.id, self.id, f"entry {self.id} is another than the last one written")
        if (self.trimmed.last, self.trimmed.hash) != self.base:
            self.find(
                "cut", 1, self.base[0], f"{_entries(1, self.base[0])} gone, and no entry {TRIM} says that it was csmsd"
            )
        if self.anchor is not None and self.anchor[0] > self.id:
            self.find(
                "missing", self.id + 1, self.anchor[0], f"entry {self.anchor[0]}, whose hash was noted, is missing"
            )


def check_audit(connection: sa.Connection, anchor: str = "") -> AuditVerdict:
    """Walk along the chain. `anchor`: "<id>:<hash>" of an entry, noted earlier; ValueError if it is none."""
    noted = _read_anchor(anchor)
    found = connection.execute(sa.select(tables.audit_mark))
    marks: dict[str, tuple[int, str]] = {row.name: (row.entry_id, row.hash) for row in found}
    check = _Check(marks.get(BASE, (0, GENESIS)), noted)
    for name in (BASE, HEAD):
        if name not in marks:
            check.find("mark", 0, 0, f"the mark {name!r} of the chain is missing")
    for row in _rows(connection):
        check.take(row)
    check.end(marks.get(HEAD, (0, GENESIS)))
    return AuditVerdict(check.entries, check.first_id, check.id, f"{check.id}:{check.hash}", tuple(check.findings))


def _rows(connection: sa.Connection) -> Iterator[sa.Row[Any]]:
    after = -(2**63)
    while rows := connection.execute(_PAGE, {"after": after}).all():
        yield from rows
        after = rows[-1].id


def _read_anchor(text: str) -> tuple[int, str] | None:
    if not text:
        return None
    match = _ANCHOR.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no head of an audit: <number>:<64 hexadecimal digits>")
    return int(match[1]), match[2]


def _entries(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"
