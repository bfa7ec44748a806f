"""Journal, attempts, audit and retention: what was seen can be read, and stays within its bounds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import sqlalchemy as sa
import trio

from csmsd._kernel.attempts import AttemptLog
from csmsd._kernel.audit import AuditTrail
from csmsd._kernel.journal import DatabaseJournal
from csmsd._kernel.retention import Retention
from csmsd._kernel.storage import tables
from csmsd._kernel.storage.database import Database, open_store
from csmsd.config import StoreConfig
from csmsd.env import Env
from csmsd.host import AuditFilter
from csmsd.journal import Attempt, Decision, Exchange, ExchangeFilter
from csmsd.ocpp.decoding import Deviation

NOW = datetime(2026, 5, 4, 3, 2, 1, 500, tzinfo=UTC)
EXCHANGE = Exchange("CP-1", "in", "7", "Heartbeat", "{}", "{}", "", NOW, 1234)
ATTEMPT = Attempt(NOW, "10.0.0.1:4000", "credentials", "wrong password", "CP-1", "ocpp", ("ocpp1.6",), "box/1")


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Database]:
    async with open_store(database_url, Env(now=lambda: NOW)) as store:
        yield store


async def settle(store: Database) -> None:
    """Commit what nobody waits for: it goes with the next batch."""

    def nothing(_connection: sa.Connection, rows: object) -> list[None]:
        return [None]

    await store.submit(nothing, None)


async def count(store: Database, table: sa.Table) -> int:
    return await store.read(lambda c: c.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


@pytest.mark.req("RPC-37", "VAL-17")
async def test_an_exchange_is_read_as_it_was_recorded(store: Database) -> None:
    journal = DatabaseJournal(store)
    full = msgspec.structs.replace(
        EXCHANGE,
        deviations=(Deviation("VAL-02", "extra", "1"),),
        trace=(Decision("core", "answered", 12),),
        response=None,
        error="timeout",
    )
    journal.record(full)
    journal.record(EXCHANGE)
    await settle(store)
    newest, oldest = await journal.exchanges(ExchangeFilter())
    assert msgspec.structs.replace(newest, id=0) == EXCHANGE
    assert msgspec.structs.replace(oldest, id=0) == full
    assert [e.id for e in await journal.exchanges(ExchangeFilter(only_errors=True))] == [oldest.id]
    assert [e.id for e in await journal.exchanges(ExchangeFilter(only_deviating=True))] == [oldest.id]
    assert [e.id for e in await journal.exchanges(ExchangeFilter(after_id=oldest.id))] == [newest.id]
    assert [e.id for e in await journal.exchanges(ExchangeFilter(before_id=newest.id))] == [oldest.id]
    assert await journal.exchanges(ExchangeFilter(station_id="CP-2")) == []
    assert await journal.exchanges(ExchangeFilter(action="Authorize")) == []


@pytest.mark.req("BOOT-31", "VAL-14")
async def test_a_refused_message_is_journaled_before_the_answer(store: Database) -> None:
    journal = DatabaseJournal(store)
    await journal.record_durably(EXCHANGE)
    assert len(await journal.exchanges(ExchangeFilter())) == 1


@pytest.mark.req("VAL-17")
async def test_deviations_are_counted_per_station_rule_and_path_without_positions(store: Database) -> None:
    journal = DatabaseJournal(store, keeps_exchanges=False)
    for position in range(3):
        deviation = Deviation("VAL-10", f"meterValue[{position}].unit", f'"{position}"')
        journal.record(msgspec.structs.replace(EXCHANGE, deviations=(deviation, deviation)))
        if position == 1:
            await settle(store)
    await settle(store)
    (counted,) = await journal.deviations(station_id="CP-1")
    assert (counted.rule, counted.path, counted.count, counted.example) == ("VAL-10", "meterValue[].unit", 6, '"2"')
    assert await journal.exchanges(ExchangeFilter()) == []
    assert await journal.deviations(station_id="CP-2") == []


@pytest.mark.req("VAL-18")
async def test_no_character_breaks_the_journal(store: Database) -> None:
    journal = DatabaseJournal(store)
    await journal.record_durably(msgspec.structs.replace(EXCHANGE, request="\x00 é \U0001f50c", action="\x00"))
    await journal.record_durably(msgspec.structs.replace(EXCHANGE, request="half a pair: \ud83d"))
    broken, odd = await journal.exchanges(ExchangeFilter())
    assert (odd.request, odd.action) == ("\x00 é \U0001f50c", "\x00")
    assert broken.request == "half a pair: ?"


async def test_equal_attempts_of_a_minute_are_one_row_with_a_count(store: Database) -> None:
    clock = [0.0]
    attempts, journal = AttemptLog(store, Env(now=lambda: NOW, monotonic=lambda: clock[0])), DatabaseJournal(store)
    for port in range(5):
        attempts.record(msgspec.structs.replace(ATTEMPT, peer=f"10.0.0.1:{port}", at=NOW + timedelta(seconds=port)))
    attempts.record(msgspec.structs.replace(ATTEMPT, peer="10.0.0.2:1"))
    await settle(store)
    clock[0] = 61.0
    attempts.record(ATTEMPT)  # a new minute: the old count is saved
    await settle(store)
    found = await journal.attempts(station_id="CP-1")
    assert [(a.peer, a.count) for a in found] == [("10.0.0.1:4000", 1), ("10.0.0.2:1", 1), ("10.0.0.1:0", 5)]
    assert (found[0].subprotocols, found[2].at) == (("ocpp1.6",), NOW + timedelta(seconds=4))


async def test_a_flood_of_attempts_cannot_fill_the_disk(store: Database) -> None:
    attempts = AttemptLog(store, Env(now=lambda: NOW))
    for number in range(500):
        attempts.record(msgspec.structs.replace(ATTEMPT, station_id=f"guess-{number}"))
    attempts.record(msgspec.structs.replace(ATTEMPT, peer="10.0.0.2:1"))
    await settle(store)
    assert await count(store, tables.attempt) == 61
    assert attempts.dropped == 440


async def test_changes_are_in_the_audit_trail(store: Database) -> None:
    audit = AuditTrail(store, Env(now=lambda: NOW))
    audit.record("operator", "station.update", "CP-1", before={"note": ""}, after={"note": "\x00"})
    await settle(store)
    (entry,) = await audit.entries()
    assert (entry.at, entry.actor, entry.before, entry.after) == (NOW, "operator", '{"note":""}', '{"note":"\\u0000"}')
    assert await audit.entries(AuditFilter(before_id=entry.id)) == []


async def test_old_and_surplus_exchanges_go(store: Database) -> None:
    journal = DatabaseJournal(store)
    for day in range(1300):
        age = timedelta(days=40) if day < 1100 else timedelta(0)
        journal.record(msgspec.structs.replace(EXCHANGE, at=NOW - age, call_id=str(day)))
    await settle(store)
    await settle(store)
    retention = Retention(store, Env(now=lambda: NOW), StoreConfig(journal_max_rows=150))
    while await count(store, tables.journal) > 150:
        assert await retention.sweep() > 0
    newest = await journal.exchanges(ExchangeFilter(limit=1000))
    assert [int(exchange.call_id) for exchange in newest] == list(range(1299, 1149, -1))
    assert await retention.sweep() == 0


async def test_facts_go_when_every_plugin_has_them_behind_it(store: Database, caplog: pytest.LogCaptureFixture) -> None:
    with store.engine.begin() as connection:
        fact = {"name": "f", "station_id": "A", "payload": b"{}", "at": NOW}
        connection.execute(sa.insert(tables.outbox), [fact] * 10)
        ids = list(connection.execute(sa.select(tables.outbox.c.id).order_by(tables.outbox.c.id)).scalars())
        cursors = [{"plugin": "fast", "fact_id": ids[9]}, {"plugin": "slow", "fact_id": ids[3]}]
        connection.execute(sa.insert(tables.outbox_cursor), cursors)
    assert await Retention(store, Env(now=lambda: NOW), StoreConfig()).sweep() == 4
    assert "undelivered" not in caplog.text
    later = Env(now=lambda: NOW + timedelta(days=31))
    assert await Retention(store, later, StoreConfig()).sweep() == 6  # the slow one has been away too long
    assert "6 facts deleted undelivered" in caplog.text


async def test_facts_of_a_straggler_stay_though_the_cursor_has_passed_them(store: Database) -> None:
    with store.engine.begin() as connection:
        fact = {"name": "f", "payload": b"{}", "at": NOW}
        connection.execute(sa.insert(tables.outbox), [{**fact, "station_id": "AB"[n % 2]} for n in range(1200)])
        ids = list(connection.execute(sa.select(tables.outbox.c.id).order_by(tables.outbox.c.id)).scalars())
        connection.execute(sa.insert(tables.outbox_cursor), {"plugin": "p", "fact_id": ids[-1]})
        straggler = {"plugin": "p", "station_id": "A", "fact_id": ids[1]}
        connection.execute(sa.insert(tables.outbox_straggler), straggler)
    assert await Retention(store, Env(now=lambda: NOW), StoreConfig()).sweep() == 601
    assert await count(store, tables.outbox) == 599


async def test_surplus_deviations_and_finished_commands_go(store: Database) -> None:
    with store.engine.begin() as connection:
        old, row = NOW - timedelta(days=31), {"station_id": "A", "rule": "VAL-02", "count": 1, "example": ""}
        connection.execute(
            sa.insert(tables.deviation), [{**row, "path": "a", "last_at": old}, {**row, "path": "b", "last_at": NOW}]
        )
        command = {"station_id": "A", "action": "Reset", "request": "{}", "fingerprint": "", "actor": ""}
        states = [("1", old), ("2", NOW), ("3", None)]
        connection.execute(
            sa.insert(tables.command),
            [{**command, "id": i, "state": "", "submitted_at": old, "finished_at": at} for i, at in states],
        )
    await Retention(store, Env(now=lambda: NOW), StoreConfig()).sweep()
    assert await count(store, tables.deviation) == 1
    assert await count(store, tables.command) == 2


async def test_counts_of_attempts_follow_within_seconds(sqlite_url: str, autojump_clock: object) -> None:
    async with open_store(sqlite_url, Env(now=lambda: NOW), inline=True) as store, trio.open_nursery() as nursery:
        attempts, journal = AttemptLog(store, Env(now=lambda: NOW)), DatabaseJournal(store)
        nursery.start_soon(attempts.run)
        for _ in range(7):
            attempts.record(ATTEMPT)
        await trio.sleep(3)
        (found,) = await journal.attempts()
        assert found.count == 7
        nursery.cancel_scope.cancel()
