"""Many rows by their unique keys, in one statement that uses the key's index on both databases."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa


def by_key(key: sa.ColumnElement[str], station_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Rows with one of some keys and of one of some stations; the parameters are made by `wanted`.

    These are the first columns of a unique index. A list of whole keys, as row values, would be exact, but SQLite 3.40
    reads the whole table for it. So there may be a few rows more than asked for: whoever asks looks at their keys.
    """
    return sa.and_(
        key.in_(sa.bindparam("keys", expanding=True)), station_id.in_(sa.bindparam("stations", expanding=True))
    )


def wanted(keys: Collection[tuple[Any, ...]]) -> dict[str, list[str]]:
    """The parameters of `by_key` for keys that begin with those two columns."""
    return {"keys": sorted({key[0] for key in keys}), "stations": sorted({key[1] for key in keys})}
