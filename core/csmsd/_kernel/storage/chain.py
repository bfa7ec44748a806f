"""The hash chain of the audit: each entry's hash is over its content and the hash of the entry before."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from sqlalchemy.engine.default import DefaultDialect

from csmsd.store import StationText

GENESIS = "0" * 64  # what the first entry of all follows
BASE, HEAD = "base", "head"  # marks: the last entry that retention has deleted, and the last one written

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encode = msgspec.json.Encoder().encode
_TEXT, _ANY = StationText(), DefaultDialect()


class Content(NamedTuple):
    """What an entry says. Texts as they come back from the database: see `as_stored`."""

    id: int  # 1, 2, 3… without a gap
    at: datetime
    actor: str
    way: str
    action: str
    subject: str
    before: str | None
    after: str | None


def as_stored(text: str) -> str:
    """What storing a text and reading it again makes of it: half characters do not survive."""
    stored = _TEXT.process_bind_param(text, _ANY)
    return _TEXT.process_result_value(stored, _ANY) or ""


def hash_of(content: Content, previous: str) -> str:
    """SHA-256, in hexadecimal, of a JSON array: "csmsd audit 1", what comes before, id, microseconds, and the texts."""
    microseconds = (content.at - _EPOCH) // _MICROSECOND
    fields = ["csmsd audit 1", previous, content.id, microseconds, *content[2:]]
    return hashlib.sha256(_encode(fields)).hexdigest()
