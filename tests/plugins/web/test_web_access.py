"""Who may do what, and what errors look like."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from litestar import get

from csmsd import NoConfig, Plugin, hookimpl
from csmsd.env import Env
from csmsd.testing import open_test_csms
from csmsd_web import WebPlugin
from tests.plugins.web.management import Api, problem


@pytest.mark.req("SEC-80")
async def test_no_token_a_false_one_and_an_expired_one_are_refused_alike(api: Api) -> None:
    _, id_, secret = api.token.split("_")
    flipped = ("0" if secret[0] != "0" else "1") + secret[1:]
    for text in ("nonsense", f"csms_{id_}_{flipped}", f"csms_{'0' * 16}_{secret}", f"{api.token}0", api.token.upper()):
        answer = await api.get("/stations", token=text)
        assert "unknown, expired or revoked" in problem(answer, 401, "unauthorized")["detail"]
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert text not in answer.text
    problem(await api.get("/stations", token=""), 401, "unauthorized")
    async with api.client("") as client:
        basic = await client.get("/api/v1/stations", headers={"authorization": f"Basic {api.token}"})
    problem(basic, 401, "unauthorized")


@pytest.mark.req("SEC-80")
async def test_tokens_are_created_listed_and_revoked(api: Api) -> None:
    made = await api.post("/tokens", {"name": "grafana", "scope": "read"})
    assert made.status_code == 201
    text, id_ = made.json()["text"], made.json()["token"]["id"]
    assert (await api.get("/stations", token=text)).status_code == 200
    listed = await api.get("/tokens")
    assert text.rpartition("_")[2] not in listed.text
    (mine,) = [token for token in listed.json()["items"] if token["id"] == id_]
    assert (mine["name"], mine["scope"]) == ("grafana", "read")
    assert mine["last_used_at"]
    assert mine["created_by"].startswith("api:test admin (")
    assert (await api.delete(f"/tokens/{id_}")).status_code == 204
    problem(await api.get("/stations", token=text), 401, "unauthorized")
    problem(await api.delete(f"/tokens/{id_}"), 404, "unknown-token")
    assert [row.action for row in await api.audit()][:2] == ["token.revoke", "token.create"]
    assert text.rpartition("_")[2] not in repr(await api.audit())
    problem(await api.post("/tokens", {"name": "x", "scope": "root"}), 422, "invalid-request")
    problem(await api.post("/tokens", {"name": "x", "expires_at": "2030-01-01T00:00:00"}), 422, "invalid-request")


@pytest.mark.req("SEC-80")
async def test_a_token_ends_at_its_expiry_and_its_use_is_noted_once_a_minute() -> None:
    now = [datetime(2030, 1, 1, tzinfo=UTC)]
    async with open_test_csms(plugins=("core", WebPlugin), env=Env(now=lambda: now[0])) as csms:
        api = await Api.administered(csms)
        text = await api.mint("read", expires_at=now[0] + timedelta(minutes=3))
        tokens = api.web.tokens

        def last_use() -> datetime | None:
            return next(token.last_used_at for token in tokens.all() if token.scope == "read")

        assert (await api.get("/info", token=text)).status_code == 200
        first = last_use()
        now[0] += timedelta(seconds=59)
        await api.get("/info", token=text)
        assert last_use() == first
        now[0] += timedelta(seconds=1)
        await api.get("/info", token=text)
        assert last_use() == now[0]
        now[0] += timedelta(minutes=2)
        problem(await api.get("/info", token=text), 401, "unauthorized")
        await tokens.load()
        assert len(tokens.all()) == 2


class OpenPlugin(Plugin[NoConfig]):
    """Forgets to say who may use its route."""

    name = "forgetful"

    @hookimpl(optionalhook=True)
    def web_routes(self) -> list[Any]:
        @get("/forgotten")
        async def forgotten() -> str:
            return "secret"

        return [forgotten]


class BrokenPlugin(Plugin[NoConfig]):
    """Has a route that fails."""

    name = "broken"

    @hookimpl(optionalhook=True)
    def web_routes(self) -> list[Any]:
        @get("/broken", scope="read")
        async def broken() -> str:
            raise RuntimeError("internal detail")

        return [broken]


class ClashingPlugin(Plugin[NoConfig]):
    """Wants a route that exists."""

    name = "clashing"

    @hookimpl(optionalhook=True)
    def web_routes(self) -> list[Any]:
        @get("/stations", scope="read")
        async def stations() -> str:
            return "mine"

        return [stations]


@pytest.mark.req("SEC-80")
async def test_a_route_without_a_scope_or_one_that_exists_costs_only_its_plugin(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_test_csms(plugins=("core", WebPlugin, OpenPlugin, ClashingPlugin)) as csms:
        api = await Api.administered(csms)
        problem(await api.get("/forgotten"), 404, "not-found")
        assert "/forgotten does not declare who may use it" in caplog.text
        assert (await api.get("/stations")).json()["items"] == []
        assert "GET /stations exists already" in caplog.text


async def test_every_error_is_a_problem_and_a_bug_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with open_test_csms(plugins=("core", WebPlugin, BrokenPlugin)) as csms:
        api = await Api.administered(csms)
        bug = problem(await api.get("/broken"), 500, "bug")
        assert "internal detail" not in str(bug)
        assert bug["detail"].rpartition(" ")[2] in caplog.text
        problem(await api.get("/nowhere"), 404, "not-found")
        problem(await api.get("/api/v1"), 404, "not-found")
        not_allowed = await api.ask("PATCH", "/stations")
        problem(not_allowed, 405, "method-not-allowed")
        assert "GET" in not_allowed.headers["allow"]
        problem(await api.ask("PUT", "/stations/A", content=b"x" * 1_048_577), 413, "request-entity-too-large")


async def test_every_answer_carries_the_security_headers(api: Api) -> None:
    for path in ("/stations", "/nowhere", "/api/docs", "/healthz"):
        headers = (await api.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
    assert (await api.get("/stations")).headers["cache-control"] == "no-store"


async def test_routes_come_and_go_with_their_plugin(api: Api) -> None:
    assert (await api.get("/tags")).status_code == 200
    assert (await api.post("/plugins/core/disable")).json()["state"] == "disabled"
    problem(await api.get("/tags"), 404, "not-found")
    problem(await api.post("/stations/CP-1/commands/Reset", {}), 404, "unknown-command")
    assert (await api.post("/plugins/core/enable")).json()["state"] == "enabled"
    await api.put("/tags/A")
    assert (await api.get("/tags")).json()["items"][0]["id_tag"] == "A"
    await api.host.plugins.disable("core")
    await api.host.plugins.enable("core")
    assert (await api.get("/tags")).json()["items"][0]["id_tag"] == "A", "the new instance answers"
    problem(await api.post("/plugins/web/disable"), 409, "plugin-refused")
    problem(await api.post("/plugins/nope/enable"), 404, "unknown-plugin")
    problem(await api.post("/plugins/nope/disable"), 404, "unknown-plugin")
    assert [each["name"] for each in (await api.get("/plugins")).json()["items"]] == ["core", "web"]


async def test_the_core_profile_runs_without_the_web_plugin() -> None:
    async with open_test_csms(plugins=("core",)) as csms:
        assert await csms.connect("CP-1")
