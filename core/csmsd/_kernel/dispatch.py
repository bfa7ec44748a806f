"""CALL -> guards -> decoder -> plan -> reply. The one place where errors become a CALLERROR."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from csmsd._kernel.absorption import check_payload
from csmsd._kernel.call_in_hand import CallInHand
from csmsd._kernel.hooks import HookSet
from csmsd._kernel.pool import Job, Pool
from csmsd._kernel.recorder import Recorder
from csmsd._kernel.repeats import Repeats
from csmsd._kernel.steps import Plan
from csmsd._kernel.timers import Wheel
from csmsd._kernel.verbs import HookRunner
from csmsd.action import AnyAction
from csmsd.env import Env
from csmsd.hookspecs import guard_call
from csmsd.ocpp.decoding import PayloadDecoder, Tolerance
from csmsd.ocpp.errors import FormationViolation, NotImplementedAction, NotSupported, OcppError
from csmsd.ocpp.frames import Call
from csmsd.ocpp.operations import BOOT, LONGEST_MESSAGE_ID, LONGEST_TRANSACTIONAL_ID, OPERATIONS
from csmsd.pending import Pending
from csmsd.station import Arrival, Station, StationRecord


class Caller(Protocol):
    """What the dispatcher sees of a connection."""

    station: Station

    @property
    def record(self) -> StationRecord:
        """The station's record."""
        ...

    def attach(self, job: Job) -> None:
        """`job` is handling the CALL."""

    def is_waiting_for(self, call: Call) -> bool:
        """Does an answer still matter?"""
        ...

    def answer(self, call: Call, reply: bytes) -> None:
        """Send the reply."""

    def abandon(self, call: Call, code: int, reason: str) -> None:
        """Close instead of a reply."""


@dataclass(slots=True)
class Figures:
    """How one action is doing (PERF-01)."""

    calls: int = 0
    errors: int = 0
    microseconds: int = 0
    slowest: int = 0

    def count(self, microseconds: int, *, is_error: bool) -> None:
        """One more."""
        self.calls += 1
        self.errors += is_error
        self.microseconds += microseconds
        self.slowest = max(self.slowest, microseconds)


@dataclass(frozen=True, slots=True)
class Route:
    """An action with everything that answering it takes."""

    action: AnyAction
    decode: Callable[[bytes, Tolerance, datetime], tuple[Any, tuple[Any, ...]]]
    plan: Plan
    figures: Figures = field(default_factory=Figures)


class Dispatcher:
    """Answers CALLs: a table from action to route, swapped as one object when the plugin set changes."""

    def __init__(
        self,
        hooks: HookSet,
        runner: HookRunner,
        pool: Pool,
        wheel: Wheel,
        recorder: Recorder,
        env: Env,
        *,
        tolerance: Tolerance,
        answer_timeout: float,
        actions: Callable[[], Mapping[str, AnyAction]],
        absorbs: Collection[str] = (),
    ) -> None:
        self.hooks, self.runner, self.recorder, self.env = hooks, runner, recorder, env
        self.pool, self.wheel = pool, wheel
        self.repeats = Repeats(env.monotonic)
        self.answer_timeout = answer_timeout
        self._tolerance, self._actions, self._absorbs = tolerance, actions, absorbs
        self._routes: dict[str, Route] = {}
        self._figures: dict[str, Figures] = {}
        self.held: Pending[bytes | None] | None = None  # CALLs wait for it while plugins are exchanged
        hooks.changed.append(self.rebuild)
        self.rebuild()

    def rebuild(self) -> None:
        """Read the actions and plans of the plugin set anew."""
        self._routes = {name: self._route(action) for name, action in self._actions().items()}

    @property
    def figures(self) -> Mapping[str, Figures]:
        """How each action is doing, by name."""
        return self._figures

    def start(self, caller: Caller, call: Call, received_at: datetime) -> bytes | None:
        """The reply if it is known at once; otherwise None, and it comes later through `caller.answer`."""
        if self.held is not None:
            CallInHand(self, caller, call, received_at, None).follow(self.held)
            return None
        route = self._routes.get(call.action)
        hand = CallInHand(self, caller, call, received_at, route)
        try:
            if route is None and call.action not in self._absorbs:
                raise _unknown(call.action)
            self._check_id(caller, call, is_transactional=route is not None and route.action.is_transactional)
            self._check_guards(caller, call, hand)
            if route is None:
                check_payload(bytes(call.payload))
                return hand.absorb()
            if route.action.repeats_answer:
                answer = self.repeats.find(caller.station.id, call)
                if answer is not None:
                    return hand.repeat(answer)
                twin = self.repeats.in_hand(caller.station.id, call)
                if twin is not None:
                    hand.follow(twin)
                    return None
                hand.lead()
            elif call.action == BOOT:
                self.repeats.forget(caller.station.id)
            payload = bytes(call.payload)
            request, deviations = route.decode(payload, caller.record.tolerance or self._tolerance, received_at)
        except OcppError as error:
            return hand.refuse(error)
        return hand.ask_for(request, Arrival(call.id, received_at, payload, deviations))

    @contextmanager
    def holding(self) -> Generator[None, None, None]:
        """CALLs that arrive during the block are handled after it: whoever answers them may be absent meanwhile."""
        held = self.held = Pending()
        try:
            yield
        finally:
            self.held = None
            held.settle(None)

    def _route(self, action: AnyAction) -> Route:
        decoder: PayloadDecoder[Any] = PayloadDecoder(action.request, is_transactional=action.is_transactional)
        figures = self._figures.setdefault(action.name, Figures())
        return Route(action, decoder.decode, self.hooks.plan(action.hook), figures)

    def _check_id(self, caller: Caller, call: Call, *, is_transactional: bool) -> None:
        if isinstance(call.id, str) and len(call.id) > LONGEST_MESSAGE_ID:
            is_tolerated = is_transactional or caller.record.accept_long_message_ids
            if not is_tolerated or len(call.id) > LONGEST_TRANSACTIONAL_ID:
                raise FormationViolation(f"the message id is longer than {LONGEST_MESSAGE_ID} characters")

    def _check_guards(self, caller: Caller, call: Call, hand: CallInHand) -> None:
        for step in self.hooks.plan(guard_call):
            refusal = self.runner.call_one(step, (caller.station, call.action))
            if isinstance(refusal, OcppError):
                hand.guarded_by(step)
                raise refusal


def _unknown(action: str) -> OcppError:
    if action in OPERATIONS:
        return NotSupported(f"{action} is not offered here")
    return NotImplementedAction("the action is not one of OCPP 1.6")
