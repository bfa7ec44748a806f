"""Plugins made for one test, and what a test says to csmsd and reads from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from csmsd.hookspecs import hookimpl
from csmsd.journal import Exchange, ExchangeFilter
from csmsd.ocpp.frames import decode_frame
from csmsd.plugin import Plugin
from csmsd.testing import TestCsms, TestStation
from csmsd_core import (
    BootNotification,
    DataTransfer,
    DataTransferResponse,
    Heartbeat,
    HeartbeatResponse,
    MeterValues,
    StartTransaction,
    StopTransaction,
)
from csmsd_core.messages import MeterValue, SampledValue

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BOOT = BootNotification("ACME", "Box")
HEARTBEAT = Heartbeat()
QUESTION = DataTransfer("org.probe", "ask", "1")
START = StartTransaction(1, "TAG", 100, NOON)
STOP = StopTransaction(1, 200, NOON)
METER = MeterValues(1, (MeterValue(NOON, (SampledValue("100"),)),))
YES = DataTransferResponse("Accepted", "yes")
NOON_NOW = HeartbeatResponse(NOON)


def plugin(name: str = "probe", **hooks: Callable[..., Any]) -> type[Plugin[Any]]:
    """A plugin that implements these hooks; it is asked before the Core profile."""
    implementations = {hook: hookimpl(function) for hook, function in hooks.items()}
    return type(name.title(), (Plugin,), {"name": name, "requires": ("core",), **implementations})


def frames(station: TestStation) -> list[Any]:
    """What csmsd has sent, as JSON."""
    return [json.loads(message) for message in station.received]


def answers(station: TestStation) -> list[Any]:
    """Ids of what csmsd has answered, in order."""
    return [decode_frame(message).id for message in station.received if message[:2] != b"[2"]


async def exchanges(csms: TestCsms, **wanted: Any) -> list[Exchange]:
    """The journal, oldest first."""
    await csms.host.store.submit(nothing, None)  # what nobody waits for goes with the next batch
    return list(await csms.host.journal.exchanges(ExchangeFilter(**wanted)))[::-1]


def nothing(_connection: Any, rows: Any) -> list[None]:
    """Write: nothing; whoever waits for it knows that all before is committed."""
    return [None] * len(rows)


def call(call_id: Any, action: str, payload: msgspec.Struct | bytes | str = b"{}") -> bytes:
    """A CALL with any id and any payload."""
    if isinstance(payload, msgspec.Struct):
        from csmsd.ocpp.encoding import encode_payload

        payload = encode_payload(payload)
    text = payload if isinstance(payload, str) else payload.decode()
    return f"[2,{json.dumps(call_id)},{json.dumps(action)},{text}]".encode()
