"""Which security profiles come in: by listener, by record, and while one is being raised."""

from __future__ import annotations

from typing import Any

import pytest

from csmsd import hookspecs
from csmsd._kernel.steps import Terms
from csmsd.config import Access
from csmsd.errors import InvalidStation
from csmsd.hookspecs import ConnectRequest
from csmsd.station import StationRecord
from tests.kernel.door.conftest import KEY, OpenWorld, World, basic
from tests.plugins.security.pki import certificate_der

HEADER = basic("CP-1", KEY)


@pytest.fixture
async def world(open_world: OpenWorld) -> World:
    return await open_world()


async def knock(world: World, *, tls: bool = False, header: bytes | None = HEADER, certificate: bool = False) -> int:
    der = certificate_der("CP-1") if certificate else None
    request = ConnectRequest(
        "/ocpp/CP-1", header, ("ocpp1.6",), "10.0.0.1:5000", is_tls=tls or certificate, client_certificate=der
    )
    return (await world.door.knock(request)).status


async def station(world: World, **record: Any) -> None:
    await world.book.register(StationRecord("CP-1", **record), KEY)


@pytest.mark.req("SEC-42", "SEC-43", "SEC-44", "TC_083")
@pytest.mark.parametrize("open_record", [True, False])
async def test_old_and_new_profile_come_in_until_the_new_one_was_used(world: World, open_record: bool) -> None:
    await station(world, security_profile=None if open_record else 1, profile_upgrade_to=2)
    assert await knock(world) == 101  # fallback
    assert await knock(world) == 101
    assert await knock(world, tls=True) == 101
    record = world.book.record("CP-1")
    assert (record.security_profile, record.profile_upgrade_to) == (2, None)
    assert await knock(world) == 401
    assert await knock(world, tls=True) == 101


@pytest.mark.req("SEC-42", "SEC-43", "WS-26")
async def test_an_upgrade_to_a_certificate_counts_it_even_beside_the_password(world: World) -> None:
    await station(world, security_profile=2, profile_upgrade_to=3)
    assert await knock(world, tls=True) == 101
    assert await knock(world, certificate=True) == 101
    assert world.book.record("CP-1").security_profile == 3
    assert await knock(world, tls=True) == 401
    assert await knock(world, certificate=True, header=None) == 101


@pytest.mark.req("SEC-43")
async def test_a_refused_subprotocol_is_no_success(world: World) -> None:
    await station(world, security_profile=1, profile_upgrade_to=2)
    request = ConnectRequest("/ocpp/CP-1", HEADER, ("ocpp0.1",), "10.0.0.1:5000", is_tls=True)
    assert (await world.door.knock(request)).status == 400
    assert world.book.record("CP-1").security_profile == 1


@pytest.mark.req("SEC-02")
async def test_a_record_can_only_be_raised_to_a_profile_there_is(world: World) -> None:
    with pytest.raises(InvalidStation, match="no security profile 4"):
        await station(world, profile_upgrade_to=4)


class Judge:
    """A plugin that has an opinion about certificates."""

    def __init__(self, opinion: str | Exception | None) -> None:
        self.opinion = opinion

    @hookspecs.hookimpl
    def judge_certificate(self) -> str | None:
        if isinstance(self.opinion, Exception):
            raise self.opinion
        return self.opinion


@pytest.mark.req("SEC-20", "SEC-23")
@pytest.mark.parametrize(
    ("opinion", "status"), [("it is revoked", 401), (RuntimeError("bug"), 401), (None, 101), ("", 101)]
)
async def test_a_plugin_judges_certificates_and_its_failure_refuses_them(
    world: World, opinion: str | Exception | None, status: int
) -> None:
    await station(world, security_profile=3)
    world.hooks.enable(Judge(opinion), "judge", Terms(5.0, is_critical=True))
    assert await knock(world, certificate=True, header=None) == status


@pytest.mark.req("SEC-02")
async def test_of_a_certificate_that_does_not_count_the_right_password_remains(world: World) -> None:
    await station(world)
    world.hooks.enable(Judge("it is revoked"), "judge", Terms(5.0, is_critical=True))
    assert await knock(world, certificate=True) == 101
    await world.book.change("CP-1", security_profile=3)
    assert await knock(world, certificate=True) == 401


@pytest.mark.req("SEC-02", "SEC-44")
async def test_a_listener_for_one_profile_admits_no_other(world: World) -> None:
    await station(world)
    world.door._tls_profile = "3"
    assert await knock(world, tls=True) == 401
    assert world.attempts[-1].stage == "profile"
    assert await knock(world, certificate=True) == 101
    assert await knock(world) == 101  # unencrypted: another listener


@pytest.mark.req("SEC-02")
async def test_with_a_minimum_higher_profiles_come_in_and_lower_ones_do_not(open_world: OpenWorld) -> None:
    world = await open_world(Access(profile_rule="minimum"))
    await station(world, security_profile=2)
    assert await knock(world, certificate=True) == 101
    assert await knock(world, tls=True) == 101
    assert await knock(world) == 401
    await world.book.change("CP-1", security_profile=1)
    assert await knock(world, tls=True) == 101
