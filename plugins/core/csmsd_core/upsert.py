"""INSERT … ON CONFLICT DO UPDATE for both databases, as statements that are built once."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def upsert(table: sa.Table, *, only: Collection[str] = ()) -> Mapping[str, sa.Insert]:
    """By dialect: write a row; if its key exists, replace all other columns, or `only` some."""
    names = [column.name for column in table.c if not column.primary_key]
    changed = [name for name in names if not only or name in only]
    key = [column.name for column in table.primary_key]
    return {
        "sqlite": (lite := sqlite.insert(table)).on_conflict_do_update(
            index_elements=key, set_={name: lite.excluded[name] for name in changed}
        ),
        "postgresql": (pg := postgresql.insert(table)).on_conflict_do_update(
            index_elements=key, set_={name: pg.excluded[name] for name in changed}
        ),
    }
