"""The identity of a station: the one path segment behind the endpoint's path (WS-02 … WS-06)."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

LONGEST_IDENTITY = 255  # characters


def identity_of(target: str, endpoint_paths: Iterable[str]) -> str | None:
    """The decoded identity in a raw request target; None means that the answer is 404.

    `target` is the origin-form, not percent-decoded; it is split first and decoded then, so `A%2FB` is one identity.
    `endpoint_paths` are like `/ocpp`, or empty for the root; a station may use any of them (WS-03).
    """
    path = target.partition("?")[0]
    for endpoint_path in endpoint_paths:
        prefix = endpoint_path.rstrip("/") + "/"
        if path.startswith(prefix) and (identity := _decoded(path.removeprefix(prefix).removesuffix("/"))):
            return identity
    return None


def _decoded(segment: str) -> str | None:
    if "/" in segment:
        return None
    try:
        identity = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeError:
        return None
    return identity if len(identity) <= LONGEST_IDENTITY and identity.isprintable() else None
