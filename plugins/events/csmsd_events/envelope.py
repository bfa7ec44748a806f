"""The envelope around every fact that leaves csmsd: CloudEvents 1.0, JSON, structured mode."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase

import msgspec

from csmsd.facts import RecordedFact

MEDIA_TYPE = "application/cloudevents+json; charset=UTF-8"
TEST_TYPE = "csmsd.test"  # of an event that tells nothing; no fact is called so


class Event(msgspec.Struct, frozen=True):
    """A fact, on its way out."""

    id: str  # the same for every delivery of this fact, and for no other: receivers forget repeats by it
    source: str  # whose events: `source` in [plugin.events]
    type: str  # the fact's name
    time: datetime  # when csmsd recorded it; what the station says of the time is in `data`
    subject: str  # the station's identity
    data: msgspec.Raw  # see the type's JSON Schema
    specversion: str = "1.0"
    datacontenttype: str = "application/json"


def event_of(fact: RecordedFact, source: str) -> Event:
    """The number alone would come again if a backup were restored; with the time it does not."""
    id_ = f"{fact.id}-{int(fact.at.timestamp() * 1000)}"
    return Event(id_, source, fact.name, fact.at, fact.station_id, msgspec.Raw(fact.payload))


def fits(text: str, patterns: Iterable[str]) -> bool:
    """Is it one of these? `*` stands for anything."""
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def exact_names(patterns: Iterable[str]) -> tuple[str, ...] | None:
    """The names, or None if a pattern may stand for names that nobody knows yet."""
    names = tuple(patterns)
    return None if any(set("*?[") & set(name) for name in names) else names
