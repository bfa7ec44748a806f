"""Messages of profiles that are switched off, and are answered all the same, because the operator has said so."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from csmsd.errors import ConfigError
from csmsd.ocpp.errors import FormationViolation
from csmsd.ocpp.operations import REPORTS

EMPTY = b"{}"


def check_absorb(names: Iterable[str]) -> None:
    """What `absorb` names needs only an empty answer; ConfigError, with the nearest name that does."""
    for name in sorted(set(names) - REPORTS):
        near = get_close_matches(name, REPORTS, n=1)
        advice = f"did you mean {near[0]}?" if near else f"only these can: {', '.join(sorted(REPORTS))}"
        raise ConfigError(f"absorb: {name!r} cannot be absorbed; {advice}")


def check_payload(payload: bytes) -> None:
    """The payload is an object, like that of every CALL; who knows more of its schema is switched off (RPC-34)."""
    if not payload.lstrip().startswith(b"{"):
        raise FormationViolation("the payload is not an object")
