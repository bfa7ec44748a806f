"""Sessions: how they begin, what they are worth, and what ends them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from csmsd.config import Access, Config, Listen, StoreConfig
from csmsd.testing import open_test_csms
from csmsd_web import WebPlugin, tables
from tests.plugins.web.management import PASSWORD, Api, Browser, is_in, problem
from tests.plugins.web.people.conftest import Clock

pytestmark = pytest.mark.req("SEC-80")


OTHER = "staple of another kind"


async def test_a_session_is_a_cookie_that_scripts_and_other_sites_do_not_get(api: Api) -> None:
    async with Browser(api) as browser:
        answer = await browser.log_in("anna", PASSWORD)
        cookie = answer.headers["set-cookie"]
        for flag in ("csmsd_session=csmu_", "HttpOnly", "SameSite=lax", "Path=/", "Max-Age=604800"):
            assert flag in cookie
        assert "Secure" not in cookie
        text = browser.cookies["csmsd_session"]
        assert text not in answer.text
        me = (await browser.request("GET", "/session")).json()
        assert (me["actor"], me["kind"], me["scope"], me["user"]["role"]) == (
            "ui:anna",
            "session",
            "operate",
            "operator",
        )
        assert text not in repr(await api.audit()) + (await api.get("/sessions")).text


@pytest.mark.parametrize("settings", [{"public_url": "https://csms.example.com"}])
async def test_behind_tls_the_cookie_never_travels_without(api: Api, settings: dict[str, Any]) -> None:
    async with Browser(api) as browser:
        cookie = (await browser.log_in("anna", PASSWORD)).headers["set-cookie"]
        assert cookie.startswith("__Host-csmsd_session=")
        assert "Secure" in cookie
        assert "Domain" not in cookie


async def test_a_log_in_makes_a_new_session_and_ends_the_one_that_came_along(api: Api, anna: Browser) -> None:
    first = anna.cookies["csmsd_session"]
    assert (await anna.log_in("anna", PASSWORD)).status_code == 201
    second = anna.cookies["csmsd_session"]
    assert second != first
    assert [session.user for session in api.web.sessions.all()] == ["anna"]
    assert api.web.sessions.verify(first) is None
    assert api.web.sessions.verify(second) is not None
    forged = "csmu_" + "0" * 16 + "_" + "1" * 64  # fixation: what a stranger has put there never counts
    async with Browser(api) as victim:
        victim.cookies.set("csmsd_session", forged)
        await victim.log_in("anna", PASSWORD)
        assert api.web.sessions.verify(forged) is None


async def test_a_session_ends_when_it_is_idle_and_at_the_latest_after_a_week(
    api: Api, anna: Browser, clock: Clock
) -> None:
    clock.seconds += 12 * 3600 - 1
    assert await is_in(anna)
    clock.seconds += 12 * 3600
    assert not await is_in(anna)
    await anna.log_in("anna", PASSWORD)
    for _ in range(20):
        clock.seconds += 8 * 3600
        assert await is_in(anna)
    clock.seconds += 8 * 3600
    assert not await is_in(anna), "21 times 8 hours are a week"
    assert api.web.sessions.all() == []


async def test_who_logs_out_is_out(api: Api, anna: Browser) -> None:
    text = anna.cookies["csmsd_session"]
    answer = await anna.request("DELETE", "/session")
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert "cookies" in answer.headers["clear-site-data"]
    anna.cookies.set("csmsd_session", text)
    assert not await is_in(anna)


async def test_what_an_administrator_does_ends_sessions_at_once(api: Api) -> None:
    async with Browser(api) as browser:
        ends: tuple[Callable[[], Awaitable[httpx.Response]], ...] = (
            lambda: api.put("/users/anna/password", {"password": PASSWORD}),
            lambda: api.put("/users/anna", {"role": "viewer"}),
            lambda: api.put("/users/anna", {"is_disabled": True}),
            lambda: api.delete(f"/sessions/{api.web.sessions.all()[0].id}"),
            lambda: api.delete("/users/anna"),
        )
        for end in ends:
            if (found := api.web.users.find("anna")) is not None and found.is_disabled:
                await api.put("/users/anna", {"is_disabled": False})
            assert (await browser.log_in("anna", PASSWORD)).status_code == 201
            assert await is_in(browser)
            assert (await end()).status_code in (200, 204)
            assert not await is_in(browser)
        problem(await browser.log_in("anna", PASSWORD), 401, "login-refused")


async def test_ones_own_password_is_changed_with_the_old_one_and_ends_the_other_sessions(
    api: Api, anna: Browser
) -> None:
    async with Browser(api) as elsewhere:
        await elsewhere.log_in("anna", PASSWORD)
        body = {"current": "wrong", "password": OTHER}
        problem(await anna.request("PUT", "/session/password", json=body), 401, "login-refused")
        problem(
            await anna.request("PUT", "/session/password", json={"current": PASSWORD, "password": "short"}),
            422,
            "invalid-user",
        )
        assert await is_in(elsewhere)
        old = anna.cookies["csmsd_session"]
        answer = await anna.request("PUT", "/session/password", json={"current": PASSWORD, "password": OTHER})
        assert answer.status_code == 200
        assert anna.cookies["csmsd_session"] != old
        assert await is_in(anna)
        assert not await is_in(elsewhere)
        problem(await elsewhere.log_in("anna", PASSWORD), 401, "login-refused")
    problem(await api.put("/session/password", body), 403, "needs-session")


async def test_users_sessions_and_links_last_over_restarts_and_secrets_are_nowhere(empty_database_url: str) -> None:
    config = Config(
        listen=Listen(ocpp="", http=""),
        access=Access(authentication="optional"),
        store=StoreConfig(url=empty_database_url),
    )
    async with open_test_csms(plugins=("core", WebPlugin), config=config) as csms:
        api = await Api.administered(csms)
        await api.web.users.add("root", "administrator", password=PASSWORD, actor="test")
        await api.web.users.add("bob", "viewer", actor="test")
        link = (await api.post("/users/bob/link")).json()["text"]
        async with Browser(api) as browser:
            await browser.request("GET", "/session", headers={"user-agent": "\x7f"})
            await browser.log_in("root", PASSWORD)
            session = browser.cookies["csmsd_session"]
    async with open_test_csms(plugins=("core", WebPlugin), config=config) as csms:
        api = Api(csms)
        assert api.web.sessions.verify(session) is not None
        assert api.web.links.get(link).user == "bob"
        assert [(user.name, user.role) for user in api.web.users.all()] == [
            ("bob", "viewer"),
            ("root", "administrator"),
        ]
        assert await api.web.users.is_password("root", PASSWORD)

        def everything(connection: sa.Connection) -> str:
            return repr([connection.execute(sa.select(table)).all() for table in tables.metadata.sorted_tables])

        stored = await csms.host.store.read(everything)
        assert "$argon2id$v=19$m=19456,t=2,p=1$" in stored
        for secret in (PASSWORD, session.split("_")[2], link.split("_")[2]):
            assert secret not in stored
        assert (await api.host.audit.verify()).is_intact


async def test_a_log_in_with_a_password_that_is_being_changed_comes_to_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_session = api.web.sessions.open

    async def open_later(user: str, **more: Any) -> Any:
        await api.web.users.set_password(user, OTHER, actor="test")
        return await open_session(user, **more)

    monkeypatch.setattr(api.web.sessions, "open", open_later)
    async with Browser(api) as browser:
        problem(await browser.log_in("anna", PASSWORD), 401, "login-refused")
    assert api.web.sessions.all() == []
