"""Secrets of stations as octets and as digests. Nothing in here waits or remembers."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import blake2b
from hmac import compare_digest
from typing import NamedTuple

import argon2

KEY_OCTETS = 20  # of a generated key (SEC-30)
SALT_OCTETS = 16

_HEX_KEY = re.compile(rb"(?:[0-9A-Fa-f]{2}){16,20}")  # 32 to 40 digits, an even number of them (WS-23)
_SCHEME = "blake2b$"
_LEAST_DIFFERENT_OCTETS = 8  # of a key that is taken for random: 16 random ones have fewer once in 10^11
# The OWASP minimum: 19 MiB, two passes; 25 ms of one core.
_ARGON2 = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class Secret(NamedTuple):
    """A secret in its canonical form (WS-23)."""

    octets: bytes
    is_random: bool  # so many random octets that nobody guesses them, and a fast digest protects them well


def canonical_secret(password: str) -> Secret:
    """The octets an operator's entry stands for: 32 to 40 hexadecimal digits are decoded, the rest is text (WS-23)."""
    return presented_secret(password.encode())


def presented_secret(password: bytes) -> Secret:
    """The same for octets, which need not be text (WS-22)."""
    octets = _decoded(password)
    if octets is None:
        return Secret(password, is_random=False)
    return Secret(octets, len(set(octets)) >= _LEAST_DIFFERENT_OCTETS and not _is_text(octets))


def presentations(presented: bytes) -> tuple[bytes, ...]:
    """The octets that a presented password may stand for: itself, and what it encodes (WS-23)."""
    octets = _decoded(presented)
    return (presented,) if octets is None else (presented, octets)


def fast_digest(octets: bytes, salt: bytes) -> str:
    """The digest of a random secret: one microsecond."""
    return f"{_SCHEME}{salt.hex()}${blake2b(octets, salt=salt, digest_size=32).hexdigest()}"


def slow_digest(octets: bytes, salt: bytes) -> str:
    """The digest of a secret that a person chose: 25 milliseconds and 19 MiB, for guessers too."""
    return _ARGON2.hash(octets, salt=salt)


def slow_decoy(salt: bytes, hash_: bytes) -> str:
    """A slow digest of nothing: no password matches it, but a check takes as long as any."""
    salt64, hash64 = (b64encode(octets).decode().rstrip("=") for octets in (salt, hash_))
    return f"$argon2id$v=19$m={_ARGON2.memory_cost},t={_ARGON2.time_cost},p={_ARGON2.parallelism}${salt64}${hash64}"


def is_fast(digest: str) -> bool:
    """A check against this digest costs next to nothing."""
    return digest.startswith(_SCHEME)


def matches_fast(digest: str, presented: bytes) -> bool:
    """Does a presented password match a fast digest? Constant time (WS-25)."""
    salt = bytes.fromhex(digest.split("$")[1])
    matches = [compare_digest(fast_digest(octets, salt), digest) for octets in presentations(presented)]
    return any(matches)


def matches_slow(digest: str, presented: bytes) -> bool:
    """Does a presented password match a slow digest? Takes as long as it takes: call it in a thread."""
    matches = [_matches_argon2(digest, octets) for octets in presentations(presented)]
    return any(matches)


def _matches_argon2(digest: str, octets: bytes) -> bool:
    try:
        return _ARGON2.verify(digest, octets)
    except argon2.exceptions.VerifyMismatchError:
        return False


def _decoded(password: bytes) -> bytes | None:
    return bytes.fromhex(password.decode()) if _HEX_KEY.fullmatch(password) else None


def _is_text(octets: bytes) -> bool:
    return all(0x20 <= octet < 0x7F for octet in octets)
