"""The mirror of configuration keys, the catalogue of keys, and the station's new password."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
import trio

from csmsd.errors import CallFailed, CallTimeout
from csmsd.ocpp.encoding import encode_payload
from csmsd.pending import Pending
from csmsd_core import (
    CHANGE_CONFIGURATION,
    GET_CONFIGURATION,
    BootNotification,
    ChangeConfiguration,
    ChangeConfigurationResponse,
    GetConfiguration,
    GetConfigurationResponse,
    KeyValue,
    hookspecs,
)
from csmsd_core.configuration import REMEMBERED
from csmsd_core.configuration_keys import KEYS, PROFILES, known_key, max_length_key, of_profile
from csmsd_core.configuration_values import as_boolean, as_integer, as_list, is_measurand, value_warning
from csmsd_core.tables import configuration

on_both = pytest.mark.parametrize("core_url", ["sqlite", "postgres"], indirect=True)
OLD, NEW, NEWER = "00" * 20, "11" * 20, "22" * 20
UNANSWERED = CallTimeout("no answer")


def told(*entries: tuple[str, str | None], unknown: tuple[str, ...] = ()) -> GetConfigurationResponse:
    return GetConfigurationResponse(
        tuple(KeyValue(key, readonly=False, value=value) for key, value in entries), unknown
    )


async def get(station: Any, answer: GetConfigurationResponse, *keys: str) -> None:
    station.line.answers.append(answer)
    await station.station.call(GET_CONFIGURATION, GetConfiguration(keys))


async def change(station: Any, key: str, value: str, answer: Any) -> None:
    status: Any = answer
    station.line.answers.append(ChangeConfigurationResponse(status) if isinstance(answer, str) else answer)
    await station.station.call(CHANGE_CONFIGURATION, ChangeConfiguration(key, value))


# -- the mirror -------------------------------------------------------------------------------------------------------


@pytest.mark.req("CFG-01", "MSG-24", "TC_019_1")
async def test_everything_is_asked_for_with_an_empty_request(house: Any) -> None:
    station = await house.connect()
    station.line.answers.append(told(("HeartbeatInterval", "300")))
    await house.core.configuration.refresh(station.station)
    assert [encode_payload(sent) for sent in station.line.sent] == [b"{}"]


@on_both
@pytest.mark.req("CFG-02", "CFG-04", "TC_019_2")
async def test_known_and_unknown_keys_are_kept_and_found_in_any_spelling(open_house: Any) -> None:
    house = await open_house()
    station = await house.connect()
    await get(station, told(("LocalPreauthorize", "true"), ("Vendor.X", None), unknown=("Nonsense",)), "a", "b", "c")
    house = await open_house()
    mirror = await house.core.configuration.of_station("CP-1")
    assert mirror.find("localPREauthorize").value == "true"
    assert mirror.find("LocalPreAuthorize").key == "LocalPreauthorize", "shown as the station spells it"
    unset = mirror.find("vendor.x")
    assert (unset.is_known, unset.value) == (True, None), "known, not set"
    assert mirror.find("NONSENSE").is_known is False
    assert mirror.is_absent("Nonsense")
    assert not mirror.is_absent("NeverAsked")


@pytest.mark.req("CFG-04")
async def test_a_key_in_another_spelling_is_the_same_key(house: Any) -> None:
    station = await house.connect()
    await get(station, told(("HeartbeatInterval", "300")))
    await change(station, "HEARTBEATINTERVAL", "60", "Accepted")
    (entry,) = (await house.core.configuration.of_station("CP-1")).entries
    assert (entry.key, entry.value) == ("HeartbeatInterval", "60")
    await get(station, told(("AuthorizationRemoteTxRequests", "true")))
    assert (await house.core.configuration.of_station("CP-1")).find("AuthorizeRemoteTxRequests").value == "true"


@pytest.mark.req("CFG-03", "OPS-02")
async def test_more_keys_than_the_station_takes_are_asked_for_in_several_requests(house: Any) -> None:
    station = await house.connect()
    await get(station, told(("GetConfigurationMaxKeys", "2")), "GetConfigurationMaxKeys")
    station.line.answers += [told(("A", "1"), ("B", "2")), told(unknown=("C",))]
    answer = await house.core.configuration.refresh(station.station, ("A", "B", "C"))
    assert station.line.sent[1:] == [GetConfiguration(("A", "B")), GetConfiguration(("C",))]
    assert ([each.key for each in answer.configuration_key], answer.unknown_key) == (["A", "B"], ("C",))


@pytest.mark.req("CFG-03", "OPS-01")
async def test_without_a_known_limit_and_on_the_raw_route_keys_are_sent_as_asked(house: Any) -> None:
    station = await house.connect()
    station.line.answers.append(told())
    await house.core.configuration.refresh(station.station, ("A", "B", "C"))
    await get(station, told(("GetConfigurationMaxKeys", "2")), "GetConfigurationMaxKeys")
    await get(station, told(), "A", "B", "C")
    assert station.line.sent[0] == station.line.sent[2] == GetConfiguration(("A", "B", "C"))


@on_both
@pytest.mark.req("CFG-05", "TC_021", "TC_040_1", "TC_040_2")
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Accepted", ("60", None, True)),
        ("RebootRequired", ("300", "60", True)),
        ("Rejected", ("300", None, True)),
        ("NotSupported", (None, None, False)),
    ],
)
async def test_all_four_answers_leave_their_mark(house: Any, status: str, expected: Any) -> None:
    station = await house.connect()
    await get(station, told(("HeartbeatInterval", "300")))
    await change(station, "HeartbeatInterval", "60", status)
    entry = (await house.core.configuration.of_station("CP-1")).find("HeartbeatInterval")
    assert (entry.value, entry.pending_value, entry.is_known) == expected


@on_both
@pytest.mark.req("CFG-05")
async def test_a_pending_value_is_effective_after_the_next_boot(house: Any) -> None:
    station = await house.connect()
    await change(station, "HeartbeatInterval", "60", "RebootRequired")
    await station.send(hookspecs.boot_notification, BootNotification("ACME", "Box"))
    entry = (await house.core.configuration.of_station("CP-1")).find("HeartbeatInterval")
    assert (entry.value, entry.pending_value) == ("60", None)


@pytest.mark.req("CFG-05")
async def test_a_pending_value_is_over_when_the_station_reports_it(house: Any) -> None:
    station = await house.connect()
    await change(station, "HeartbeatInterval", "60", "RebootRequired")
    await get(station, told(("HeartbeatInterval", "300")))
    assert (await house.core.configuration.of_station("CP-1")).find("HeartbeatInterval").pending_value == "60"
    await get(station, told(("HeartbeatInterval", "60")))
    assert (await house.core.configuration.of_station("CP-1")).find("HeartbeatInterval").pending_value is None


@pytest.mark.req("RPC-24", "CFG-05")
async def test_a_late_answer_still_changes_the_mirror(house: Any) -> None:
    station = await house.connect()
    with pytest.raises(CallTimeout):
        await change(station, "HeartbeatInterval", "60", UNANSWERED)
    station.line.answer(CHANGE_CONFIGURATION, station.line.sent[0], ChangeConfigurationResponse("Accepted"))
    assert (await house.core.configuration.of_station("CP-1")).find("HeartbeatInterval").value == "60"


@on_both
@pytest.mark.req("CFG-08", "CFG-09")
async def test_what_a_complete_answer_does_not_name_does_not_exist(open_house: Any) -> None:
    house = await open_house()
    station = await house.connect()
    await get(station, told(("AuthorizationCacheEnabled", "true"), ("Old", "1")))
    assert not (await house.core.configuration.of_station("CP-1")).is_absent("AuthorizationCacheEnabled")
    await get(station, told(("StopTxnSampledDataMaxLength", "4"), ("StopTxnSampledData", "")))
    for restarted in (False, True):
        house = await open_house() if restarted else house
        mirror = await house.core.configuration.of_station("CP-1")
        assert mirror.is_absent("AuthorizationCacheEnabled")
        assert mirror.find("Old") is None
        assert house.core.configuration.lacks("CP-1", "AuthorizationCacheEnabled")
        assert (mirror.list_limit("StopTxnSampledData"), mirror.list_limit("MeterValuesSampledData")) == (4, 1)


@pytest.mark.req("CFG-08")
async def test_before_a_complete_answer_no_limit_is_assumed(house: Any) -> None:
    mirror = await house.core.configuration.of_station("CP-1")
    assert (mirror.read_at, mirror.list_limit("MeterValuesSampledData")) == (None, None)


@on_both
@pytest.mark.req("CFG-11", "WS-24")
@pytest.mark.parametrize("key", ["AuthorizationKey", "AUTHORIZATIONKEY", "StationPassword"])
async def test_a_secret_that_a_station_returns_is_not_kept(house: Any, key: str) -> None:
    station = await house.connect()
    await get(station, told((key, "secret")))
    await change(station, key, NEW, "Accepted")
    await change(station, key, NEW, "RebootRequired")
    rows = await house.rows(sa.select(configuration.c.value, configuration.c.pending_value))
    assert rows == [{"value": None, "pending_value": None}]


@pytest.mark.req("CFG-11")
async def test_the_password_is_never_asked_for_deliberately(house: Any) -> None:
    station = await house.connect()
    station.line.answers.append(told())
    await house.core.configuration.refresh(station.station, ("authorizationKEY", "A"))
    assert await house.core.configuration.refresh(station.station, ("AuthorizationKey",)) == GetConfigurationResponse()
    assert station.line.sent == [GetConfiguration(("A",))]


# -- keys and values --------------------------------------------------------------------------------------------------


@pytest.mark.req("CFG-13")
def test_every_key_is_known_once_with_type_access_profile_and_meaning() -> None:
    assert len({key.name.lower() for key in KEYS}) == len(KEYS) == 52
    for key in KEYS:
        assert key.profile in (*PROFILES, "Security")
        assert key.meaning.endswith(".")
    assert [key.name for key in KEYS if key.access == "W"] == ["AuthorizationKey"]
    assert sum(key.is_required for key in of_profile("Core")) == 20
    assert known_key("VendorKey") is None, "a vendor's key is handled generically"


@pytest.mark.req("CFG-13")
def test_what_is_kept_in_memory_are_keys_of_the_catalogue() -> None:
    assert all(known_key(name) is not None for name in REMEMBERED)


@pytest.mark.req("CFG-04", "CFG-08", "CFG-13")
def test_keys_are_found_in_any_spelling_of_the_documents() -> None:
    assert known_key(" localpreauthorize ") is known_key("LocalPreAuthorize")
    assert known_key("LocalAuthorizationOffline") is known_key("LocalAuthorizeOffline")
    assert known_key("CertificateSignedMaxSize") is known_key("CertificateSignedMaxChainSize")
    assert max_length_key("StopTxnSampledData") is known_key("StopTxnSampledDataMaxLength")


@pytest.mark.req("CFG-07")
def test_values_are_read_whatever_their_case_and_blanks() -> None:
    assert [as_boolean(text) for text in (" TRUE", "false ", "1", None)] == [True, False, None, None]
    assert [as_integer(text) for text in (" 42 ", "-1", "4.2", "", None)] == [42, -1, None, None, None]
    assert [as_list(text) for text in ("A, B ,,C", "", None)] == [("A", "B", "C"), (), ()]


@pytest.mark.req("CFG-06", "CFG-07", "CFG-10", "CFG-12", "SEC-30")
@pytest.mark.parametrize(
    ("key", "value", "finding"),
    [
        ("LocalPreAuthorize", "yes", "true or false"),
        ("HeartbeatInterval", "often", "whole number"),
        ("WebSocketPingInterval", "-1", "0 at least"),
        ("LightIntensity", "101", "100 at most"),
        ("SecurityProfile", "4", "3 at most"),
        ("ConnectorPhaseRotation", "1.XYZ", "1.XYZ"),
        ("SupportedFeatureProfiles", "Core,Magic", "Magic"),
        ("MeterValuesSampledData", "Voltage.L9", "as a whole"),
        ("AuthorizationKey", "abc", "hexadecimal"),
        ("AuthorizationKey", "0" * 33, "hexadecimal"),
    ],
)
def test_a_value_that_does_not_fit_its_key_gives_a_warning(key: str, value: str, finding: str) -> None:
    found = known_key(key)
    assert found is not None
    assert finding in (value_warning(found, value) or "")


@pytest.mark.req("CFG-06", "CFG-07", "CFG-10", "SEC-30")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("LocalPreAuthorize", "true"),
        ("HeartbeatInterval", " 86400"),
        ("ConnectorPhaseRotation", "0.RST, 1.NotApplicable"),
        ("MeterValuesSampledData", "Energy.Active.Import.Register,Voltage.L1,SoC"),
        ("StopTxnSampledData", ""),
        ("CpoName", "anything"),
        ("AuthorizationKey", "aB" * 16),
        ("AuthorizationKey", "00" * 20),
    ],
)
def test_a_value_that_fits_gives_none(key: str, value: str) -> None:
    found = known_key(key)
    assert found is not None
    assert value_warning(found, value) is None


@pytest.mark.req("CFG-10")
def test_a_phase_may_be_appended_to_a_measurand() -> None:
    assert [is_measurand(item) for item in ("Voltage", "Voltage.L1-N", "Voltage.L4", "L1")] == [
        True,
        True,
        False,
        False,
    ]


# -- the station's new password ---------------------------------------------------------------------------------------


def opens(house: Any, password: str) -> bool:
    """Whether the door opens for this password now."""
    match = house.credentials.verify("CP-1", bytes.fromhex(password))
    return bool((match.result() if isinstance(match, Pending) else match).is_right)


async def valid(house: Any) -> list[str]:
    """Which of the three passwords open the door, once everything is stored."""
    await trio.sleep(1)
    return [password for password in (OLD, NEW, NEWER) if opens(house, password)]


async def with_password(house: Any) -> Any:
    station = await house.connect()
    await house.credentials.put("CP-1", OLD)
    return station


@on_both
@pytest.mark.req("SEC-30", "SEC-31", "TC_073")
@pytest.mark.parametrize("key", ["AuthorizationKey", "authorizationKEY"])
async def test_accepted_makes_the_new_password_the_only_one(house: Any, key: str) -> None:
    station = await with_password(house)
    await change(station, key, NEW, "Accepted")
    assert await valid(house) == [NEW]
    assert station.line.closed_with is None, "the connection stays"


@pytest.mark.req("SEC-32")
@pytest.mark.parametrize("status", ["Rejected", "NotSupported"])
async def test_a_refusal_leaves_the_old_password_alone(house: Any, status: str) -> None:
    station = await with_password(house)
    await change(station, "AuthorizationKey", NEW, status)
    assert await valid(house) == [OLD]


@pytest.mark.req("SEC-33")
@pytest.mark.parametrize(
    "answer", ["RebootRequired", UNANSWERED, CallFailed("CP-1", "ChangeConfiguration", "InternalError", "")]
)
async def test_both_passwords_are_valid_while_nobody_knows_which_the_station_has(house: Any, answer: Any) -> None:
    station = await with_password(house)
    if isinstance(answer, str):
        await change(station, "AuthorizationKey", NEW, answer)
    else:
        with pytest.raises(type(answer)):
            await change(station, "AuthorizationKey", NEW, answer)
    assert await valid(house) == [OLD, NEW]


@pytest.mark.req("SEC-33")
async def test_the_new_password_is_durable_before_the_station_learns_it(open_house: Any) -> None:
    house = await open_house()
    station = await with_password(house)

    def at_the_station(_: Any) -> CallTimeout:
        assert opens(house, NEW)
        return UNANSWERED

    with pytest.raises(CallTimeout):
        await change(station, "AuthorizationKey", NEW, at_the_station)
    house = await open_house()
    assert await valid(house) == [OLD, NEW]


@pytest.mark.req("SEC-33", "RPC-24")
@pytest.mark.parametrize(("status", "expected"), [("Accepted", [NEW]), ("Rejected", [OLD])])
async def test_a_late_answer_still_settles_it(house: Any, status: Any, expected: list[str]) -> None:
    station = await with_password(house)
    with pytest.raises(CallTimeout):
        await change(station, "AuthorizationKey", NEW, UNANSWERED)
    station.line.answer(CHANGE_CONFIGURATION, station.line.sent[0], ChangeConfigurationResponse(status))
    assert await valid(house) == expected


@pytest.mark.req("SEC-33")
async def test_a_repeated_answered_rotation_settles_it(house: Any) -> None:
    station = await with_password(house)
    with pytest.raises(CallTimeout):
        await change(station, "AuthorizationKey", NEW, UNANSWERED)
    await change(station, "AuthorizationKey", NEWER, "Accepted")
    assert await valid(house) == [NEWER]


@pytest.mark.req("SEC-33", "RPC-24")
async def test_a_late_answer_to_an_earlier_rotation_locks_nobody_out(house: Any) -> None:
    station = await with_password(house)
    for password in (NEW, NEWER):
        with pytest.raises(CallTimeout):
            await change(station, "AuthorizationKey", password, UNANSWERED)
    station.line.answer(CHANGE_CONFIGURATION, station.line.sent[0], ChangeConfigurationResponse("Accepted"))
    assert NEW in await valid(house)
    assert NEWER in await valid(house)
    station.line.answer(CHANGE_CONFIGURATION, station.line.sent[1], ChangeConfigurationResponse("Rejected"))
    assert NEW in await valid(house), "the station has this one"


@pytest.mark.req("SEC-34", "WS-24")
async def test_the_password_is_in_no_table(house: Any) -> None:
    station = await with_password(house)
    await change(station, "AuthorizationKey", NEW, "Accepted")
    await trio.sleep(1)
    tables = await house.rows(sa.text("SELECT name FROM sqlite_master WHERE type = 'table'"))
    for table in tables:
        rows = await house.rows(sa.text(f"SELECT * FROM {table['name']}"))
        assert NEW not in str(rows).lower()
    assert {each.action for each in await house.audit.entries()} == {"credentials.stage", "credentials.replace"}
