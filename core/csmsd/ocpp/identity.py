"""The identity of a station, from the URL it connects to."""

from __future__ import annotations

import re
from unicodedata import category
from urllib.parse import unquote_to_bytes

LONGEST_IDENTITY = 255  # characters (WS-06)

_MALFORMED_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_UNREACHABLE = (".", "..")  # clients and proxies remove these segments from a path (RFC 3986, 5.2.4)


def identity_of(target: str, paths: tuple[str, ...]) -> str | None:
    """The identity in a raw request target, or None if its form is wrong (WS-02..WS-06).

    `target` has one character for each byte on the wire (Latin-1). `paths` are the endpoint paths; the longest that
    matches counts, "" means that the identity is the only segment. The query is ignored, one trailing slash tolerated.
    """
    path = target.partition("?")[0].removesuffix("/")
    if not path.startswith("/"):
        return None
    segments = _decoded(path)
    if segments is None:
        return None
    endpoints = [endpoint for endpoint in map(_endpoint, paths) if segments[: len(endpoint)] == endpoint]
    if not endpoints:
        return None
    rest = segments[max(map(len, endpoints)) :]
    return rest[0] if len(rest) == 1 and is_identity(rest[0]) else None


def is_identity(text: str) -> bool:
    """Can a station be called this? 1 to 255 characters, none of them a control character."""
    return (
        0 < len(text) <= LONGEST_IDENTITY
        and text not in _UNREACHABLE
        and not any(category(character) in ("Cc", "Cs") for character in text)
    )


def _endpoint(path: str) -> list[str]:
    path = path.strip("/")
    return path.split("/") if path else []


def _decoded(path: str) -> list[str] | None:
    """The segments: split first, decoded afterwards, so that an encoded slash stays inside its segment (WS-04)."""
    try:
        raw = path.encode("latin-1")
        if _MALFORMED_ESCAPE.search(raw):
            return None
        return [unquote_to_bytes(segment).decode() for segment in raw.split(b"/")[1:]]
    except UnicodeError:
        return None
