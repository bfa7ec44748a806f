"""Checks of a plugin that runs: starting and stopping, being cancelled, keeping others waiting."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import trio

from csmsd._kernel.pluginconfig import decode_config
from csmsd.errors import Bug, CsmsdError
from csmsd.testing.contract.day import STATION, live_a_day
from csmsd.testing.contract.observing import LONGEST_STEP, TRAPS_TRIED, Record, cancelled_at, observed
from csmsd.testing.contract.possessions import Possessions
from csmsd.testing.contract.subject import Subject
from csmsd.testing.contract.world import (
    PATIENCE,
    SETTLING,
    Report,
    end_everything,
    house_of,
    reason_of,
    sentences_of,
    within,
    world_of,
)
from csmsd.testing.csms import TestCsms


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
                report(f"{subject.name} does not start and stop {time}: {reason_of(error)}")
                return


async def _stop_and_start_twice(subject: Subject, csms: TestCsms, report: Report) -> None:
    for _ in range(2):
        for what, change in (("disable", _disable), ("enable", _enable)):
            try:
                is_done = await within(PATIENCE, change, subject.name, csms)
            except (CsmsdError, ExceptionGroup) as error:
                report(f"{subject.name} cannot be {what}d while csmsd runs: {reason_of(error)}")
                return
            if not is_done:
                report(f"{subject.name} takes over {PATIENCE:g} s to {what}: does `serve` end when it is cancelled?")
                end_everything()
    await trio.sleep(SETTLING)
    [status] = [one for one in csms.host.plugins.status() if one.name == subject.name]
    if status.state != "enabled" or status.failures:
        report(f"{subject.name} is {status.state} and fails after it was disabled and enabled: {status.last_failure}")


async def _enable(name: str, csms: TestCsms) -> None:
    await csms.host.plugins.enable(name)


async def _disable(name: str, csms: TestCsms) -> None:
    """Returns when its `serve` has ended, too: csmsd itself leaves behind what ignores that it is cancelled."""
    await csms.host.plugins.disable(name)
    while name in house_of(csms).supervisor.lingering():  # noqa: ASYNC110 -- its end sets no event
        await trio.sleep(1)


def check_leaks(subject: Subject) -> Iterator[str]:
    """When it is disabled nothing of it is left: no task, no thread, no open file."""
    yield from sentences_of(_leaks, subject)


async def _leaks(subject: Subject, report: Report) -> None:
    outside = Possessions.now()
    async with world_of(subject) as csms:
        plugins = csms.host.plugins
        await live_a_day(csms)  # what is opened once, and kept, is open now
        await plugins.disable(subject.name)
        await trio.sleep(SETTLING)
        before = Possessions.now()
        for _ in range(2):
            await plugins.enable(subject.name)
            await live_a_day(csms)
            await plugins.disable(subject.name)
            await trio.sleep(SETTLING)
        for what in Possessions.now().beyond(before):
            report(
                f"{subject.name} leaves {what} behind when it is disabled: end it in `serve`, in a finally or a with"
            )
    await trio.sleep(SETTLING)
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
                    await _cancel_everywhere(
                        f"{subject.name}: {attribute}", partial(method, plugin, *arguments), report
                    )
        fresh = subject.plugin(decode_config(subject.plugin, subject.config), csms.host)
        await _cancel_everywhere(
            f"{subject.name}: serve", partial(fresh.serve, task_status=trio.TASK_STATUS_IGNORED), report
        )


async def _cancel_everywhere(what: str, call: Any, report: Report) -> None:
    def say(verdict: str) -> None:
        report(f"{what} {verdict}: let trio.Cancelled pass (`except Exception` does, `except:` does not)")

    for trap in range(1, TRAPS_TRIED + 1):
        trial = await cancelled_at(trap, call, say)
        if trial.is_over or trial.traps < trap:
            return


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
