"""Id tags judged over HTTP: what is asked, what counts, and what is remembered."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from csmsd.config import Config
from csmsd.errors import ConfigError, PluginError
from csmsd.testing import CallErrorReceived, open_test_csms
from csmsd_authorizer import AuthorizerConfig, AuthorizerPlugin
from csmsd_core import Authorize, AuthorizeResponse, IdTagInfo, Tag
from tests.plugins.authorizer.backend import URL, FakeBackend, authorize, csms_with, start
from tests.plugins.profile import EPOCH


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


async def refused(station: Any, id_tag: str) -> str:
    """The code of the CALLERROR that an Authorize gets."""
    with pytest.raises(CallErrorReceived) as error:
        await authorize(station, id_tag)
    return error.value.code


@pytest.mark.req("AUTH-01", "AUTH-04", "AUTH-06")
async def test_the_backends_word_is_passed_on(backend: FakeBackend) -> None:
    backend.answers["T"] = {"status": "Accepted", "expiry_date": "2030-01-01T00:00:00+01:00", "parent_id_tag": "FLEET"}
    backend.answers["B"] = {"status": "Blocked", "something": "that a newer backend says"}
    async with csms_with(backend, Tag("B")) as csms:
        station = await csms.connect("CP-1")
        answer = await station.send("Authorize", Authorize("T"), AuthorizeResponse)
        assert answer.id_tag_info == IdTagInfo("Accepted", datetime(2029, 12, 31, 23, tzinfo=UTC), "FLEET")
        assert await authorize(station, "B") == "Blocked"
    question = backend.requests[0]
    assert (question.method, str(question.url)) == ("POST", URL)
    assert json.loads(question.content) == {"station_id": "CP-1", "id_tag": "T", "purpose": "authorize"}


@pytest.mark.req("AUTH-01")
async def test_a_204_leaves_the_tag_to_the_operators_table(backend: FakeBackend) -> None:
    backend.answers = {"T": 204, "U": 204}
    async with csms_with(backend, Tag("T")) as csms:
        station = await csms.connect("CP-1")
        assert [await authorize(station, tag) for tag in ("T", "U")] == ["Accepted", "Invalid"]


@pytest.mark.req("AUTH-09")
@pytest.mark.parametrize(
    "answer",
    [500, 401, 404, b"no JSON", b'{"status": "Yes"}', b'{"status": "Accepted", "expiry_date": "2030-01-01T00:00:00"}',
     b'{"status": "Accepted", "note": "' + b"x" * 70_000 + b'"}'],
)  # fmt: skip
async def test_an_answer_that_is_none_is_no_false_invalid(
    backend: FakeBackend, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    backend.answers["T"] = answer
    async with csms_with(backend, Tag("T")) as csms:
        assert await refused(await csms.connect("CP-1"), "T") == "InternalError"
    is_long = isinstance(answer, bytes) and len(answer) > 65536
    assert ("longer than 65536 bytes" in caplog.text) == is_long


@pytest.mark.req("AUTH-09", "AUTH-13")
@pytest.mark.parametrize("kind", ["slow", "down"])
async def test_refuse_lets_nobody_in_for_lack_of_an_answer(backend: FakeBackend, kind: str) -> None:
    backend.delay, backend.is_down = (60, False) if kind == "slow" else (0, True)
    async with csms_with(backend, Tag("KNOWN")) as csms:
        station, begun = await csms.connect("CP-1"), trio.current_time()
        assert await refused(station, "KNOWN") == "InternalError"
        assert trio.current_time() - begun < 2.5


@pytest.mark.req("AUTH-09", "AUTH-14")
@pytest.mark.parametrize("kind", ["slow", "down"])
async def test_tag_table_lets_in_whom_the_operator_knows(backend: FakeBackend, kind: str) -> None:
    backend.delay, backend.is_down = (60, False) if kind == "slow" else (0, True)
    tags = Tag("KNOWN", parent_id_tag="FLEET"), Tag("BLOCKED", status="Blocked")
    async with csms_with(backend, *tags, when_unavailable="tag_table") as csms:
        station = await csms.connect("CP-1")
        assert await authorize(station, "KNOWN") == "Accepted"
        assert await authorize(station, "BLOCKED") == "Blocked"
        assert await refused(station, "STRANGER") == "InternalError"
        assert (await start(station, "KNOWN")).id_tag_info == IdTagInfo("Accepted", None, "FLEET")


@pytest.mark.req("AUTH-14")
async def test_a_start_without_an_answer_is_stored_whatever_counts(backend: FakeBackend) -> None:
    backend.is_down = True
    async with csms_with(backend) as csms:
        answer = await start(await csms.connect("CP-1"), "STRANGER")
        assert answer.id_tag_info.status == "Accepted"
        assert answer.id_tag_info.expiry_date == EPOCH + timedelta(hours=1, seconds=trio.current_time())
        core: Any = csms.host.plugins.get("core")
        assert not (await core.transactions.find(answer.transaction_id)).is_verified
    async with csms_with(backend, core={"start_unverified": False}) as csms:
        assert (await start(await csms.connect("CP-1"), "STRANGER")).id_tag_info.status == "Invalid"


@pytest.mark.req("AUTH-09")
async def test_what_counts_can_differ_by_purpose(backend: FakeBackend) -> None:
    backend.is_down = True
    own: dict[str, Any] = {"when_unavailable": "tag_table", "when_unavailable_for": {"authorize": "refuse"}}
    async with csms_with(backend, Tag("T", parent_id_tag="FLEET"), **own) as csms:
        station = await csms.connect("CP-1")
        assert await refused(station, "T") == "InternalError"
        assert (await start(station, "T")).id_tag_info.parent_id_tag == "FLEET"


async def test_a_yes_is_good_for_a_moment_at_the_same_station(backend: FakeBackend) -> None:
    async with csms_with(backend, cache_ttl=30) as csms:
        one, other = await csms.connect("CP-1"), await csms.connect("CP-2")
        assert [await authorize(one, tag) for tag in ("T", "t")] == ["Accepted", "Accepted"]
        assert len(backend.asked) == 1
        await authorize(other, "T")
        assert len(backend.asked) == 2
        await trio.sleep(31)
        await authorize(one, "T")
        assert len(backend.asked) == 3


async def test_a_yes_is_no_longer_good_than_the_tag(backend: FakeBackend) -> None:
    async with csms_with(backend, cache_ttl=1e6) as csms:
        station = await csms.connect("CP-1")
        backend.answers["T"] = {"status": "Accepted", "expiry_date": f"{csms.host.env.now() + timedelta(seconds=9)}"}
        await authorize(station, "T")
        await trio.sleep(10)
        await authorize(station, "T")
    assert len(backend.asked) == 2


async def test_a_no_and_an_answer_that_ends_a_yes_are_not_kept(backend: FakeBackend) -> None:
    async with csms_with(backend, cache_ttl=1e6) as csms:
        station = await csms.connect("CP-1")
        await authorize(station, "T")
        backend.answers["T"] = {"status": "Blocked"}
        assert (await start(station, "T")).id_tag_info.status == "Blocked"
        assert [await authorize(station, "T") for _ in range(2)] == ["Blocked", "Blocked"]
    assert len(backend.asked) == 4


@pytest.mark.req("TX-06")
async def test_a_start_is_verified_anew(backend: FakeBackend) -> None:
    async with csms_with(backend, cache_ttl=1e6) as csms:
        station = await csms.connect("CP-1")
        await authorize(station, "T")
        await start(station, "T")
        assert backend.asked == [("T", "authorize"), ("T", "start")]
        backend.is_down = True  # then the last word counts that the backend itself has given
        assert (await start(station, "T")).id_tag_info == IdTagInfo("Accepted")


async def test_the_cache_is_bounded(backend: FakeBackend) -> None:
    async with csms_with(backend, cache_ttl=1e6, cache_size=2) as csms:
        station = await csms.connect("CP-1")
        for tag in ("A", "B", "C", "A"):
            await authorize(station, tag)
    assert len(backend.asked) == 4


async def test_a_backend_that_is_down_is_left_alone_and_tried_again(
    backend: FakeBackend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.is_down = True
    async with csms_with(backend, Tag("T"), when_unavailable="tag_table", breaker_failures=3, cache_ttl=0) as csms:
        station = await csms.connect("CP-1")
        for _ in range(9):
            assert await authorize(station, "T") == "Accepted"
        assert len(backend.asked) == 3
        await trio.sleep(10.1)
        await authorize(station, "T")
        await authorize(station, "T")
        assert len(backend.asked) == 4  # one trial a pause
        backend.is_down = False
        await trio.sleep(10.1)
        for _ in range(3):
            await authorize(station, "T")
        assert len(backend.asked) == 7
    said = [record.message for record in caplog.records if record.name == "csmsd.plugin.authorizer"]
    assert [line.partition(":")[0] for line in said] == [
        "the backend is left alone for 10 s at a time",
        "the backend answers again",
    ]


async def test_of_many_questions_after_a_pause_one_tries_the_backend(backend: FakeBackend) -> None:
    backend.is_down = True
    async with csms_with(backend, Tag("T"), when_unavailable="tag_table", breaker_failures=1) as csms:
        stations = [await csms.connect(f"CP-{number}") for number in range(5)]
        await authorize(stations[0], "T")
        backend.is_down, backend.delay = False, 60  # it takes the question and is silent
        await trio.sleep(10.1)
        async with trio.open_nursery() as nursery:
            for station in stations:
                nursery.start_soon(authorize, station, "T")
    assert len(backend.asked) == 2


async def test_an_outage_does_not_put_the_plugin_aside(backend: FakeBackend) -> None:
    backend.is_down = True
    async with csms_with(backend, breaker_pause=0.001) as csms:
        station = await csms.connect("CP-1")
        for _ in range(25):
            assert await refused(station, "T") == "InternalError"
        [state] = [one.state for one in csms.host.plugins.status() if one.name == "authorizer"]
        assert state == "enabled"


async def test_a_time_limit_that_is_too_long_does_not_put_the_plugin_aside_either(backend: FakeBackend) -> None:
    backend.delay = 60
    async with csms_with(backend, Tag("T"), time_limit=9.0, breaker_failures=10**6) as csms:
        station = await csms.connect("CP-1")
        for _ in range(12):
            assert await refused(station, "T") == "InternalError"


async def test_the_backend_gets_no_more_questions_at_once_than_it_can_take(backend: FakeBackend) -> None:
    backend.delay = 0.1
    async with csms_with(backend, at_once=4) as csms, trio.open_nursery() as nursery:
        for number in range(40):
            nursery.start_soon(authorize, await csms.connect(f"CP-{number}"), f"T-{number}")
    assert (backend.most, len(backend.asked)) == (4, 40)


async def test_a_queue_that_is_full_answers_at_once(backend: FakeBackend) -> None:
    backend.delay = 60
    async with csms_with(backend, Tag("T"), at_once=1, waiting=5, when_unavailable="tag_table") as csms:
        stations = [await csms.connect(f"CP-{number}") for number in range(7)]
        begun, took = trio.current_time(), list[float]()

        async def ask(station: Any) -> None:
            assert await authorize(station, "T") == "Accepted"
            took.append(trio.current_time() - begun)

        async with trio.open_nursery() as nursery:
            for station in stations:
                nursery.start_soon(ask, station)
                await trio.testing.wait_all_tasks_blocked()
    assert sorted(round(each) for each in took) == [0, 2, 2, 2, 2, 2, 2]


async def test_questions_are_signed_and_carry_the_token(backend: FakeBackend, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    (tmp_path / "key").write_bytes(b"k3y\n")
    files: dict[str, Any] = {"token_file": str(tmp_path / "token"), "hmac_key_file": str(tmp_path / "key")}
    async with csms_with(backend, **files) as csms:
        await authorize(await csms.connect("CP-1"), "T")
        now = int(csms.host.env.now().timestamp())
    [request] = backend.requests
    assert request.headers["Authorization"] == "Bearer s3cret"
    digest = hmac.new(b"k3y", f"{now}.".encode() + request.content, hashlib.sha256).hexdigest()
    assert request.headers["X-Csmsd-Signature"] == f"t={now},v1={digest}"


async def test_figures_tell_how_the_backend_does(backend: FakeBackend) -> None:
    async with csms_with(backend, breaker_failures=1) as csms:
        station = await csms.connect("CP-1")
        await authorize(station, "A")
        backend.is_down = True
        await refused(station, "B")
        figures = {metric.name: metric.value for metric in csms.host.metrics() if metric.name.startswith("authorizer")}
    assert figures == {
        "authorizer_questions": 2, "authorizer_failures": 1, "authorizer_waiting": 0, "authorizer_is_down": 1,
    }  # fmt: skip


async def test_allow_all_lets_everybody_charge_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    table = {"authorizer": {"allow_all": True}}
    async with open_test_csms(plugins=["core", "authorizer"], plugin=table) as csms:
        core: Any = csms.host.plugins.get("core")
        await core.tags.put(Tag("BLOCKED", status="Blocked"), actor="operator")
        station = await csms.connect("CP-1")
        assert [await authorize(station, tag) for tag in ("ANYBODY", "BLOCKED")] == ["Accepted", "Blocked"]
    assert "EVERY id tag may charge" in caplog.text


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({}, "either a url to ask or allow_all"),
        ({"url": URL, "allow_all": True}, "either a url to ask or allow_all"),
        ({"url": "ftp://x"}, "is no URL"),
        ({"url": URL, "token_file": "missing"}, "missing cannot be read: No such file"),
    ],
)
async def test_settings_that_cannot_work_are_refused(own: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        list(AuthorizerPlugin.remarks(msgspec.convert(own, AuthorizerConfig), Config()))
    with pytest.RaisesGroup(pytest.RaisesExc(PluginError, match=said), flatten_subgroups=True):
        async with open_test_csms(plugins=["core", "authorizer"], plugin={"authorizer": own}):
            raise AssertionError("it was started")


@pytest.mark.parametrize(
    ("own", "core", "said"),
    [
        ({"allow_all": True}, {}, ["EVERY id tag"]),
        ({"url": "http://10.0.0.1/"}, {"start_unverified": False}, ["unencrypted"]),
        ({"url": "http://127.0.0.1:1/"}, {"start_unverified": False}, []),
        ({"url": URL, "time_limit": 5.0}, {"start_unverified": False}, ["shorten it"]),
        ({"url": URL}, {}, ["start_unverified = false"]),
        ({"url": URL, "when_unavailable": "tag_table"}, {}, []),
    ],
)
def test_check_says_what_had_better_be_otherwise(own: dict[str, Any], core: dict[str, Any], said: list[str]) -> None:
    found = list(AuthorizerPlugin.remarks(msgspec.convert(own, AuthorizerConfig), Config(plugin={"core": core})))
    assert len(found) == len(said)
    assert all(part in sentence for part, sentence in zip(said, found, strict=True))
