"""Hooks: what is checked at registration, and what each verb does with each way in which a plugin can misbehave."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any, cast

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from csmsd import hookspecs as kernel_hooks
from csmsd._kernel.hooks import HookSet, Terms
from csmsd._kernel.pool import Pool
from csmsd._kernel.timers import Wheel
from csmsd._kernel.verbs import HookRunner
from csmsd.errors import HookMismatch, PluginConflict, StoreUnavailable
from csmsd.hookspecs import PluginFailure, hookimpl, hookspec
from csmsd.pending import Pending

TERMS = Terms(timeout=5)
Verb = Callable[[HookRunner], Awaitable[Any]]


@hookspec(colour="either")
def question(number: int, word: str) -> str | None:
    """A decision."""
    raise AssertionError


@hookspec()
async def event_happened(number: int) -> None:
    """An event."""


@hookspec(colour="plain")
def report_things() -> list[str]:
    """A collection."""
    raise AssertionError


def module_of(*functions: Callable[..., Any]) -> ModuleType:
    module = ModuleType(__name__)
    module.__dict__.update({function.__name__: function for function in functions})
    return module


SPECS = module_of(question, event_happened, report_things)


def new_hooks(*plugins: object, quarantine_after: int = 3) -> HookSet:
    hooks = HookSet(quarantine_after)
    hooks.add_specs(kernel_hooks, "csmsd")
    hooks.add_specs(SPECS, "test")
    for number, plugin in enumerate(plugins):
        hooks.enable(plugin, f"p{number}", TERMS)
    return hooks


@asynccontextmanager
async def running(hooks: HookSet) -> AsyncIterator[HookRunner]:
    async with trio.open_nursery() as nursery:
        wheel = Wheel()
        nursery.start_soon(wheel.run)
        yield HookRunner(hooks, Pool(nursery, wheel), wheel)
        nursery.cancel_scope.cancel()


def asking(method: Callable[..., Any], **options: Any) -> object:
    """A plugin that implements `question` in this way."""
    return type("Asked", (), {"question": hookimpl(**options)(method)})()


# -- registration ------------------------------------------------------------------------------------------------------


class Misspelt:
    @hookimpl
    def qestion(self) -> None: ...


class TooFast:
    @hookimpl
    def event_happened(self) -> None: ...


class TooSlow:
    @hookimpl
    async def report_things(self) -> None: ...


class Generating:
    @hookimpl
    async def event_happened(self) -> AsyncIterator[None]:
        yield


class Yielding:
    @hookimpl
    def question(self) -> Iterator[None]:
        yield


class Wrapping:
    @hookimpl(wrapper=True)
    def question(self) -> Any:
        return (yield)


class Curious:
    @hookimpl
    def question(self, number: int, colour: str) -> None: ...


class Greedy:
    @hookimpl
    def question(self, *things: Any) -> None: ...


@pytest.mark.parametrize(
    ("plugin", "complaint"),
    [
        (Misspelt, "acme: no enabled plugin publishes a hook qestion; the nearest is question"),
        (TooFast, "acme: event_happened must be async def"),
        (TooSlow, "acme: report_things must be a plain def"),
        (Generating, "acme: event_happened must not be an async generator: return the answer instead of yielding"),
        (Yielding, "acme: question must not be a generator: return the answer instead of yielding"),
        (Wrapping, "acme: question is a wrapper, but every plugin is asked by itself; write a plain answer"),
        (Curious, "acme: question asks for colour, but the hook offers number, word"),
        (Greedy, "acme: question must take its arguments by name, not *things: 'Any'"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_has_changed(plugin: type, complaint: str) -> None:
    hooks, changes = new_hooks(), list[int]()
    hooks.changed.append(lambda: changes.append(1))
    with pytest.raises(HookMismatch) as caught:
        hooks.enable(plugin(), "acme", TERMS)
    assert str(caught.value) == complaint
    assert not hooks.is_enabled("acme")
    assert changes == []


def test_the_hook_of_a_plugin_that_may_be_absent_is_optional_and_checked_when_it_comes() -> None:
    class Panels:
        @hookimpl(optionalhook=True)
        def web_panels(self) -> None: ...

    def web_panels() -> None: ...

    hooks = new_hooks(Panels())
    with pytest.raises(HookMismatch, match="p0: web_panels must be async def"):
        hooks.add_specs(module_of(hookspec()(web_panels)), "web")
    hooks.add_specs(module_of(hookspec(colour="plain")(web_panels)), "web")
    assert [step.plugin for step in hooks.plan(web_panels)] == ["p0"]


def test_two_plugins_cannot_publish_the_same_hook() -> None:
    def question() -> None: ...

    hooks = new_hooks()
    hooks.add_specs(SPECS, "test")  # the same again is no conflict
    with pytest.raises(PluginConflict, match="rival and test both publish a hook question"):
        hooks.add_specs(module_of(hookspec()(question)), "rival")


def test_a_spec_that_nobody_publishes_has_an_empty_plan() -> None:
    def question() -> None: ...

    assert new_hooks(asking(lambda self: "yes")).plan(question) == ()


def test_later_plugins_are_asked_first_and_trylast_ones_last() -> None:
    hooks = new_hooks(asking(lambda self: 0, trylast=True), asking(lambda self: 1), asking(lambda self: 2))
    assert [step.plugin for step in hooks.plan(question)] == ["p2", "p1", "p0"]
    assert hooks.plan(question) is hooks.plan(question)


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (lambda self: "none", "none"),
        (lambda self, number, word: f"{number}{word}", "1a"),
        (lambda self, word, number: f"{word}{number}", "a1"),
        (lambda self, word: word, "a"),
        (lambda self, word, extra="x": word + extra, "ax"),
    ],
)
def test_arguments_may_be_left_out_and_come_in_any_order(method: Callable[..., Any], answer: str) -> None:
    (step,) = new_hooks(asking(method)).plan(question)
    assert step.call(1, "a") == answer


def test_plans_are_swapped_when_the_set_changes() -> None:
    hooks, seen = new_hooks(asking(lambda self: 0)), list[int]()
    hooks.changed.append(lambda: seen.append(len(hooks.plan(question))))
    old = hooks.plan(question)
    hooks.enable(asking(lambda self: 1), "acme", TERMS)
    hooks.disable("p0")
    hooks.disable("p0")
    hooks.disable("acme")
    assert seen == [2, 1, 0]
    assert len(old) == 1  # who walks it, walks it to the end


# -- the verbs ---------------------------------------------------------------------------------------------------------


async def first(runner: HookRunner) -> Any:
    return await runner.first(cast("Any", question), 1, "a")


async def decide(runner: HookRunner) -> Any:
    return await runner.decide("no", cast("Any", question), 1, "a")


async def gather(runner: HookRunner) -> Any:
    return await runner.gather(cast("Any", question), 1, "a")


async def notify(runner: HookRunner) -> Any:
    return await runner.notify(cast("Any", question), 1, "a")


async def ask(runner: HookRunner) -> Any:
    return await runner.ask(question, 1, "a")


async def ask_by_name(runner: HookRunner) -> Any:
    return await runner.ask(question, word="a", number=1)


async def ask_decision(runner: HookRunner) -> Any:
    return await runner.ask_decision("no", question, 1, "a")


def _raise(self: object) -> str:
    raise ValueError("broken")


async def _raise_later(self: object) -> str:
    await trio.sleep(1)
    raise SystemExit("broken")


async def _too_slow(self: object) -> str:
    await trio.sleep(6)
    return "too late"


async def _own_timeout(self: object) -> str:
    with trio.fail_after(1):
        await trio.sleep_forever()
    return "never"


async def _mixed(self: object) -> str:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        raise ValueError("in a nursery")


async def _answer_later(self: object) -> str:
    await trio.sleep(1)
    return "yes"


async def _decline_later(self: object) -> None:
    await trio.sleep(1)


def _promise(value: Any, error: BaseException | None = None) -> Callable[[object], Pending[Any]]:
    def method(self: object) -> Pending[Any]:
        pending: Pending[Any] = Pending()
        trio.lowlevel.spawn_system_task(_settle, pending, value, error)
        return pending

    return method


async def _settle(pending: Pending[Any], value: Any, error: BaseException | None) -> None:
    await trio.sleep(1)
    pending.settle(value, error)


def _never(self: object) -> Pending[Any]:
    return Pending()


async def _promise_later(self: object) -> Pending[str]:
    await trio.sleep(1)
    return Pending.of("yes")


def _forgotten_await(self: object) -> Any:
    return _answer_later(self)


ANSWERS = {
    "plain": lambda self: "yes",
    "async": _answer_later,
    "promise": _promise("yes"),
    "promise later": _promise_later,
}
SILENCE = {"plain": lambda self: None, "async": _decline_later, "promise": _promise(None)}
FAILURES = {
    "raises": _raise,
    "raises later": _raise_later,
    "too slow": _too_slow,
    "own timeout": _own_timeout,
    "bug in a nursery": _mixed,
    "broken promise": _promise(None, ValueError("broken")),
    "promise never kept": _never,
    "forgotten await": _forgotten_await,
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
    async with running(new_hooks(asking(lambda self: "yes"), asking(_raise))) as runner:
        assert runner.ask(question, 1, "a").is_settled


async def test_an_answer_after_its_time_counts_for_nothing(autojump_clock: MockClock) -> None:
    promise: Pending[str] = Pending()
    hooks = new_hooks(asking(_decline_later), asking(lambda self: promise))
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


# -- failures ----------------------------------------------------------------------------------------------------------


class Witness:
    """Hears of the failures of others, and fails itself."""

    def __init__(self) -> None:
        self.heard: list[PluginFailure] = []

    @hookimpl
    async def plugin_failed(self, failure: PluginFailure) -> None:
        self.heard.append(failure)
        raise ValueError("the witness fails too")


async def test_a_plugin_that_fails_again_and_again_is_quarantined(autojump_clock: MockClock) -> None:
    witness, gone = Witness(), list[str]()
    hooks = new_hooks(witness, asking(_raise))
    hooks.quarantined = gone.append
    async with running(hooks) as runner:
        for _ in range(5):
            await ask(runner)
            await trio.sleep(1)
    assert gone == ["p1"]
    assert not hooks.is_enabled("p1")
    assert [(failure.consecutive, failure.is_quarantined) for failure in witness.heard] == [
        (1, False),
        (2, False),
        (3, True),
    ]
    assert witness.heard[0] == PluginFailure("p1", "question", "ValueError: broken", 1, False)
    assert hooks.is_enabled("p0")  # failing to hear of failures is only logged
    assert hooks.failures["p0"] == 0


async def test_one_success_ends_the_row_of_failures() -> None:
    answers = iter([_raise, _raise, lambda _: None, _raise, _raise, lambda _: "yes", _raise, _raise])
    hooks = new_hooks(asking(lambda self: next(answers)(self)))
    async with running(hooks) as runner:
        for _ in range(8):
            await ask(runner)
    assert hooks.is_enabled("p0")
    assert hooks.health["p0"].failures == 6


async def test_a_critical_plugin_is_never_quarantined() -> None:
    hooks = new_hooks()
    hooks.enable(asking(_raise), "core", Terms(5, is_critical=True))
    async with running(hooks) as runner:
        for _ in range(20):
            assert await ask_decision(runner) == "no"
    assert hooks.is_enabled("core")


async def test_an_outage_of_the_database_is_nobodys_failure() -> None:
    def store(self: object) -> str:
        raise StoreUnavailable("disk full")

    hooks = new_hooks(asking(store))
    async with running(hooks) as runner:
        for _ in range(20):
            assert await ask_decision(runner) == "no"
            assert await first(runner) is None
    assert hooks.is_enabled("p0")
    assert not hooks.failures


async def test_each_plugin_has_its_own_time_limit(autojump_clock: MockClock) -> None:
    hooks = new_hooks()
    hooks.enable(asking(_answer_later), "hasty", Terms(0.5))
    async with running(hooks) as runner:
        assert await first(runner) is None
        assert await ask(runner) is None
    assert hooks.health["hasty"].last_failure == "question: too slow: no answer in 0.5 s"


async def test_two_sets_share_nothing() -> None:
    one, two = new_hooks(asking(_raise)), new_hooks(asking(lambda self: "yes"))
    async with running(one) as first_runner, running(two) as second_runner:
        for _ in range(5):
            assert await ask(first_runner) is None
            assert await ask(second_runner) == "yes"
    assert not one.is_enabled("p0")
    assert two.is_enabled("p0")


@given(
    st.lists(
        st.sampled_from(["answer", "answer later", "none", "none later", "raise", "raise later", "slow"]), max_size=6
    ),
    st.booleans(),
)
def test_every_plan_is_walked_as_the_model_says(behaviours: list[str], is_decision: bool) -> None:
    methods: dict[str, Any] = {
        "answer": lambda self: "yes",
        "answer later": _answer_later,
        "none": lambda self: None,
        "none later": _decline_later,
        "raise": _raise,
        "raise later": _raise_later,
        "slow": _too_slow,
    }

    def model() -> str | None:
        for behaviour in reversed(behaviours):
            if behaviour.startswith("answer"):
                return "yes"
            if is_decision and not behaviour.startswith("none"):
                return "no"
        return "no" if is_decision else None

    async def main() -> None:
        hooks = new_hooks(*(asking(methods[behaviour]) for behaviour in behaviours))
        async with running(hooks) as runner:
            for verb in (decide, ask_decision) if is_decision else (first, ask):
                assert await verb(runner) == model()

    trio.run(main, clock=MockClock(autojump_threshold=0))
