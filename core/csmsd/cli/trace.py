"""`csmsd trace`: what a station and csmsd said to each other, and which plugin decided about each answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

import click
import msgspec

from csmsd.cli.output import Output, printable
from csmsd.cli.remote import takes_server
from csmsd.cli.tail import events_for_ever
from csmsd.client import ApiClient, segment

_PAYLOAD_WIDTH = 200  # characters; --json has all of it

# Why the next one was asked, or nobody, by outcome.
_REASONS = {
    "passed over": "it is not for this plugin: it answered None",
    "failed": "it failed",
    "too slow": "it did not answer in time",
    "pending": "it answers as soon as that is stored, or decided",
    "refused": "it refused the CALL",
    "answered": "this is the answer",
    "absorbed": "it is confirmed with nothing",
}
_DECIDED = ("answered", "refused", "absorbed")
_ON_THE_WAY = {
    "passed over": "it left it to the next",
    "failed": "it failed",
    "too slow": "it did not decide in time",
    "refused": "it refused the CALL",
    "answered": "this decided",
}


class Step(msgspec.Struct, frozen=True):
    """One plugin that was asked."""

    plugin: str
    outcome: str
    microseconds: int
    note: str = ""

    @property
    def is_on_the_way(self) -> bool:
        """It was asked something else on the way to the answer."""
        return self.note.startswith("deciding ")


class Frame(msgspec.Struct, frozen=True):
    """A CALL and what became of it."""

    direction: str
    action: str
    request: str
    response: str | None
    error: str
    at: datetime
    microseconds: int
    call_id: str = ""
    trace: Sequence[Step | tuple[str, str, int, str]] = ()


class _User(msgspec.Struct, frozen=True):
    plugin: str


class _Hook(msgspec.Struct, frozen=True):
    name: str
    asked: Sequence[_User] = ()


@click.command()
@click.argument("station_id", metavar="STATION")
@click.option("--last", type=click.IntRange(1, 1000), default=10, help="How many of the latest. [10]")
@click.option("--action", help="Only this action, like StartTransaction.")
@click.option("--explain", is_flag=True, help="Which plugin decided, in how many microseconds, and why others did not.")
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@takes_server
def trace(
    client: ApiClient, output: Output, station_id: str, last: int, action: str | None, explain: bool, follow: bool
) -> None:
    """Show what a station and csmsd said to each other, the oldest first.

    With --explain each CALL of the station is followed by the plugins that were asked, in order: what each answered,
    the time it took, and who was not asked because the answer was there. With --json each line is one message, its
    trace included. --follow shows live messages even if the journal is switched off.
    """
    known = _plugins_by_action(client) if explain and not output.is_json else {}
    path = f"/stations/{segment(station_id)}/exchanges"
    for one in reversed(list(client.items(path, most=last, action=action))):
        _show(one, output, known, explain=explain)
    if follow:
        with suppress(KeyboardInterrupt):
            for event in events_for_ever(client, station_id, "exchange"):
                if event.kind == "exchange" and _is_wanted(event.data, action):
                    _show(event.data, output, known, explain=explain)


def explained(frame: Frame, plugins: Sequence[str]) -> Iterator[str]:
    """Sentences about who was asked for the answer; `plugins`: who is asked now, in order."""
    if frame.direction == "out":
        yield "csmsd called; the station answered"
        return
    steps = [step if isinstance(step, Step) else Step(*step) for step in frame.trace]
    if not steps:
        yield _nobody_asked(frame)
        return
    for step in steps:
        yield _step_in_words(step)
    answering = [step for step in steps if not step.is_on_the_way]
    last = steps[-1] if steps[-1].outcome == "refused" else answering[-1] if answering else None
    if last is None or last.outcome not in _DECIDED:
        yield f"nobody answered: {frame.error or 'the connection ended first'}"
        return
    rest = [plugin for plugin in plugins if plugin not in {step.plugin for step in answering}]
    if rest and last.plugin != "kernel":
        yield f"not asked, because {last.plugin} had decided: {', '.join(rest)}"


def _step_in_words(step: Step) -> str:
    if step.is_on_the_way:
        place, reason = "  ", f"{step.note}: {_ON_THE_WAY.get(step.outcome, step.outcome)}"
    else:
        note = f": {step.note}" if step.note else ""
        place, reason = "", f"{_REASONS.get(step.outcome, step.outcome)}{note}"
    return f"{place + step.plugin:<16} {step.outcome:<12} {step.microseconds:>8} µs  {reason}"


def _nobody_asked(frame: Frame) -> str:
    if not frame.action:
        return "no CALL: nobody was asked"
    if frame.error:
        return f"refused before any plugin was asked to answer it: {frame.error}"
    return "no plugin was asked"


def _show(raw: msgspec.Raw, output: Output, known: Mapping[str, Sequence[str]], *, explain: bool) -> None:
    if output.is_json:
        click.echo(bytes(raw))
        return
    frame = msgspec.json.decode(raw, type=Frame)
    arrow = "->" if frame.direction == "in" else "<-"
    answer = f"{frame.error} {frame.response or ''}".strip() if frame.error else frame.response or "{}"
    words = f"{arrow} {frame.action or 'malformed frame'} {_cut(frame.request)}  =>  {_cut(answer)}"
    click.echo(printable(f"{frame.at.astimezone():%H:%M:%S} {words}  {frame.microseconds} µs"))
    if explain:
        for sentence in explained(frame, known.get(frame.action.lower(), ())):
            click.echo(printable(f"           {sentence}"))


def _is_wanted(raw: msgspec.Raw, action: str | None) -> bool:
    return action is None or msgspec.json.decode(raw, type=Frame).action == action


def _plugins_by_action(client: ApiClient) -> dict[str, list[str]]:
    """Who is asked for which action now, by its name in small letters (the hook's is the same in snake case).

    What stands in the journal may have been decided by others.
    """
    hooks = [msgspec.json.decode(one, type=_Hook) for one in client.items("/hooks")]
    return {hook.name.replace("_", ""): [user.plugin for user in hook.asked] for hook in hooks}


def _cut(text: str) -> str:
    return text if len(text) <= _PAYLOAD_WIDTH else text[: _PAYLOAD_WIDTH - 1] + "…"
