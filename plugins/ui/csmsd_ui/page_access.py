"""Who may do what: users, API tokens, sessions. Whatever is secret is shown once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, get_args

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from csmsd.errors import CsmsdError
from csmsd_ui.desk import Desk
from csmsd_ui.principal import AnyRequest
from csmsd_ui.targets import back_to
from csmsd_ui.typed import typed_in
from csmsd_web.links import PATH
from csmsd_web.principals import SCOPES, Role, Scope

ROLES: tuple[Role, ...] = get_args(Role)
LIFETIMES = (("30 days", 30), ("1 year", 365), ("no end", 0))


def _show(desk: Desk, request: AnyRequest, *, status: int = 200, **context: Any) -> Response[str]:
    web = desk.web
    shown = {"error": "", "secret": "", "secret_for": "", **context}
    return desk.pages.respond(
        request,
        "access.html",
        title="Access",
        status=status,
        users=web.users.all(),
        tokens=web.tokens.all(),
        sessions=web.sessions.all(),
        roles=ROLES,
        scopes=SCOPES,
        lifetimes=LIFETIMES,
        **shown,
    )


async def _linked(desk: Desk, request: AnyRequest, name: str) -> Response[str]:
    text = await desk.web.links.for_user(name, actor=request.user)
    base = f"{request.url.scheme}://{request.url.netloc}"
    return _show(desk, request, secret=f"{base}{PATH}?link={text}", secret_for=f"Link for {name}, good once")


def _role(text: str) -> Role | None:
    known: dict[str, Role] = {each: each for each in ROLES}
    return known.get(text)


def _scope(text: str) -> Scope:
    known: dict[str, Scope] = {each: each for each in SCOPES}
    return known.get(text, "read")


def access_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """Administrators only."""

    @get("/ui/access", scope="admin", sync_to_thread=False)
    def access(request: AnyRequest) -> Response[str]:
        """All of it."""
        return _show(desk, request)

    @post("/ui/access/users", scope="admin", status_code=200)
    async def add_user(request: AnyRequest) -> Response[str]:
        """A user, and the link with which they choose their password."""
        form = await typed_in(request)
        role = _role(form["role"]) or "viewer"
        try:
            user = await desk.web.users.add(form.get("name", "").strip(), role, actor=request.user)
        except CsmsdError as error:
            return _show(desk, request, status=422, error=str(error))
        return await _linked(desk, request, user.name)

    @post("/ui/access/users/{name:str}", scope="admin", status_code=200)
    async def change_user(request: AnyRequest, name: FromPath[str]) -> Response[str] | Redirect:
        """Another role, off, on, a new link, gone."""
        form, users = await typed_in(request), desk.web.users
        try:
            match form.get("do"):
                case "role":
                    role = _role(form["role"])
                    await users.change(name, actor=request.user, role=role)
                case "disable" | "enable":
                    await users.change(name, actor=request.user, is_disabled=form["do"] == "disable")
                case "remove":
                    await users.remove(name, actor=request.user)
                case "link":
                    return await _linked(desk, request, name)
                case _:
                    pass
        except CsmsdError as error:
            return _show(desk, request, status=409, error=str(error))
        return back_to("/ui/access")

    return [access, add_user, change_user]


def token_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """Tokens and sessions."""

    @post("/ui/access/tokens", scope="admin", status_code=200)
    async def add_token(request: AnyRequest) -> Response[str]:
        """A token; its text is shown this once."""
        form = await typed_in(request)
        scope = _scope(form["scope"])
        days = next((days for _, days in LIFETIMES if str(days) == form.get("days")), 30)
        ends = desk.host.env.now() + timedelta(days=days) if days else None
        name = form.get("name", "").strip()[:100] or "unnamed"
        _, text = await desk.web.tokens.mint(name, scope, actor=request.user, expires_at=ends)
        return _show(desk, request, secret=text, secret_for=f"Token {name}")

    @post("/ui/access/tokens/{token_id:str}/revoke", scope="admin", status_code=303)
    async def revoke_token(request: AnyRequest, token_id: FromPath[str]) -> Redirect:
        """No good from now on."""
        await desk.web.tokens.revoke(token_id, actor=request.user)
        return back_to("/ui/access")

    @post("/ui/access/sessions/{session_id:str}/end", scope="admin", status_code=303)
    async def end_session(request: AnyRequest, session_id: FromPath[str]) -> Redirect:
        """Its user signs in again."""
        await desk.web.sessions.revoke(session_id, actor=request.user)
        return back_to("/ui/access")

    return [add_token, revoke_token, end_session]
