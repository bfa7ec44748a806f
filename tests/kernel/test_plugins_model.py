"""The plugin set beside a model of it: any history of joining, leaving, answering and failing."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from trio.testing import MockClock

from csmsd._kernel.loader import Loaded
from csmsd.config import Config, Limits
from csmsd.hookspecs import hookimpl
from csmsd.plugin import NoConfig, Plugin
from tests.kernel.plugin_world import Base, House, answer_ping, open_house

TURNS = {"p0": {}, "p1": {"trylast": True}, "p2": {}, "p3": {"tryfirst": True}, "p4": {"trylast": True}}
NAMES = tuple(TURNS)
BEHAVIOURS = ("answer", "none", "raise", "answer later", "none later", "raise later", "slow")
LIMIT = 2


class Actor(Plugin[NoConfig]):
    """Does as it is told."""

    behaviour = "none"
    is_serving = False

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        self.is_serving = True
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            self.is_serving = False

    async def answer_ping(self) -> str | None:
        if self.behaviour.endswith("later"):
            await trio.sleep(1)
        if self.behaviour == "slow":
            await trio.sleep_forever()
        if self.behaviour.startswith("raise"):
            raise ValueError
        return self.name if self.behaviour.startswith("answer") else None


def actor(name: str) -> type[Actor]:
    """A plugin of this name, which takes its turn as `TURNS` says."""

    async def answer_ping(self: Actor) -> str | None:
        return await Actor.answer_ping(self)

    mark: Any = hookimpl(**cast("Any", TURNS[name]))
    body = {"name": name, "__doc__": "An actor.", "answer_ping": mark(answer_ping)}
    return type(name, (Actor,), body)


class Model:
    """What the plugin set should look like."""

    def __init__(self) -> None:
        self.order = list(NAMES)
        self.behaviour = dict.fromkeys(NAMES, "none")
        self.consecutive = dict.fromkeys(NAMES, 0)

    def turns(self) -> list[str]:
        """Who joined last is asked first; those who want to be last come in the order in which they joined."""
        firsts, rest, lasts = list[str](), list[str](), list[str]()
        for name in self.order:
            (firsts if "tryfirst" in TURNS[name] else lasts if "trylast" in TURNS[name] else rest).append(name)
        return [*reversed(firsts), *reversed(rest), *lasts]

    def ask(self, fallback: str | None, *, is_cancelled: bool = False) -> str | None:
        for name in self.turns():
            behaviour = self.behaviour[name]
            if is_cancelled and ("later" in behaviour or behaviour == "slow"):
                return None  # the first who waits is cancelled, and not to blame
            if behaviour.startswith(("raise", "slow")):
                self.consecutive[name] += 1
                if self.consecutive[name] == LIMIT:
                    self.order.remove(name)
                if fallback is not None:
                    return fallback
            else:
                self.consecutive[name] = 0
                if behaviour.startswith("answer"):
                    return name
        return fallback


class Scenario(RuleBasedStateMachine):
    """Collects steps; they are run in virtual time at the end, beside the model."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[str, str]] = []

    @rule(name=st.sampled_from(NAMES), behaviour=st.sampled_from(BEHAVIOURS))
    def behave(self, name: str, behaviour: str) -> None:
        self.steps.append((name, behaviour))

    @rule(verb=st.sampled_from(["first", "decide", "ask", "ask_decision", "cancelled"]))
    def ask(self, verb: str) -> None:
        self.steps.append(("ask", verb))

    @rule(name=st.sampled_from(NAMES), change=st.sampled_from(["enable", "disable", "reload"]))
    def change(self, name: str, change: str) -> None:
        self.steps.append((change, name))

    def teardown(self) -> None:
        trio.run(play, self.steps, clock=MockClock(autojump_threshold=0))


async def play(steps: Sequence[tuple[str, str]]) -> None:
    model = Model()
    actors = [actor(name) for name in NAMES]
    config = Config(limits=Limits(quarantine_after=LIMIT))
    async with open_house(Base, *actors, config=config) as house:
        house.installed = {name: Loaded(actor(name), "2", f"csmsd_{name}") for name in NAMES}
        every = {name: [cast("Actor", house.plugins.get(name))] for name in NAMES}
        for what, which in steps:
            await _play_one(house, model, every, what, which)
            await trio.sleep(0.1)
            for name in NAMES:
                present = cast("Actor | None", house.plugins.get(name))
                assert (present is not None) == (name in model.order)
                assert sum(actor.is_serving for actor in every[name]) == (1 if present else 0)


async def _play_one(house: House, model: Model, every: dict[str, list[Actor]], what: str, which: str) -> None:
    if what == "enable":
        await house.plugins.enable(which)
        if which not in model.order:
            model.order.append(which)
            model.consecutive[which] = 0
            every[which].append(cast("Actor", house.plugins.get(which)))
            every[which][-1].behaviour = model.behaviour[which]
    elif what == "disable":
        await house.plugins.disable(which)
        if which in model.order:
            model.order.remove(which)
    elif what == "reload":
        old = house.plugins.get(which)
        assert list(await house.plugins.reload(which)) == [which] * (which in model.order)
        if which in model.order:
            model.consecutive[which] = 0
            every[which].append(cast("Actor", house.plugins.get(which)))
            every[which][-1].behaviour = model.behaviour[which]
            assert every[which][-1] is not old
    elif what == "ask" and which == "cancelled":
        with trio.move_on_after(0.5):  # those who answer at once have done so
            await house.runner.first(cast("Any", answer_ping), 1)
        model.ask(None, is_cancelled=True)
    elif what == "ask":
        fallback = "no" if "deci" in which else None
        verb: Callable[..., Awaitable[Any]] = getattr(house.runner, which)
        asked = (fallback, answer_ping, 1) if fallback else (answer_ping, 1)
        assert await verb(*asked) == model.ask(fallback)
    else:
        model.behaviour[what] = which
        every[what][-1].behaviour = which


def test_the_set_behaves_as_the_model_says() -> None:
    logging.disable()  # hundreds of tracebacks
    try:
        run_state_machine_as_test(Scenario, settings=settings(max_examples=150, stateful_step_count=25, deadline=None))
    finally:
        logging.disable(logging.NOTSET)
