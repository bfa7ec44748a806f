"""Every route, asked by everybody there is: the table in authorization.txt is kept, cell by cell."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import get

from csmsd.errors import PluginError
from csmsd.testing import open_test_csms
from csmsd_web import app
from csmsd_web.principals import SCOPE_OF, SCOPES, Role, Scope, is_within
from tests.plugins.web.authorization import BUILT_IN, TABLE, Row, handlers_of, lines, routes_of, table
from tests.plugins.web.management import PASSWORD, Api, Browser

VALUES = {"str}": "nope", "int}": "7"}  # for what stands in braces in a path
ROLES: tuple[Role, ...] = ("viewer", "operator", "administrator")


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """Everything that is built in; no stream is let open, so that the asker of one is answered."""
    async with open_test_csms(plugins=BUILT_IN, plugin={"web": {"streams": 0}}) as csms:
        yield await Api.administered(csms)


@pytest.mark.req("SEC-80")
async def test_every_route_has_its_row_and_every_row_its_route(api: Api) -> None:
    routes, rows = routes_of(api.csms), table()
    missing = "\n".join(lines(routes - rows))
    assert not routes - rows, f"decide who may use these, and add to {TABLE.name}:\n{missing}"
    assert not rows - routes, "these rows have no route any more"
    assert len(routes) > 100


@pytest.mark.req("SEC-80")
async def test_nobody_changes_anything_with_the_scope_to_read() -> None:
    harmless = {
        ("POST", "/api/v1/stations/{station_id:str}/charging-profiles/preview"),
        ("POST", "/ui/preferences"),  # cookies of whoever asks
        *(("POST", f"/ui/{page}") for page in ("sign-in", "sign-out", "welcome", "account")),
    }
    for row in table():
        if row.method != "GET" and (row.method, row.path) not in harmless:
            assert row.scope in ("operate", "admin") or row.path.startswith(("/api/v1/session", "/api/v1/files")), row
    about_access = {row.scope for row in table() if row.path.startswith(("/api/v1/users", "/api/v1/tokens"))}
    assert about_access == {"admin"}


@pytest.mark.req("SEC-80")
async def test_whoever_changes_something_is_asked_for_his_name(api: Api) -> None:
    """The audit's entries come from `request.user`: a handler that does not look cannot say who it was."""
    anonymous = {
        (method, path)
        for method, path, handler in handlers_of(api.web)
        if method not in ("GET", "ANY") and "request" not in inspect.signature(handler.fn).parameters
    }
    assert anonymous == {("POST", "/api/v1/stations/{station_id:str}/charging-profiles/preview")}


@pytest.mark.req("SEC-80")
async def test_a_route_of_our_own_that_declares_nothing_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    @get("/forgotten")
    async def forgotten() -> str:
        return "secret"

    monkeypatch.setattr(app, "OWN_ROUTES", (*app.OWN_ROUTES, forgotten))
    async with open_test_csms(plugins=("web",)) as csms:
        with pytest.raises(PluginError, match="/forgotten does not declare"):
            Api(csms).web.app.current()


async def check(api: Api, row: Row, ask: Any, granted: Scope | None) -> None:
    """One cell: the answer shows whether the guard let the request pass."""
    path = "/".join(VALUES.get(part.partition(":")[2], part) for part in row.path.split("/"))
    answer: httpx.Response = await ask("GET" if row.method == "ANY" else row.method, path, json={})
    kind = answer.json().get("type", "") if "json" in answer.headers.get("content-type", "") else ""
    assert answer.status_code != 500, (row, answer.text)
    needed = "read" if row.scope == "probe" else row.scope
    if row.scope in ("public", "probe"):
        assert kind not in ("urn:csmsd:unauthorized", "urn:csmsd:forbidden"), (row, answer.text)
    elif granted is None:
        assert (answer.status_code, kind) == (401, "urn:csmsd:unauthorized"), (row, answer.text)
    elif needed == "own" or is_within(needed, granted):
        assert answer.status_code != 401, (row, answer.text)
        assert kind not in ("urn:csmsd:forbidden", "urn:csmsd:csrf"), (row, answer.text)
    else:
        assert (answer.status_code, kind) == (403, "urn:csmsd:forbidden"), (row, answer.text)


LOG_OUTS = (Row("DELETE", "/api/v1/session", "own"), Row("POST", "/ui/sign-out", "own"))
ROWS = sorted(table() - set(LOG_OUTS))


@pytest.mark.req("SEC-80")
@pytest.mark.parametrize("scope", SCOPES)
async def test_a_token_opens_what_its_scope_allows_and_nothing_else(api: Api, scope: Scope) -> None:
    async with api.client(await api.mint(scope)) as client:
        for row in (*ROWS, *LOG_OUTS):
            await check(api, row, client.request, scope)


@pytest.mark.req("SEC-80")
@pytest.mark.parametrize("role", ROLES)
async def test_a_user_may_do_what_the_role_allows_and_nothing_else(api: Api, role: Role) -> None:
    await api.web.users.add("anna", role, password=PASSWORD, actor="test")
    async with Browser(api) as browser:
        await browser.log_in("anna", PASSWORD)
        for row in (*ROWS, LOG_OUTS[0]):
            await check(api, row, browser.request, SCOPE_OF[role])
        await browser.log_in("anna", PASSWORD)
        await check(api, LOG_OUTS[1], browser.request, SCOPE_OF[role])


@pytest.mark.req("SEC-80")
async def test_who_is_nobody_may_do_nothing(api: Api) -> None:
    text = await api.mint("admin")
    await api.web.tokens.revoke(text.split("_")[1], actor="test")
    for token in ("", text):
        async with api.client(token) as client:
            for row in (*ROWS, *LOG_OUTS):
                await check(api, row, client.request, None)
