"""Who asks for a page: what the pages need of the web plugin's principals, sessions and CSRF tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Request

from csmsd.host import Host
from csmsd_web import WebPlugin
from csmsd_web.csrf import csrf_token
from csmsd_web.principals import Principal, principal_of

__all__ = ["AnyRequest", "Principal", "csrf_token_of", "is_still_allowed", "principal_of"]

AnyRequest = Request[Any, Any, Any]


def csrf_token_of(request: AnyRequest, host: Host) -> str:
    """What the forms of this page must carry; "" where no session is, so none is needed."""
    principal, web = principal_of(request), host.plugins.get(WebPlugin.name)
    if principal is None or principal.kind != "session" or not isinstance(web, WebPlugin):
        return ""
    return csrf_token(web.sessions.text_in(request), host.env.token_bytes)


def is_still_allowed(request: AnyRequest, web: WebPlugin) -> Callable[[], bool]:
    """Whether whoever has opened a stream may go on reading it."""
    principal = principal_of(request)
    return lambda: principal is not None and web.access.is_valid(principal)
