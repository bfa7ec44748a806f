"""The throttle: floods are turned away, guessing is slowed down, and no stranger locks out a station."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from csmsd import hookspecs
from csmsd._kernel.steps import Terms
from csmsd._kernel.throttle import Throttle
from csmsd.config import Limits
from csmsd.hookspecs import Verdict
from csmsd.station import StationRecord
from csmsd.throttling import Buckets, address_of

OpenWorld = Callable[..., Awaitable[Any]]
KEY = "0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF"
STRANGER, HOME = "203.0.113.9:4000", "10.0.0.1:5000"


def basic(user: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


@pytest.mark.req("WS-25")
@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("10.0.0.1:5000", "10.0.0.1"),
        ("[2001:db8::1]:5000", "2001:db8::/64"),
        ("2001:db8:0:0:ffff::1:5000", "2001:db8::/64"),
        ("[::ffff:10.0.0.1]:5000", "10.0.0.1"),
        ("[fe80::1%eth0]:5000", "fe80::/64"),
        ("memory:1", "memory"),
    ],
)
def test_an_address_is_the_host_and_of_ipv6_the_network(peer: str, address: str) -> None:
    assert address_of(peer) == address


# -- sockets -----------------------------------------------------------------------------------------


def throttle(now: list[float], **limits: int) -> Throttle:
    return Throttle(Limits(**limits), lambda: now[0])


@pytest.mark.req("WS-42")
def test_strangers_are_bounded_in_all_and_by_address() -> None:
    guard = throttle([0.0], unauthenticated=3, unauthenticated_per_address=2)
    assert [guard.admit_socket(f"10.0.0.1:{port}") for port in (1, 2)] == ["", ""]
    assert "this address" in guard.admit_socket("10.0.0.1:3")
    assert guard.admit_socket("10.0.0.2:1") == ""
    assert "too many" in guard.admit_socket("10.0.0.3:1")
    guard.release_socket("10.0.0.1:1")
    assert guard.admit_socket("10.0.0.3:1") == ""
    for peer in ("10.0.0.1:2", "10.0.0.2:1", "10.0.0.3:1"):
        guard.release_socket(peer)
    assert guard.unauthenticated == 0
    assert not guard._strangers


def test_connections_per_second_are_bounded_without_back_off() -> None:
    now = [0.0]
    guard = throttle(now, connects_per_second=10)
    for second in range(100):
        now[0] = float(second)
        admitted = [not guard.admit_socket(f"10.0.0.{number}:1") for number in range(20)]
        assert sum(admitted) == 10


@pytest.mark.req("WS-25")
@given(st.lists(st.tuples(st.floats(0, 30), st.sampled_from("abcdef"))))
def test_a_bucket_never_gives_more_than_its_burst_and_its_rate(steps: list[tuple[float, str]]) -> None:
    buckets: Buckets[str] = Buckets(rate=0.5, burst=4, most=3)
    now, given_out, known = 0.0, 0, set[str]()
    for pause, key in steps:
        now += pause
        known.add(key)
        if buckets.wait(key, now) == 0:
            buckets.take(key, now)
            given_out += 1
        assert len(buckets) <= 3
    if len(known) <= 3:  # nobody was forgotten
        assert given_out <= len(known) * (4 + now * 0.5 + 1e-6)


@pytest.mark.req("WS-25")
def test_who_goes_on_guessing_waits_longer_each_time() -> None:
    buckets: Buckets[str] = Buckets(rate=1 / 3, burst=2)
    now, waits = 0.0, list[float]()
    while now < 3600:
        buckets.take("a", now)
        wait = buckets.wait("a", now)
        now += wait
        waits.append(wait)
    assert [wait for wait in waits if wait][:4] == pytest.approx([3, 6, 12, 24], abs=0.01)
    assert max(waits) == pytest.approx(300)
    assert len(waits) < 3600 / 30


# -- log-ins -----------------------------------------------------------------------------------------


@pytest.fixture
async def guarded(open_world: OpenWorld, autojump_clock: MockClock) -> Any:
    world = await open_world(limits=Limits(failures_per_minute=5))
    await world.book.register(StationRecord("CP-1"), "correct horse")
    await world.book.register(StationRecord("CP-2"), KEY)
    return world


async def guess(world: Any, times: int, identity: str = "CP-1", peer: str = STRANGER) -> list[int]:
    return [
        (await world.knock(f"/ocpp/{identity}", basic(identity, f"guess {number}"), peer=peer)).status
        for number in range(times)
    ]


@pytest.mark.req("WS-25", "WS-42")
async def test_an_address_that_guesses_has_to_wait_and_is_told_how_long(
    guarded: Any, autojump_clock: MockClock
) -> None:
    assert await guess(guarded, 8) == [401] * 5 + [503] * 3
    admission = await guarded.knock(authorization=basic("CP-1", "correct horse"), peer=STRANGER)
    assert admission.status == 503
    assert 1 <= admission.retry_after <= 60
    assert "too many log-ins" in guarded.last_attempt[1]
    await trio.sleep(admission.retry_after)
    assert (await guarded.knock(authorization=basic("CP-1", "correct horse"), peer=STRANGER)).status == 101


@pytest.mark.req("WS-25")
async def test_a_stranger_who_guesses_does_not_lock_out_the_station_he_names(
    guarded: Any, autojump_clock: MockClock
) -> None:
    for host in range(20):
        await guess(guarded, 8, peer=f"203.0.113.{host}:1")
    assert (await guarded.knock(authorization=basic("CP-1", "correct horse"), peer=HOME)).status == 101


@pytest.mark.req("WS-25")
async def test_a_regular_enters_though_somebody_guesses_from_its_address(
    guarded: Any, autojump_clock: MockClock
) -> None:
    await guarded.enter(authorization=basic("CP-1", "correct horse"), peer=HOME)
    assert (await guess(guarded, 8, "CP-9", peer=HOME))[-1] == 503
    assert (await guarded.knock(authorization=basic("CP-1", "correct horse"), peer=HOME)).status == 101
    assert (await guess(guarded, 8, "CP-1", peer=HOME)) == [401] * 5 + [503] * 3  # its own account


@pytest.mark.req("WS-25")
async def test_who_shows_a_random_key_is_never_held_back(guarded: Any, autojump_clock: MockClock) -> None:
    assert (await guess(guarded, 8))[-1] == 503
    assert (await guarded.knock("/ocpp/CP-2", basic("CP-2", KEY), peer=STRANGER)).status == 101
    assert (await guess(guarded, 1, "CP-2")) == [503]


class Veto:
    """A plugin that lets nobody in."""

    @hookspecs.hookimpl
    def authenticate_station(self) -> Verdict:
        return Verdict(False, "the certificate is revoked")


@pytest.mark.req("WS-25")
async def test_a_plugins_veto_counts_also_for_who_need_not_wait(guarded: Any, autojump_clock: MockClock) -> None:
    guarded.hooks.enable(Veto(), "veto", Terms(5.0))
    assert (await guess(guarded, 8))[-1] == 503
    assert (await guarded.knock("/ocpp/CP-2", basic("CP-2", KEY), peer=STRANGER)).status == 401


@pytest.mark.req("WS-25")
async def test_who_sends_no_credentials_guesses_nothing(guarded: Any, autojump_clock: MockClock) -> None:
    statuses = {(await guarded.knock(peer=STRANGER)).status for _ in range(50)}
    assert statuses == {401}


@pytest.mark.req("WS-42")
async def test_a_station_that_flaps_is_slowed_down_at_that_address_only(
    guarded: Any, autojump_clock: MockClock
) -> None:
    entered = 0
    admission = await guarded.knock("/ocpp/CP-2", basic("CP-2", KEY), peer=HOME)
    for _ in range(60):
        admission = await guarded.knock("/ocpp/CP-2", basic("CP-2", KEY), peer=HOME)
        if admission.status != 101:
            break
        await guarded.enter("/ocpp/CP-2", basic("CP-2", KEY), peer=HOME)
        entered += 1
    assert entered == 30
    assert admission.status == 503
    assert admission.retry_after > 0
    assert (await guarded.knock("/ocpp/CP-2", basic("CP-2", KEY), peer=STRANGER)).status == 101
    await trio.sleep(admission.retry_after)
    assert (await guarded.knock("/ocpp/CP-2", basic("CP-2", KEY), peer=HOME)).status == 101
