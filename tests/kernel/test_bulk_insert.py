"""BulkInsert writes what SQLAlchemy's own insert would have written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csmsd._kernel.storage.engines import parse_url, writing_engine
from csmsd.store import BulkInsert, StationText, UtcTime

TABLE = sa.Table(
    "kernel_bulk",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("order", StationText),  # a reserved word
    sa.Column("at", UtcTime),
    sa.Column("payload", sa.LargeBinary),
    sa.Column("is_odd", sa.Boolean),
    sa.Column("untouched", sa.Integer, server_default="7"),
)
NAMES = ("id", "order", "at", "payload", "is_odd")
insert = BulkInsert(TABLE, *NAMES)

zones = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))
moments = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=zones)
rows = st.tuples(
    st.none() | st.text(st.characters(exclude_categories=())),
    st.none() | moments,
    st.none() | st.binary(),
    st.none() | st.booleans(),
)


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    made = writing_engine(parse_url(database_url))
    TABLE.create(made)
    yield made
    made.dispose()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(rows, max_size=5))
def test_it_writes_what_sqlalchemy_writes(engine: sa.Engine, values: list[tuple[Any, ...]]) -> None:
    numbered = [(id_, *row) for id_, row in enumerate(values)]
    with engine.begin() as connection:
        connection.execute(sa.delete(TABLE))
        insert(connection, numbered)
        ours = connection.execute(sa.select(TABLE).order_by(TABLE.c.id)).fetchall()
        connection.execute(sa.delete(TABLE))
        if numbered:
            connection.execute(sa.insert(TABLE), [dict(zip(NAMES, row, strict=True)) for row in numbered])
        theirs = connection.execute(sa.select(TABLE).order_by(TABLE.c.id)).fetchall()
    assert ours == theirs


def test_a_moment_without_a_zone_is_refused(engine: sa.Engine) -> None:
    if engine.dialect.name == "sqlite":
        with engine.begin() as connection, pytest.raises(ValueError, match="zone"):
            insert(connection, [(1, "x", datetime(2026, 1, 1), b"", True)])


def test_moments_come_back_in_utc(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        insert(connection, [(1, None, datetime(2026, 1, 1, 3, tzinfo=timezone(timedelta(hours=3))), None, None)])
        assert connection.execute(sa.select(TABLE.c.at)).scalar_one() == datetime(2026, 1, 1, tzinfo=UTC)
        assert connection.execute(sa.select(TABLE.c.untouched)).scalar_one() == 7
