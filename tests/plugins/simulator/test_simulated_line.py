"""The line of a simulated station against a central system that does not do its part (1.6 §3.7)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio

from csmsd.ocpp.frames import Call
from csmsd_core import Heartbeat, StatusNotification
from csmsd_simulator import Clock, parse_quirks
from csmsd_simulator.line import Answer, Line, Refusal, RetryRule
from csmsd_simulator.messages import Status


@dataclass
class Paper:
    """A wire that keeps what is sent on it."""

    messages: list[Any] = field(default_factory=list[Any])
    times: list[float] = field(default_factory=list[float])
    is_cut: bool = False

    def send(self, message: bytes) -> None:
        self.messages.append(json.loads(message))
        self.times.append(trio.current_time())

    def cut(self) -> None:
        self.is_cut = True

    @property
    def actions(self) -> list[str]:
        return [frame[2] for frame in self.messages if frame[0] == 2]


def status_soon() -> Status:
    return Status("Accepted")


def answer_reset(call: Call) -> Answer:
    return Status("Accepted") if call.action == "Reset" else Refusal("NotImplemented")


@pytest.fixture
def paper() -> Paper:
    return Paper()


@pytest.fixture
async def line(paper: Paper, nursery: trio.Nursery) -> Line:
    clock = Clock()
    nursery.start_soon(clock.run)
    made = Line("L", clock, parse_quirks([]), answer_reset, RetryRule(lambda: 3, lambda: 10.0))
    made.connect(paper)
    made.register()
    return made


def refuse(line: Line, paper: Paper) -> None:
    line.receive(json.dumps([4, paper.messages[-1][1], "InternalError", "", {}]).encode())


def accept(line: Line, paper: Paper) -> None:
    line.receive(json.dumps([3, paper.messages[-1][1], {}]).encode())


async def test_a_durable_message_is_tried_again_more_and_more_slowly_then_given_up(line: Line, paper: Paper) -> None:
    outcomes: list[bytes | None] = []
    line.deliver("StartTransaction", status_soon, outcomes.append)
    line.deliver("StopTransaction", status_soon)
    for _ in range(3):
        refuse(line, paper)
        await trio.sleep(25)
    assert paper.actions == ["StartTransaction"] * 3 + ["StopTransaction"]
    first, second, third, _ = paper.times
    assert second - first == pytest.approx(10)
    assert third - second == pytest.approx(15 + 20), "15 s of them until it was refused again"
    assert outcomes == [None]
    assert len({frame[1] for frame in paper.messages[:3]}) == 1, "a retry has the id of the first attempt"
    accept(line, paper)
    assert line.backlog == 0


async def test_before_registration_nothing_leaves_but_boot_and_what_is_asked_for(line: Line, paper: Paper) -> None:
    line.is_registered = False
    line.asked_for.add("StatusNotification")
    line.deliver("StartTransaction", status_soon)
    line.call("Heartbeat", Heartbeat)
    line.call("BootNotification", status_soon)
    accept(line, paper)
    line.call("StatusNotification", status_soon)
    assert paper.actions == ["BootNotification"], "what was asked for before the boot is not asked for any more"
    line.register()
    assert paper.actions == ["BootNotification", "StartTransaction"]
    await trio.lowlevel.checkpoint()


async def test_others_pass_while_a_retry_waits(line: Line, paper: Paper) -> None:
    line.deliver("StartTransaction", status_soon)
    refuse(line, paper)
    line.call("Heartbeat", Heartbeat)
    assert paper.actions == ["StartTransaction", "Heartbeat"]


async def test_there_is_one_call_at_a_time_in_the_order_of_the_wishes(line: Line, paper: Paper) -> None:
    line.call("Heartbeat", Heartbeat)
    line.deliver("StartTransaction", status_soon)
    line.call("StatusNotification", lambda: StatusNotification(1, "NoError", "Charging"))
    assert paper.actions == ["Heartbeat"]
    accept(line, paper)
    assert paper.actions == ["Heartbeat", "StartTransaction"]
    accept(line, paper)
    assert paper.actions == ["Heartbeat", "StartTransaction", "StatusNotification"]


async def test_a_call_without_an_answer_ends_after_a_while(line: Line, paper: Paper) -> None:
    outcomes: list[bytes | None] = []
    line.call("Heartbeat", Heartbeat, outcomes.append)
    await trio.sleep(29)
    assert outcomes == []
    await trio.sleep(2)
    assert outcomes == [None]


async def test_a_lost_connection_costs_durable_messages_no_attempt(line: Line, paper: Paper) -> None:
    outcomes: list[bytes | None] = []
    line.deliver("StopTransaction", status_soon)
    line.call("Heartbeat", Heartbeat, outcomes.append)
    for _ in range(5):
        line.disconnect()
        line.connect(paper)
    assert outcomes == [None], "what is not durable has failed"
    assert paper.actions == ["StopTransaction"] * 6
    assert len({frame[1] for frame in paper.messages}) == 1
    accept(line, paper)
    assert line.backlog == 0


async def test_commands_are_answered_with_their_id_and_answers_to_nothing_are_ignored(line: Line, paper: Paper) -> None:
    line.receive(b'[2,"a","Reset",{}]')
    line.receive(b'[2,"b","Dance",{}]')
    line.receive(b'[3,"nobody",{}]')
    line.receive(b"nonsense")
    assert paper.messages == [[3, "a", {"status": "Accepted"}], [4, "b", "NotImplemented", "", {}]]
    await trio.lowlevel.checkpoint()
