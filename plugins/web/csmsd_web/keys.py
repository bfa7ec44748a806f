"""Random texts that open something: `<prefix>_<id>_<256 random bits>`, stored as SHA-256, checked in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import NamedTuple

NOTHING = hashlib.sha256(b"").hexdigest()  # compared with when there is no such id, so that it takes as long
_TEXT = re.compile(r"(csm[a-z])_([0-9a-f]{16})_([0-9a-f]{64})", re.ASCII)


class NewKey(NamedTuple):
    """A key when it is made: the only moment at which its text is known."""

    id: str
    digest: str
    text: str


class ShownKey(NamedTuple):
    """A key that somebody shows; nothing is proven yet."""

    id: str
    digest: str

    def fits(self, digest: str | None) -> bool:
        """Whether it is the one that is stored; None: there is none of that id."""
        is_equal = hmac.compare_digest(self.digest, digest or NOTHING)
        return is_equal and digest is not None


def new_key(prefix: str, token_bytes: Callable[[int], bytes]) -> NewKey:
    """A key of a kind: csms (API token), csmu (session), csml (one-time link)."""
    id_, secret = token_bytes(8).hex(), token_bytes(32).hex()
    return NewKey(id_, _digest(secret), f"{prefix}_{id_}_{secret}")


def read_key(prefix: str, text: str) -> ShownKey | None:
    """What a text of that kind says; None if it is none."""
    match = _TEXT.fullmatch(text)
    if match is None or match[1] != prefix:
        return None
    return ShownKey(match[2], _digest(match[3]))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
