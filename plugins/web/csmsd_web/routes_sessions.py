"""Log-in and log-out, one's own password, one-time links, and the sessions of everybody."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from csmsd.host import Host
from csmsd_web.csrf import csrf_token
from csmsd_web.links import Links
from csmsd_web.logins import Login, Logins
from csmsd_web.paging import Page
from csmsd_web.principals import Kind, Principal, Scope, principal_of
from csmsd_web.problems import Problem
from csmsd_web.routes_users import Password
from csmsd_web.sessions import Session, Sessions
from csmsd_web.users import User, Users


class LoginBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who wants to come in."""

    name: str
    password: Password


class LinkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A one-time link is used; `name` only with the one that makes the first administrator."""

    link: str
    password: Password
    name: str = ""


class OwnPasswordBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One's own new password, and the present one as proof."""

    current: Password
    password: Password


class Opened(msgspec.Struct, frozen=True):
    """A session was opened: its cookie is in Set-Cookie; changes need `csrf_token` in the header X-CSRF-Token."""

    user: User
    csrf_token: str
    expires_at: datetime


class Me(msgspec.Struct, frozen=True):
    """Who asks, and what he may do."""

    actor: str
    kind: Kind
    scope: Scope
    user: User | None
    csrf_token: str = ""  # for sessions; another text each time, all of them good


def peer_of(request: Request[Any, Any, Any]) -> str:
    """The other end, as "host:port"."""
    client = request.client
    if client is None:
        return "unknown:0"
    return f"[{client.host}]:{client.port}" if ":" in client.host else f"{client.host}:{client.port}"


def answer_to(login: Login, host: Host, sessions: Sessions) -> Response[Opened]:
    """The answer that opens a session in a browser."""
    opened = Opened(login.user, csrf_token(login.text, host.env.token_bytes), login.session.expires_at)
    return Response(opened, cookies=[sessions.cookie(login.text)])


@post("/session", scope="public", summary="Log in", tags=["Access"], status_code=201)
async def log_in(
    request: Request[Any, Any, Any],
    host: NamedDependency[Host],
    logins: NamedDependency[Logins],
    sessions: NamedDependency[Sessions],
    data: JSONBody[LoginBody],
) -> Response[Opened]:
    """401 says not whether the user exists; 429 with Retry-After after too many failures."""
    login = await logins.log_in(
        data.name,
        data.password,
        peer=peer_of(request),
        user_agent=request.headers.get("user-agent", ""),
        previous=sessions.text_in(request),
    )
    return answer_to(login, host, sessions)


@get("/session", scope="own", summary="Who am I?", tags=["Access"])
async def who_am_i(
    request: Request[Any, Any, Any],
    host: NamedDependency[Host],
    users: NamedDependency[Users],
    sessions: NamedDependency[Sessions],
) -> Me:
    """Who asks, with a session or a token."""
    me: Principal = request.auth
    token = csrf_token(sessions.text_in(request), host.env.token_bytes) if me.kind == "session" else ""
    return Me(me.actor, me.kind, me.scope, users.find(me.user), token)


@delete("/session", scope="own", summary="Log out", tags=["Access"], status_code=204)
async def log_out(request: Request[Any, Any, Any], sessions: NamedDependency[Sessions]) -> Response[None]:
    """The session is over; a token stays what it is."""
    await sessions.end(sessions.text_in(request))
    headers = {"clear-site-data": '"cache", "cookies", "storage"'}
    return Response(None, cookies=[sessions.cookie_of_nobody()], headers=headers, status_code=204)


@put("/session/password", scope="own", summary="Change one's own password", tags=["Access"])
async def change_password(
    request: Request[Any, Any, Any],
    host: NamedDependency[Host],
    logins: NamedDependency[Logins],
    users: NamedDependency[Users],
    sessions: NamedDependency[Sessions],
    data: JSONBody[OwnPasswordBody],
) -> Response[Opened]:
    """Every session of the user ends, and this one goes on under a new cookie."""
    me = principal_of(request)
    if me is None or me.kind != "session":
        raise Problem(403, "needs-session", "a password is changed in a session: log in first")
    await logins.check(me.user, data.current, peer=peer_of(request))
    user = await users.set_password(me.user, data.password, actor=me.actor)
    login = await logins.admit(user, peer=peer_of(request), user_agent=request.headers.get("user-agent", ""))
    return answer_to(login, host, sessions)


@post("/session/link", scope="public", summary="Use a one-time link", tags=["Access"], status_code=201)
async def use_link(
    request: Request[Any, Any, Any],
    host: NamedDependency[Host],
    logins: NamedDependency[Logins],
    links: NamedDependency[Links],
    sessions: NamedDependency[Sessions],
    data: JSONBody[LinkBody],
) -> Response[Opened]:
    """Chooses the password of a link's user, or makes the first administrator, and logs him in."""
    login = await logins.log_in_by_link(
        links,
        data.link,
        data.password,
        data.name,
        peer=peer_of(request),
        user_agent=request.headers.get("user-agent", ""),
        previous=sessions.text_in(request),
    )
    return answer_to(login, host, sessions)


@get("/sessions", scope="admin", summary="List open sessions", tags=["Access"])
async def list_sessions(sessions: NamedDependency[Sessions]) -> Page[Session]:
    """The one used last first."""
    return Page(sessions.all())


@delete("/sessions/{session_id:str}", scope="admin", summary="End a session", tags=["Access"])
async def revoke_session(
    request: Request[Any, Any, Any], sessions: NamedDependency[Sessions], session_id: FromPath[str]
) -> None:
    """Its user has to log in again."""
    await sessions.revoke(session_id, actor=request.user)


ROUTES = [log_in, who_am_i, log_out, change_password, use_link, list_sessions, revoke_session]
