"""Log-ins: every failure looks the same, and guessing is slow."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import Any

import httpx
import pytest
import trio

from csmsd_web.passwords import Passwords
from csmsd_web.refusals import LoginThrottled
from tests.plugins.web.management import PASSWORD, Api, Browser, problem
from tests.plugins.web.people.conftest import Clock

pytestmark = pytest.mark.req("SEC-80")


def shown(answer: httpx.Response) -> tuple[int, str, frozenset[str]]:
    return answer.status_code, answer.text, frozenset(answer.headers)


async def test_every_failed_log_in_looks_the_same(api: Api) -> None:
    await api.web.users.add("new", "viewer", actor="test")
    await api.web.users.add("gone", "viewer", password=PASSWORD, actor="test")
    await api.web.users.change("gone", is_disabled=True, actor="test")
    answers: set[tuple[int, str, frozenset[str]]] = set()
    for name, password in (
        ("anna", "wrong"),
        ("nobody", PASSWORD),
        ("new", PASSWORD),
        ("gone", PASSWORD),
        ("\x00", "x"),
    ):
        async with Browser(api) as browser:
            answers.add(shown(await browser.log_in(name, password)))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 401
    refused = [(row.subject, row.actor) for row in await api.audit() if row.action == "session.refuse"]
    assert {subject for subject, _ in refused} == {"anna", "new", "gone", "an unknown name"}
    assert PASSWORD not in repr(refused)


async def test_a_failed_log_in_takes_as_long_for_a_name_that_nobody_has(api: Api) -> None:
    times: dict[str, list[float]] = {"anna": [], "nobody": []}
    for _ in range(7):
        for name, taken in times.items():
            start = perf_counter()
            assert not await api.web.users.is_password(name, "wrong")
            taken.append(perf_counter() - start)
    known, unknown = median(times["anna"]), median(times["nobody"])
    assert 0.4 < unknown / known < 2.5


async def test_guessing_from_one_address_is_slowed_down_and_says_for_how_long(api: Api, clock: Clock) -> None:
    async with Browser(api, "192.0.2.7") as guesser:
        for number in range(10):
            problem(await guesser.log_in(f"name{number}", "wrong"), 401, "login-refused")
        answer = await guesser.log_in("anna", PASSWORD)
        problem(answer, 429, "login-throttled")
        assert int(answer.headers["retry-after"]) == 6
        async with Browser(api, "192.0.2.8") as other:
            assert (await other.log_in("anna", PASSWORD)).status_code == 201
        clock.seconds += 6
        problem(await guesser.log_in("anna", "wrong"), 401, "login-refused")
        clock.seconds += 6
        problem(await guesser.log_in("anna", PASSWORD), 429, "login-throttled")
        clock.seconds += 6
        assert (await guesser.log_in("anna", PASSWORD)).status_code == 201, "the pause had doubled, and is over"


async def test_guessing_one_account_from_everywhere_is_slowed_down_but_shuts_nobody_out_who_is_at_home(
    api: Api, clock: Clock
) -> None:
    async with Browser(api, "198.51.100.1") as home:
        assert (await home.log_in("anna", PASSWORD)).status_code == 201
    for number in range(10):
        async with Browser(api, f"203.0.113.{number}") as guesser:
            problem(await guesser.log_in("anna", "wrong"), 401, "login-refused")
    async with Browser(api, "203.0.113.200") as guesser:
        problem(await guesser.log_in("ANNA", "wrong"), 429, "login-throttled")
        problem(await guesser.log_in("unknown", "wrong"), 401, "login-refused")
    async with Browser(api, "198.51.100.1") as home:
        assert (await home.log_in("anna", PASSWORD)).status_code == 201


async def test_many_guesses_at_once_are_as_many_as_one_after_the_other(api: Api) -> None:
    answers: list[int] = []

    async def guess() -> None:
        async with Browser(api, "192.0.2.7") as browser:
            answers.append((await browser.log_in("anna", "wrong")).status_code)

    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(guess)
    assert answers.count(401) == 10
    assert answers.count(429) == 30


async def test_successful_log_ins_are_not_counted(api: Api) -> None:
    async with Browser(api) as browser:
        for _ in range(25):
            assert (await browser.log_in("anna", PASSWORD)).status_code == 201


async def test_passwords_are_checked_beside_the_loop_and_too_many_at_once_are_refused() -> None:
    passwords = Passwords()
    digest = await passwords.digest(PASSWORD)
    longest, ticks, is_over = 0.0, 0, False
    refused: list[int] = []

    async def watch() -> None:
        nonlocal longest, ticks
        while not is_over:
            start = perf_counter()
            await trio.lowlevel.checkpoint()
            longest, ticks = max(longest, perf_counter() - start), ticks + 1

    async def check_one() -> None:
        try:
            assert await passwords.is_right(digest, PASSWORD)
        except LoginThrottled as error:
            refused.append(error.whole_seconds)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        async with trio.open_nursery() as checks:
            for _ in range(80):
                checks.start_soon(check_one)
        is_over = True
    assert len(refused) == 80 - 2 - 64
    assert ticks > 1000
    assert longest < 0.5


@pytest.mark.parametrize("settings", [{"trusted_proxies": ["10.0.0.1", "10.0.0.2"]}])
async def test_behind_a_trusted_proxy_the_address_behind_it_counts(api: Api, settings: dict[str, Any]) -> None:
    body = {"name": "anna", "password": "wrong"}

    async def status(peer: str, forwarded: str) -> int:
        async with Browser(api, peer) as browser:
            headers = {"x-forwarded-for": forwarded}
            return (await browser.request("POST", "/session", json=body, headers=headers)).status_code

    guesser = "192.0.2.7"
    for number in range(10):
        body["name"] = f"name{number}"
        assert await status("10.0.0.1", f"{number}.1.1.1, {guesser}, 10.0.0.2") == 401, (
            "what he claims himself is nothing"
        )
    assert await status("10.0.0.1", guesser) == 429
    assert await status(guesser, "198.51.100.1") == 429, "who is no proxy is believed nothing"
    assert await status("10.0.0.1", "192.0.2.8") == 401
    assert await status("10.0.0.1", "") == 401


@pytest.mark.parametrize("settings", [{"trusted_proxies": ["127.0.0.1"]}])
async def test_a_probe_through_a_proxy_on_this_machine_is_not_from_this_machine(
    api: Api, settings: dict[str, Any]
) -> None:
    async with Browser(api) as browser:
        assert (await browser.request("GET", "/metrics")).status_code == 200
        answer = await browser.request("GET", "/metrics", headers={"x-forwarded-for": "192.0.2.7"})
        problem(answer, 401, "unauthorized")
