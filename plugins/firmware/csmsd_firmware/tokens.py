"""Tokens of links: 256 random bits in the path, only their hash is stored (O-08)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from csmsd.env import Env

BYTES = 32
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def new_token(env: Env) -> str:
    """43 characters that are safe in any URL."""
    return base64.urlsafe_b64encode(env.token_bytes(BYTES)).decode().rstrip("=")


def hash_of(token: str) -> str:
    """What is stored of it."""
    return hashlib.sha256(token.encode()).hexdigest()


def hash_in(location: str) -> str:
    """The hash of the token in a location, if there is something like one; "" if not."""
    found = [part for part in location.split("/") if TOKEN.fullmatch(part)]
    return hash_of(found[-1]) if found else ""


def is_same(one: str, other: str) -> bool:
    """Equal, in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())
