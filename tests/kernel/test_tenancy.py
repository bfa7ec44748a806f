"""A PostgreSQL database has one csmsd: the second is refused at start, and one that was taken over commits nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa
import trio

from csmsd._kernel.storage.batch import BatchRunner
from csmsd._kernel.storage.committer import Tuning
from csmsd._kernel.storage.database import Database, open_store
from csmsd._kernel.storage.engines import parse_url, writing_engine
from csmsd._kernel.storage.sequences import Sequences
from csmsd._kernel.storage.tenancy import Tenancy
from csmsd.env import Env
from csmsd.errors import ConfigError, StoreError, StoreUnavailable

BACKENDS = sa.text(
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'csmsd' AND datname = current_database()"
    " AND pid <> pg_backend_pid()"
)


def nothing(connection: sa.Connection, rows: Sequence[None]) -> Sequence[None]:
    connection.execute(sa.text("SELECT 1"))
    return rows


@pytest.fixture
def engine(postgres_url: str) -> Any:
    made = writing_engine(parse_url(postgres_url))
    yield made
    made.dispose()


def end_everybody(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for pid in connection.scalars(BACKENDS).all():
            connection.execute(sa.text("SELECT pg_terminate_backend(:pid, 1000)"), {"pid": pid})


async def wait_until(store: Database, *, is_available: bool) -> None:
    with trio.fail_after(20):
        while store.is_available != is_available:  # noqa: ASYNC110
            await trio.sleep(0.02)


@pytest.mark.req("B-04", "B-06")
async def test_a_second_csmsd_is_refused_and_told_who_was_first(postgres_url: str, engine: sa.Engine) -> None:
    async with open_store(postgres_url, Env()) as store:
        with engine.connect() as connection:
            (pid,) = connection.scalars(BACKENDS).all()
        with pytest.raises(
            ConfigError,
            match=rf"^store.url: another csmsd uses this database \(from this machine, backend {pid}\): stop it",
        ):
            async with open_store(postgres_url, Env()):
                pass
        await store.submit(nothing, None)
    async with open_store(postgres_url, Env()) as store:  # it has let go
        await store.submit(nothing, None)


async def test_two_databases_of_one_server_are_two_csmsds(postgres: Any, postgres_url: str) -> None:
    other = postgres.create()
    async with open_store(postgres_url, Env()), open_store(postgres.url(other), Env()) as store:
        await store.submit(nothing, None)


@pytest.mark.req("B-06")
async def test_who_was_taken_over_commits_nothing_until_the_other_has_gone(
    postgres_url: str, engine: sa.Engine
) -> None:
    async with open_store(postgres_url, Env(), tuning=Tuning(probe_interval=0.05)) as store:
        end_everybody(engine)  # the line is cut
        with engine.connect() as usurper:
            Tenancy().claim(usurper)
            with pytest.raises(StoreError):
                await store.submit(nothing, None)
            await wait_until(store, is_available=False)
            await trio.sleep(0.3)
            assert not store.is_available
            with pytest.raises(StoreUnavailable):
                await store.submit(nothing, None)
            usurper.invalidate()
        await wait_until(store, is_available=True)
        await store.submit(nothing, None)


async def test_a_restarted_server_has_the_same_csmsd_again(postgres_url: str, engine: sa.Engine) -> None:
    async with open_store(postgres_url, Env(), tuning=Tuning(probe_interval=0.05)) as store:
        end_everybody(engine)
        with pytest.raises(StoreError):
            await store.submit(nothing, None)
        await wait_until(store, is_available=True)
        await store.submit(nothing, None)


def test_a_connection_of_ours_whose_end_the_server_has_not_noticed_stands_in_nobodys_way(engine: sa.Engine) -> None:
    runner = BatchRunner(engine, Sequences())
    assert runner.is_storage_back()
    first = runner._begin().connection
    first.commit()
    runner._connection = None  # lost, and not closed: as after a cut line
    second = runner._begin().connection
    assert second is not first
    second.rollback()
    with pytest.raises(sa.exc.DBAPIError):
        first.execute(sa.text("SELECT 1"))
    first.invalidate()
    runner.close()
