"""Who asks: every request has a principal, a user in a session or the bearer of a token, with a scope and a way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from litestar.connection import ASGIConnection

Scope = Literal["read", "operate", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "operate", "admin")  # each includes those before it

Role = Literal["viewer", "operator", "administrator"]
SCOPE_OF: Mapping[Role, Scope] = {"viewer": "read", "operator": "operate", "administrator": "admin"}

# session: a person in a browser; token: a program; local: whoever can read <data_dir>/admin.token.
Kind = Literal["session", "token", "local"]


class Principal(msgspec.Struct, frozen=True):
    """Whoever asks, as the guard found out. Handlers get it from `principal_of(request)`.

    `actor` (`ui:anna`, `api:grafana (4f…)`) is what `Audit.record` and `Commands.submit` want, and `request.user`.
    """

    actor: str
    scope: Scope
    kind: Kind
    id: str  # of the session or the token
    user: str = ""  # the user's name; "" for a token of no user

    def allows(self, scope: str) -> bool:
        """May it do what needs `scope`? "own": whatever concerns only the one who asks."""
        return scope == "own" or is_within(scope, self.scope)


def is_within(wanted: str, granted: Scope) -> bool:
    """Whether a scope is included in another."""
    return wanted in SCOPES[: SCOPES.index(granted) + 1]


def lesser(one: Scope, other: Scope) -> Scope:
    """The smaller of two scopes."""
    return SCOPES[min(SCOPES.index(one), SCOPES.index(other))]


def principal_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Principal | None:
    """Who asks; None where nobody had to say so (`scope="public"` without a session, an open probe)."""
    scope: Any = connection.scope
    found = scope.get("auth")
    return found if isinstance(found, Principal) else None
