"""Passwords in URLs go to the station and nowhere else (FW-02)."""

from __future__ import annotations

import re

# Slashes may be escaped in JSON. Up to the last @ before the path: a password may hold one.
_USER_INFO = re.compile(rb'(:(?:\\?/){2})[^/"\\\s]*@')


def mask_url_credentials(payload: bytes) -> bytes:
    """The payload with `user:password@` of every URL masked."""
    return _USER_INFO.sub(rb"\1***@", payload)
