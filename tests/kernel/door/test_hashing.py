"""Slow hashes: few at a time, a short queue, and a refusal for the rest."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from csmsd._kernel.hashing import Hashing, HashingBusyError
from csmsd._kernel.passwords import matches_slow, slow_decoy, slow_digest
from csmsd.pending import Pending
from csmsd.station import StationRecord

OpenWorld = Callable[..., Awaitable[Any]]


@pytest.mark.req("WS-24", "WS-25")
async def test_passwords_are_checked_in_a_few_threads(nursery: trio.Nursery) -> None:
    hashing, threads = Hashing(threads=2), set[int]()
    await nursery.start(hashing.serve)
    digest = slow_digest(b"correct horse", bytes(16))

    def check(password: bytes) -> bool:
        threads.add(threading.get_ident())
        return matches_slow(digest, password)

    checks = [hashing.submit(partial(check, password)) for password in (b"wrong", b"correct horse")]
    assert [await check for check in checks] == [False, True]
    assert threading.get_ident() not in threads
    nursery.cancel_scope.cancel()


@pytest.mark.req("WS-42")
async def test_what_finds_no_room_is_refused_at_once(nursery: trio.Nursery) -> None:
    hashing = Hashing(threads=1, queue=2)
    checks = [hashing.submit(lambda: True) for _ in range(3)]
    with pytest.raises(HashingBusyError):
        await checks[2]
    await nursery.start(hashing.serve)
    assert await checks[0]
    nursery.cancel_scope.cancel()


@pytest.mark.req("WS-42")
async def test_what_has_waited_too_long_is_not_done_any_more(nursery: trio.Nursery) -> None:
    hashing, done = Hashing(threads=1, patience=-1), list[bool]()
    late = hashing.submit(lambda: done.append(True))
    await nursery.start(hashing.serve)
    with pytest.raises(HashingBusyError):
        await late
    assert not done
    nursery.cancel_scope.cancel()


async def test_an_error_in_a_thread_is_its_askers_alone(nursery: trio.Nursery) -> None:
    hashing = Hashing(threads=1)
    await nursery.start(hashing.serve)
    with pytest.raises(ZeroDivisionError):
        await hashing.submit(lambda: 1 / 0)
    assert await hashing.submit(lambda: True)
    nursery.cancel_scope.cancel()


@pytest.mark.req("WS-07")
def test_nothing_matches_a_decoy() -> None:
    decoy = slow_decoy(bytes(16), bytes(32))
    assert not matches_slow(decoy, b"")
    assert not matches_slow(decoy, b"correct horse")


@pytest.mark.req("WS-42")
async def test_a_station_whose_password_cannot_be_checked_now_is_told_to_come_again(open_world: OpenWorld) -> None:
    world = await open_world()
    await world.book.register(StationRecord("CP-1"), "correct horse")
    overrun: Pending[bool] = Pending()
    overrun.settle(error=HashingBusyError("too many passwords are being checked"))
    world.credentials._hashing = type("Overrun", (), {"submit": lambda _self, _function: overrun})()
    admission = await world.knock(authorization=b"Basic Q1AtMTpndWVzcw==")
    assert (admission.status, admission.retry_after > 0) == (503, True)
    assert world.last_attempt[0] == "readiness"


@pytest.mark.req("SEC-31", "BOOT-11")
@pytest.mark.parametrize("withdraws", [True, False])
async def test_a_secret_that_is_replaced_while_it_is_checked_is_wrong(
    open_world: OpenWorld, nursery: trio.Nursery, withdraws: bool
) -> None:
    world = await open_world()
    await world.book.register(StationRecord("CP-1"), "guess")
    world.credentials._hashing = hashing = Hashing(threads=1)
    statuses: list[int] = []

    async def knock() -> None:
        statuses.append((await world.knock(authorization=b"Basic Q1AtMTpndWVzcw==")).status)

    async with trio.open_nursery() as asking:
        asking.start_soon(knock)
        await trio.testing.wait_all_tasks_blocked()
        if withdraws:
            await world.credentials.withdraw("CP-1")
        else:
            await world.credentials.put("CP-1", world.credentials.generate())
        await nursery.start(hashing.serve)
    assert statuses == [401]
    nursery.cancel_scope.cancel()
