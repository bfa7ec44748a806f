"""INSERT … ON CONFLICT DO NOTHING RETURNING for both databases: what comes back is what was new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert_new(table: sa.Table, key: Sequence[str], returning: Sequence[str] = ()) -> Mapping[str, sa.Executable]:
    """By dialect: write rows whose unique `key` is not there yet; `returning` columns of those."""
    columns = [table.c[name] for name in returning]
    lite = sqlite.insert(table).on_conflict_do_nothing(index_elements=key)
    post = postgresql.insert(table).on_conflict_do_nothing(index_elements=key)
    if not columns:
        return {"sqlite": lite, "postgresql": post}
    return {"sqlite": lite.returning(*columns), "postgresql": post.returning(*columns)}
