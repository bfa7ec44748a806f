"""An action: a CALL that stations send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from csmsd.ocpp.encoding import encode_payload

Request = TypeVar("Request", bound=msgspec.Struct)
Response = TypeVar("Response", bound=msgspec.Struct)


class Action(Generic[Request, Response]):
    """Ties an OCPP action's name, its types and the hook that answers it together.

    `is_transactional`: StartTransaction, StopTransaction and MeterValues, whose data must not be lost to a formality
    (VAL-14, RPC-15). `repeats_answer`: a retransmission gets the stored answer (RPC-12). `keeps_refused`: what is
    refused is stored before the CALLERROR, because the station may drop it (BOOT-31); transactional ones always are.
    """

    __slots__ = ("_check", "hook", "is_transactional", "keeps_refused", "name", "repeats_answer", "request", "response")

    def __init__(
        self,
        name: str,
        request: type[Request],
        response: type[Response],
        hook: Callable[..., Any],
        *,
        is_transactional: bool = False,
        repeats_answer: bool = False,
        keeps_refused: bool = False,
    ) -> None:
        self.name, self.request, self.response, self.hook = name, request, response, hook
        self.is_transactional, self.repeats_answer = is_transactional, repeats_answer
        self.keeps_refused = keeps_refused or is_transactional
        self._check: Callable[[bytes], Response] = msgspec.json.Decoder(response).decode

    def encode(self, response: Response, *, whole_seconds: bool = False) -> bytes:
        """The answer as JSON, checked against its schema (VAL-01); ValueError says how a plugin's answer breaks it."""
        payload = encode_payload(response, whole_seconds=whole_seconds)
        self._check(payload)
        return payload


AnyAction = Action[Any, Any]
