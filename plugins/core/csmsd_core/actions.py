"""The CALLs of the Core profile that stations send (MSG-01..MSG-08)."""

from __future__ import annotations

from csmsd.action import Action
from csmsd_core import hookspecs, messages

AUTHORIZE = Action("Authorize", messages.Authorize, messages.AuthorizeResponse, hookspecs.authorize)
BOOT_NOTIFICATION = Action(
    "BootNotification", messages.BootNotification, messages.BootNotificationResponse, hookspecs.boot_notification
)
DATA_TRANSFER = Action(
    "DataTransfer",
    messages.DataTransfer,
    messages.DataTransferResponse,
    hookspecs.data_transfer,
    repeats_answer=True,
)
HEARTBEAT = Action("Heartbeat", messages.Heartbeat, messages.HeartbeatResponse, hookspecs.heartbeat)
METER_VALUES = Action(
    "MeterValues",
    messages.MeterValues,
    messages.MeterValuesResponse,
    hookspecs.meter_values,
    is_transactional=True,
)
START_TRANSACTION = Action(
    "StartTransaction",
    messages.StartTransaction,
    messages.StartTransactionResponse,
    hookspecs.start_transaction,
    is_transactional=True,
)
STATUS_NOTIFICATION = Action(
    "StatusNotification",
    messages.StatusNotification,
    messages.StatusNotificationResponse,
    hookspecs.status_notification,
)
STOP_TRANSACTION = Action(
    "StopTransaction",
    messages.StopTransaction,
    messages.StopTransactionResponse,
    hookspecs.stop_transaction,
    is_transactional=True,
)

ACTIONS = (
    AUTHORIZE,
    BOOT_NOTIFICATION,
    DATA_TRANSFER,
    HEARTBEAT,
    METER_VALUES,
    START_TRANSACTION,
    STATUS_NOTIFICATION,
    STOP_TRANSACTION,
)
