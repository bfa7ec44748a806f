"""Checks of a plugin that runs: starting and stopping, being cancelled, being told twice, keeping others waiting."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import trio

from csmsd._kernel.pluginconfig import decode_config
from csmsd._kernel.storage.tables import outbox
from csmsd.errors import Bug, CsmsdError
from csmsd.store import Fact
from csmsd.testing.contract.day import STATION, live_a_day
from csmsd.testing.contract.observing import LONGEST_STEP, TRAPS_TRIED, Record, cancelled_at, observed
from csmsd.testing.contract.possessions import Possessions
from csmsd.testing.contract.subject import Subject
from csmsd.testing.contract.world import PATIENCE, Report, house_of, sentences_of, within, world_of
from csmsd.testing.csms import TestCsms
from csmsd.testing.samples import sample_of

_FIRST_SAMPLE = 1_000_000_000  # the fact ids of facts that have not happened
_SETTLING = 10.0  # virtual seconds
_EVENING = 900.0  # virtual seconds, in which what was going on comes to its end


def check_start_stop_start(subject: Subject) -> Iterator[str]:
    """It can be disabled and enabled while stations are connected, and started again on the same data."""
    yield from sentences_of(_start_stop_start, subject)


async def _start_stop_start(subject: Subject, report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for time in ("the first time", "a second time on the same data"):
            try:
                async with world_of(subject, data_dir=Path(folder)) as csms:
                    await csms.connect(STATION)
                    await _stop_and_start_twice(subject, csms, report)
            except (*Bug, ExceptionGroup) as error:
                report(f"{subject.name} does not start and stop {time}: {_innermost(error)}")
                return


async def _stop_and_start_twice(subject: Subject, csms: TestCsms, report: Report) -> None:
    for _ in range(2):
        for what in ("disable", "enable"):
            try:
                is_done = await within(PATIENCE, getattr(csms.host.plugins, what), subject.name)
            except CsmsdError as error:
                report(f"{subject.name} cannot be {what}d while csmsd runs: {error}")
                return
            if not is_done:
                report(f"{subject.name} takes more than {PATIENCE:g} s to {what}: does `serve` end when it is cancelled?")
                return
    await trio.sleep(_SETTLING)
    [status] = [one for one in csms.host.plugins.status() if one.name == subject.name]
    if status.state != "enabled" or status.failures:
        report(f"{subject.name} is {status.state} and fails after it was disabled and enabled: {status.last_failure}")


def check_leaks(subject: Subject) -> Iterator[str]:
    """When it is disabled nothing of it is left: no task, no thread, no open file."""
    yield from sentences_of(_leaks, subject)


async def _leaks(subject: Subject, report: Report) -> None:
    outside = Possessions.now()
    async with world_of(subject) as csms:
        plugins = csms.host.plugins
        await live_a_day(csms)  # what is opened once, and kept, is open now
        await plugins.disable(subject.name)
        await trio.sleep(_SETTLING)
        before = Possessions.now()
        for _ in range(2):
            await plugins.enable(subject.name)
            await live_a_day(csms)
            await plugins.disable(subject.name)
            await trio.sleep(_SETTLING)
        for what in Possessions.now().beyond(before):
            report(f"{subject.name} leaves {what} behind when it is disabled: end it in `serve`, in a finally or a with")
    await trio.sleep(_SETTLING)
    for what in Possessions.now().beyond(outside):
        report(f"{subject.name} leaves {what} behind when csmsd stops: end it in `serve`, in a finally or a with")


def check_cancellation(subject: Subject) -> Iterator[str]:
    """What is cancelled ends, and lets `trio.Cancelled` pass: each async hook, at each of its first checkpoints."""
    yield from sentences_of(_cancellation, subject)


async def _cancellation(subject: Subject, report: Report) -> None:
    record = Record()
    async with world_of(subject, observed(subject.plugin, record)) as csms:
        await live_a_day(csms)
        plugin = csms.host.plugins.get(subject.name)
        for attribute, calls in sorted(record.calls.items()):
            method = getattr(subject.plugin, attribute)
            if inspect.iscoroutinefunction(method):
                for arguments in calls:
                    await _cancel_everywhere(f"{subject.name}: {attribute}", partial(method, plugin, *arguments), report)
        fresh = subject.plugin(decode_config(subject.plugin, subject.config), csms.host)
        await _cancel_everywhere(
            f"{subject.name}: serve", partial(fresh.serve, task_status=trio.TASK_STATUS_IGNORED), report
        )


async def _cancel_everywhere(what: str, call: Any, report: Report) -> None:
    for trap in range(1, TRAPS_TRIED + 1):
        trial = await cancelled_at(trap, call)
        if trial.verdict:
            report(f"{what} {trial.verdict}: let trio.Cancelled pass (`except Exception` does, `except:` does not)")
            return
        if trial.traps < trap:
            return


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
            fact = house_of(csms).plugin_set.tables.facts.get(name)
            if fact is not None:
                seen.add(name)
                delivery = (station_id, fact.decode(payload), fact_id)
                await _deliver_again(subject, csms, fact, delivery, restless, report)
        for number, fact in enumerate(house_of(csms).plugin_set.tables.facts.values()):
            if fact.name not in seen:
                await _deliver_a_sample(subject, csms, fact, _FIRST_SAMPLE + number, restless, report)


async def _restless(subject: Subject, csms: TestCsms) -> frozenset[str]:
    """Tables that change without any fact."""
    before = await csms.host.store.read(partial(_contents, subject))
    await trio.sleep(_SETTLING)
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
        await trio.sleep(_SETTLING)
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
    await trio.sleep(_SETTLING)
    advice = "the second delivery must find what the first has done, by fact_id or by a natural key"
    if failure:
        report(f"{subject.name}: {fact.hook.__name__} raises when a fact comes again: {failure}; {advice}")
    after = await csms.host.store.read(partial(_contents, subject))
    for table in sorted(name for name in after if after[name] != before[name] and name not in restless):
        report(f"{subject.name}: {fact.hook.__name__} changes {table} again when a fact comes again; {advice}")


async def _deliver(
    subject: Subject, csms: TestCsms, fact: Fact[Any], delivery: tuple[str, Any, int]
) -> str | None:
    """How it failed; "" if it did not, None if the plugin does not hear of such facts."""
    house = house_of(csms)
    step = house.hook_set.step_of(subject.name, fact.hook)
    if step is None:
        return None
    offered = dict(zip(("station_id", "fact", "fact_id"), delivery, strict=True))
    arguments = tuple(offered[name] for name in inspect.signature(fact.hook).parameters)
    _, error = await house.runner.attempt(step, arguments)
    return "" if error is None else f"{type(error).__name__}: {error}".partition("\n")[0]


def _contents(subject: Subject, connection: sa.Connection) -> dict[str, list[str]]:
    """All rows of the plugin's tables, and the facts that it has recorded itself."""
    tables = subject.plugin.migrations.metadata.sorted_tables if subject.plugin.migrations else []
    found = {table.name: sorted(map(repr, connection.execute(sa.select(table)))) for table in tables}
    own = sa.select(outbox.c.name, outbox.c.payload).where(outbox.c.name.in_([one.name for one in subject.plugin.facts]))
    found["its own facts"] = sorted(map(repr, connection.execute(own)))
    return found


def check_blocking(subject: Subject) -> Iterator[str]:
    """No step of a hook or of `serve` keeps everybody waiting; what is slow twice is slow."""
    first = _slow_steps(subject)
    second = _slow_steps(subject) if first else {}
    for name in sorted(first.keys() & second.keys()):
        seconds = min(first[name], second[name])
        yield (
            f"{subject.name}: {name} holds up every station for {seconds * 1000:.0f} ms: a step may take"
            f" {LONGEST_STEP * 1000:.0f} ms; hand what blocks to trio.to_thread.run_sync"
        )


def _slow_steps(subject: Subject) -> dict[str, float]:
    record = Record()

    async def main(subject: Subject, _report: Report) -> None:
        async with world_of(subject, observed(subject.plugin, record)) as csms:
            await live_a_day(csms)
            record.slow.clear()  # what the first time had to import and to compile
            await live_a_day(csms)

    sentences_of(main, subject)
    return record.slow


def _innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return str(error) if isinstance(error, CsmsdError) else f"{type(error).__name__}: {error}"
