"""How far a run is, in the terminal."""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TextIO

import click
import trio

from csmsd.cli.output import printable
from csmsd_certification.case import Case
from csmsd_certification.results import CaseResult

_COLOURS = {"Pass": "green", "Fail": "red", "Not applicable": "yellow"}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a run tells."""

    begins: Callable[[Case], None]
    ended: Callable[[CaseResult], None]


@contextmanager
def showing(length: int, *, is_talking: bool, file: TextIO) -> Generator[Shown, None, None]:
    """A bar; or, where a driver talks with the tester in between, a line for each case that begins or has ended."""
    if is_talking:
        yield _lines(length, file)
        return
    with click.progressbar(length=length, label="certifying", file=file, show_pos=True, show_eta=False) as bar:
        failed: list[str] = []

        def ended(result: CaseResult) -> None:
            if result.verdict == "Fail" and file.isatty():  # elsewhere each new label would be a new line
                failed.append(result.id)
                bar.label = f"certifying, {len(failed)} failed"
            bar.update(1)

        yield Shown(lambda _case: None, ended)


@asynccontextmanager
async def stopped_by_interrupt() -> AsyncGenerator[trio.CancelScope, None]:
    """A scope that the first Ctrl-C cancels; the second is Python's own."""
    scope = trio.CancelScope()

    async def wait(task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(signal.SIGINT) as signals:
            task_status.started()
            async for _ in signals:
                scope.cancel()
                return

    async with trio.open_nursery() as nursery:
        await nursery.start(wait)
        yield scope
        nursery.cancel_scope.cancel()


def _lines(length: int, file: TextIO) -> Shown:
    begun: list[str] = []

    def begins(case: Case) -> None:
        begun.append(case.id)
        title = f"{case.id} {case.name} ({len(begun)} of {length})"
        click.echo(f"\n{click.style(title, bold=True)}", file=file)

    def ended(result: CaseResult) -> None:
        failure = result.failure
        why = f"{failure.step}: expected {failure.expected}, got {failure.got}" if failure else result.reason
        line = printable(", ".join(filter(None, [f"{result.id}: {result.verdict}", why])))
        click.secho(line, file=file, fg=_COLOURS[result.verdict])

    return Shown(begins, ended)
