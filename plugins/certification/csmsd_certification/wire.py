"""What one charger and the central system said to each other, and how long the answers took."""

from __future__ import annotations

from typing import Literal

import msgspec
import trio


class Line(msgspec.Struct, frozen=True):
    """One message, or an event of the connection; `at` in seconds since the case began."""

    at: float
    direction: Literal["sent", "received", "event"]  # as the charger sees it
    text: str


class Measured(msgspec.Struct, frozen=True):
    """How many seconds the answer to one CALL took."""

    action: str
    seconds: float


class WireLog:
    """The record of one case."""

    def __init__(self) -> None:
        self._began = trio.current_time()
        self.lines: list[Line] = []
        self.measured: list[Measured] = []
        self.messages: set[str] = set()  # OCPP names of actions and commands that were on the wire

    def note(self, direction: Literal["sent", "received", "event"], text: str) -> None:
        """Add a line."""
        self.lines.append(Line(round(trio.current_time() - self._began, 3), direction, text))
