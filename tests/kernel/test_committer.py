"""The committer: what was acknowledged is stored, who is not at fault sees no error, and nobody waits for ever."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import trio
from sqlalchemy.dialects import postgresql, sqlite

from csmsd._kernel.storage import tables
from csmsd._kernel.storage.committer import Tuning
from csmsd._kernel.storage.database import Database, open_store
from csmsd._kernel.storage.engines import parse_url, writing_engine
from csmsd.env import Env
from csmsd.errors import ConfigError, OutcomeUnknown, StoreError, StoreUnavailable, WriteFailed

NOTE = sa.insert(tables.sequence)
HASTY = Tuning(deadline=0.5, probe_interval=0.02, busy_timeout=0.05)


def note(connection: sa.Connection, names: Sequence[str | None]) -> Sequence[str | None]:
    connection.execute(NOTE, [{"name": name, "next": 0} for name in names])
    return names


def names_in(url: str) -> set[str]:
    engine = writing_engine(parse_url(url))
    with engine.connect() as connection:
        found = set(connection.execute(sa.select(tables.sequence.c.name)).scalars())
    engine.dispose()
    return found - {"probe"}


async def is_back(store: Database) -> None:
    with trio.fail_after(10):
        while not store.is_available:  # noqa: ASYNC110 -- polled as the door does
            await trio.sleep(0.01)


async def outcome_of(store: Database, name: str | None) -> StoreError | None:
    try:
        await store.submit(note, name)
    except StoreError as error:
        return error
    return None


@pytest.mark.req("TX-04", "B-11")
async def test_a_write_settles_after_its_commit(database_url: str) -> None:
    async with open_store(database_url, Env()) as store:
        assert await store.submit(note, "a") == "a"
        assert names_in(database_url) == {"a"}


async def test_writes_settle_in_the_order_submitted_also_across_kinds(database_url: str) -> None:
    def other(_connection: sa.Connection, rows: Sequence[int]) -> Sequence[int]:
        return rows

    order: list[Any] = []
    async with open_store(database_url, Env()) as store:
        for number in range(100):
            pending: Any = store.submit(other, number) if number % 2 else store.submit(note, str(number))
            pending.when_settled(lambda _value, _error, number=number: order.append(number))
    assert order == list(range(100))


async def test_one_bad_row_among_many_fails_alone(database_url: str) -> None:
    async with open_store(database_url, Env()) as store:
        pendings = [store.submit(note, None if number == 50 else f"{number:03}") for number in range(100)]
        with pytest.raises(WriteFailed):
            await pendings[50]
        for number, pending in enumerate(pendings):
            if number != 50:
                await pending
        assert store.is_available
    assert len(names_in(database_url)) == 99


@pytest.mark.req("WS-24")
async def test_an_error_tells_no_parameters(database_url: str) -> None:
    async with open_store(database_url, Env()) as store:
        await store.submit(note, "the secret")
        error = await outcome_of(store, "the secret")
    assert isinstance(error, WriteFailed)
    assert "secret" not in str(error)


async def test_a_cancelled_waiter_leaves_at_once_and_its_write_goes_on(database_url: str) -> None:
    async with open_store(database_url, Env()) as store:
        pending = store.submit(note, "a")
        with trio.CancelScope() as scope:
            scope.cancel()
            await pending
        assert scope.cancelled_caught
    assert names_in(database_url) == {"a"}


async def test_a_completion_that_raises_hurts_nobody_else(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_value: object, _error: object) -> None:
        raise RuntimeError("a bug")

    async with open_store(database_url, Env()) as store:
        store.submit(note, "a").when_settled(fail)
        assert await store.submit(note, "b") == "b"
    assert "a completion failed" in caplog.text


@pytest.mark.req("TX-04")
async def test_closing_commits_and_settles_everything_also_what_nobody_waits_for(database_url: str) -> None:
    with trio.CancelScope() as scope:
        async with open_store(database_url, Env()) as store:
            pendings = [store.submit(note, f"{number:04}") for number in range(1500)]
            for number in range(700):
                store.submit_later(note, f"later-{number}")
            scope.cancel()
    assert all(pending.is_settled for pending in pendings)
    assert len(names_in(database_url)) == 2200
    with pytest.raises(StoreUnavailable):
        await store.submit(note, "too late")


async def test_what_nobody_waits_for_is_stored_within_a_second(sqlite_url: str) -> None:
    async with open_store(sqlite_url, Env(), tuning=Tuning(later_delay=0.05)) as store:
        store.submit_later(note, "later")
        store.submit_later(note, None)
        with trio.fail_after(5):
            while not names_in(sqlite_url):  # noqa: ASYNC110 -- a file sets no event
                await trio.sleep(0.02)
        assert await outcome_of(store, "later") is not None  # it is there
        assert store.statistics.dropped == 1


async def test_queues_are_bounded(sqlite_url: str) -> None:
    async with open_store(sqlite_url, Env(), tuning=Tuning(capacity=10, later_capacity=10)) as store:
        pendings = [store.submit(note, f"{number}") for number in range(12)]
        for number in range(12):
            store.submit_later(note, f"later-{number}")
        for refused in pendings[10:]:
            assert refused.is_settled
            with pytest.raises(StoreUnavailable, match="wait already"):
                await refused
        assert store.statistics.dropped == 2
    assert len(names_in(sqlite_url)) == 20


@pytest.mark.req("TX-04", "WS-42", "B-12")
async def test_an_outage_is_told_at_once_and_its_end_is_noticed(sqlite_url: str) -> None:
    changes: list[bool] = []
    async with open_store(sqlite_url, Env(), tuning=HASTY) as store:
        store.when_availability_changes(changes.append)
        blocker = sqlite3.connect(parse_url(sqlite_url).database or "", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        store.submit_later(note, "kept from the batch that failed")
        assert isinstance(await outcome_of(store, "a"), StoreUnavailable)
        assert not store.is_available
        assert store.submit(note, "b").is_settled
        store.submit_later(note, "kept")
        blocker.execute("ROLLBACK")
        blocker.close()
        await is_back(store)
        assert await outcome_of(store, "c") is None
    assert changes == [False, True]
    assert names_in(sqlite_url) == {"c", "kept", "kept from the batch that failed"}


@pytest.mark.req("TX-04")
async def test_a_hung_disk_leaves_nobody_waiting(sqlite_url: str) -> None:
    hanging, released = threading.Event(), threading.Event()

    def hang(_connection: sa.Connection, rows: Sequence[None]) -> Sequence[None]:
        hanging.set()
        released.wait(20)
        return rows

    async with open_store(sqlite_url, Env(), tuning=HASTY) as store:
        claimed = store.submit(hang, None)
        await trio.to_thread.run_sync(hanging.wait)
        queued = store.submit(note, "queued")
        with trio.fail_after(10):
            with pytest.raises(OutcomeUnknown):
                await claimed
            with pytest.raises(StoreUnavailable):
                await queued
        assert not store.is_available
        released.set()
        await is_back(store)
    assert names_in(sqlite_url) == set()  # StoreUnavailable means: certainly not stored


@pytest.fixture
def backend_killer(postgres: Any) -> Iterator[Any]:
    with postgres.connect() as connection:

        def kill(pid: int) -> None:
            connection.execute("SELECT pg_terminate_backend(%s)", (pid,))

        yield kill


PID = sa.select(sa.func.pg_backend_pid())


@pytest.mark.req("TX-04", "B-10")
async def test_a_lost_answer_to_commit_is_an_unknown_outcome(postgres_url: str, backend_killer: Any) -> None:
    async with open_store(postgres_url, Env(), tuning=HASTY) as store:

        def kill_in_commit(connection: sa.Connection, names: Sequence[str]) -> Sequence[str]:
            pid = connection.execute(PID).scalar_one()
            sa.event.listen(store.engine, "commit", lambda _connection: backend_killer(pid), once=True)
            return note(connection, names)  # type: ignore[return-value]  # no None among these

        with pytest.raises(OutcomeUnknown):
            await store.submit(kill_in_commit, "a")
        await is_back(store)
        assert await outcome_of(store, "b") is None


@pytest.mark.req("TX-04")
async def test_a_connection_lost_before_commit_has_certainly_stored_nothing(
    postgres_url: str, backend_killer: Any
) -> None:
    def kill_at_once(connection: sa.Connection, names: Sequence[str]) -> Sequence[str]:
        backend_killer(connection.execute(PID).scalar_one())
        return note(connection, names)  # type: ignore[return-value]  # no None among these

    async with open_store(postgres_url, Env(), tuning=HASTY) as store:
        with pytest.raises(StoreUnavailable):
            await store.submit(kill_at_once, "a")
        await is_back(store)
        assert await outcome_of(store, "b") is None
    assert names_in(postgres_url) == {"b"}


UPSERT = {
    name: insert.on_conflict_do_update(index_elements=["name"], set_={"next": tables.sequence.c.next}).returning(
        tables.sequence.c.name, tables.sequence.c.next
    )
    for name, insert in (("sqlite", sqlite.insert(tables.sequence)), ("postgresql", postgresql.insert(tables.sequence)))
}


async def test_repeats_get_the_first_ones_id_and_there_is_one_row(database_url: str) -> None:
    async with open_store(database_url, Env()) as store:

        def start(connection: sa.Connection, keys: Sequence[str]) -> Sequence[int]:
            firsts = list(dict.fromkeys(keys))
            ids = store.take_ids(connection, "tx", len(firsts))
            rows = [{"name": key, "next": id_} for key, id_ in zip(firsts, ids, strict=True)]
            found = connection.execute(UPSERT[connection.dialect.name], rows)
            id_of = {row.name: row.next for row in found}
            return [id_of[key] for key in keys]

        same = [store.submit(start, "key") for _ in range(5)]
        ids = {await pending for pending in same} | {await store.submit(start, "key")}
        assert len(ids) == 1
    assert names_in(database_url) == {"key", "tx"}


CHILD = """
import sys, trio, sqlalchemy as sa
from csmsd.env import Env
from csmsd._kernel.storage.database import open_store
from csmsd._kernel.storage.tables import sequence

ADD = sa.insert(sequence)

def add(connection, names):
    connection.execute(ADD, [{"name": name, "next": 0} for name in names])
    return names

async def station(store, number):
    for turn in range(100_000):
        name = await store.submit(add, f"{number}-{turn}-{sys.argv[2]}")
        sys.stdout.write(name + "\\n")
        sys.stdout.flush()

async def main():
    async with open_store(sys.argv[1], Env()) as store, trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(station, store, number)

trio.run(main)
"""


@pytest.mark.req("TX-04")
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(database_url: str) -> None:
    acknowledged: set[str] = set()
    for round_ in range(2):
        command = [sys.executable, "-c", CHILD, database_url, str(round_)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as child:
            assert child.stdout is not None
            for _ in range(500):
                acknowledged.add(child.stdout.readline().strip())
            child.send_signal(signal.SIGKILL)
            lines = child.stdout.read().split("\n")
            acknowledged.update(line for line in lines[:-1] if line)
    assert len(acknowledged) >= 1000
    assert acknowledged <= names_in(database_url)


async def test_readers_cannot_write_and_see_what_was_committed(database_url: str) -> None:
    async with open_store(database_url, Env()) as store:
        await store.submit(note, "a")
        query = sa.select(tables.sequence.c.name)
        assert await store.read(lambda connection: connection.execute(query).scalar_one()) == "a"
        with pytest.raises(sa.exc.DBAPIError, match=r"read-?only"):
            await store.read(lambda connection: connection.execute(sa.delete(tables.sequence)))
    assert names_in(database_url) == {"a"}


async def test_virtual_time_does_not_outrun_an_inline_store(sqlite_url: str, autojump_clock: object) -> None:
    async with open_store(sqlite_url, Env(), inline=True) as store:
        with trio.fail_after(0.001):
            for number in range(20):
                await store.submit(note, str(number))
                store.submit_later(note, f"later-{number}")
            query = sa.select(sa.func.count()).select_from(tables.sequence)
            assert await store.read(lambda connection: connection.execute(query).scalar_one()) == 40
        await trio.sleep(86_400)
        assert isinstance(await outcome_of(store, "1"), WriteFailed)
        store.submit_later(note, "at the end")
    assert "at the end" in names_in(sqlite_url)


@pytest.mark.req("TX-04")
async def test_an_inline_store_sits_out_an_outage_too(sqlite_url: str, autojump_clock: object) -> None:
    async with open_store(sqlite_url, Env(), inline=True) as store:
        blocker = sqlite3.connect(parse_url(sqlite_url).database or "", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        assert isinstance(await outcome_of(store, "a"), StoreUnavailable)
        await trio.sleep(60)
        assert not store.is_available
        blocker.execute("ROLLBACK")
        blocker.close()
        await trio.sleep(1)
        assert store.is_available
        assert await outcome_of(store, "b") is None


async def test_a_second_csmsd_on_the_same_file_is_refused(sqlite_url: str) -> None:
    async with open_store(sqlite_url, Env()):
        with pytest.raises(ConfigError, match=rf"another csmsd.*{os.getpid()}"):
            async with open_store(sqlite_url, Env()):
                pass
    async with open_store(sqlite_url, Env()):
        pass


async def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "csmsd.db"
    async with open_store(f"sqlite:///{path}", Env()) as store:
        await store.run_alone(tables.metadata.create_all)
        await store.submit(note, "a")
        modes = {entry.name: entry.stat().st_mode & 0o777 for entry in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert "csmsd.db-wal" in modes


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y", "nonsense"])
async def test_an_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"store\.url"):
        async with open_store(url, Env()):
            pass


async def test_postgresql_never_acknowledges_before_its_disk_has_it(postgres_url: str) -> None:
    engine = writing_engine(parse_url(postgres_url))
    with engine.begin() as connection:
        name = connection.execute(sa.text("SELECT current_database()")).scalar_one()
        connection.execute(sa.text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    engine.dispose()
    with engine.connect() as connection:
        assert connection.execute(sa.text("SHOW synchronous_commit")).scalar_one() == "on"
    engine.dispose()
