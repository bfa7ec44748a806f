"""What each verb does with each way in which a plugin can answer or misbehave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from csmsd.hookspecs import hookimpl
from csmsd.pending import Pending
from tests.kernel.hook_world import (
    Verb,
    answers_later,
    ask,
    ask_by_name,
    ask_decision,
    asking,
    bug_in_a_nursery,
    decide,
    declines_later,
    event_happened,
    first,
    forgets_to_await,
    gather,
    never_keeps,
    new_hooks,
    notify,
    own_timeout,
    promises,
    promises_later,
    question,
    raises,
    raises_later,
    report_things,
    running,
    too_slow,
)

ANSWERS = {
    "plain": lambda self: "yes",
    "async": answers_later,
    "promise": promises("yes"),
    "promise later": promises_later,
}
SILENCE = {"plain": lambda self: None, "async": declines_later, "promise": promises(None)}
FAILURES = {
    "raises": raises,
    "raises later": raises_later,
    "too slow": too_slow,
    "own timeout": own_timeout,
    "bug in a nursery": bug_in_a_nursery,
    "broken promise": promises(None, ValueError("broken")),
    "promise never kept": never_keeps,
    "forgotten await": forgets_to_await,
}
FIRST_LIKE: list[Verb] = [first, ask, ask_by_name]
DECIDING: list[Verb] = [decide, ask_decision]


@pytest.mark.parametrize("verb", [*FIRST_LIKE, *DECIDING])
@pytest.mark.parametrize("kind", ANSWERS)
async def test_the_first_answer_counts(autojump_clock: MockClock, verb: Verb, kind: str) -> None:
    hooks = new_hooks(asking(lambda self: "last"), asking(cast("Any", ANSWERS[kind])))
    async with running(hooks) as runner:
        assert await verb(runner) == "yes"
    assert not hooks.failures


@pytest.mark.parametrize("verb", [*FIRST_LIKE, *DECIDING])
@pytest.mark.parametrize("kind", SILENCE)
async def test_none_leaves_it_to_the_next(autojump_clock: MockClock, verb: Verb, kind: str) -> None:
    hooks = new_hooks(asking(lambda self: "last"), asking(cast("Any", SILENCE[kind])))
    async with running(hooks) as runner:
        assert await verb(runner) == "last"
    assert not hooks.failures
    assert hooks.health["p1"].calls == 1


@pytest.mark.parametrize("verb", FIRST_LIKE)
@pytest.mark.parametrize("kind", FAILURES)
async def test_a_broken_plugin_is_passed_over(autojump_clock: MockClock, verb: Verb, kind: str) -> None:
    hooks = new_hooks(asking(lambda self: "last"), asking(FAILURES[kind]))
    async with running(hooks) as runner:
        assert await verb(runner) == "last"
    assert hooks.failures == {"p1": 1}


@pytest.mark.parametrize("verb", DECIDING)
@pytest.mark.parametrize("kind", FAILURES)
async def test_a_decision_fails_closed(autojump_clock: MockClock, verb: Verb, kind: str) -> None:
    hooks = new_hooks(asking(lambda self: "last"), asking(FAILURES[kind]))
    async with running(hooks) as runner:
        assert await verb(runner) == "no"
    assert hooks.failures == {"p1": 1}


@pytest.mark.parametrize("verb", DECIDING)
async def test_a_decision_of_the_wrong_type_is_a_failure(autojump_clock: MockClock, verb: Verb) -> None:
    hooks = new_hooks(asking(lambda self: 42))
    async with running(hooks) as runner:
        assert await verb(runner) == "no"
    assert hooks.health["p0"].last_failure == "question: answered int, not str"


@pytest.mark.parametrize("verb", DECIDING)
async def test_silence_is_the_fallback(autojump_clock: MockClock, verb: Verb) -> None:
    async with running(new_hooks()) as runner:
        assert await verb(runner) == "no"


@pytest.mark.parametrize("verb", FIRST_LIKE)
async def test_nobody_answers_none(autojump_clock: MockClock, verb: Verb) -> None:
    async with running(new_hooks(asking(lambda self: None))) as runner:
        assert await verb(runner) is None


async def test_everybody_is_gathered_in_the_order_asked(autojump_clock: MockClock) -> None:
    methods = [*FAILURES.values(), *SILENCE.values(), *ANSWERS.values(), lambda self: "top"]
    hooks = new_hooks(*(asking(cast("Any", method)) for method in methods))
    async with running(hooks) as runner:
        assert await gather(runner) == ["top", *["yes"] * len(ANSWERS)]
        assert await notify(runner) is None
    assert len(hooks.failures) == len(FAILURES)


async def test_plain_answers_come_at_once() -> None:
    async with running(new_hooks(asking(lambda self: "yes"), asking(raises))) as runner:
        assert runner.ask(question, 1, "a").is_settled


async def test_an_answer_after_its_time_counts_for_nothing(autojump_clock: MockClock) -> None:
    promise: Pending[str] = Pending()
    hooks = new_hooks(asking(declines_later), asking(lambda self: promise))
    async with running(hooks) as runner:
        answer = runner.ask(question, 1, "a")
        await trio.sleep(5.5)
        promise.settle("too late")
        assert await answer is None


@pytest.mark.parametrize("verb", [first, decide, gather, notify])
async def test_our_cancellation_passes_and_blames_nobody(autojump_clock: MockClock, verb: Verb) -> None:
    async def mixed(self: object) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_fail_when_cancelled)
            nursery.start_soon(trio.sleep_forever)

    hooks = new_hooks(asking(mixed))
    async with running(hooks) as runner:
        with trio.move_on_after(1) as scope:
            await verb(runner)
            pytest.fail("nobody was cancelled")
        assert scope.cancelled_caught
    assert not hooks.failures
    assert hooks.health["p0"].running == 0


async def _fail_when_cancelled() -> None:
    try:
        await trio.sleep_forever()
    finally:
        raise ValueError("while it was cancelled")


class Reporting:
    def __init__(self, *things: Any) -> None:
        self._things = things

    @hookimpl
    def report_things(self) -> Iterator[str]:
        for thing in self._things:
            if isinstance(thing, BaseException):
                raise thing
            yield thing


async def test_a_generator_that_fails_while_it_is_read_costs_only_its_own_answers() -> None:
    hooks = new_hooks(Reporting("a", "b"), Reporting("c", SystemExit()), Reporting())
    async with running(hooks) as runner:
        assert runner.call_plain(report_things) == [[], ["a", "b"]]
    assert hooks.failures == {"p1": 1}


class Observer:
    def __init__(self, pause: float = 0.0) -> None:
        self.begun: list[int] = []
        self.pause = pause

    @hookimpl
    async def event_happened(self, number: int) -> None:
        self.begun.append(number)
        await trio.sleep(self.pause)
        if number < 0:
            raise ValueError


async def test_a_slow_observer_delays_no_other_and_takes_few_tasks(autojump_clock: MockClock) -> None:
    slow, quick = Observer(pause=4), Observer()
    hooks = new_hooks(slow, quick)
    async with running(hooks) as runner:
        for number in range(100):
            runner.tell(event_happened, number)
        await trio.sleep(1)
        assert sorted(quick.begun) == list(range(100))
        assert len(slow.begun) == 8
        assert hooks.health["p0"].running == 8
        await trio.sleep(60)
        assert sorted(slow.begun) == list(range(100))
    assert not hooks.failures


async def test_a_plugin_that_has_left_is_told_nothing_more(autojump_clock: MockClock) -> None:
    slow = Observer(pause=4)
    hooks = new_hooks(slow)
    async with running(hooks) as runner:
        for number in range(20):
            runner.tell(event_happened, number)
        hooks.disable("p0")
        runner.forget("p0")
        await trio.sleep(60)
        assert len(slow.begun) == 8
