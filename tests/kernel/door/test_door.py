"""The door: the order of its questions, its answers, and what the operator learns of them."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from csmsd import hookspecs
from csmsd._kernel.steps import Terms
from csmsd._kernel.transport.link import Admission
from csmsd.config import Access, Limits
from csmsd.hookspecs import ConnectRequest, Verdict
from csmsd.station import StationRecord

OpenWorld = Callable[..., Awaitable[Any]]
KEY = "0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF"
HEADER = b"Basic " + base64.b64encode(b"CP-1:" + KEY.encode())
PEER = "10.0.0.1:5000"


@pytest.fixture
async def house(open_world: OpenWorld, autojump_clock: MockClock) -> Any:
    world = await open_world()
    await world.book.register(StationRecord("CP-1"), KEY)
    return world


@pytest.mark.req("WS-02", "WS-10", "WS-20")
async def test_a_station_with_the_right_url_credentials_and_subprotocol_is_in(house: Any) -> None:
    charger = await house.enter("/ocpp/CP-1", HEADER)
    assert (charger.station.id, charger.station.security_profile) == ("CP-1", 1)
    assert house.book.get("CP-1") is charger.station
    assert house.last_attempt == ("admitted", "")
    assert house.attempts[-1].station_id == "CP-1"
    assert house.door.admitted == 1


@pytest.mark.req("WS-03", "WS-04")
async def test_any_endpoint_path_leads_in_and_an_encoded_slash_stays_in_the_identity(house: Any) -> None:
    await house.book.register(StationRecord("A/B"), KEY)
    header = b"Basic " + base64.b64encode(b"A/B:" + KEY.encode())
    for target in ("/ocpp/A%2FB", "/A%2FB"):
        assert await house.knock(target, header) == Admission(101, "A/B", 1)


@pytest.mark.req("WS-05", "WS-14")
async def test_a_path_of_another_form_is_404_and_the_operator_is_told_which_form_is_right(house: Any) -> None:
    for target in ("/ocpp/CP-1/more", "/", "/ocpp/%FF", "/ocpp/CP-1//?token=secret"):
        assert (await house.knock(target, HEADER)).status == 404
        stage, cause = house.last_attempt
        assert stage == "path"
        assert "/ocpp/<identity>" in cause
        assert "secret" not in cause


@pytest.mark.req("WS-14")
async def test_the_questions_come_in_the_order_of_the_requirements(open_world: OpenWorld) -> None:
    """Everything is wrong; one thing after the other is put right."""
    world = await open_world()
    world.reason_not_to_be_ready = "the plugins are starting"
    wrong: dict[str, Any] = {"target": "/a/b/c", "authorization": None, "subprotocols": ("ocpp2.0.1",)}
    answers: list[tuple[int, str]] = []

    async def knock() -> None:
        admission = await world.knock(**wrong)
        answers.append((admission.status, world.last_attempt[0]))

    await knock()
    wrong["target"] = "/ocpp/CP-1"
    await knock()
    world.reason_not_to_be_ready = ""
    await knock()
    await world.book.register(StationRecord("CP-1", security_profile=2), KEY)
    await knock()
    wrong["authorization"] = HEADER
    await knock()
    wrong["is_tls"] = True
    await knock()
    wrong["subprotocols"] = ("ocpp2.0.1", "ocpp1.6")
    await knock()
    assert answers == [
        (404, "path"),
        (503, "readiness"),
        (401, "identity"),
        (401, "credentials"),
        (401, "profile"),
        (400, "subprotocol"),
        (101, "subprotocol"),  # what is admitted is recorded when it enters
    ]


@pytest.mark.req("WS-42")
async def test_while_csmsd_cannot_work_a_station_is_told_to_come_again_and_nothing_else(house: Any) -> None:
    house.reason_not_to_be_ready = "nothing can be stored now"
    for authorization in (HEADER, None, b"Basic !"):
        admission = await house.knock(authorization=authorization)
        assert admission.status == 503
        assert admission.retry_after > 0
    assert house.last_attempt == ("readiness", "nothing can be stored now")


@pytest.mark.req("WS-42")
async def test_a_full_house_is_503_but_not_for_who_is_in_it_already(open_world: OpenWorld) -> None:
    world = await open_world(Access(authentication="none"), Limits(connections=1))
    for identity in ("CP-1", "CP-2"):
        await world.book.register(StationRecord(identity))
    await world.enter("/ocpp/CP-1")
    admission = await world.knock("/ocpp/CP-2")
    assert (admission.status, admission.retry_after > 0) == (503, True)
    await world.enter("/ocpp/CP-1")


# -- the subprotocol ---------------------------------------------------------------------------------


@pytest.mark.req("WS-10")
@pytest.mark.parametrize("offered", [("ocpp1.6",), ("ocpp2.0.1", "ocpp1.6"), ("ocpp1.6", "ocpp1.5")])
async def test_ocpp16_is_found_at_any_place_in_the_list(house: Any, offered: tuple[str, ...]) -> None:
    admission = await house.knock(authorization=HEADER, subprotocols=offered)
    assert (admission.status, admission.with_subprotocol) == (101, True)


@pytest.mark.req("WS-11", "WS-12")
@pytest.mark.parametrize("offered", [(), ("ocpp0.1",), ("OCPP1.6",), ("ocpp2.0.1", "ocpp1.5")])
async def test_without_ocpp16_there_is_no_upgrade(house: Any, offered: tuple[str, ...]) -> None:
    assert (await house.knock(authorization=HEADER, subprotocols=offered)).status == 400
    stage, cause = house.last_attempt
    assert stage == "subprotocol"
    assert " and ".join(offered) in cause
    assert "ocpp1.6" in cause


@pytest.mark.req("WS-11", "WS-13")
async def test_accept_and_close_completes_the_handshake_and_replaces_nobody(open_world: OpenWorld) -> None:
    world = await open_world(Access(authentication="none", subprotocol_mismatch="accept_and_close"))
    await world.book.register(StationRecord("CP-1"))
    inside = await world.enter()
    assert world.door.is_open(PEER)
    admission = await world.knock(subprotocols=())
    assert (admission.status, admission.with_subprotocol) == (101, False)
    link = type(inside.link)()
    receiver = world.door.enter(world.request, admission, link)
    assert link.closed_with[0] == 1002
    receiver.receive(b"[]")
    receiver.lost("closed")
    assert world.book.get("CP-1") is inside.station
    assert world.throttle.unauthenticated == 0


# -- who is disturbed --------------------------------------------------------------------------------


@pytest.mark.req("WS-30")
async def test_an_attempt_that_is_refused_does_not_disturb_the_connection(house: Any) -> None:
    inside = await house.enter("/ocpp/CP-1", HEADER)
    for authorization in (None, b"Basic " + base64.b64encode(b"CP-1:guess")):
        assert (await house.knock(authorization=authorization)).status == 401
    assert house.book.get("CP-1") is inside.station
    assert inside.is_open


async def test_a_station_that_is_removed_while_it_connects_is_not_let_in(house: Any) -> None:
    assert house.door.is_open(PEER)
    admission = await house.knock(authorization=HEADER)
    request, link = house.request, type((await house.enter(authorization=HEADER)).link)()
    await house.book.remove("CP-1")
    house.door.enter(request, admission, link).lost("closed")
    assert link.closed_with[0] == 1008
    assert house.last_attempt[0] == "identity"
    assert house.throttle.unauthenticated == 0


# -- plugins -----------------------------------------------------------------------------------------


class Opinion:
    """A plugin that answers."""

    def __init__(self, verdict: Verdict | None) -> None:
        self.verdict, self.asked = verdict, list[ConnectRequest]()

    @hookspecs.hookimpl
    async def authenticate_station(self, request: ConnectRequest) -> Verdict | None:
        await trio.sleep(0.1)
        self.asked.append(request)
        return self.verdict


class Broken:
    """A plugin that fails."""

    @hookspecs.hookimpl
    def authenticate_station(self, request: ConnectRequest) -> Verdict | None:
        raise RuntimeError(request.station_id)


async def test_a_plugin_is_asked_first_with_the_decoded_identity_and_may_leave_it_to_csmsd(house: Any) -> None:
    opinion = Opinion(None)
    house.hooks.enable(opinion, "opinion", Terms(5.0))
    assert (await house.knock("/ocpp/CP%2D1", HEADER)).status == 101
    assert [request.station_id for request in opinion.asked] == ["CP-1"]
    opinion.verdict = Verdict(False, "not today", stage="profile")
    assert (await house.knock(authorization=HEADER)).status == 401
    assert house.last_attempt == ("profile", "not today")


@pytest.mark.req("WS-07")
async def test_whoever_a_plugin_admits_needs_a_record(house: Any) -> None:
    house.hooks.enable(Opinion(Verdict(True, security_profile=1)), "opinion", Terms(5.0))
    assert await house.knock() == Admission(101, "CP-1", 1)
    assert (await house.knock("/ocpp/CP-9")).status == 401
    assert house.last_attempt[0] == "identity"


@pytest.mark.req("WS-42")
async def test_a_plugin_that_cannot_judge_now_sends_503(house: Any) -> None:
    house.hooks.enable(Opinion(Verdict(False, "the directory is down", retry_after=7)), "opinion", Terms(5.0))
    assert await house.knock(authorization=HEADER) == Admission(503, retry_after=7)


async def test_a_plugin_that_fails_refuses(house: Any) -> None:
    house.hooks.enable(Broken(), "broken", Terms(5.0, is_critical=True))
    assert (await house.knock(authorization=HEADER)).status == 401


# -- the operator ------------------------------------------------------------------------------------


@pytest.mark.req("WS-25", "SEC-10", "WS-24")
async def test_a_failed_login_is_a_security_event_with_identity_and_peer_and_without_secrets(
    house: Any, security_log: pytest.LogCaptureFixture
) -> None:
    await house.knock(authorization=b"Basic " + base64.b64encode(b"CP-1:hunter2"), peer="203.0.113.9:4000")
    assert "'CP-1' from 203.0.113.9:4000 was refused: the password is wrong" in security_log.text
    seen = security_log.text + repr(house.attempts)
    assert "hunter2" not in seen
    assert base64.b64encode(b"CP-1:hunter2").decode() not in seen


@pytest.mark.req("WS-07", "WS-27")
async def test_every_attempt_is_recorded_and_shown_to_who_watches(house: Any) -> None:
    with house.events.watch(frozenset({"station.attempt"})) as feed:
        await house.knock("/ocpp/CP-9", HEADER, subprotocols=("ocpp1.6", "x" * 1000))
        house.door.turned_away(PEER, "tls", "the charger speaks TLS 1.0 only")
        house.door.turned_away(PEER, "upgrade", "no Upgrade header", "/ocpp/CP-1")
        events = [feed.receive_nowait() for _ in range(3)]
    assert [event.station_id for event in events] == ["CP-9", "", "CP-1"]
    assert [attempt.stage for attempt in house.attempts] == ["identity", "tls", "upgrade"]
    assert house.attempts[0].subprotocols == ("ocpp1.6", "x" * 255)
    assert house.door.refusals == {"identity": 1, "tls": 1, "upgrade": 1}


@pytest.mark.req("WS-42")
async def test_a_flood_is_closed_unread_and_recorded_once_a_second(
    open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    world = await open_world(limits=Limits(unauthenticated=2))
    assert [world.door.is_open(PEER) for _ in range(50)] == [True] * 2 + [False] * 48
    assert [attempt.stage for attempt in world.attempts] == ["tcp"]
    assert world.door.refusals["tcp"] == 48
    await trio.sleep(1.1)
    assert not world.door.is_open(PEER)
    assert len(world.attempts) == 2
    world.door.refused(PEER)
    assert world.door.is_open(PEER)


async def test_an_error_of_csmsd_itself_is_503_and_recorded(house: Any, caplog: pytest.LogCaptureFixture) -> None:
    house.throttle.guessing_pause = lambda *_: 1 / 0
    admission = await house.knock(authorization=HEADER)
    assert (admission.status, admission.retry_after > 0) == (503, True)
    assert "ZeroDivisionError" in house.last_attempt[1]
