"""The station's password goes to the station and nowhere else: masked wherever a payload is shown (WS-24, CFG-11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

MASK = "***"
MASKED_KEY = "authorizationkey"  # in lower case

_decode: Callable[[bytes], Json] = msgspec.json.Decoder().decode
_encode: Callable[[Json], bytes] = msgspec.json.Encoder().encode
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


def mask_authorization_key(payload: bytes) -> bytes:
    """The payload with the value of every key `AuthorizationKey` masked, in any spelling and at any depth.

    Works on ChangeConfiguration, on the answer to GetConfiguration and on what a station makes of them; what cannot be
    read is not shown at all.
    """
    try:
        content = _decode(payload)
        return _encode(_masked(content)) if _holds_secret(content) else payload
    except _UNREADABLE:
        return b'"(unreadable)"'


def _is_secret(entry: dict[str, Json]) -> bool:
    return any(isinstance(value, str) and value.strip().lower() == MASKED_KEY for value in entry.values())


def _holds_secret(content: Json) -> bool:
    if isinstance(content, dict):
        return _is_secret(content) or any(map(_holds_secret, content.values()))
    return isinstance(content, list) and any(map(_holds_secret, content))


def _masked(content: Json) -> Json:
    if isinstance(content, list):
        return [_masked(item) for item in content]
    if not isinstance(content, dict):
        return content
    if not _is_secret(content):
        return {name: _masked(value) for name, value in content.items()}
    return {name: value if name in {"key", "readonly"} else MASK for name, value in content.items()}
