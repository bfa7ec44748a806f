"""The messages of the Core profile, both ways, and the types that other profiles share with it (MSG-01 … MSG-28).

A message is named after its action, its answer after the action and `Response`. The types state the strict rules, also
those that the schemas leave to the text (connector ids, arrays that must not be empty).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from csmsd.ocpp.types import (
    DESCRIPTIVE,
    MULTILINE,
    NUMERIC,
    OPEN,
    SECRET,
    Accepting,
    CiString20,
    CiString25,
    CiString50,
    CiString255,
    CiString500,
    ConnectorId,
    ConnectorOrStation,
    IdTag,
    Integer,
    NonNegative,
    OneDecimal,
    Payload,
    Timestamp,
)

# -- shared types --------------------------------------------------------------------------------------------------

AuthorizationStatus = Literal["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"]
RegistrationStatus = Literal["Accepted", "Pending", "Rejected"]
AcceptedOrRejected = Literal["Accepted", "Rejected"]
ChargePointErrorCode = Literal[
    "ConnectorLockFailure", "EVCommunicationError", "GroundFailure", "HighTemperature", "InternalError",
    "LocalListConflict", "NoError", "OtherError", "OverCurrentFailure", "OverVoltage", "PowerMeterFailure",
    "PowerSwitchFailure", "ReaderFailure", "ResetFailure", "UnderVoltage", "WeakSignal",
]  # fmt: skip
ChargePointStatus = Literal[
    "Available", "Preparing", "Charging", "SuspendedEVSE", "SuspendedEV", "Finishing", "Reserved", "Unavailable",
    "Faulted",
]  # fmt: skip
Reason = Literal[
    "DeAuthorized", "EmergencyStop", "EVDisconnected", "HardReset", "Local", "Other", "PowerLoss", "Reboot", "Remote",
    "SoftReset", "UnlockCommand",
]  # fmt: skip
ReadingContext = Literal[
    "Interruption.Begin", "Interruption.End", "Other", "Sample.Clock", "Sample.Periodic", "Transaction.Begin",
    "Transaction.End", "Trigger",
]  # fmt: skip
ValueFormat = Literal["Raw", "SignedData"]
Measurand = Literal[
    "Current.Export", "Current.Import", "Current.Offered",
    "Energy.Active.Export.Interval", "Energy.Active.Export.Register",
    "Energy.Active.Import.Interval", "Energy.Active.Import.Register",
    "Energy.Reactive.Export.Interval", "Energy.Reactive.Export.Register",
    "Energy.Reactive.Import.Interval", "Energy.Reactive.Import.Register",
    "Frequency",
    "Power.Active.Export", "Power.Active.Import", "Power.Factor", "Power.Offered",
    "Power.Reactive.Export", "Power.Reactive.Import",
    "RPM", "SoC", "Temperature", "Voltage",
]  # fmt: skip
Phase = Literal["L1", "L2", "L3", "N", "L1-N", "L2-N", "L3-N", "L1-L2", "L2-L3", "L3-L1"]
Location = Literal["Body", "Cable", "EV", "Inlet", "Outlet"]
UnitOfMeasure = Literal[
    "Wh", "kWh", "varh", "kvarh", "W", "kW", "VA", "kVA", "var", "kvar", "A", "V", "K", "Celcius", "Celsius",
    "Fahrenheit", "Percent",
]  # fmt: skip
ChargingProfilePurpose = Literal["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]
ChargingProfileKind = Literal["Absolute", "Recurring", "Relative"]
RecurrencyKind = Literal["Daily", "Weekly"]
ChargingRateUnit = Literal["A", "W"]

HERTZ = Accepting(("Hertz", "Hz"), rule="VAL-11", because=("measurand", "Frequency"))


class IdTagInfo(Payload, frozen=True):
    """What the CSMS knows of an id tag."""

    status: AuthorizationStatus
    expiry_date: Timestamp | None = None
    parent_id_tag: IdTag | None = None


class SampledValue(Payload, frozen=True):
    """One value with its qualifiers; the defaults of absent ones are those of MV-03 and MV-04."""

    value: Annotated[str, NUMERIC]  # a decimal number, or hexadecimal for SignedData
    context: Annotated[ReadingContext, OPEN] | None = None
    format: Annotated[ValueFormat, OPEN] | None = None
    measurand: Annotated[Measurand, OPEN] | None = None
    phase: Annotated[Phase, OPEN] | None = None
    location: Annotated[Location, OPEN] | None = None
    unit: Annotated[UnitOfMeasure, OPEN, HERTZ.meta] | None = None


class MeterValue(Payload, frozen=True):
    """The values sampled at one instant; none are left if all of them were defective (VAL-14)."""

    timestamp: Timestamp
    sampled_value: Annotated[tuple[SampledValue, ...], Meta(min_length=1)]


class ChargingSchedulePeriod(Payload, frozen=True):
    """A limit from `start_period` seconds after the start of the schedule on."""

    start_period: Integer
    limit: OneDecimal  # in the schedule's unit
    number_phases: Integer | None = None


class ChargingSchedule(Payload, frozen=True):
    """Limits over time; `duration` in seconds."""

    charging_rate_unit: ChargingRateUnit
    charging_schedule_period: Annotated[tuple[ChargingSchedulePeriod, ...], Meta(min_length=1)]
    duration: Integer | None = None
    start_schedule: Timestamp | None = None
    min_charging_rate: OneDecimal | None = None


class ChargingProfile(Payload, frozen=True):
    """A schedule and when it applies."""

    charging_profile_id: Integer
    stack_level: NonNegative
    charging_profile_purpose: ChargingProfilePurpose
    charging_profile_kind: ChargingProfileKind
    charging_schedule: ChargingSchedule
    transaction_id: Integer | None = None
    recurrency_kind: RecurrencyKind | None = None
    valid_from: Timestamp | None = None
    valid_to: Timestamp | None = None


# -- from the station ----------------------------------------------------------------------------------------------


class Authorize(Payload, frozen=True):
    """The station asks whether an id tag may charge."""

    id_tag: IdTag


class AuthorizeResponse(Payload, frozen=True):
    """Answer to Authorize."""

    id_tag_info: IdTagInfo


class BootNotification(Payload, frozen=True):
    """The station has started, or was asked to introduce itself again."""

    charge_point_vendor: Annotated[CiString20, DESCRIPTIVE]
    charge_point_model: Annotated[CiString20, DESCRIPTIVE]
    charge_point_serial_number: Annotated[CiString25, DESCRIPTIVE] | None = None
    charge_box_serial_number: Annotated[CiString25, DESCRIPTIVE] | None = None  # deprecated
    firmware_version: Annotated[CiString50, DESCRIPTIVE] | None = None
    iccid: Annotated[CiString20, DESCRIPTIVE] | None = None
    imsi: Annotated[CiString20, DESCRIPTIVE] | None = None
    meter_type: Annotated[CiString25, DESCRIPTIVE] | None = None
    meter_serial_number: Annotated[CiString25, DESCRIPTIVE] | None = None


class BootNotificationResponse(Payload, frozen=True):
    """Answer to BootNotification; `interval` in seconds: between heartbeats, or until the next attempt (BOOT-02)."""

    status: RegistrationStatus
    current_time: Timestamp
    interval: NonNegative


class DataTransfer(Payload, frozen=True):
    """Vendor-specific data, in either direction."""

    vendor_id: CiString255
    message_id: CiString50 | None = None
    data: Annotated[str, MULTILINE] | None = None


class DataTransferResponse(Payload, frozen=True):
    """Answer to DataTransfer."""

    status: Literal["Accepted", "Rejected", "UnknownMessageId", "UnknownVendorId"]
    data: Annotated[str, MULTILINE] | None = None


class Heartbeat(Payload, frozen=True):
    """The station is alive and wants to know the time."""


class HeartbeatResponse(Payload, frozen=True):
    """Answer to Heartbeat."""

    current_time: Timestamp


class MeterValues(Payload, frozen=True):
    """Samples of a connector's meter, or of the station's main meter (connector 0)."""

    connector_id: ConnectorOrStation
    meter_value: Annotated[tuple[MeterValue, ...], Meta(min_length=1)]
    transaction_id: Integer | None = None


class MeterValuesResponse(Payload, frozen=True):
    """Answer to MeterValues."""


class StartTransaction(Payload, frozen=True):
    """A transaction has started; `meter_start` in Wh."""

    connector_id: ConnectorId
    id_tag: IdTag
    meter_start: Integer
    timestamp: Timestamp
    reservation_id: Integer | None = None


class StartTransactionResponse(Payload, frozen=True):
    """Answer to StartTransaction."""

    transaction_id: Integer
    id_tag_info: IdTagInfo


class StatusNotification(Payload, frozen=True):
    """The state of a connector, or of the station (connector 0)."""

    connector_id: ConnectorOrStation
    error_code: Annotated[ChargePointErrorCode, OPEN]  # an unknown one is treated as OtherError (VAL-15)
    status: ChargePointStatus
    info: Annotated[CiString50, DESCRIPTIVE] | None = None
    timestamp: Timestamp | None = None
    vendor_id: Annotated[CiString255, DESCRIPTIVE] | None = None
    vendor_error_code: Annotated[CiString50, DESCRIPTIVE] | None = None


class StatusNotificationResponse(Payload, frozen=True):
    """Answer to StatusNotification."""


class StopTransaction(Payload, frozen=True):
    """A transaction has ended; `meter_stop` in Wh."""

    transaction_id: Integer
    meter_stop: Integer
    timestamp: Timestamp
    id_tag: IdTag | None = None
    reason: Annotated[Reason, OPEN] | None = None  # absent means Local (VAL-12), an unknown one Other (VAL-14)
    transaction_data: tuple[MeterValue, ...] = ()


class StopTransactionResponse(Payload, frozen=True):
    """Answer to StopTransaction."""

    id_tag_info: IdTagInfo | None = None


# -- to the station ------------------------------------------------------------------------------------------------


class ChangeAvailability(Payload, frozen=True):
    """Put a connector, or everything (connector 0), in or out of service."""

    connector_id: ConnectorOrStation
    type: Literal["Inoperative", "Operative"]


class ChangeAvailabilityResponse(Payload, frozen=True):
    """Answer to ChangeAvailability."""

    status: Literal["Accepted", "Rejected", "Scheduled"]


class ChangeConfiguration(Payload, frozen=True):
    """Set a configuration key; the value is always text."""

    key: CiString50
    value: Annotated[CiString500, SECRET]


class ChangeConfigurationResponse(Payload, frozen=True):
    """Answer to ChangeConfiguration."""

    status: Literal["Accepted", "Rejected", "RebootRequired", "NotSupported"]


class ClearCache(Payload, frozen=True):
    """Empty the authorization cache."""


class ClearCacheResponse(Payload, frozen=True):
    """Answer to ClearCache."""

    status: AcceptedOrRejected


class GetConfiguration(Payload, frozen=True):
    """Ask for configuration keys; none means all of them."""

    key: tuple[CiString50, ...] = ()


class KeyValue(Payload, frozen=True):
    """A configuration key as the station reports it."""

    key: Annotated[CiString50, DESCRIPTIVE]
    readonly: bool
    value: Annotated[CiString500, DESCRIPTIVE, SECRET] | None = None


class GetConfigurationResponse(Payload, frozen=True):
    """Answer to GetConfiguration."""

    configuration_key: tuple[KeyValue, ...] = ()
    unknown_key: tuple[Annotated[CiString50, DESCRIPTIVE], ...] = ()


class RemoteStartTransaction(Payload, frozen=True):
    """Ask the station to start a transaction; a profile must be a TxProfile without a transaction id."""

    id_tag: IdTag
    connector_id: ConnectorId | None = None
    charging_profile: ChargingProfile | None = None

    def __post_init__(self) -> None:
        profile = self.charging_profile
        if profile is not None and (
            profile.charging_profile_purpose != "TxProfile" or profile.transaction_id is not None
        ):
            raise ValueError("chargingProfile must be a TxProfile without a transactionId")


class RemoteStartTransactionResponse(Payload, frozen=True):
    """Answer to RemoteStartTransaction."""

    status: AcceptedOrRejected


class RemoteStopTransaction(Payload, frozen=True):
    """Ask the station to stop a transaction."""

    transaction_id: Integer


class RemoteStopTransactionResponse(Payload, frozen=True):
    """Answer to RemoteStopTransaction."""

    status: AcceptedOrRejected


class Reset(Payload, frozen=True):
    """Restart the station: `Soft` ends transactions first, `Hard` need not."""

    type: Literal["Hard", "Soft"]


class ResetResponse(Payload, frozen=True):
    """Answer to Reset."""

    status: AcceptedOrRejected


class UnlockConnector(Payload, frozen=True):
    """Release a stuck plug; also ends a transaction of that connector."""

    connector_id: ConnectorId


class UnlockConnectorResponse(Payload, frozen=True):
    """Answer to UnlockConnector."""

    status: Literal["Unlocked", "UnlockFailed", "NotSupported"]
