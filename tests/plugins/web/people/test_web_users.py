"""Users, their tokens and their one-time links."""

from __future__ import annotations

import httpx
import pytest
import trio

from csmsd.testing import open_test_csms
from csmsd_web import WebPlugin
from tests.plugins.web.management import PASSWORD, Api, Browser, is_in, problem
from tests.plugins.web.people.conftest import Clock

pytestmark = pytest.mark.req("SEC-80")


async def test_the_last_administrator_stays(api: Api) -> None:
    for change in (
        api.put("/users/root", {"role": "viewer"}),
        api.put("/users/root", {"is_disabled": True}),
        api.delete("/users/root"),
    ):
        problem(await change, 409, "last-administrator")
    await api.put("/users/anna", {"role": "administrator"})
    assert (await api.delete("/users/root")).status_code == 204
    problem(await api.delete("/users/anna"), 409, "last-administrator")


async def test_what_cannot_be_a_user_is_refused_with_the_reason(api: Api) -> None:
    for name in ("", "-x", "a b", "x" * 65, "a/b", "ä", "\x00"):
        problem(await api.post("/users", {"name": name}), 422, "invalid-user")
    for password in ("short", "aaaaaaaaaaaaaaaa", "xx bertram 1984", "y" * 1001):
        answer = await api.post("/users", {"name": "bertram", "password": password})
        assert answer.status_code == 422, password
        assert password not in answer.text
    problem(await api.post("/users", {"name": "ANNA"}), 409, "user-exists")
    problem(await api.post("/users", {"name": "x", "role": "root"}), 422, "invalid-request")
    for path in ("/users/nobody", "/users/nobody/link", "/users/nobody/password"):
        method = {"link": "POST", "password": "PUT"}.get(path.rpartition("/")[2], "GET")
        problem(await api.ask(method, path, json={"password": PASSWORD}), 404, "unknown-user")


async def test_a_token_is_good_for_no_more_than_its_user_and_goes_with_him(api: Api) -> None:
    made = await api.post("/tokens", {"name": "script", "scope": "admin", "user": "Anna"})
    text = made.json()["text"]
    problem(await api.get("/users", token=text), 403, "forbidden")
    assert (await api.put("/stations/A", token=text)).status_code == 200
    assert (await api.audit())[0].actor.startswith("anna: script (")
    await api.put("/users/anna", {"role": "viewer"})
    problem(await api.put("/stations/A", token=text), 403, "forbidden")
    await api.put("/users/anna", {"is_disabled": True})
    problem(await api.get("/stations", token=text), 401, "unauthorized")
    await api.put("/users/anna", {"is_disabled": False})
    assert (await api.get("/stations", token=text)).status_code == 200
    await api.delete("/users/anna")
    await api.post("/users", {"name": "anna"})
    problem(await api.get("/stations", token=text), 401, "unauthorized")
    problem(await api.post("/tokens", {"name": "x", "user": "nobody"}), 404, "unknown-user")


async def test_with_a_one_time_link_a_user_chooses_a_password_once(api: Api, clock: Clock) -> None:
    await api.post("/users", {"name": "bob"})
    older = (await api.post("/users/bob/link")).json()["text"]
    link = (await api.post("/users/bob/link")).json()
    text = link["text"]
    assert link["path"] == f"/ui/welcome?link={text}"
    async with Browser(api) as browser:

        async def use(text: str, password: str = PASSWORD) -> httpx.Response:
            return await browser.request("POST", "/session/link", json={"link": text, "password": password})

        problem(await use(older), 403, "link-refused")
        problem(await use(text[:-1] + ("0" if text[-1] != "0" else "1")), 403, "link-refused")
        problem(await use(text, "short"), 422, "invalid-user")
        assert api.web.links.look(text) is not None, "a password that is too short does not use it up"
        opened = await use(text)
        assert (opened.status_code, opened.json()["user"]["name"]) == (201, "bob")
        assert await is_in(browser)
        problem(await use(text), 403, "link-refused")
        late = (await api.post("/users/bob/link")).json()["text"]
        clock.seconds += 3600
        problem(await use(late), 403, "link-refused")
        disabled = (await api.post("/users/bob/link")).json()["text"]
        await api.put("/users/bob", {"is_disabled": True})
        problem(await use(disabled), 403, "link-refused")
    assert text.split("_")[2] not in repr(await api.audit())


async def test_two_who_use_one_link_at_once_are_not_both_let_in(api: Api) -> None:
    await api.post("/users", {"name": "bob"})
    text = (await api.post("/users/bob/link")).json()["text"]
    answers: list[int] = []

    async def use() -> None:
        async with Browser(api) as browser:
            body = {"link": text, "password": PASSWORD}
            answers.append((await browser.request("POST", "/session/link", json=body)).status_code)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(use)
    assert sorted(answers) == [201, 403, 403, 403, 403]


async def test_the_first_administrator_makes_himself_and_only_the_first() -> None:
    async with open_test_csms(plugins=("core", WebPlugin)) as csms:
        api = await Api.administered(csms)
        older = await api.web.links.for_first_administrator()
        text = await api.web.links.for_first_administrator()
        async with Browser(api) as browser:

            async def use(text: str, name: str) -> httpx.Response:
                body = {"link": text, "name": name, "password": PASSWORD}
                return await browser.request("POST", "/session/link", json=body)

            problem(await use(older, "root"), 403, "link-refused")
            problem(await use(text, "no name"), 422, "invalid-user")
            opened = await use(text, "Root")
            assert opened.json()["user"]["role"] == "administrator"
            browser.csrf = opened.json()["csrf_token"]
            assert (await browser.request("GET", "/users")).status_code == 200
            assert [row.action for row in await api.audit()][:2] == ["session.open", "user.add"]
            problem(await use(text, "mallory"), 403, "link-refused")
            another = await api.web.links.for_first_administrator()
            problem(await use(another, "mallory"), 403, "link-refused")
        assert [user.name for user in api.web.users.all()] == ["root"]


async def test_a_stream_ends_with_the_session(api: Api, anna: Browser) -> None:
    principal_id = api.web.sessions.all()[0].id
    assert api.web.sessions.is_valid(principal_id)
    await api.put("/users/anna", {"is_disabled": True})
    assert not api.web.sessions.is_valid(principal_id)
