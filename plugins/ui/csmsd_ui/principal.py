"""Who asks for a page. The one place that knows how the web plugin tells it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from litestar import Request

from csmsd_web import WebPlugin
from csmsd_web.tokens import SCOPES

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody, and what they may do: read, operate, admin; "" = nobody has signed in."""

    name: str = ""
    scope: str = ""

    def may(self, scope: str) -> bool:
        """Whether what needs `scope` is open to them."""
        return self.scope in SCOPES and scope in SCOPES[: SCOPES.index(self.scope) + 1]  # type: ignore[arg-type]


def principal_of(request: AnyRequest) -> Principal:
    """Whoever the guard has let in; an anonymous one where it has not been asked."""
    auth = request.scope.get("auth")
    return Principal(str(request.scope.get("user") or ""), str(getattr(auth, "scope", "")))


def csrf_token_of(request: AnyRequest) -> str:
    """What forms of this session must carry; "" for a request that needs none."""
    return str(request.scope.get("csrf") or "")


def is_still_allowed(request: AnyRequest, web: WebPlugin) -> Callable[[], bool]:
    """Whether whoever has opened a stream may go on reading it."""
    return partial(web.tokens.is_valid, request.auth.id)
