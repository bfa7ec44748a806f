#!/usr/bin/env python3
"""A charger made of words: `charger.py ws://127.0.0.1:9000/ocpp/CP-1 PASSWORD [ID_TAG]`.

It boots, charges for a moment with the id tag, and then does what it is told until it is interrupted.
"""

from __future__ import annotations

import base64
import json
import sys
from datetime import UTC, datetime
from typing import Any

import trio
from trio_websocket import WebSocketConnection, open_websocket_url


def now() -> str:
    """The time as OCPP writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Charger:
    """The station's side of one connection."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self._socket, self._count = socket, 0

    async def call(self, action: str, **payload: Any) -> dict[str, Any]:
        """Send a CALL; its answer."""
        self._count += 1
        call_id = f"call-{self._count}"
        await self._socket.send_message(json.dumps([2, call_id, action, payload]))
        while (frame := json.loads(await self._socket.get_message()))[1] != call_id:
            await self._obey(frame)
        print(f"{action}: {json.dumps(frame[2])}", flush=True)
        answer: dict[str, Any] = frame[2]
        return answer

    async def listen(self) -> None:
        """Accept every command."""
        while True:
            await self._obey(json.loads(await self._socket.get_message()))

    async def _obey(self, frame: list[Any]) -> None:
        print(f"told to {frame[2]}: {json.dumps(frame[3])}", flush=True)
        await self._socket.send_message(json.dumps([3, frame[1], {"status": "Accepted"}]))


async def main(url: str, password: str, id_tag: str) -> None:
    """A short day."""
    identity = url.rpartition("/")[2]
    credentials = base64.b64encode(f"{identity}:{password}".encode())
    headers = [(b"Authorization", b"Basic " + credentials)]
    async with open_websocket_url(url, subprotocols=["ocpp1.6"], extra_headers=headers) as socket:
        charger = Charger(socket)
        await charger.call("BootNotification", chargePointVendor="Example", chargePointModel="Words")
        await charger.call("StatusNotification", connectorId=1, errorCode="NoError", status="Preparing")
        await charger.call("Authorize", idTag=id_tag)
        start = await charger.call("StartTransaction", connectorId=1, idTag=id_tag, meterStart=0, timestamp=now())
        sample = {"timestamp": now(), "sampledValue": [{"value": "600"}]}
        transaction_id = start["transactionId"]
        await charger.call("MeterValues", connectorId=1, transactionId=transaction_id, meterValue=[sample])
        await charger.call("StopTransaction", transactionId=transaction_id, meterStop=1200, timestamp=now())
        await charger.call("StatusNotification", connectorId=1, errorCode="NoError", status="Available")
        await charger.listen()


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "04A1B2C3")
