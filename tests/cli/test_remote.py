"""The commands that operate a running csmsd, against a real one with real stations."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result

from csmsd.client import ApiClient, ApiError, ServerUnreachable
from tests.cli.conftest import Charger, Cli, Server, eventually, launch

Chargers = Callable[..., Charger]

METER_STOP = 12_845


def said(result: Result, code: int = 0) -> str:
    assert result.exit_code == code, result.output
    return result.stdout


def as_json(result: Result, code: int = 0) -> Any:
    return msgspec.json.decode(said(result, code))


def complaint(result: Result, code: int) -> str:
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stderr.strip()


@pytest.fixture
def cp_1(remote: Cli) -> Iterator[str]:
    """A registered station."""
    said(remote("station", "add", "CP-1", "--no-password"))
    yield "CP-1"
    remote("station", "remove", "CP-1", "--yes")


# -- stations ------------------------------------------------------------------------------------------------------


@pytest.mark.req("OPS-03")
def test_adding_a_station_prints_what_to_enter_in_the_charger(remote: Cli, server: Server) -> None:
    text = said(remote("station", "add", "DEPOT 1/A", "--note", "north gate"))
    assert f"URL       {server.ocpp_url}/DEPOT%201%2FA" in text
    assert "user      DEPOT 1/A" in text
    (line,) = [line for line in text.splitlines() if "password" in line]
    assert len(bytes.fromhex(line.split()[1])) == 20
    assert "shown only now" in line
    assert as_json(remote("station", "show", "DEPOT 1/A", "--json"))["note"] == "north gate"
    assert "DEPOT 1/A is removed" in said(remote("station", "remove", "DEPOT 1/A", "--yes"))
    assert "no station 'DEPOT 1/A'" in complaint(remote("station", "show", "DEPOT 1/A"), 1)


def test_a_password_can_come_from_standard_input(remote: Cli, cp_1: str) -> None:
    assert as_json(remote("station", "show", cp_1, "--json"))["has_credentials"] is False
    said(remote("station", "set", cp_1, "--password", "-", stdin="0123456789abcdef0123\n"))
    assert as_json(remote("station", "show", cp_1, "--json"))["has_credentials"] is True


def test_a_station_is_not_added_twice(remote: Cli, cp_1: str) -> None:
    assert complaint(remote("station", "add", cp_1), 1) == (
        "csmsd: CP-1 is registered already: `csmsd station set` changes it"
    )


def test_set_changes_what_is_given_and_nothing_else(remote: Cli, cp_1: str) -> None:
    said(remote("station", "set", cp_1, "--note", "a", "--call-timeout", "5", "--registration", "Pending"))
    said(remote("station", "set", cp_1, "--call-timeout", "default", "--profile", "1"))
    found = as_json(remote("station", "show", cp_1, "--json"))
    assert (found["note"], found["call_timeout"]) == ("a", None)
    assert (found["registration"], found["security_profile"]) == ("Pending", 1)


def test_set_does_not_register_a_station_by_mistake(remote: Cli) -> None:
    assert "no station 'CP-9'" in complaint(remote("station", "set", "CP-9", "--note", "x"), 1)


def test_removing_asks_first(remote: Cli, cp_1: str) -> None:
    assert remote("station", "remove", cp_1, stdin="n\n").exit_code == 1
    assert as_json(remote("station", "show", cp_1, "--json"))["id"] == cp_1


def test_stations_are_listed_as_a_table(remote: Cli, server: Server, charger: Chargers, cp_1: str) -> None:
    charger(f"{server.ocpp_url}/{cp_1}")
    heading, row = said(remote("station", "list")).splitlines()
    assert heading.split() == ["station", "online", "registration", "last", "seen", "from", "note"]
    assert row.split()[:3] == ["CP-1", "yes", "Accepted"]
    assert heading.index("online") == row.index("yes")
    assert said(remote("station", "list", "--offline")).startswith("no stations")
    assert [one["id"] for one in as_json(remote("station", "list", "--json", "--search", "cp-"))] == [cp_1]


# -- commands ------------------------------------------------------------------------------------------------------


@pytest.mark.req("OPS-01", "OP-03")
def test_call_prints_the_stations_answer(remote: Cli, server: Server, charger: Chargers, cp_1: str) -> None:
    station = charger(f"{server.ocpp_url}/{cp_1}", Reset={"status": "Rejected"}, GetConfiguration={"unknownKey": ["x"]})
    assert as_json(remote("call", cp_1, "Reset", '{"type": "Soft"}')) == {"status": "Rejected"}
    assert as_json(remote("call", cp_1, "GetConfiguration")) == {"unknownKey": ["x"]}
    assert as_json(remote("call", cp_1, "Reset", "-", stdin='{"type": "Hard"}')) == {"status": "Rejected"}
    assert as_json(remote("call", cp_1, "Reset", '{"type": "Hard"}', "--json"))["result"] == {"status": "Rejected"}
    assert station.calls[:3] == [("Reset", {"type": "Soft"}), ("GetConfiguration", {}), ("Reset", {"type": "Hard"})]


def test_a_repeated_command_id_has_no_second_effect(remote: Cli, server: Server, charger: Chargers, cp_1: str) -> None:
    station = charger(f"{server.ocpp_url}/{cp_1}", ClearCache={"status": "Accepted"})
    for _ in range(2):
        assert as_json(remote("call", cp_1, "ClearCache", "--id", "once")) == {"status": "Accepted"}
    assert len(station.calls) == 1


@pytest.mark.req("OP-03")
def test_exit_codes_of_call_tell_what_happened(remote: Cli, server: Server, charger: Chargers, cp_1: str) -> None:
    assert "CP-1 is not connected" in complaint(remote("call", cp_1, "ClearCache"), 3)
    charger(f"{server.ocpp_url}/{cp_1}", ClearCache="InternalError")
    assert "InternalError: so it is" in complaint(remote("call", cp_1, "ClearCache"), 1)
    assert "did not answer" in complaint(remote("call", cp_1, "Reset", '{"type": "Soft"}'), 4)
    assert "tpe" in complaint(remote("call", cp_1, "Reset", '{"tpe": "Soft"}'), 1)
    assert "no enabled plugin offers a command Rest" in complaint(remote("call", cp_1, "Rest"), 1)
    assert "not a JSON object" in complaint(remote("call", cp_1, "Reset", "{"), 2)
    assert "not a JSON object" in complaint(remote("call", cp_1, "Reset", "[]"), 2)


@pytest.mark.req("OP-04")
def test_who_does_not_want_to_wait_gets_the_commands_id(
    remote: Cli, server: Server, charger: Chargers, cp_1: str
) -> None:
    charger(f"{server.ocpp_url}/{cp_1}")
    result = remote("call", cp_1, "ClearCache", "--wait", "0", "--id", "later")
    assert said(result, 4) == "ClearCache is queued; its id is later\n"


# -- id tags and transactions --------------------------------------------------------------------------------------


@pytest.mark.req("OPS-03", "AUTH-12")
def test_the_life_of_an_id_tag(remote: Cli) -> None:
    assert said(remote("tag", "list")).startswith("no id tags")
    assert said(remote("tag", "add", "04A1", "--expires", "2130-01-01T00:00:00Z", "--max-active", "2")) == (
        "04A1 is added: Accepted\n"
    )
    assert "`csmsd tag set`" in complaint(remote("tag", "add", "04a1"), 1)
    assert said(remote("tag", "set", "04A1", "--status", "Blocked", "--note", "lost")) == "04A1 is changed: Blocked\n"
    (found,) = as_json(remote("tag", "list", "--json"))
    assert (found["status"], found["note"], found["max_active_transactions"]) == ("Blocked", "lost", 2)
    assert found["expiry_date"].startswith("2130-01-01")
    said(remote("tag", "set", "04A1", "--status", "Accepted", "--expires", "never", "--max-active", "0"))
    (found,) = as_json(remote("tag", "list", "--json", "--prefix", "04"))
    assert (found["expiry_date"], found["max_active_transactions"]) == (None, None)
    said(remote("tag", "set", "04A1", "--expires", "2020-01-01"))
    assert as_json(remote("tag", "list", "--json"))[0]["status"] == "Expired"
    assert said(remote("tag", "set", "04A1", "--expires", "never")) == "04A1 is changed: Accepted\n"
    assert said(remote("tag", "remove", "04A1")) == "04A1 is removed\n"
    assert "no id tag '04A1' is known" in complaint(remote("tag", "remove", "04A1"), 1)
    assert "is no moment like" in complaint(remote("tag", "add", "04A1", "--expires", "soon"), 2)


@pytest.mark.req("OP-13", "TX-32", "TX-37")
def test_the_life_of_a_transaction(remote: Cli, server: Server, charger: Chargers, cp_1: str) -> None:
    said(remote("tag", "add", "CARD"))
    station = charger(f"{server.ocpp_url}/{cp_1}", RemoteStopTransaction={"status": "Accepted"})
    start = {"connectorId": 1, "idTag": "CARD", "meterStart": 500, "timestamp": "2026-11-25T12:00:00Z"}
    station.call("StartTransaction", start)
    eventually(lambda: bool(as_json(remote("tx", "list", "--open", "--json"))))
    (found,) = as_json(remote("tx", "list", "--json", "--station", cp_1, "--tag", "CARD"))
    number = str(found["id"])
    assert said(remote("tx", "stop", number)) == f"CP-1 will stop transaction {number}\n"
    assert ("RemoteStopTransaction", {"transactionId": found["id"]}) in station.calls
    station.answers = {"RemoteStopTransaction": {"status": "Rejected"}}
    assert f"CP-1 will not stop transaction {number}: it answered Rejected" in complaint(
        remote("tx", "stop", number), 1
    )
    said(remote("tx", "close", number, "--meter-stop", str(METER_STOP)))
    heading, row = said(remote("tx", "list")).splitlines()
    assert heading.split()[0] == "id"
    assert "closed" in row
    assert "12.345" in row
    shown = said(remote("tx", "show", number))
    assert "energy kwh" in shown
    assert "meter stop" in shown
    assert "there is no transaction 999" in complaint(remote("tx", "show", "999"), 1)
    said(remote("tag", "remove", "CARD"))


@pytest.mark.req("OPS-02", "OP-10")
def test_a_transaction_is_started_remotely(remote: Cli, server: Server, charger: Chargers, cp_1: str) -> None:
    station = charger(f"{server.ocpp_url}/{cp_1}", RemoteStartTransaction={"status": "Accepted"})
    assert said(remote("tx", "start", cp_1, "CARD", "--connector", "2")) == (
        "CP-1 will start a transaction for CARD on connector 2\n"
    )
    assert ("RemoteStartTransaction", {"idTag": "CARD", "connectorId": 2}) in station.calls
    station.answers = {"RemoteStartTransaction": {"status": "Rejected"}}
    assert "CP-1 will not start a transaction for CARD: it answered Rejected" in complaint(
        remote("tx", "start", cp_1, "CARD"), 1
    )


# -- watching ------------------------------------------------------------------------------------------------------


def test_the_doctor_says_in_words_why_a_charger_does_not_connect(
    remote: Cli, server: Server, charger: Chargers, cp_1: str
) -> None:
    charger(f"{server.ocpp_url}/{cp_1}")
    eventually(lambda: "was let in" in said(remote("attempts", cp_1)))
    with pytest.raises(Exception, match="401"):
        charger(f"{server.ocpp_url}/STRANGER")
    eventually(lambda: "STRANGER" in said(remote("attempts")))
    first = said(remote("attempts", "--limit", "1")).splitlines()[1]
    assert "refused at identity" in first


def test_tail_shows_what_a_station_says_as_it_happens(
    server: Server, charger: Chargers, remote: Cli, cp_1: str, tmp_path: Path
) -> None:
    as_words = launch(tmp_path, "tail", cp_1, **server.environ)
    as_lines = launch(tmp_path, "tail", cp_1, "--json", "--kind", "exchange", **server.environ)
    assert as_words.stdout is not None
    assert as_lines.stdout is not None
    station = charger(f"{server.ocpp_url}/{cp_1}")
    done = threading.Event()

    def talk() -> None:
        while not done.wait(0.1):
            station.call("Heartbeat", {})

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        line = next(line for line in as_words.stdout if "Heartbeat" in line)
        event = msgspec.json.decode(next(iter(as_lines.stdout)))
    finally:
        done.set()
        talker.join()
        for process in (as_words, as_lines):
            process.kill()
            process.communicate()
    assert "CP-1" in line
    assert '-> Heartbeat {}  =>  {"currentTime":' in line
    assert (event["kind"], event["data"]["action"]) == ("exchange", "Heartbeat")


@pytest.mark.req("OPS-03")
def test_plugins_are_listed_disabled_and_enabled(remote: Cli) -> None:
    listed = said(remote("plugins"))
    states = [line.split()[:2] for line in listed.splitlines()[1:]]
    assert [state for state in states if state[0] in ("core", "web")] == [["core", "enabled"], ["web", "enabled"]]
    assert said(remote("plugins", "disable", "trigger")) == "trigger is disabled\n"
    assert {one["name"]: one["state"] for one in as_json(remote("plugins", "--json"))}["trigger"] == "disabled"
    assert said(remote("plugins", "enable", "trigger")) == "trigger is enabled\n"
    assert "no installed package offers a plugin nosuch" in complaint(remote("plugins", "enable", "nosuch"), 1)


# -- finding the server --------------------------------------------------------------------------------------------


def test_on_the_same_machine_the_server_is_found_by_its_data_dir(cli: Cli, server: Server) -> None:
    assert said(cli("station", "list", "--data-dir", str(server.data_dir))).startswith("no stations")
    assert said(cli("station", "list", environ={"CSMSD_DATA_DIR": str(server.data_dir)})).startswith("no stations")


def test_without_a_server_the_way_to_start_one_is_shown(cli: Cli) -> None:
    assert complaint(cli("station", "list"), 5) == (
        "csmsd: no csmsd answers at http://127.0.0.1:8080: is it running? `csmsd run` starts it"
    )


def test_a_wrong_token_is_refused_and_the_places_to_look_are_named(cli: Cli, server: Server) -> None:
    result = cli("station", "list", "--url", server.environ["CSMSD_URL"], "--token", "wrong")
    assert "the token is unknown, expired or revoked" in complaint(result, 1)
    assert "CSMSD_TOKEN" in result.stderr


def test_a_proxy_of_the_environment_does_not_stand_between_a_machine_and_itself(
    remote: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert said(remote("station", "list")).startswith("no stations")


def test_what_is_no_url_of_a_csmsd_is_unreachable() -> None:
    for url in ("ftp://127.0.0.1", "http://127.0.0.1:1", "nonsense"):
        with ApiClient(url, "x") as client, pytest.raises(ServerUnreachable):
            client.get("/stations")


def test_the_items_of_several_pages_are_one_list(server: Server, remote: Cli) -> None:
    found = server.environ
    with ApiClient(found["CSMSD_URL"], found["CSMSD_TOKEN"]) as client:
        for number in range(5):
            client.put(f"/tags/T{number}", {})
        pages = [msgspec.json.decode(item)["id_tag"] for item in client.items("/tags", most=3)]
        assert pages == ["T0", "T1", "T2"]
        for number in range(5):
            client.delete(f"/tags/T{number}")
        with pytest.raises(ApiError) as caught:
            client.get("/tags/T1")
    assert caught.value.status == 404


# -- living plugins ------------------------------------------------------------------------------------------------


def test_hooks_are_listed_in_the_order_asked(remote: Cli) -> None:
    lines = said(remote("plugins", "--hooks")).splitlines()
    assert lines[0].split() == ["hook", "asked", "plugin", "colour"]
    row = next(line for line in lines if line.startswith("authenticate_station"))
    assert row.split() == ["authenticate_station", "(kernel)", "1", "kernel", "plain,", "critical"]
    assert not any(line.startswith("call_handled") for line in lines)
    assert "call_handled (kernel)" in said(remote("plugins", "--hooks", "--unused"))
    hooks = {hook["name"]: hook for hook in as_json(remote("plugins", "--hooks", "--json"))}
    assert hooks["boot_notification"]["colour"] == "either"
    assert hooks["boot_notification"]["owner"] == "core"
    assert hooks["boot_notification"]["asked"][-1]["plugin"] == "core"
    assert hooks["call_handled"]["asked"] == []


def test_a_plugin_is_reloaded_with_its_dependants(remote: Cli, server: Server, charger: Chargers) -> None:
    said(remote("station", "add", "RELOAD-1", "--no-password"))
    one = charger(f"{server.ocpp_url}/RELOAD-1")
    assert said(remote("plugins", "reload", "trigger")) == "new code runs of trigger\n"
    answer = as_json(remote("plugins", "reload", "core", "--json"))
    assert answer["reloaded"][0] == "core"
    assert {"firmware", "trigger"} <= set(answer["reloaded"])
    assert "web" not in answer["reloaded"]
    states = {one["name"]: one["state"] for one in as_json(remote("plugins", "--json"))}
    assert states["core"] == states["trigger"] == "enabled"
    one.call("Heartbeat", {})
    eventually(lambda: "Heartbeat" in said(remote("trace", "RELOAD-1")))
    assert one.closed_with is None
    said(remote("plugins", "disable", "trigger"))
    assert said(remote("plugins", "reload", "trigger")) == "trigger is not enabled: its new code runs when it is\n"
    said(remote("plugins", "enable", "trigger"))
    assert "the web plugin cannot reload itself: restart csmsd" in complaint(remote("plugins", "reload", "web"), 1)
    assert "this csmsd has no plugin nosuch" in complaint(remote("plugins", "reload", "nosuch"), 1)


def test_a_trace_tells_who_decided(remote: Cli, server: Server, charger: Chargers) -> None:
    said(remote("station", "add", "TRACE-1", "--no-password"))
    one = charger(f"{server.ocpp_url}/TRACE-1")
    one.call("BootNotification", {"chargePointVendor": "a", "chargePointModel": "b"})
    one.call("Authorize", {"idTag": "T"})
    one.call("Nonsense", {})
    eventually(lambda: "Nonsense" in said(remote("trace", "TRACE-1")))
    plain = said(remote("trace", "TRACE-1")).splitlines()
    assert [line.split()[2] for line in plain] == ["BootNotification", "Authorize", "Nonsense"]
    lines = said(remote("trace", "TRACE-1", "--explain", "--action", "Authorize")).splitlines()
    assert "-> Authorize" in lines[0]
    assert any(re.search(r"core +answered +\d+ µs +this is the answer", line) for line in lines)
    explained = said(remote("trace", "TRACE-1", "--explain", "--last", "1")).splitlines()
    assert "refused before any plugin was asked to answer it: NotImplemented" in explained[1]
    frames = [msgspec.json.decode(line) for line in said(remote("trace", "TRACE-1", "--json")).splitlines()]
    assert [frame["action"] for frame in frames] == ["BootNotification", "Authorize", "Nonsense"]
    assert frames[0]["trace"][-1]["outcome"] == "answered"


def test_a_trace_follows_what_comes(remote: Cli, server: Server, charger: Chargers, tmp_path: Path) -> None:
    said(remote("station", "add", "TRACE-2", "--no-password"))
    one = charger(f"{server.ocpp_url}/TRACE-2")
    process = launch(tmp_path, "trace", "TRACE-2", "--explain", "--follow", **server.environ)
    done = threading.Event()

    def talk() -> None:
        while not done.wait(0.1):
            one.call("Heartbeat", {})

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        assert process.stdout is not None
        lines = (next(process.stdout), next(process.stdout))
    finally:
        done.set()
        talker.join()
        process.kill()
        process.communicate()
    assert "-> Heartbeat {}" in lines[0]
    assert "core             answered" in lines[1]
