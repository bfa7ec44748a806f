"""Small things of a viewer: colours, and in which zone times are shown; kept in cookies, not in the database."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import post
from litestar.datastructures import Cookie
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import THEME_COOKIE, THEMES, UTC_COOKIE
from csmsd_ui.targets import local_target

YEAR = 31_536_000  # seconds


def preference_routes() -> Sequence[ControllerRouterHandler]:
    """The one route."""

    @post("/ui/preferences", scope="public", status_code=303)
    async def preferences(request: AnyRequest) -> Redirect:
        """Remember, and go back."""
        form = await request.form()
        cookies: list[Cookie] = []
        if form.get("times") in ("utc", "local"):
            cookies.append(_cookie(UTC_COOKIE, "1" if form["times"] == "utc" else "0"))
        if form.get("theme") in THEMES:
            cookies.append(_cookie(THEME_COOKIE, str(form["theme"])))
        return Redirect(local_target(form.get("back")), status_code=303, cookies=cookies)

    return [preferences]


def _cookie(name: str, value: str) -> Cookie:
    return Cookie(key=name, value=value, max_age=YEAR, path="/ui", samesite="lax")
