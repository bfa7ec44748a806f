"""Byte ranges of RFC 9110: which part of a file is asked for; no I/O."""

from __future__ import annotations

import re
from typing import NamedTuple

ONE_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


class Part(NamedTuple):
    """Bytes `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """In bytes."""
        return self.last - self.first + 1


class Unsatisfiable(Exception):
    """The range is outside of the file."""


def wanted_part(header: str | None, size: int) -> Part | None:
    """The part that is asked for; None for all of it, also if the header is of another kind or has several ranges."""
    match = ONE_RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        part = Part(max(0, size - int(last)), size - 1)
        if int(last) == 0:
            raise Unsatisfiable
    else:
        part = Part(int(first), min(int(last), size - 1) if last else size - 1)
        if last and int(last) < int(first):
            return None
    if part.first >= size:
        raise Unsatisfiable
    return part
