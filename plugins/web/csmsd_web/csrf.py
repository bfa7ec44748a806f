"""Against requests that another site makes a browser send: a token bound to the session, and the request's origin.

Only requests that a cookie authenticates can be forged like that; those with a bearer token need no CSRF token.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.connection import ASGIConnection

from csmsd_web.problems import Problem

HEADER, FIELD = "x-csrf-token", "csrf_token"
SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
MASK_OCTETS = 32


def csrf_token(session_text: str, token_bytes: Callable[[int], bytes]) -> str:
    """A token for one page: masked anew each time, so that compressed pages give nothing away.

    `session_text` is the value of the session's cookie.
    """
    mask = token_bytes(MASK_OCTETS)
    return mask.hex() + _xor(mask, _proof(session_text)).hex()


def is_csrf_token(text: str, session_text: str) -> bool:
    """Whether it was made for this session. Constant time."""
    try:
        octets = bytes.fromhex(text)
    except ValueError:
        return False
    if len(octets) != 2 * MASK_OCTETS:
        return False
    return hmac.compare_digest(_xor(octets[:MASK_OCTETS], octets[MASK_OCTETS:]), _proof(session_text))


async def check_csrf(connection: ASGIConnection[Any, Any, Any, Any], session_text: str) -> None:
    """Problem 403 unless the header `X-CSRF-Token`, or the field `csrf_token` of a form, holds a token of the session.

    A form is read whole for that; what is too big for `request_bytes` must use the header.
    """
    text = connection.headers.get(HEADER, "")
    if not text and isinstance(connection, Request) and connection.headers.get("content-type", "").startswith(FORMS):
        text = str((await connection.form()).get(FIELD, ""))
    if not is_csrf_token(text, session_text):
        raise Problem(
            403, "csrf", f"this needs the session's CSRF token in the header {HEADER} or the form field {FIELD}"
        )


def check_origin(connection: ASGIConnection[Any, Any, Any, Any], public_url: str = "") -> None:
    """Problem 403 when a browser says that another site made it send this (Sec-Fetch-Site, Origin)."""
    site = connection.headers.get("sec-fetch-site", "same-origin")
    origin = connection.headers.get("origin", "")
    own = {connection.headers.get("host", ""), urlsplit(public_url).netloc}
    if site not in ("same-origin", "none") or (origin and urlsplit(origin).netloc not in own - {""}):
        raise Problem(403, "foreign-origin", "this request comes from another site")


def _proof(session_text: str) -> bytes:
    return hmac.digest(session_text.encode(), b"csmsd csrf", hashlib.sha256)


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
