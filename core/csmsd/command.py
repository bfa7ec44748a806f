"""A command: a CALL that we send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from csmsd.errors import InvalidPayload
from csmsd.ocpp.decoding import PayloadDecoder
from csmsd.ocpp.encoding import encode_payload
from csmsd.ocpp.errors import OcppError

Request = TypeVar("Request", bound=msgspec.Struct)
Response = TypeVar("Response", bound=msgspec.Struct)
Redact = Callable[[bytes], bytes]


def keep(payload: bytes) -> bytes:
    """Nothing in this payload is secret."""
    return payload


class Command(Generic[Request, Response]):
    """Ties a command's OCPP name and types together: `await station.call(RESET, Reset("Soft"))`.

    `action` is what the CALL is called on the wire, where that is not its name: a DataTransfer with a meaning.

    `redact_request` and `redact_response` turn a payload into one that may be logged, stored and shown (WS-24). They
    take any JSON, whether it obeys its schema or not, and never raise.
    """

    __slots__ = (
        "action",
        "name",
        "redact_request",
        "redact_response",
        "request",
        "request_decoder",
        "response",
        "response_decoder",
        "summary",
    )

    def __init__(
        self,
        name: str,
        request: type[Request],
        response: type[Response],
        summary: str = "",
        *,
        action: str = "",
        redact_request: Redact = keep,
        redact_response: Redact = keep,
    ) -> None:
        self.name, self.request, self.response, self.summary = name, request, response, summary
        self.action = action or name
        self.redact_request, self.redact_response = redact_request, redact_response
        self.request_decoder, self.response_decoder = PayloadDecoder(request), PayloadDecoder(response)

    def decode(self, body: bytes) -> tuple[Request, tuple[str, ...]]:
        """An operator's payload, checked strictly, and warnings; InvalidPayload says where and why (VAL-01, VAL-18)."""
        try:
            return self.request_decoder.decode_strictly(body)
        except OcppError as error:
            raise InvalidPayload(f"{self.name}: {error.description}") from None

    def encode(self, request: Request, *, whole_seconds: bool = False) -> bytes:
        """The payload as JSON, checked against the schema (VAL-01); InvalidPayload if it breaks a rule.

        Taking `request` here makes the type parameter invariant, so that mismatches are type errors.
        """
        payload = encode_payload(request, whole_seconds=whole_seconds)
        self.decode(payload)
        return payload


AnyCommand = Command[Any, Any]
