"""The reusable states of the OCA's document: Booted, Authorized, Charging."""

from __future__ import annotations

from csmsd_certification.execution import CONNECTORS, Execution, at


async def report(execution: Execution, status: str, connector: int = 1, error: str = "NoError") -> None:
    """StatusNotification."""
    await execution.charger.call(
        "StatusNotification", connectorId=connector, errorCode=error, status=status, timestamp=at()
    )


async def report_all(execution: Execution, status: str = "Available") -> None:
    """StatusNotification of the station and of every connector."""
    for connector in range(CONNECTORS + 1):
        await report(execution, status, connector)


async def boot(execution: Execution) -> int:
    """BootNotification, accepted: the heartbeat interval."""
    answer = await execution.charger.call(
        "BootNotification",
        chargePointVendor="csmsd",
        chargePointModel="certify",
        chargePointSerialNumber=execution.identity[:25],
        firmwareVersion="1.0",
    )
    execution.expect("BootNotification.conf status", "Accepted", answer["status"])
    interval = answer["interval"]
    execution.demand("BootNotification.conf interval", "more than 0", interval, holds=interval > 0)
    return int(interval)


async def booted(execution: Execution) -> None:
    """State Booted."""
    await boot(execution)
    await report_all(execution)


async def authorize(execution: Execution, id_tag: str, status: str = "Accepted") -> None:
    """Authorize, with the answer that is to come."""
    answer = await execution.charger.call("Authorize", idTag=id_tag)
    execution.expect("Authorize.conf idTagInfo.status", status, answer["idTagInfo"]["status"])


async def start(
    execution: Execution,
    id_tag: str,
    status: str = "Accepted",
    *,
    seconds_ago: float = 0,
    reservation: int | None = None,
) -> int:
    """StartTransaction, with the answer that is to come: the transaction's id."""
    more = {} if reservation is None else {"reservationId": reservation}
    answer = await execution.charger.call(
        "StartTransaction", connectorId=1, idTag=id_tag, meterStart=1000, timestamp=at(-seconds_ago), **more
    )
    execution.expect("StartTransaction.conf idTagInfo.status", status, answer["idTagInfo"]["status"])
    return int(answer["transactionId"])


async def stop(
    execution: Execution, transaction: int, reason: str | None, id_tag: str | None = None, *, seconds_ago: float = 0
) -> None:
    """StopTransaction."""
    more = {key: value for key, value in (("reason", reason), ("idTag", id_tag)) if value is not None}
    await execution.charger.call(
        "StopTransaction", transactionId=transaction, meterStop=2000, timestamp=at(-seconds_ago), **more
    )


async def charging(execution: Execution, id_tag: str, *, reservation: int | None = None) -> int:
    """State Charging: the transaction's id."""
    await authorize(execution, id_tag)
    await report(execution, "Preparing")
    transaction = await start(execution, id_tag, reservation=reservation)
    await report(execution, "Charging")
    return transaction
