"""What another site cannot make a browser do."""

from __future__ import annotations

from typing import Any

import pytest

from csmsd.env import Env
from csmsd_web.csrf import csrf_token, is_csrf_token
from tests.plugins.web.management import PASSWORD, Api, Browser, problem

pytestmark = pytest.mark.req("SEC-80")


EVIL = "https://evil.example"


async def test_a_change_needs_the_sessions_own_csrf_token(api: Api, anna: Browser) -> None:
    async with Browser(api) as other:
        await other.log_in("root", PASSWORD)
        for token in ("", "x", "0" * 128, other.csrf, anna.csrf[:-2], anna.csrf[:-1] + "z"):
            answer = await anna.request("PUT", "/stations/A", json={}, headers={"x-csrf-token": token})
            problem(answer, 403, "csrf")
    assert (await api.get("/stations")).json()["items"] == []
    assert (await anna.request("PUT", "/stations/A", json={})).status_code == 200
    another = (await anna.request("GET", "/session")).json()["csrf_token"]
    assert another != anna.csrf, "masked anew"
    changed = await anna.request("PUT", "/stations/B", json={}, headers={"x-csrf-token": another})
    assert changed.status_code == 200
    form = {"csrf_token": anna.csrf, "x": "y"}
    posted = await anna.request("POST", "/stations/A/disconnect", data=form, headers={"x-csrf-token": ""})
    problem(posted, 409, "station-offline")
    form["csrf_token"] = "0" * 128
    posted = await anna.request("POST", "/stations/A/disconnect", data=form, headers={"x-csrf-token": ""})
    problem(posted, 403, "csrf")


async def test_a_request_of_another_site_changes_nothing_not_even_who_is_logged_in(api: Api, anna: Browser) -> None:
    foreign: tuple[dict[str, str], ...] = (
        {"origin": EVIL},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1.evil.example"},
    )
    for headers in foreign:
        problem(await anna.request("PUT", "/stations/A", json={}, headers=headers), 403, "foreign-origin")
        body = {"name": "anna", "password": PASSWORD}
        problem(await anna.request("POST", "/session", json=body, headers=headers), 403, "foreign-origin")
    own: tuple[dict[str, str], ...] = ({"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}, {})
    for headers in own:
        assert (await anna.request("PUT", "/stations/A", json={}, headers=headers)).status_code == 200
    with_token = await api.put("/stations/A", {}, headers={"origin": EVIL, "sec-fetch-site": "cross-site"})
    assert with_token.status_code == 200, "a token is nothing that a browser adds by itself"


@pytest.mark.parametrize("settings", [{"public_url": "https://csms.example.com"}])
async def test_the_public_url_is_an_own_origin(api: Api, settings: dict[str, Any]) -> None:
    async with Browser(api) as browser:
        body = {"name": "anna", "password": PASSWORD}
        headers = {"origin": "https://csms.example.com"}
        assert (await browser.request("POST", "/session", json=body, headers=headers)).status_code == 201


def test_a_csrf_token_is_good_for_its_session_only() -> None:
    octets = Env().token_bytes
    tokens = {csrf_token("csmu_1", octets) for _ in range(10)}
    assert len(tokens) == 10
    assert all(is_csrf_token(token, "csmu_1") for token in tokens)
    assert not any(is_csrf_token(token, "csmu_2") for token in tokens)
