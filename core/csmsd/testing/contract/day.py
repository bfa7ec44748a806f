"""A day in the life of a csmsd: stations say everything that its plugins answer, and get every command they offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import trio

from csmsd.action import AnyAction
from csmsd.command import AnyCommand
from csmsd.errors import CsmsdError
from csmsd.hookspecs import command_warnings
from csmsd.ocpp.frames import Call, CallError
from csmsd.testing.csms import TestCsms
from csmsd.testing.samples import MOMENT, sample_of
from csmsd.testing.station import CallErrorReceived, TestStation

STATION = "CP-1"
PATIENCE = 120.0  # virtual seconds, for whatever a plugin does with one message

_CONNECTOR = {"connectorId": 1}
_CHARGE = {"meterStart": 0, "idTag": "TAG-1", "timestamp": MOMENT}
_STATUSES = (
    "Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Reserved", "Unavailable",
    "Faulted", "Available",
)  # fmt: skip
# What samples could not tell: messages that belong together. Sent if a plugin answers them, in this order.
STORY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("BootNotification", {"chargePointVendor": "vendor", "chargePointModel": "model", "firmwareVersion": "1.0"}),
    ("Heartbeat", {}),
    ("Authorize", {"idTag": "TAG-1"}),
    *(
        (
            "StatusNotification",
            {**_CONNECTOR, "status": status, "errorCode": "GroundFailure" if status == "Faulted" else "NoError"},
        )
        for status in _STATUSES
    ),
    ("StartTransaction", {**_CONNECTOR, **_CHARGE}),
    (
        "MeterValues",
        {**_CONNECTOR, "transactionId": 1, "meterValue": [{"timestamp": MOMENT, "sampledValue": [{"value": "500"}]}]},
    ),
    ("StopTransaction", {"transactionId": 1, "meterStop": 1000, "timestamp": MOMENT, "reason": "Local"}),
    ("DataTransfer", {"vendorId": "com.example", "messageId": "Question", "data": "1"}),
)


async def live_a_day(csms: TestCsms, station_id: str = STATION) -> None:
    """All of it, with one station that connects, is ordered about, and leaves."""
    station = await csms.connect(station_id)
    actions = dict(csms.host.actions)
    told = {name for name, _ in STORY}
    await _tell_the_story(station, actions)
    for name, action in actions.items():
        if name not in told:
            for is_full in (False, True):
                await _say(station, name, _json_of(action.request, is_full))
    for command in list(csms.host.commands.known.values()):
        for behaviour in (
            _answer_to(command),
            CallError("", "GenericError", "it does not want to", msgspec.Raw(b"{}")),
        ):
            station.behaviour[command.name] = behaviour
            await _order(csms, station_id, command)
    await station.deliver(b"nonsense")
    csms.host.metrics()
    if csms.host.plugins.get("web") is not None:
        await csms.ask("GET", "/stations")
    await trio.sleep(5)
    await station.disconnect()
    await trio.sleep(5)


async def _tell_the_story(station: TestStation, actions: Mapping[str, AnyAction]) -> None:
    transaction_id = 1
    for name, payload in STORY:
        if name in actions:
            if "transactionId" in payload:
                payload = {**payload, "transactionId": transaction_id}
            answer = await _say(station, name, msgspec.json.encode(payload))
            if name == "StartTransaction" and answer is not None:
                transaction_id = int(msgspec.json.decode(answer).get("transactionId", 1))
            await trio.sleep(1)


async def _say(station: TestStation, action: str, payload: bytes | None) -> bytes | None:
    """The answer; None if it was a CALLERROR, or none came."""
    if payload is not None:
        with trio.move_on_after(PATIENCE):
            try:
                return await station.send_raw(action, payload)
            except (CallErrorReceived, trio.ClosedResourceError):
                pass
    return None


async def _order(csms: TestCsms, station_id: str, command: AnyCommand) -> None:
    try:
        request = sample_of(command.request)
        station = csms.host.stations.get(station_id)
        csms.host.hooks.call_plain(command_warnings, station, command, request)
        with trio.move_on_after(PATIENCE):
            await station.call(command, request, timeout=10)
    except (CsmsdError, ValueError):
        pass  # refused, or answered with an error, which is part of the day
    await trio.sleep(1)


def _answer_to(command: AnyCommand) -> Callable[[Call], msgspec.Struct | None]:
    def answer(_call: Call) -> msgspec.Struct | None:
        try:
            response: msgspec.Struct = sample_of(command.response)
        except ValueError:
            return None
        return response

    return answer


def _json_of(type_: type[msgspec.Struct], is_full: bool) -> bytes | None:
    from csmsd.ocpp.encoding import encode_payload

    try:
        return encode_payload(sample_of(type_, is_full=is_full))
    except ValueError:
        return None
