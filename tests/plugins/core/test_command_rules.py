"""Which commands are refused, which give rise to warnings, and what their end means."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from csmsd.errors import CallRefused, StationUnavailable
from csmsd.hookspecs import hookimpl
from csmsd.ocpp.encoding import encode_payload
from csmsd_core import (
    CHANGE_AVAILABILITY,
    CHANGE_CONFIGURATION,
    CLEAR_CACHE,
    DATA_TRANSFER,
    GET_CONFIGURATION,
    REMOTE_START_TRANSACTION,
    REMOTE_STOP_TRANSACTION,
    RESET,
    UNLOCK_CONNECTOR,
    ChangeAvailability,
    ChangeAvailabilityResponse,
    ChangeConfiguration,
    ChangeConfigurationResponse,
    ChargingProfile,
    ChargingSchedule,
    ChargingSchedulePeriod,
    ClearCache,
    ClearCacheResponse,
    DataTransfer,
    DataTransferResponse,
    GetConfiguration,
    GetConfigurationResponse,
    KeyValue,
    RemoteStartTransaction,
    RemoteStopTransaction,
    RemoteStopTransactionResponse,
    Reset,
    ResetResponse,
    StartTransaction,
    StatusNotification,
    Tag,
    UnlockConnector,
    UnlockConnectorResponse,
    hookspecs,
)
from csmsd_core.command_rules import refusal

PROFILE = ChargingProfile(
    1, 0, "TxProfile", "Relative", ChargingSchedule("A", (ChargingSchedulePeriod(0, Decimal(6)),))
)


async def configure(station: Any, **values: str) -> None:
    """The station has told these keys, and no others."""
    station.line.answers.append(
        GetConfigurationResponse(tuple(KeyValue(key, readonly=False, value=value) for key, value in values.items()))
    )
    await station.station.call(GET_CONFIGURATION, GetConfiguration())


async def notify(station: Any, status: Any, connector_id: int = 1) -> None:
    await station.send(hookspecs.status_notification, StatusNotification(connector_id, "NoError", status))


async def call(station: Any, command: Any, request: Any, answer: Any) -> Any:
    station.line.answers.append(answer)
    return await station.station.call(command, request)


# -- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("OP-12", "TC_059", "MSG-25")
@pytest.mark.parametrize("fields", [{"charging_profile_purpose": "TxDefaultProfile"}, {"transaction_id": 7}])
def test_a_remote_start_carries_a_tx_profile_without_transaction_only(fields: Any) -> None:
    good = RemoteStartTransaction("T", 1, PROFILE)
    assert msgspec.json.decode(encode_payload(good), type=RemoteStartTransaction) == good
    profile = msgspec.structs.replace(PROFILE, **fields)
    with pytest.raises(ValueError, match="TxProfile"):
        RemoteStartTransaction("T", 1, profile)
    payload = b'{"idTag":"T","chargingProfile":%b}' % encode_payload(profile)
    with pytest.raises(msgspec.ValidationError, match="TxProfile"):
        msgspec.json.decode(payload, type=RemoteStartTransaction)


@pytest.mark.req("SEC-46", "SEC-40", "CFG-06")
@pytest.mark.parametrize("key", ["SecurityProfile", "SECURITYPROFILE"])
async def test_a_security_profile_is_not_lowered(house: Any, key: str) -> None:
    station = await house.connect(security_profile=2)
    with pytest.raises(CallRefused, match="SEC-46"):
        await call(station, CHANGE_CONFIGURATION, ChangeConfiguration(key, "1"), None)
    for value in ("2", "3", "nonsense"):
        await call(
            station, CHANGE_CONFIGURATION, ChangeConfiguration(key, value), ChangeConfigurationResponse("Accepted")
        )
    assert any("SEC-46" in each for each in station.warnings(CHANGE_CONFIGURATION, ChangeConfiguration(key, "2")))
    assert station.warnings(CHANGE_CONFIGURATION, ChangeConfiguration(key, "3")) == []


@pytest.mark.req("SEC-46")
async def test_an_open_security_profile_may_be_set_to_anything(house: Any) -> None:
    station = await house.connect()
    assert refusal(station.station, CHANGE_CONFIGURATION, ChangeConfiguration("SecurityProfile", "0")) is None


# -- passed through with a warning ------------------------------------------------------------------------------------


@pytest.mark.req("OP-02", "CFG-06", "TC_040_1", "TC_040_2", "TC_028", "TC_031")
@pytest.mark.parametrize(
    ("command", "request_", "answer"),
    [
        (CHANGE_CONFIGURATION, ChangeConfiguration("NoSuchKey", "x"), ChangeConfigurationResponse("NotSupported")),
        (CHANGE_CONFIGURATION, ChangeConfiguration("HeartbeatInterval", "-1"), ChangeConfigurationResponse("Rejected")),
        (CHANGE_CONFIGURATION, ChangeConfiguration("NumberOfConnectors", "9"), ChangeConfigurationResponse("Rejected")),
        (UNLOCK_CONNECTOR, UnlockConnector(99), UnlockConnectorResponse("NotSupported")),
    ],
)
async def test_what_the_station_will_refuse_is_sent_as_asked(
    house: Any, command: Any, request_: Any, answer: Any
) -> None:
    station = await house.connect()
    await configure(station, NumberOfConnectors="2")
    assert len(station.warnings(command, request_)) == 1
    assert await call(station, command, request_, answer) == answer
    assert station.line.sent[-1] == request_


@pytest.mark.req("OP-02", "OP-13", "TC_028")
async def test_an_unknown_transaction_is_stopped_as_asked(house: Any) -> None:
    station, answer = await house.connect(), RemoteStopTransactionResponse("Rejected")
    assert await call(station, REMOTE_STOP_TRANSACTION, RemoteStopTransaction(4711), answer) == answer


@pytest.mark.req("OP-02")
async def test_the_operator_may_turn_warnings_into_refusals(open_house: Any) -> None:
    house = await open_house(refuse_on_warning=True)
    station = await house.connect()
    with pytest.raises(CallRefused, match="NoSuchKey"):
        await call(station, CHANGE_CONFIGURATION, ChangeConfiguration("NoSuchKey", "x"), None)
    await call(station, CLEAR_CACHE, ClearCache(), ClearCacheResponse("Accepted"))


@pytest.mark.req("OP-02")
async def test_other_plugins_warn_too(house: Any) -> None:
    class Cautious:
        @hookimpl
        def command_warnings(self, command: Any) -> Iterable[str]:
            return [f"{command.name} is always risky"]

    house.enable(Cautious(), "cautious")
    station = await house.connect()
    assert station.warnings(RESET, Reset("Hard")) == ["Reset is always risky"]


@pytest.mark.req("CFG-03", "CFG-04", "CFG-11", "OPS-01")
@pytest.mark.parametrize(
    ("keys", "finding"), [(("A", "B", "C"), "CFG-03"), (("AuthorizationKEY",), "CFG-11"), (("A", "a"), "CFG-04")]
)
async def test_doubtful_questions_for_the_configuration_give_a_warning(house: Any, keys: Any, finding: str) -> None:
    station = await house.connect()
    await configure(station, GetConfigurationMaxKeys="2")
    (warning,) = station.warnings(GET_CONFIGURATION, GetConfiguration(keys))
    assert finding in warning
    assert station.warnings(GET_CONFIGURATION, GetConfiguration(())) == []


@pytest.mark.req("CFG-08")
async def test_a_list_that_is_too_long_gives_a_warning(house: Any) -> None:
    station = await house.connect()
    await configure(station, MeterValuesSampledDataMaxLength="1")
    request = ChangeConfiguration("MeterValuesSampledData", "Voltage,SoC")
    (warning,) = station.warnings(CHANGE_CONFIGURATION, request)
    assert "CFG-08" in warning


@pytest.mark.req("CFG-12")
@pytest.mark.parametrize(
    ("key", "value", "is_warned"),
    [
        ("WebSocketPingInterval", "180", True),
        ("WebSocketPingInterval", "179", False),
        ("TransactionMessageAttempts", "1", True),
        ("TransactionMessageRetryInterval", "61", False),
    ],
)
async def test_pings_should_be_more_frequent_than_giving_up_on_a_message(
    house: Any, key: str, value: str, is_warned: bool
) -> None:
    station = await house.connect()
    await configure(
        station, WebSocketPingInterval="100", TransactionMessageAttempts="3", TransactionMessageRetryInterval="60"
    )
    warnings = station.warnings(CHANGE_CONFIGURATION, ChangeConfiguration(key, value))
    assert [("CFG-12" in each) for each in warnings] == ([True] if is_warned else [])


@pytest.mark.req("OP-10", "TC_010")
@pytest.mark.parametrize(
    ("status", "is_warned"), [("Preparing", False), ("Charging", True), ("Faulted", True), ("Unavailable", True)]
)
async def test_a_remote_start_where_it_will_hardly_succeed_gives_a_warning(
    house: Any, status: str, is_warned: bool
) -> None:
    station = await house.connect()
    await notify(station, status)
    warnings = station.warnings(REMOTE_START_TRANSACTION, RemoteStartTransaction("T", 1))
    assert bool(warnings) is is_warned
    assert station.warnings(REMOTE_START_TRANSACTION, RemoteStartTransaction("T")) == [], "the station chooses"
    assert len(station.warnings(REMOTE_START_TRANSACTION, RemoteStartTransaction(""))) == 1


@pytest.mark.req("AUTH-10", "OP-10")
async def test_a_remote_start_with_a_tag_that_will_be_refused_gives_a_warning(house: Any) -> None:
    station = await house.connect()
    await house.core.tags.put(Tag("BAD", "Blocked"), actor="op")
    (warning,) = station.warnings(REMOTE_START_TRANSACTION, RemoteStartTransaction("bad"))
    assert "Blocked" in warning
    assert station.warnings(REMOTE_START_TRANSACTION, RemoteStartTransaction("GUEST")) == []


@pytest.mark.req("OP-10", "OP-15")
@pytest.mark.parametrize("connector_id", [0, -1])
def test_connector_0_is_no_place_to_start_or_unlock(connector_id: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"idTag": "T", "connectorId": connector_id}, RemoteStartTransaction)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"connectorId": connector_id}, UnlockConnector)


@pytest.mark.req("OP-15", "OP-16", "TC_017_1", "TC_018_1", "TC_030")
@pytest.mark.parametrize("status", ["Unlocked", "UnlockFailed", "NotSupported"])
async def test_unlocking_where_a_transaction_runs_gives_a_warning_and_is_sent(house: Any, status: Any) -> None:
    station = await house.connect()
    assert station.warnings(UNLOCK_CONNECTOR, UnlockConnector(1)) == []
    await notify(station, "SuspendedEV")
    (warning,) = station.warnings(UNLOCK_CONNECTOR, UnlockConnector(1))
    assert "OP-16" in warning
    answer = UnlockConnectorResponse(status)
    assert await call(station, UNLOCK_CONNECTOR, UnlockConnector(1), answer) == answer


@pytest.mark.req("OP-17", "TC_048_3", "MSG-20")
@pytest.mark.parametrize(
    ("connector_id", "type_", "is_warned"),
    [(0, "Inoperative", True), (1, "Inoperative", True), (2, "Inoperative", False), (1, "Operative", False)],
)
async def test_a_change_of_availability_during_a_transaction_is_expected_to_be_scheduled(
    house: Any, connector_id: int, type_: Any, is_warned: bool
) -> None:
    station = await house.connect()
    await notify(station, "Charging")
    await notify(station, "Available", 2)
    request = ChangeAvailability(connector_id, type_)
    assert [("OP-17" in each) for each in station.warnings(CHANGE_AVAILABILITY, request)] == [True] * is_warned
    await call(station, CHANGE_AVAILABILITY, request, ChangeAvailabilityResponse("Scheduled"))
    assert house.core.statuses.of_connector("CP-1", 1).status == "Charging", "the status tells the effective change"


@pytest.mark.req("OP-18", "CFG-09", "TC_061")
async def test_clearing_a_cache_that_does_not_exist_gives_a_warning(house: Any) -> None:
    station = await house.connect()
    assert station.warnings(CLEAR_CACHE, ClearCache()) == [], "nobody knows"
    await configure(station, AuthorizationCacheEnabled="false")
    assert station.warnings(CLEAR_CACHE, ClearCache()) == []
    await configure(station, NumberOfConnectors="1")
    (warning,) = station.warnings(CLEAR_CACHE, ClearCache())
    assert "OP-18" in warning


@pytest.mark.req("OP-19", "MSG-23")
@pytest.mark.parametrize("status", ["Accepted", "Rejected", "UnknownMessageId", "UnknownVendorId"])
async def test_a_data_transfer_to_the_station_shows_every_status_and_the_data(house: Any, status: Any) -> None:
    station, answer = await house.connect(), DataTransferResponse(status, "data")
    assert await call(station, DATA_TRANSFER, DataTransfer("acme", "Hello", "x"), answer) == answer


# -- what an end means ------------------------------------------------------------------------------------------------


@pytest.mark.req("OP-14", "TC_013", "TC_014", "MSG-27")
async def test_a_station_that_leaves_instead_of_answering_reset_has_probably_done_it(house: Any) -> None:
    station = await house.connect()
    with house.events.watch(frozenset({"reset.probably_done"})) as events:
        for type_ in ("Soft", "Hard"):
            await call(station, RESET, Reset(type_), ResetResponse("Accepted"))
        with pytest.raises(StationUnavailable):
            await call(station, RESET, Reset("Hard"), StationUnavailable("gone"))
        assert events.receive_nowait().station_id == "CP-1"
        assert events.statistics().current_buffer_used == 0


@pytest.mark.req("OP-13", "TX-24", "TC_012")
async def test_a_remote_stop_that_is_accepted_shows_that_the_station_knows_the_id(house: Any) -> None:
    station = await house.connect()
    request = StartTransaction(1, "T", 0, house.env.now())
    running = await station.send(hookspecs.start_transaction, request)
    await call(
        station,
        REMOTE_STOP_TRANSACTION,
        RemoteStopTransaction(running.transaction_id),
        RemoteStopTransactionResponse("Accepted"),
    )
    transaction = await house.core.transactions.find(running.transaction_id)
    assert transaction.status == "open", "StopTransaction follows"
