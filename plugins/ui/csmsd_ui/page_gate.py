"""The way in: sign in, sign out, the one-time link, one's own password."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Response, get, post
from litestar.params import FromQuery
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from csmsd.errors import CsmsdError
from csmsd_ui.desk import Desk
from csmsd_ui.principal import AnyRequest, principal_of
from csmsd_ui.targets import back_to, local_target
from csmsd_ui.typed import typed_in
from csmsd_web.links import PATH
from csmsd_web.logins import Login
from csmsd_web.refusals import LoginThrottled
from csmsd_web.routes_sessions import peer_of


def _enter(desk: Desk, login: Login, target: str) -> Redirect:
    answer = back_to(target)
    answer.cookies.append(desk.web.sessions.cookie(login.text))
    return answer


def _refuse(
    desk: Desk, request: AnyRequest, template: str, title: str, error: CsmsdError, **context: Any
) -> Response[str]:
    is_throttled = isinstance(error, LoginThrottled)
    answer = desk.pages.respond(
        request, template, title=title, status=429 if is_throttled else 403, error=_sentence(error), **context
    )
    if isinstance(error, LoginThrottled):
        answer.headers["retry-after"] = str(error.whole_seconds)
    return answer


def gate_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """For whoever wants to come in."""

    @get("/ui/sign-in", scope="public")
    async def sign_in_page(request: AnyRequest) -> Response[str] | Redirect:
        """Name and password; whoever is in already goes on."""
        target = local_target(request.query_params.get("next"))
        if principal_of(request) is not None:
            return Redirect(target)
        nobody_yet = not desk.web.users.all()
        return desk.pages.respond(
            request, "sign_in.html", title="Sign in", error="", target=target, name="", nobody_yet=nobody_yet
        )

    @post("/ui/sign-in", scope="public", status_code=200)
    async def sign_in(request: AnyRequest) -> Response[str] | Redirect:
        """The same words for every failure."""
        form = await typed_in(request)
        target, name = local_target(form.get("next")), form.get("name", "").strip()
        try:
            login = await desk.web.logins.log_in(
                name,
                form.get("password", ""),
                peer=peer_of(request),
                user_agent=request.headers.get("user-agent", ""),
                previous=desk.web.sessions.text_in(request),
            )
        except CsmsdError as error:
            return _refuse(desk, request, "sign_in.html", "Sign in", error, target=target, name=name, nobody_yet=False)
        return _enter(desk, login, target)

    @get(PATH, scope="public")
    async def welcome_page(request: AnyRequest, link: FromQuery[str] = "") -> Response[str]:
        """What the one-time link leads to."""
        found = desk.web.links.look(link)
        return desk.pages.respond(
            request, "welcome.html", title="Welcome", status=200 if found else 404, link=link, found=found, error=""
        )

    @post(PATH, scope="public", status_code=200)
    async def welcome(request: AnyRequest) -> Response[str] | Redirect:
        """The first administrator, or a user who chooses a password."""
        form = await typed_in(request)
        link = form.get("link", "")
        try:
            login = await desk.web.logins.log_in_by_link(
                desk.web.links,
                link,
                form.get("password", ""),
                form.get("name", "").strip(),
                peer=peer_of(request),
                user_agent=request.headers.get("user-agent", ""),
                previous=desk.web.sessions.text_in(request),
            )
        except CsmsdError as error:
            found = desk.web.links.look(link)
            return _refuse(desk, request, "welcome.html", "Welcome", error, link=link, found=found)
        return _enter(desk, login, "/ui/")

    return [sign_in_page, sign_in, welcome_page, welcome]


def account_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """For whoever is in."""

    @get("/ui/account", scope="own")
    async def account(request: AnyRequest) -> Response[str]:
        """Who one is; one's password."""
        return desk.pages.respond(request, "account.html", title="Account", error="", done=False)

    @post("/ui/account", scope="own", status_code=200)
    async def change_password(request: AnyRequest) -> Response[str] | Redirect:
        """All other sessions of the user end."""
        form, me, web = await typed_in(request), principal_of(request), desk.web
        if me is None or me.kind != "session":
            return back_to("/ui/sign-in")
        try:
            await web.logins.check(me.user, form.get("current", ""), peer=peer_of(request))
            user = await web.users.set_password(me.user, form.get("password", ""), actor=me.actor)
            login = await web.logins.admit(
                user, peer=peer_of(request), user_agent=request.headers.get("user-agent", "")
            )
        except CsmsdError as error:
            return _refuse(desk, request, "account.html", "Account", error, done=False)
        return _enter(desk, login, "/ui/account")

    @post("/ui/sign-out", scope="own", status_code=303)
    async def sign_out(request: AnyRequest) -> Redirect:
        """The session is over."""
        await desk.web.sessions.end(desk.web.sessions.text_in(request))
        answer = back_to("/ui/sign-in")
        answer.cookies.append(desk.web.sessions.cookie_of_nobody())
        answer.headers["clear-site-data"] = '"cache", "storage"'
        return answer

    return [account, change_password, sign_out]


def _sentence(error: CsmsdError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
