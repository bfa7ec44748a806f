"""The commands of the Core profile (MSG-20 … MSG-28)."""

from __future__ import annotations

from csmsd.command import Command
from csmsd_core import messages as m
from csmsd_core.redaction import mask_authorization_key

CHANGE_AVAILABILITY = Command(
    "ChangeAvailability",
    m.ChangeAvailability,
    m.ChangeAvailabilityResponse,
    "Put a connector, or the whole station (connector 0), in or out of service.",
)
CHANGE_CONFIGURATION = Command(
    "ChangeConfiguration",
    m.ChangeConfiguration,
    m.ChangeConfigurationResponse,
    "Set one configuration key of the station.",
    redact_request=mask_authorization_key,
    redact_response=mask_authorization_key,  # some stations repeat what they were told
)
CLEAR_CACHE = Command("ClearCache", m.ClearCache, m.ClearCacheResponse, "Empty the station's authorization cache.")
DATA_TRANSFER = Command(
    "DataTransfer", m.DataTransfer, m.DataTransferResponse, "Send vendor-specific data to the station."
)
GET_CONFIGURATION = Command(
    "GetConfiguration",
    m.GetConfiguration,
    m.GetConfigurationResponse,
    "Read some or all configuration keys of the station.",
    redact_response=mask_authorization_key,
)
REMOTE_START_TRANSACTION = Command(
    "RemoteStartTransaction",
    m.RemoteStartTransaction,
    m.RemoteStartTransactionResponse,
    "Ask the station to start a transaction for an id tag.",
)
REMOTE_STOP_TRANSACTION = Command(
    "RemoteStopTransaction",
    m.RemoteStopTransaction,
    m.RemoteStopTransactionResponse,
    "Ask the station to stop a transaction.",
)
RESET = Command("Reset", m.Reset, m.ResetResponse, "Restart the station, softly or hard.")
UNLOCK_CONNECTOR = Command(
    "UnlockConnector", m.UnlockConnector, m.UnlockConnectorResponse, "Release the plug from a connector."
)

COMMANDS = (
    CHANGE_AVAILABILITY,
    CHANGE_CONFIGURATION,
    CLEAR_CACHE,
    DATA_TRANSFER,
    GET_CONFIGURATION,
    REMOTE_START_TRANSACTION,
    REMOTE_STOP_TRANSACTION,
    RESET,
    UNLOCK_CONNECTOR,
)
