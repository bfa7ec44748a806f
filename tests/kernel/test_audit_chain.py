"""The audit cannot be changed unseen: whatever is done to its rows behind csmsd's back is found and named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa

from csmsd._kernel.audit import AuditTrail, add_entries
from csmsd._kernel.auditcheck import check_audit
from csmsd._kernel.retention import Retention
from csmsd._kernel.storage import tables
from csmsd._kernel.storage.chain import Content, hash_of
from csmsd._kernel.storage.database import Database, open_store
from csmsd._kernel.storage.engines import parse_url, writing_engine
from csmsd._kernel.storage.migrate import KERNEL, upgrade
from csmsd.config import StoreConfig
from csmsd.env import Env
from csmsd.host import AuditEntry, AuditFilter, AuditVerdict, actor_of

NOW = datetime(2026, 5, 4, 3, 2, 1, 500, tzinfo=UTC)
ENTRY = tables.audit.c


def nothing(_connection: sa.Connection, rows: object) -> list[None]:
    return [None]


async def settle(store: Database) -> None:
    """What was submitted before is committed."""
    await store.submit(nothing, None)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Database]:
    async with open_store(database_url, Env(now=lambda: NOW)) as store:
        yield store


@pytest.fixture
async def trail(store: Database) -> AuditTrail:
    """Ten entries: 1 to 10."""
    trail = AuditTrail(store, Env(now=lambda: NOW))
    for number in range(1, 11):
        trail.record(actor_of("anna", "ui"), "station.change", f"CP-{number}", {"note": ""}, {"note": "x"})
    await settle(store)
    return trail


async def tamper(store: Database, *statements: Any) -> None:
    """Change the database as somebody would who has its password."""

    def change(engine: sa.Engine) -> None:
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement) if isinstance(statement, str) else statement)

    await store.run_alone(change)


def found(verdict: AuditVerdict) -> list[tuple[str, int, int]]:
    return [(finding.kind, finding.first_id, finding.last_id) for finding in verdict.findings]


@pytest.mark.req("B-08", "SEC-80")
async def test_what_is_recorded_makes_a_chain_whatever_it_says(store: Database, trail: AuditTrail) -> None:
    for text in ("", "\x00", "\ufdd0", "\ud800 half", "Ä🔌", "'; DROP TABLE kernel_audit; --", "x" * 10_000):
        trail.record(actor_of(text, "api"), "station.change", text, text.encode("utf-8", "replace"), [text.isascii()])
        await settle(store)
    trail.record("csmsd", "credentials.stage", "CP-1")
    trail.record("billing", "tag.put", "04A1")
    await settle(store)
    verdict = await trail.verify()
    assert verdict.is_intact
    assert (verdict.entries, verdict.first_id, verdict.last_id) == (19, 1, 19)
    newest, second, *_ = await trail.entries()
    assert (newest.id, newest.actor, newest.way) == (19, "billing", "plugin")
    assert (second.actor, second.way, second.before) == ("csmsd", "system", None)
    assert verdict.head == f"19:{newest.hash}"


@pytest.mark.req("B-08")
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", NOW + timedelta(microseconds=1)),
        ("actor", "bob"),
        ("way", "api"),
        ("action", "station.remove"),
        ("subject", "CP-9"),
        ("before", None),
        ("before", '{"note":"y"}'),
        ("after", None),
        ("previous", "0" * 64),
        ("hash", "f" * 64),
    ],
)
async def test_a_changed_entry_is_named(store: Database, trail: AuditTrail, column: str, value: Any) -> None:
    await tamper(store, sa.update(tables.audit).where(ENTRY.id == 4).values({column: value}))
    verdict = await trail.verify()
    assert found(verdict)[0] == ("changed", 4, 4)
    assert "entry 4" in verdict.findings[0].words
    assert all(finding.first_id in (4, 5) for finding in verdict.findings)


@pytest.mark.req("B-08")
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("id = 1", ("missing", 1, 1)),
        ("id = 5", ("missing", 5, 5)),
        ("id BETWEEN 3 AND 7", ("missing", 3, 7)),
        ("id = 10", ("missing", 10, 10)),
        ("id > 0", ("missing", 1, 10)),
    ],
)
async def test_a_deleted_entry_is_named(
    store: Database, trail: AuditTrail, condition: str, expected: tuple[str, int, int]
) -> None:
    await tamper(store, f"DELETE FROM kernel_audit WHERE {condition}")
    assert found(await trail.verify()) == [expected]


@pytest.mark.req("B-08")
async def test_two_entries_that_were_exchanged_are_named(store: Database, trail: AuditTrail) -> None:
    moves = [f"UPDATE kernel_audit SET id = {new} WHERE id = {old}" for old, new in ((3, 99), (7, 3), (99, 7))]
    await tamper(store, *moves)
    assert {("changed", 3, 3), ("changed", 7, 7)} <= set(found(await trail.verify()))


@pytest.mark.req("B-08")
async def test_an_entry_that_was_forged_with_a_fitting_hash_breaks_the_next_link(
    store: Database, trail: AuditTrail
) -> None:
    await forge(store, 4)
    assert found(await trail.verify()) == [("replaced", 4, 5)]


@pytest.mark.req("B-08")
async def test_the_last_entry_cannot_be_forged_either(store: Database, trail: AuditTrail) -> None:
    await forge(store, 10)
    assert found(await trail.verify()) == [("replaced", 10, 10)]


@pytest.mark.req("B-08")
async def test_entries_that_csmsd_has_not_written_are_named(store: Database, trail: AuditTrail) -> None:
    fields = {column.name: column for column in tables.audit.columns if column.name != "id"}
    copied = sa.select(sa.literal(11), *fields.values()).where(ENTRY.id == 10)
    await tamper(store, sa.insert(tables.audit).from_select(["id", *fields], copied))
    assert ("added", 11, 11) in found(await trail.verify())


@pytest.mark.req("B-08")
@pytest.mark.parametrize("name", ["base", "head"])
async def test_a_missing_mark_is_named(store: Database, trail: AuditTrail, name: str) -> None:
    await tamper(store, f"DELETE FROM kernel_audit_mark WHERE name = '{name}'")
    assert ("mark", 0, 0) in found(await trail.verify())


@pytest.mark.req("B-08")
async def test_a_chain_that_was_computed_anew_differs_from_the_head_that_somebody_noted(
    store: Database, trail: AuditTrail
) -> None:
    head = (await trail.verify()).head
    noted = (await trail.entries(AuditFilter(before_id=6, limit=1)))[0]
    assert (await trail.verify(head)).is_intact
    assert (await trail.verify(f"{noted.id}:{noted.hash}")).is_intact
    await tamper(store, "DELETE FROM kernel_audit WHERE id > 8", *set_head(8, (await trail.entries())[2].hash))
    assert (await trail.verify()).is_intact, "who rewrites everything needs somebody who has noted the head"
    assert found(await trail.verify(head)) == [("missing", 9, 10)]
    trail.record(actor_of("mallory", "ui"), "station.change", "CP-9")
    trail.record(actor_of("mallory", "ui"), "station.change", "CP-10")
    await settle(store)
    assert found(await trail.verify(head)) == [("replaced", 1, 10)]
    for nonsense in ("10", "x:y", f"10:{'g' * 64}"):
        with pytest.raises(ValueError, match="no head of an audit"):
            await trail.verify(nonsense)


@pytest.mark.req("B-08")
async def test_a_refused_neighbour_leaves_no_gap(store: Database, trail: AuditTrail) -> None:
    """A batch that is rolled back and split takes its numbers with it."""

    def fail(connection: sa.Connection, rows: object) -> list[None]:
        connection.execute(sa.text("INSERT INTO kernel_sequence (name, next) VALUES (NULL, 1)"))
        return [None]

    for number in range(20):
        trail.record("csmsd", "x", str(number))
        if number % 3 == 0:
            store.submit(fail, None).when_settled(lambda _value, _error: None)
    await settle(store)
    verdict = await trail.verify()
    assert (verdict.is_intact, verdict.last_id) == (True, 30)


@pytest.mark.req("B-08")
def test_two_who_write_at_once_write_one_chain(database_url: str) -> None:
    """Also beside csmsd: whoever appends waits until the one before him has committed."""
    engines = [writing_engine(parse_url(database_url), is_durable=False) for _ in range(2)]

    def write(engine: sa.Engine) -> None:
        for number in range(60):
            with engine.begin() as connection:
                add_entries(connection, [AuditEntry(NOW, "x", "y", str(number)), AuditEntry(NOW, "x", "z", "")])

    threads = [Thread(target=write, args=[engine]) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engines[0].begin() as connection:
        verdict = check_audit(connection)
    for engine in engines:
        engine.dispose()
    assert (verdict.is_intact, verdict.entries) == (True, 240)


@pytest.mark.req("B-08")
async def test_retention_cuts_the_oldest_entries_and_the_chain_knows(store: Database) -> None:
    now = [NOW]
    env = Env(now=lambda: now[0])
    trail = AuditTrail(store, env)
    for day in range(1200):
        now[0] = NOW + timedelta(hours=day)
        trail.record("csmsd", "x", str(day))
    await settle(store)
    assert await Retention(store, env, StoreConfig()).sweep() == 0, "for ever, unless somebody says otherwise"
    retention = Retention(store, env, StoreConfig(audit_retention_days=10))
    assert await retention.sweep() == 1199 - 240
    verdict = await trail.verify()
    assert verdict.is_intact
    assert (verdict.first_id, verdict.entries) == (960, 241 + 2), "two cuts, because 500 rows are the most of one"
    assert [entry.action for entry in await trail.entries(AuditFilter(action="audit", limit=9))] == ["audit.trim"] * 2
    now[0] += timedelta(hours=20)
    assert await retention.sweep() == 0, "once a day is enough"
    now[0] += timedelta(hours=20)
    assert await retention.sweep() == 40
    assert (await trail.verify()).is_intact


@pytest.mark.req("B-08")
async def test_a_cut_that_csmsd_has_not_made_is_named(store: Database, trail: AuditTrail) -> None:
    fourth = (await trail.entries(AuditFilter(before_id=5, limit=1)))[0]
    await tamper(
        store,
        "DELETE FROM kernel_audit WHERE id <= 4",
        f"UPDATE kernel_audit_mark SET entry_id = 4, hash = '{fourth.hash}' WHERE name = 'base'",
    )
    (finding,) = (await trail.verify()).findings
    assert (finding.kind, finding.first_id, finding.last_id) == ("cut", 1, 4)
    assert "entries 1 to 4" in finding.words


async def test_entries_are_found_by_who_what_and_whom(trail: AuditTrail, store: Database) -> None:
    trail.record(actor_of("bob", "cli"), "stationary", "CP-1")
    await settle(store)

    async def ids(**wanted: Any) -> list[int]:
        return [entry.id for entry in await trail.entries(AuditFilter(**wanted))]

    assert await ids(actor="bob") == [11] == await ids(way="cli") == await ids(action="stationary")
    assert await ids(action="station", limit=2) == [10, 9]
    assert await ids(subject="CP-1") == [11, 1]
    assert await ids(subject="CP-1", way="ui") == [1]
    assert await ids(action="%") == [] == await ids(actor="nobody")


def test_entries_of_an_older_csmsd_are_numbered_and_chained(empty_database_url: str) -> None:
    engine = writing_engine(parse_url(empty_database_url), is_durable=False)
    upgrade(engine, KERNEL)
    with engine.begin() as connection:
        for column in ("way", "previous", "hash"):
            connection.execute(sa.text(f"ALTER TABLE kernel_audit DROP COLUMN {column}"))
        connection.execute(sa.text("DROP TABLE kernel_audit_mark"))
        connection.execute(sa.text("ALTER TABLE kernel_outbox_failure DROP COLUMN recorded_at"))
        connection.execute(sa.text("UPDATE schema_version_kernel SET version_num = '0003'"))
        names = ("id", "at", "actor", "action", "subject", "after")
        old = sa.table("kernel_audit", *(sa.column(name, ENTRY[name].type) for name in names))
        for number in range(1, 2500):
            id_ = number * 3  # PostgreSQL leaves gaps
            actor = "csmsd" if number == 1 else "local admin (4f)"
            row = {"id": id_, "at": NOW, "actor": actor, "action": "x", "subject": f"\x00{number}", "after": "[]"}
            connection.execute(sa.insert(old), row)
    upgrade(engine, KERNEL)
    with engine.begin() as connection:
        verdict = check_audit(connection)
        assert verdict.findings == ()
        assert (verdict.entries, verdict.first_id, verdict.last_id) == (2499, 1, 2499)
        query = sa.select(ENTRY.subject, ENTRY.way).order_by(ENTRY.id).limit(2)
        assert [tuple(row) for row in connection.execute(query)] == [("\x001", "system"), ("\x002", "api")]
    engine.dispose()


async def forge(store: Database, id_: int) -> None:
    """Change an entry and give it the hash that fits."""

    def read(connection: sa.Connection) -> Any:
        return connection.execute(sa.select(tables.audit).where(ENTRY.id == id_)).one()

    row = await store.read(read)
    content = Content(row.id, row.at, "mallory", row.way, row.action, row.subject, row.before, row.after)
    values = {"actor": "mallory", "hash": hash_of(content, row.previous)}
    await tamper(store, sa.update(tables.audit).where(ENTRY.id == id_).values(values))


def set_head(id_: int, hash_: str) -> list[str]:
    return [f"UPDATE kernel_audit_mark SET entry_id = {id_}, hash = '{hash_}' WHERE name = 'head'"]
