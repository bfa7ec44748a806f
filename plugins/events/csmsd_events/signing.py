"""Signatures of webhooks, as in Standard Webhooks: HMAC-SHA256 over id, timestamp and body.

    webhook-id: 17-1764086400000
    webhook-timestamp: 1764086401          seconds since 1970, of this attempt
    webhook-signature: v1,<base64 of HMAC-SHA256(key, "<id>.<timestamp>.<body>")>

The key is what follows `whsec_` in the secret, decoded from base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable

PREFIX = "whsec_"
LENGTHS = range(24, 65)  # octets, as Standard Webhooks asks for


def new_secret(token_bytes: Callable[[int], bytes]) -> str:
    """A secret of 32 random octets."""
    return PREFIX + base64.b64encode(token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """ValueError says what is wrong with it, without saying what it is."""
    if not secret.startswith(PREFIX):
        raise ValueError(f"a secret begins with {PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"what follows {PREFIX} is no base64") from None
    if len(key) not in LENGTHS:
        raise ValueError(f"a secret has {LENGTHS.start} to {LENGTHS.stop - 1} octets, not {len(key)}")
    return key


def signed_headers(key: bytes, event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers."""
    digest = hmac.digest(key, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256)
    signature = base64.b64encode(digest).decode()
    return {"webhook-id": event_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}
