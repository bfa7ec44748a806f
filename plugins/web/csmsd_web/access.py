"""Who may do what. Every handler declares its scope; one that does not is refused to everybody."""

from __future__ import annotations

import ipaddress
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from csmsd_web.config import WebConfig
from csmsd_web.problems import Problem
from csmsd_web.tokens import SCOPES, Tokens

PUBLIC, PROBE = "public", "probe"
DECLARED = (*SCOPES, PUBLIC, PROBE)


class Access:
    """The guard in front of every handler."""

    def __init__(self, tokens: Tokens, config: WebConfig) -> None:
        self._tokens, self._config = tokens, config

    async def check(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Let the request pass, with the actor's name in `request.user`, or raise 401 or 403.

        Async because Litestar runs plain guards in threads.
        """
        scope = handler.opt.get("scope")
        connection.scope["user"] = ""
        if scope == PUBLIC or (scope == PROBE and self._is_open_to(connection)):
            return
        header = connection.headers.get("authorization", "")
        scheme, _, text = header.partition(" ")
        token = self._tokens.verify(text.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            missing = "this needs a token: Authorization: Bearer csms_…"
            detail = "the token is unknown, expired or revoked" if header else missing
            raise Problem(401, "unauthorized", detail, headers={"www-authenticate": 'Bearer realm="csmsd"'})
        needed = "read" if scope == PROBE else scope
        if needed not in SCOPES or not token.allows(needed):
            raise Problem(403, "forbidden", f"this needs a token with the scope {needed}; yours has {token.scope}")
        connection.scope["user"] = f"{token.name} ({token.id})"
        connection.scope["auth"] = token

    def _is_open_to(self, connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
        if self._config.open_probes == "loopback":
            return connection.client is not None and _is_loopback(connection.client.host)
        return self._config.open_probes == "everybody"


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
