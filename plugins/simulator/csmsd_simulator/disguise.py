"""What the quirks do to a message on its way out. Payloads are JSON objects of any shape here, on purpose."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from csmsd_simulator.quirks import Quirks

_OPTIONAL = {
    "BootNotification": ("iccid", "imsi", "chargeBoxSerialNumber"),
    "StatusNotification": ("info", "vendorId", "vendorErrorCode"),
    "StartTransaction": ("reservationId",),
    "StopTransaction": ("transactionData",),
}
_UTC = re.compile(rb'("\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)Z"')


def disguised(quirks: Quirks, action: str, payload: bytes) -> bytes:
    """The payload as this station sends it."""
    if quirks.null_payload and payload == b"{}":
        return b"null"
    if quirks.null_optionals or quirks.unknown_fields or quirks.empty_values:
        payload = msgspec.json.encode(_changed(quirks, action, msgspec.json.decode(payload)))
    if quirks.no_zone:
        payload = _UTC.sub(rb'\1"', payload)
    if quirks.broken_json and action == "MeterValues":
        payload = re.sub(rb'"transactionId":-?\d+', b'"transactionId":', payload)
    return payload


def _changed(quirks: Quirks, action: str, content: dict[str, Any]) -> dict[str, Any]:
    if quirks.null_optionals:
        content = {**dict.fromkeys(_OPTIONAL.get(action, ())), **content}
    if quirks.unknown_fields:
        content = {**content, "vendorSpecific": {"uptime": 4711}}
    if quirks.empty_values and action == "MeterValues":
        content["meterValue"][0]["sampledValue"].append({"value": "", "measurand": "Temperature"})
    return content


def frame_of(quirks: Quirks, call_id: str, action: str, payload: bytes) -> bytes:
    """The CALL; not encoded as a whole, for the payload need not be JSON."""
    shown = str(int(call_id.rpartition("-")[2])) if quirks.numeric_ids else f'"{call_id}"'
    return f'[2,{shown},"{action}",'.encode() + payload + b"]"
