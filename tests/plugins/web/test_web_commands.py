"""Commands over the management API."""

from __future__ import annotations

import httpx
import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from csmsd import NoConfig, Plugin, Station, hookimpl
from csmsd.ocpp.frames import CallError
from csmsd.testing import open_test_csms
from csmsd_core import GetConfigurationResponse, ResetResponse, UnlockConnectorResponse
from csmsd_web import WebPlugin
from tests.plugins.web.management import Api, problem

ACCEPTED = ResetResponse("Accepted")
SOFT = {"type": "Soft"}


@pytest.mark.req("OPS-01", "OP-01", "OP-03", "OP-04")
async def test_a_command_returns_the_stations_answer(api: Api) -> None:
    station = await api.connect("CP-1", Reset=ACCEPTED)
    answer = await api.post("/stations/CP-1/commands/Reset", SOFT)
    assert answer.status_code == 200
    assert answer.json()["result"] == {"status": "Accepted"}
    assert [bytes(call.payload) for call in station.calls] == [b'{"type":"Soft"}']
    record = (await api.get(f"/commands/{answer.json()['id']}")).json()
    assert (record["state"], record["request"]) == ("answered", SOFT)
    assert record["actor"].startswith("api:test admin (")
    ended, submitted, *_ = await api.audit()
    assert (ended.action, submitted.action, submitted.way) == ("command.end", "command.submit", "api")
    assert ended.actor == submitted.actor
    assert '"state":"answered"' in ended.after


@pytest.mark.req("OPS-01")
async def test_fields_that_are_left_out_are_not_filled_in(api: Api) -> None:
    station = await api.connect("CP-1", GetConfiguration=GetConfigurationResponse())
    for content in (b"{}", b""):
        answer = await api.ask("POST", "/stations/CP-1/commands/GetConfiguration", content=content)
        assert answer.status_code == 200
    assert [bytes(call.payload) for call in station.calls] == [b"{}", b"{}"]


@pytest.mark.req("OP-03")
async def test_a_callerror_is_told_with_code_description_and_details(api: Api) -> None:
    station = await api.connect("CP-1")

    async def refuse() -> None:
        call = await station.wait_for_call("Reset")
        await station.deliver(b'[4,"%s","InternalError","no power",{"volts":3}]' % str(call.id).encode())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(refuse)
        answer = await api.post("/stations/CP-1/commands/Reset", SOFT)
    told = problem(answer, 502, "call-error")
    assert (told["code"], told["description"], told["details"]) == ("InternalError", "no power", {"volts": 3})
    assert told["id"]


@pytest.mark.req("RPC-36")
async def test_an_invalid_answer_is_told_with_what_was_sent(api: Api) -> None:
    station = await api.connect("CP-1")

    async def babble() -> None:
        call = await station.wait_for_call("Reset")
        await station.deliver(b'[3,"%s",{"status":"Perhaps"}]' % str(call.id).encode())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(babble)
        answer = await api.post("/stations/CP-1/commands/Reset", SOFT)
    assert problem(answer, 502, "invalid-response")["response"] == {"status": "Perhaps"}


async def test_what_cannot_be_sent_says_why(api: Api) -> None:
    await api.put("/stations/CP-1")
    problem(await api.post("/stations/CP-1/commands/Reset", SOFT), 409, "station-offline")
    problem(await api.post("/stations/CP-2/commands/Reset", SOFT), 404, "unknown-station")
    problem(await api.post("/stations/CP-1/commands/Explode", {}), 404, "unknown-command")
    await api.connect("CP-1")
    wrong = problem(await api.post("/stations/CP-1/commands/Reset", {"type": "Gently"}), 422, "invalid-payload")
    assert "type" in wrong["detail"]
    problem(await api.post("/stations/CP-1/commands/Reset", {"type": "Soft", "x": 1}), 422, "invalid-payload")
    problem(await api.ask("POST", "/stations/CP-1/commands/Reset", content=b"{"), 422, "invalid-payload")
    assert (await api.get("/commands")).json()["items"] == []


@pytest.mark.req("RPC-23", "OP-03")
async def test_a_station_that_does_not_answer_is_a_time_out(api: Api, autojump_clock: MockClock) -> None:
    await api.connect("CP-1")
    began = trio.current_time()
    problem(await api.post("/stations/CP-1/commands/Reset", SOFT), 504, "call-timeout")
    assert trio.current_time() - began == pytest.approx(60, abs=1)


@pytest.mark.req("RPC-25")
async def test_a_station_that_leaves_before_it_answers_is_told_so(api: Api) -> None:
    station = await api.connect("CP-1")

    async def leave() -> None:
        await station.wait_for_call("Reset")
        await station.disconnect()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(leave)
        problem(await api.post("/stations/CP-1/commands/Reset", SOFT), 409, "station-disconnected")


@pytest.mark.req("BOOT-22", "BOOT-23")
async def test_a_command_that_a_rule_refuses_is_forbidden(api: Api) -> None:
    await api.put("/stations/CP-1", {"registration": "Rejected"})
    station = await api.connect("CP-1", Reset=ACCEPTED)
    problem(await api.post("/stations/CP-1/commands/Reset", SOFT), 403, "command-refused")
    assert station.calls == []


class WorriedPlugin(Plugin[NoConfig]):
    """Has doubts about everything."""

    name = "worried"

    @hookimpl
    def command_warnings(self, station: Station) -> list[str]:
        return [f"{station.id} is asleep"]


@pytest.mark.req("OP-02")
async def test_warnings_of_plugins_do_not_stop_a_command(autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=("core", WebPlugin, WorriedPlugin)) as csms:
        api = await Api.administered(csms)
        await api.connect("CP-1", UnlockConnector=UnlockConnectorResponse("Unlocked"))
        answer = (await api.post("/stations/CP-1/commands/UnlockConnector", {"connectorId": 1})).json()
        assert answer["result"] == {"status": "Unlocked"}
        assert "CP-1 is asleep" in answer["warnings"]


@pytest.mark.req("VAL-18")
async def test_characters_outside_ascii_are_warned_of_and_control_characters_refused(api: Api) -> None:
    await api.connect("CP-1", ChangeConfiguration=CallError("x", "InternalError", "", msgspec.Raw(b"{}")))
    body = {"key": "Größe", "value": "1"}
    told = await api.post("/stations/CP-1/commands/ChangeConfiguration", body)
    assert any("outside ASCII" in warning for warning in told.json()["warnings"])
    bad = {"key": "a\u0007", "value": "1"}
    problem(await api.post("/stations/CP-1/commands/ChangeConfiguration", bad), 422, "invalid-payload")


async def test_respond_async_answers_at_once_and_the_outcome_can_be_read_later(api: Api) -> None:
    station = await api.connect("CP-1")
    answer = await api.post("/stations/CP-1/commands/Reset", SOFT, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/v1/commands/{answer.json()['id']}"
    assert (await api.get(answer.headers["location"])).json()["finished_at"] is None
    await station.answer(await station.wait_for_call("Reset"), ACCEPTED)
    await wait_all_tasks_blocked()
    assert (await api.get(answer.headers["location"])).json()["result"] == {"status": "Accepted"}
    problem(await api.get("/commands/nope"), 404, "unknown-command")


async def test_a_client_waits_as_long_as_it_prefers(api: Api, autojump_clock: MockClock) -> None:
    await api.connect("CP-1")
    began = trio.current_time()
    answer = await api.post("/stations/CP-1/commands/Reset", SOFT, headers={"Prefer": "wait=10"})
    assert answer.status_code == 202
    assert trio.current_time() - began == pytest.approx(10, abs=1)


@pytest.mark.req("OP-03")
async def test_concurrent_repeats_with_one_key_are_sent_once_and_answered_alike(api: Api) -> None:
    station = await api.connect("CP-1")
    answers: list[httpx.Response] = []

    async def ask() -> None:
        answers.append(await api.post("/stations/CP-1/commands/Reset", SOFT, headers={"Idempotency-Key": "k/1"}))

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask)
            await station.answer(await station.wait_for_call("Reset"), ACCEPTED)
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}
    again = await api.post("/stations/CP-1/commands/Reset", SOFT, headers={"Idempotency-Key": "k/1"})
    assert again.text == answers[0].text
    assert station.calls == []
    assert (await api.get("/commands/k%2F1")).json()["id"] == "k/1"


async def test_a_key_cannot_be_used_for_anything_else(api: Api) -> None:
    await api.connect("CP-1", Reset=ACCEPTED)
    key = {"Idempotency-Key": "k1"}
    assert (await api.post("/stations/CP-1/commands/Reset", SOFT, headers=key)).status_code == 200
    other = await api.post("/stations/CP-1/commands/Reset", {"type": "Hard"}, headers=key)
    problem(other, 422, "idempotency-key-reused")
    for bad in ("", "x" * 256, "a b"):
        problem(
            await api.post("/stations/CP-1/commands/Reset", SOFT, headers={"Idempotency-Key": bad}),
            422,
            "invalid-request",
        )


@pytest.mark.req("WS-24", "SEC-34")
async def test_a_password_in_a_command_is_shown_to_nobody(api: Api) -> None:
    secret = "0123456789abcdef0123456789abcdef01234567"
    await api.connect("CP-1")
    body = {"key": "AuthorizationKey", "value": secret}
    header = {"Prefer": "respond-async", "Idempotency-Key": "k1"}
    texts = [(await api.post("/stations/CP-1/commands/ChangeConfiguration", body, headers=header)).text]
    texts += [(await api.get(path)).text for path in ("/commands/k1", "/commands", "/stations/CP-1/exchanges")]
    texts.append(repr(await api.audit()))
    assert not [text for text in texts if secret in text]


async def test_the_commands_that_can_be_sent_are_listed(api: Api) -> None:
    kinds = (await api.get("/command-kinds")).json()["items"]
    assert {"name": "ClearCache", "summary": "Empty the station's authorization cache."} in kinds
    assert [kind["name"] for kind in kinds] == sorted(api.host.commands.known)


@pytest.mark.req("OP-03")
async def test_a_command_that_was_stored_is_sent_whenever_its_submitter_leaves(api: Api) -> None:
    station = await api.connect("CP-1", Reset=ACCEPTED)
    states: list[str] = []
    for steps in range(30):
        async with trio.open_nursery() as nursery:

            async def submit(command_id: str = f"k{steps}") -> None:
                await api.host.commands.submit("CP-1", "Reset", b'{"type":"Soft"}', actor="x", command_id=command_id)

            nursery.start_soon(submit)
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        await wait_all_tasks_blocked()
        record = await api.host.commands.find(f"k{steps}")
        states.append("unknown" if record is None else record.state)
    assert set(states) == {"unknown", "answered"}
    assert len(station.calls) == states.count("answered")
