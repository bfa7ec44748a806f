"""Who may do what. Every handler declares its scope; one that does not is refused to everybody."""

from __future__ import annotations

import ipaddress
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from csmsd.client import USER_AGENT
from csmsd.host import Way, actor_of
from csmsd_web.config import WebConfig
from csmsd_web.csrf import SAFE_METHODS, check_csrf, check_origin
from csmsd_web.localfiles import is_local
from csmsd_web.principals import SCOPE_OF, SCOPES, Kind, Principal
from csmsd_web.problems import Problem
from csmsd_web.sessions import Sessions
from csmsd_web.tokens import Tokens
from csmsd_web.users import Users

OWN, PUBLIC, PROBE = "own", "public", "probe"
DECLARED = (*SCOPES, OWN, PUBLIC, PROBE)


class Access:
    """The guard in front of every handler."""

    def __init__(self, users: Users, tokens: Tokens, sessions: Sessions, config: WebConfig) -> None:
        self._users, self._tokens, self._sessions, self._config = users, tokens, sessions, config

    async def check(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Let the request pass, its Principal in `request.auth` and its actor in `request.user`, or raise 401 or 403.

        A bearer token counts before a cookie. Async because Litestar runs plain guards in threads.
        """
        scope = handler.opt.get("scope")
        header = connection.headers.get("authorization", "")
        principal = self._bearer_of(connection, header) if header else self._user_of(connection)
        asgi: Any = connection.scope
        asgi["auth"], asgi["user"] = principal, "" if principal is None else principal.actor
        is_safe = asgi.get("method", "GET") in SAFE_METHODS
        if not is_safe and not header:
            check_origin(connection, self._config.public_url)
        if scope == PUBLIC or (scope == PROBE and self._is_open_to(connection)):
            return
        if principal is None:
            raise _unknown(bool(header))
        needed = "read" if scope == PROBE else scope
        if needed not in (*SCOPES, OWN) or not principal.allows(str(needed)):
            raise Problem(403, "forbidden", f"this needs the scope {needed}; {principal.actor} has {principal.scope}")
        if principal.kind == "session" and not is_safe:
            await check_csrf(connection, self._sessions.text_in(connection))

    def is_valid(self, principal: Principal) -> bool:
        """Is it still who it was, and may it still do as much? Asked by streams as long as they last."""
        if principal.kind == "session":
            return self._sessions.is_valid(principal.id)
        return self._tokens.is_valid(principal.id)

    def _bearer_of(self, connection: ASGIConnection[Any, Any, Any, Any], header: str) -> Principal | None:
        scheme, _, text = header.partition(" ")
        token = self._tokens.verify(text.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            return None
        way: Way = "cli" if connection.headers.get("user-agent", "").startswith(USER_AGENT) else "api"
        name = f"{token.name} ({token.id})"
        actor = actor_of(f"{token.user}: {name}" if token.user else name, way)
        kind: Kind = "local" if is_local(token) else "token"
        return Principal(actor, self._tokens.scope_of(token), kind, token.id, token.user or "")

    def _user_of(self, connection: ASGIConnection[Any, Any, Any, Any]) -> Principal | None:
        session = self._sessions.verify(self._sessions.text_in(connection))
        user = None if session is None else self._users.active(session.user)
        if session is None or user is None:
            return None
        return Principal(actor_of(user.name, "ui"), SCOPE_OF[user.role], "session", session.id, user.name)

    def _is_open_to(self, connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
        if self._config.open_probes == "loopback":
            return connection.client is not None and _is_loopback(connection.client.host)
        return self._config.open_probes == "everybody"


def _unknown(has_shown: bool) -> Problem:
    detail = "log in, or send a token: Authorization: Bearer csms_…"
    if has_shown:
        detail = "the token is unknown, expired or revoked"
    return Problem(401, "unauthorized", detail, headers={"www-authenticate": 'Bearer realm="csmsd"'})


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
