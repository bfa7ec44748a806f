"""The live feed as lines: what is said, and how it comes back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

import httpx
import msgspec
import pytest

from csmsd.cli.tail import events_for_ever, line_of
from csmsd.client import ApiClient, ApiError, ServerEvent, ServerUnreachable

AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def event(kind: str, **data: object) -> ServerEvent:
    return ServerEvent(kind, "CP-1", AT, msgspec.Raw(msgspec.json.encode(data)))


def words(found: ServerEvent) -> str:
    return line_of(found).split(maxsplit=2)[2]


def feed(*events: ServerEvent) -> httpx.Response:
    text = ": alive\n\n" + "".join(
        f"id: 1\nevent: {one.kind}\ndata: {msgspec.json.encode(one).decode()}\n\n" for one in events
    )
    return httpx.Response(200, text=text)


def client_of(*answers: httpx.Response | Exception) -> ApiClient:
    following: Iterator[httpx.Response | Exception] = iter(answers)

    def respond(_: httpx.Request) -> httpx.Response:
        answer = next(following)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ApiClient("http://test", "token", transport=httpx.MockTransport(respond))


def test_the_feed_comes_back_after_a_restart_of_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    one, two = event("a"), event("b")
    answers = (feed(one), httpx.ConnectError("refused"), httpx.ReadError("reset"), feed(two))
    with client_of(*answers) as client:
        assert list(islice(events_for_ever(client, None, None, pause=0), 2)) == [one, two]
    assert capsys.readouterr().err.count("trying again") == 2


def test_a_feed_that_never_began_is_an_error() -> None:
    with client_of(httpx.ConnectError("refused")) as client, pytest.raises(ServerUnreachable):
        next(events_for_ever(client, None, None))


def test_a_feed_that_is_refused_is_an_error() -> None:
    problem = {
        "type": "urn:csmsd:too-many-streams",
        "title": "x",
        "status": 503,
        "detail": "100 event streams are open",
    }
    with client_of(httpx.Response(503, json=problem)) as client, pytest.raises(ApiError, match="100 event streams"):
        next(events_for_ever(client, None, None))


def test_what_was_missed_is_said() -> None:
    resync = httpx.Response(200, text="event: resync\ndata: {}\n\n")
    with client_of(resync) as client:
        assert "missed" in line_of(next(events_for_ever(client, None, None)))


def test_exchanges_are_one_line_each() -> None:
    found = event(
        "exchange",
        direction="in",
        action="Heartbeat",
        request="{}",
        response='{"currentTime":"x"}',
        error="",
        microseconds=1500,
    )
    assert words(found) == '-> Heartbeat {}  =>  {"currentTime":"x"}  1.5 ms'
    refused = event(
        "exchange",
        direction="out",
        action="Reset",
        request='{"type":"Soft"}',
        response="no",
        error="InternalError",
        microseconds=0,
        deviations=[{}],
    )
    assert words(refused) == '<- Reset {"type":"Soft"}  =>  InternalError no  0.0 ms  [1 deviation(s)]'
    malformed = event("exchange", direction="in", action="", request="\x1b[2J", response=None, error="malformed")
    assert words(malformed) == "-> malformed frame \ufffd[2J  =>  malformed  0.0 ms"


def test_other_events_are_told_in_words() -> None:
    assert words(event("station.connected", peer="10.0.0.7:1")) == "is online from 10.0.0.7:1"
    assert words(event("station.disconnected", reason="it left")) == "is offline: it left"
    assert words(event("station.attempt", stage="admitted", peer="p")) == "was let in from p"
    refused = event("station.attempt", stage="credentials", peer="p", cause="wrong password")
    assert words(refused) == "refused at credentials, from p: wrong password"
    assert words(event("acme.tariff", cents=3)) == 'acme.tariff {"cents":3}'


def test_long_payloads_are_cut() -> None:
    assert len(line_of(event("acme", text="x" * 1000))) < 300
