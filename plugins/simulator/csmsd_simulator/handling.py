"""From a command's name to the function that answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from csmsd.ocpp.frames import Call
from csmsd_simulator.line import Answer, Refusal

if TYPE_CHECKING:
    from csmsd_simulator.station import SimulatedStation

Request = TypeVar("Request", bound=msgspec.Struct)
Handler = Callable[["SimulatedStation", Any], Answer]


class Commands:
    """The commands of one profile. What a handler does beyond answering, it does a moment later."""

    def __init__(self) -> None:
        self.handlers: dict[str, tuple[type[msgspec.Struct], Handler]] = {}

    def answers(
        self, action: str, request: type[Request]
    ) -> Callable[[Callable[[SimulatedStation, Request], Answer]], Callable[[SimulatedStation, Request], Answer]]:
        """Decorates the function that answers `action`."""

        def register(
            handler: Callable[[SimulatedStation, Request], Answer],
        ) -> Callable[[SimulatedStation, Request], Answer]:
            self.handlers[action] = request, handler
            return handler

        return register


class Desk:
    """Answers whatever comes."""

    def __init__(self, station: SimulatedStation, *profiles: Commands) -> None:
        self._station = station
        self._handlers = {action: entry for profile in profiles for action, entry in profile.handlers.items()}

    def answer(self, call: Call) -> Answer:
        """The answer to a command; CALLERROR for one that is unknown or malformed."""
        if call.action not in self._handlers:
            return Refusal("NotImplemented", f"{call.action} is unknown to this station")
        request_type, handler = self._handlers[call.action]
        try:
            request = msgspec.json.decode(call.payload, type=request_type)
        except msgspec.MsgspecError as error:
            return Refusal("FormationViolation", str(error))
        answer = handler(self._station, request)
        shown = "no answer" if answer is None else getattr(answer, "status", type(answer).__name__)
        self._station.tell(f"{call.action}: {shown}")
        return answer
