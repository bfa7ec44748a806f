"""A server made of mobilityhouse's `ocpp`, with handlers that store nothing.

Arguments: PORT [--skip-validation] [--uvloop] [CERTIFICATE KEY]
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import websockets
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
from ocpp.v16.datatypes import IdTagInfo
from ocpp.v16.enums import Action, AuthorizationStatus, DataTransferStatus, RegistrationStatus

UNVALIDATED = "--skip-validation" in sys.argv
TRANSACTIONS = itertools.count(1)


def now() -> str:
    return datetime.now(UTC).isoformat()


class Station(ChargePoint):  # type: ignore[misc]  # the package has no types
    """One connection."""

    @on(Action.authorize, skip_schema_validation=UNVALIDATED)  # type: ignore[untyped-decorator]  # no types
    def authorize(self, **_: Any) -> Any:
        return call_result.Authorize(IdTagInfo(AuthorizationStatus.accepted))

    @on(Action.boot_notification, skip_schema_validation=UNVALIDATED)  # type: ignore[untyped-decorator]  # no types
    def boot_notification(self, **_: Any) -> Any:
        return call_result.BootNotification(now(), 300, RegistrationStatus.accepted)

    @on(Action.data_transfer, skip_schema_validation=UNVALIDATED)  # type: ignore[untyped-decorator]  # no types
    def data_transfer(self, **_: Any) -> Any:
        return call_result.DataTransfer(DataTransferStatus.accepted)

    @on(Action.heartbeat, skip_schema_validation=UNVALIDATED)  # type: ignore[untyped-decorator]  # no types
    def heartbeat(self, **_: Any) -> Any:
        return call_result.Heartbeat(now())

    @on(Action.meter_values, skip_schema_validation=UNVALIDATED)  # type: ignore[untyped-decorator]  # no types
    def meter_values(self, **_: Any) -> Any:
        return call_result.MeterValues()

    @on(Action.start_transaction, skip_schema_validation=UNVALIDATED)  # type: ignore[untyped-decorator]  # no types
    def start_transaction(self, **_: Any) -> Any:
        return call_result.StartTransaction(next(TRANSACTIONS), IdTagInfo(AuthorizationStatus.accepted))

    @on(Action.status_notification, skip_schema_validation=UNVALIDATED)  # type: ignore[untyped-decorator]  # no types
    def status_notification(self, **_: Any) -> Any:
        return call_result.StatusNotification()

    @on(Action.stop_transaction, skip_schema_validation=UNVALIDATED)  # type: ignore[untyped-decorator]  # no types
    def stop_transaction(self, **_: Any) -> Any:
        return call_result.StopTransaction(IdTagInfo(AuthorizationStatus.accepted))


async def connected(websocket: websockets.ServerConnection) -> None:
    assert websocket.request is not None
    station = Station(websocket.request.path.rsplit("/", 1)[1], websocket)
    with suppress(websockets.ConnectionClosed):
        await station.start()


def encryption() -> ssl.SSLContext | None:
    files = [argument for argument in sys.argv if argument.endswith(".pem")]
    if not files:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


async def main() -> None:
    port = int(sys.argv[1])
    # Without permessage-deflate, which the generator does not offer.
    async with websockets.serve(
        connected,
        "127.0.0.1",
        port,
        ssl=encryption(),
        subprotocols=[websockets.Subprotocol("ocpp1.6")],
        compression=None,
        backlog=4096,
    ):
        await asyncio.Future()


if "--uvloop" in sys.argv:
    import uvloop

    uvloop.run(main())
else:
    asyncio.run(main())
