"""Check that a fact which comes again changes nothing: csmsd delivers facts at least once."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import partial
from typing import Any

import sqlalchemy as sa
import trio

from csmsd._kernel.storage.tables import outbox
from csmsd.store import Fact
from csmsd.testing.contract.day import STATION, live_a_day
from csmsd.testing.contract.subject import Subject
from csmsd.testing.contract.world import SETTLING, Report, house_of, sentences_of, world_of
from csmsd.testing.csms import TestCsms
from csmsd.testing.samples import sample_of

_EVENING = 900.0  # virtual seconds, in which what was going on comes to its end
_FIRST_SAMPLE = 1_000_000_000  # the fact ids of facts that have not happened


def check_redelivery(subject: Subject) -> Iterator[str]:
    """A fact that comes again, with the same `fact_id`, changes nothing."""
    yield from sentences_of(_redelivery, subject)


async def _redelivery(subject: Subject, report: Report) -> None:
    async with world_of(subject) as csms:
        await live_a_day(csms)
        await trio.sleep(_EVENING)
        restless = await _restless(subject, csms)
        seen: set[str] = set()
        for fact_id, name, station_id, payload in await csms.host.store.read(_all_facts):
            known = house_of(csms).plugin_set.tables.facts.get(name)
            if known is not None:
                _, fact = known
                seen.add(name)
                delivery = (station_id, fact.decode(payload), fact_id)
                await _deliver_again(subject, csms, fact, delivery, restless, report)
        for number, (_, fact) in enumerate(house_of(csms).plugin_set.tables.facts.values()):
            if fact.name not in seen:
                await _deliver_a_sample(subject, csms, fact, _FIRST_SAMPLE + number, restless, report)


async def _restless(subject: Subject, csms: TestCsms) -> frozenset[str]:
    """Tables that change without any fact."""
    before = await csms.host.store.read(partial(_contents, subject))
    await trio.sleep(SETTLING)
    after = await csms.host.store.read(partial(_contents, subject))
    return frozenset(name for name in after if after[name] != before[name])


def _all_facts(connection: sa.Connection) -> list[tuple[int, str, str, bytes]]:
    columns = outbox.c.id, outbox.c.name, outbox.c.station_id, outbox.c.payload
    return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(outbox.c.id))]


async def _deliver_a_sample(
    subject: Subject, csms: TestCsms, fact: Fact[Any], fact_id: int, restless: frozenset[str], report: Report
) -> None:
    """One that did not happen that day. It may make no sense to the plugin: then there is nothing to be repeated."""
    try:
        delivery = (STATION, sample_of(fact.type, is_full=True), fact_id)
    except ValueError:
        return
    if await _deliver(subject, csms, fact, delivery) == "":
        await trio.sleep(SETTLING)
        await _deliver_again(subject, csms, fact, delivery, restless, report)


async def _deliver_again(
    subject: Subject,
    csms: TestCsms,
    fact: Fact[Any],
    delivery: tuple[str, Any, int],
    restless: frozenset[str],
    report: Report,
) -> None:
    before = await csms.host.store.read(partial(_contents, subject))
    failure = await _deliver(subject, csms, fact, delivery)
    if failure is None:
        return
    await trio.sleep(SETTLING)
    advice = "the second delivery must find what the first has done, by fact_id or by a natural key"
    if failure:
        report(f"{subject.name}: {fact.hook.__name__} raises when a fact comes again: {failure}; {advice}")
    after = await csms.host.store.read(partial(_contents, subject))
    for table in sorted(name for name in after if after[name] != before[name] and name not in restless):
        report(f"{subject.name}: {fact.hook.__name__} changes {table} again when a fact comes again; {advice}")


async def _deliver(subject: Subject, csms: TestCsms, fact: Fact[Any], delivery: tuple[str, Any, int]) -> str | None:
    """How it failed; "" if it did not, None if the plugin does not hear of such facts."""
    house = house_of(csms)
    step = house.hook_set.step_of(subject.name, fact.hook)
    if step is None:
        return None
    station_id, value, fact_id = delivery
    offered = {"station_id": station_id, "fact": value, "fact_id": fact_id}
    arguments = tuple(offered[name] for name in inspect.signature(fact.hook).parameters)
    _, error = await house.runner.attempt(step, arguments)
    return "" if error is None else f"{type(error).__name__}: {error}".partition("\n")[0]


def _contents(subject: Subject, connection: sa.Connection) -> dict[str, list[str]]:
    """All rows of the plugin's tables, and the facts that it has recorded itself."""
    tables = subject.plugin.migrations.metadata.sorted_tables if subject.plugin.migrations else []
    found = {table.name: sorted(map(repr, connection.execute(sa.select(table)))) for table in tables}
    own = sa.select(outbox.c.name, outbox.c.payload).where(
        outbox.c.name.in_([one.name for one in subject.plugin.facts])
    )
    found["its own facts"] = sorted(map(repr, connection.execute(own)))
    return found
