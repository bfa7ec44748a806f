"""An action: a CALL that stations send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

Request = TypeVar("Request", bound=msgspec.Struct)
Response = TypeVar("Response", bound=msgspec.Struct)


class Action(Generic[Request, Response]):
    """Ties an OCPP action's name, its types and the hook that answers it together.

    `is_transactional`: StartTransaction, StopTransaction and MeterValues, whose data must not be lost to a formality
    (VAL-14, RPC-15). `repeats_answer`: a retransmission gets the stored answer (RPC-12).
    """

    __slots__ = ("hook", "is_transactional", "name", "repeats_answer", "request", "response")

    def __init__(
        self,
        name: str,
        request: type[Request],
        response: type[Response],
        hook: Callable[..., Any],
        *,
        is_transactional: bool = False,
        repeats_answer: bool = False,
    ) -> None:
        self.name, self.request, self.response, self.hook = name, request, response, hook
        self.is_transactional, self.repeats_answer = is_transactional, repeats_answer


AnyAction = Action[Any, Any]
