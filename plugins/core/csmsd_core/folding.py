"""Case-insensitive identifiers: id tags, configuration keys, vendor ids (VAL-07, AUTH-03, CFG-04, CORE-11)."""

from __future__ import annotations


def folded(text: str) -> str:
    """The form in which case-insensitive identifiers are compared and indexed; shown is always what was received."""
    return text.casefold()
