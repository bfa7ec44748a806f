"""A command: a CALL that we send."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from csmsd.ocpp.encoding import encode_payload

Request = TypeVar("Request", bound=msgspec.Struct)
Response = TypeVar("Response", bound=msgspec.Struct)


class Command(Generic[Request, Response]):
    """Ties a command's OCPP name and types together: `await station.call(RESET, Reset("Soft"))`."""

    __slots__ = ("name", "request", "response", "summary")

    def __init__(self, name: str, request: type[Request], response: type[Response], summary: str = "") -> None:
        self.name, self.request, self.response, self.summary = name, request, response, summary

    def encode(self, request: Request) -> bytes:
        """The payload as JSON; taking `request` here makes the type parameter invariant, so mismatches are type errors."""
        return encode_payload(request)


AnyCommand = Command[Any, Any]
