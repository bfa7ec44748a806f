"""The messages of a central system: what may be on the wire, checked strictly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from csmsd.action import AnyAction
from csmsd.command import AnyCommand
from csmsd.errors import InvalidPayload
from csmsd.ocpp.decoding import PayloadDecoder
from csmsd.ocpp.errors import OcppError
from csmsd.plugin import Plugin


class Violation(Exception):
    """A message of the central system that breaks its schema, or that nobody has asked for."""


class Catalogue:
    """Names and rules of all actions and commands."""

    def __init__(self, actions: Mapping[str, AnyAction], commands: Mapping[str, AnyCommand]) -> None:
        self._answers = {name: PayloadDecoder(action.response) for name, action in actions.items()}
        self._commands = dict(commands)

    @classmethod
    def of(cls, plugins: Iterable[type[Plugin[Any]]]) -> Catalogue:
        """What these plugins declare, without starting them."""
        types = list(plugins)
        return cls(
            {action.name: action for plugin in types for action in plugin.actions},
            {command.name: command for plugin in types for command in plugin.commands},
        )

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(dict.fromkeys((*self._answers, *self._commands)))

    def __contains__(self, name: str) -> bool:
        return name in self._answers or name in self._commands

    def check_answer(self, action: str, payload: bytes) -> msgspec.Struct:
        """The answer to a station's CALL; Violation."""
        try:
            answer: msgspec.Struct = self._answers[action].decode_strictly(payload)[0]
        except OcppError as error:
            raise Violation(f"{action}.conf: {error.description}") from None
        return answer

    def check_command(self, action: str, payload: bytes) -> msgspec.Struct:
        """A CALL to a station; Violation."""
        command = self._commands.get(action)
        if command is None:
            raise Violation(f"{action}.req: no plugin offers that command")
        try:
            request: msgspec.Struct = command.decode(payload)[0]
        except InvalidPayload as error:
            raise Violation(str(error)) from None
        return request
