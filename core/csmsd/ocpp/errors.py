"""The errors of OCPP-J: one class per code of the CALLERROR table (J §4.2.3, RPC-32)."""

from __future__ import annotations

from collections.abc import Mapping


class MalformedFrame(Exception):
    """The message is not an OCPP-J frame; `call_id` is set if a CALLERROR can still be addressed (RPC-34)."""

    def __init__(self, reason: str, call_id: str | int | float | None = None) -> None:
        super().__init__(reason)
        self.call_id = call_id


class OcppError(Exception):
    """Raised by a handler, becomes a CALLERROR with this class's `code`."""

    code = "GenericError"

    def __init__(self, description: str = "", details: Mapping[str, str] | None = None) -> None:
        super().__init__(description)
        self.description = description
        self.details: Mapping[str, str] = details or {}


class GenericError(OcppError):
    """Nothing else fits."""


class NotImplementedAction(OcppError):
    """The action is not one of OCPP 1.6."""

    code = "NotImplemented"


class NotSupported(OcppError):
    """The action is known but not offered here."""

    code = "NotSupported"


class InternalError(OcppError):
    """csmsd failed while it processed this one message."""

    code = "InternalError"


class ProtocolError(OcppError):
    """The payload is incomplete."""

    code = "ProtocolError"


class SecurityError(OcppError):
    """The station may not send this now (BOOT-20)."""

    code = "SecurityError"


class FormationViolation(OcppError):
    """The payload is not shaped like the action's schema."""

    code = "FormationViolation"


class PropertyConstraintViolation(OcppError):
    """A value is of the right type and not allowed."""

    code = "PropertyConstraintViolation"


class OccurenceConstraintViolation(OcppError):
    """An array has too few or too many elements. The odd spelling is part of the protocol (C-02)."""

    code = "OccurenceConstraintViolation"


class TypeConstraintViolation(OcppError):
    """A value is of the wrong JSON type."""

    code = "TypeConstraintViolation"
