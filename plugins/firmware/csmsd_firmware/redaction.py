"""Locations hold credentials: masked wherever one is shown or stored, sent exactly as entered (FW-02)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

import msgspec

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

MASK = "***"
USER_ANYWHERE = re.compile(r"//.*@", re.DOTALL)  # an unescaped slash in a password makes the authority end late
BEHIND_QUESTION_MARK = re.compile(r"[?#].*$", re.DOTALL)  # signed links carry their signature there
LONG_SEGMENT = re.compile(r"(?<=/)[A-Za-z0-9_-]{40,}(?=/|$)")  # our own tokens, and those of others

_decode: Callable[[bytes], Json] = msgspec.json.Decoder().decode
_encode: Callable[[Json], bytes] = msgspec.json.Encoder().encode
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


def masked(location: str) -> str:
    """The location without user, password, token, query and fragment."""
    shown = USER_ANYWHERE.sub(f"//{MASK}@", location, count=1)
    if "//" not in shown and "@" in shown:  # no URI that anybody can parse, but perhaps a password in it
        return MASK
    shown = BEHIND_QUESTION_MARK.sub(lambda found: f"{found[0][0]}{MASK}", shown)
    return LONG_SEGMENT.sub(MASK, shown)


def mask_location(payload: bytes) -> bytes:
    """The payload with every `location` masked, at any depth; what cannot be read is not shown at all."""
    try:
        return _encode(_without_secrets(_decode(payload)))
    except _UNREADABLE:
        return b'"(unreadable)"'


def _without_secrets(content: Json) -> Json:
    if isinstance(content, list):
        return [_without_secrets(item) for item in content]
    if not isinstance(content, dict):
        return content
    return {name: _shown(name, value) for name, value in content.items()}


def _shown(name: str, value: Json) -> Json:
    if name.strip().lower() != "location":
        return _without_secrets(value)
    return masked(value) if isinstance(value, str) else MASK
