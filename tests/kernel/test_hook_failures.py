"""What failures of plugins lead to, and a plan beside a model of it."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from csmsd._kernel.steps import Terms
from csmsd.errors import BackendUnavailable, StoreUnavailable
from csmsd.hookspecs import PluginFailure, hookimpl
from tests.kernel.hook_world import (
    answers_later,
    ask,
    ask_decision,
    asking,
    decide,
    declines_later,
    first,
    new_hooks,
    raises,
    raises_later,
    running,
    too_slow,
)


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
    hooks = new_hooks(witness, asking(raises))
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
    answers = iter([raises, raises, lambda _: None, raises, raises, lambda _: "yes", raises, raises])
    hooks = new_hooks(asking(lambda self: next(answers)(self)))
    async with running(hooks) as runner:
        for _ in range(8):
            await ask(runner)
    assert hooks.is_enabled("p0")
    assert hooks.health["p0"].failures == 6


async def test_a_critical_plugin_is_never_quarantined() -> None:
    hooks = new_hooks()
    hooks.enable(asking(raises), "core", Terms(5, is_critical=True))
    async with running(hooks) as runner:
        for _ in range(20):
            assert await ask_decision(runner) == "no"
    assert hooks.is_enabled("core")


@pytest.mark.parametrize("outage", [StoreUnavailable("disk full"), BackendUnavailable("the tariff server is down")])
async def test_an_outage_elsewhere_is_nobodys_failure(outage: Exception) -> None:
    def elsewhere(self: object) -> str:
        raise outage

    hooks = new_hooks(asking(elsewhere))
    async with running(hooks) as runner:
        for _ in range(20):
            assert await ask_decision(runner) == "no"
            assert await first(runner) is None
    assert hooks.is_enabled("p0")
    assert not hooks.failures


async def test_each_plugin_has_its_own_time_limit(autojump_clock: MockClock) -> None:
    hooks = new_hooks()
    hooks.enable(asking(answers_later), "hasty", Terms(0.5))
    async with running(hooks) as runner:
        assert await first(runner) is None
        assert await ask(runner) is None
    assert hooks.health["hasty"].last_failure == "question: too slow: no answer in 0.5 s"


async def test_two_sets_share_nothing() -> None:
    one, two = new_hooks(asking(raises)), new_hooks(asking(lambda self: "yes"))
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
        "answer later": answers_later,
        "none": lambda self: None,
        "none later": declines_later,
        "raise": raises,
        "raise later": raises_later,
        "slow": too_slow,
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
