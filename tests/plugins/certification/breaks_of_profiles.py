"""The optional profiles: what turns each of their cases red."""

from __future__ import annotations

from tests.plugins.certification.broken import dropped, where, with_value, without
from tests.plugins.certification.broken_builds import (
    authorized_as,
    booted_as,
    command,
    forgotten,
    kept_out,
    refused,
    started_as,
)

FULL, DIFFERENTIAL = with_value("updateType", value="Full"), with_value("updateType", value="Differential")
SECOND = with_value("connectorId", value=2)
SOMEBODY = with_value("idTag", value="SOMEBODY-ELSE")
LATER = with_value("expiryDate", value="2040-01-01T00:00:00.000Z")
PROFILE, SCHEDULE = "csChargingProfiles", "chargingSchedule"
ANOTHER_TAG = with_value("localAuthorizationList", "0", "idTag", value="SOMEBODY-ELSE")
NO_INFO = without("localAuthorizationList", "0", "idTagInfo")

FIRMWARE = (
    command("TC_044_1", "UpdateFirmware", with_value("location", value="ftp://elsewhere/x")),
    command("TC_044_1", "UpdateFirmware", with_value("retrieveDate", value="2040-01-01T00:00:00.000Z")),
    refused("TC_044_1", "FirmwareStatusNotification"),
    refused("TC_044_1", "StatusNotification"),
    booted_as("TC_044_1", "Rejected"),
    kept_out("TC_044_1"),
    command("TC_044_2", "UpdateFirmware", dropped, "nothing within"),
    refused("TC_044_2", "FirmwareStatusNotification"),
    forgotten("TC_044_2", "UpdateFirmware"),
    booted_as("TC_044_3", "Pending"),
    refused("TC_044_3", "FirmwareStatusNotification"),
    command("TC_045_1", "GetDiagnostics", with_value("location", value="ftp://elsewhere/")),
    refused("TC_045_1", "DiagnosticsStatusNotification"),
    forgotten("TC_045_1", "GetDiagnostics"),
    command("TC_045_2", "GetDiagnostics", dropped, "nothing within"),
    refused("TC_045_2", "DiagnosticsStatusNotification"),
)

LOCAL_LIST = (
    command("TC_042_1", "GetLocalListVersion", dropped, "nothing within"),
    forgotten("TC_042_1", "GetLocalListVersion"),
    command("TC_042_2", "GetLocalListVersion", dropped, "nothing within"),
    forgotten("TC_042_2", "GetLocalListVersion"),
    command("TC_043_1", "SendLocalList", DIFFERENTIAL),
    forgotten("TC_043_1", "SendLocalList"),
    command("TC_043_3", "SendLocalList", DIFFERENTIAL),
    forgotten("TC_043_3", "SendLocalList"),
    command("TC_043_4", "SendLocalList", DIFFERENTIAL),
    command("TC_043_4", "SendLocalList", NO_INFO),
    command("TC_043_4", "SendLocalList", without("localAuthorizationList")),
    command("TC_043_5", "SendLocalList", where("listVersion", 1, DIFFERENTIAL), '"updateType":"Differential"'),
    command("TC_043_5", "SendLocalList", where("listVersion", 2, FULL), '"updateType":"Full"'),
    command("TC_043_5", "SendLocalList", where("listVersion", 2, with_value("listVersion", value=1))),
    command("TC_043_5", "SendLocalList", where("listVersion", 2, ANOTHER_TAG)),
    command("TC_043_5", "SendLocalList", where("listVersion", 2, NO_INFO)),
)

RESERVATION = (
    command("TC_046", "ReserveNow", SECOND),
    command("TC_046", "ReserveNow", SOMEBODY),
    started_as("TC_046", "Invalid"),
    command("TC_047", "ReserveNow", SECOND),
    command("TC_047", "ReserveNow", SOMEBODY),
    command("TC_047", "ReserveNow", LATER),
    refused("TC_047", "StatusNotification"),
    command("TC_048_1", "ReserveNow", SECOND),
    command("TC_048_1", "ReserveNow", SOMEBODY),
    forgotten("TC_048_1", "ReserveNow"),
    command("TC_048_2", "ReserveNow", dropped, "nothing within"),
    forgotten("TC_048_2", "ReserveNow"),
    command("TC_048_3", "ChangeAvailability", with_value("type", value="Operative")),
    command("TC_048_3", "ChangeAvailability", SECOND),
    command("TC_048_3", "ReserveNow", SECOND),
    forgotten("TC_048_3", "ReserveNow"),
    command("TC_048_4", "ReserveNow", dropped, "nothing within"),
    forgotten("TC_048_4", "ReserveNow"),
    command("TC_049", "ReserveNow", with_value("connectorId", value=1)),
    refused("TC_049", "StatusNotification"),
    command("TC_051", "CancelReservation", with_value("reservationId", value=-1)),
    command("TC_051", "ReserveNow", with_value("connectorId", value=0)),
    forgotten("TC_051", "CancelReservation"),
    command("TC_052", "CancelReservation", dropped, "nothing within"),
    forgotten("TC_052", "CancelReservation"),
    command("TC_053", "ReserveNow", without("parentIdTag")),
    command("TC_053", "ReserveNow", with_value("connectorId", value=0)),
    authorized_as("TC_053", "Invalid", "Authorize.conf idTagInfo"),
    authorized_as("TC_053", "Accepted", "Authorize.conf idTagInfo"),  # without the parent
    started_as("TC_053", "Invalid", "StartTransaction.conf idTagInfo"),
    started_as("TC_053", "Accepted", "StartTransaction.conf idTagInfo"),
)

_TRIGGERED = (
    "MeterValues",
    "Heartbeat",
    "StatusNotification",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
)
TRIGGER = (
    command("TC_054", "TriggerMessage", SECOND),
    command("TC_054", "TriggerMessage", with_value("requestedMessage", value="Heartbeat")),
    *(command("TC_054", "TriggerMessage", where("requestedMessage", each, dropped)) for each in _TRIGGERED),
    *(refused("TC_054", each) for each in _TRIGGERED),
    command("TC_055", "TriggerMessage", with_value("requestedMessage", value="Heartbeat")),
    forgotten("TC_055", "TriggerMessage"),
)

_LIMIT = with_value(PROFILE, SCHEDULE, "chargingSchedulePeriod", "0", "limit", value=7.0)
SMART_CHARGING = (
    command("TC_056", "SetChargingProfile", SECOND),
    command("TC_056", "SetChargingProfile", with_value(PROFILE, "stackLevel", value=3)),
    command("TC_056", "SetChargingProfile", with_value(PROFILE, "chargingProfilePurpose", value="TxProfile")),
    command("TC_056", "SetChargingProfile", with_value(PROFILE, "chargingProfileKind", value="Relative")),
    command("TC_056", "SetChargingProfile", with_value(PROFILE, "transactionId", value=1)),
    command("TC_056", "SetChargingProfile", with_value(PROFILE, "recurrencyKind", value="Daily")),
    *(command("TC_056", "SetChargingProfile", without(PROFILE, each)) for each in ("validFrom", "validTo")),
    command("TC_056", "SetChargingProfile", with_value(PROFILE, SCHEDULE, "chargingRateUnit", value="W")),
    *(
        command("TC_056", "SetChargingProfile", without(PROFILE, SCHEDULE, each))
        for each in ("duration", "startSchedule")
    ),
    command("TC_056", "SetChargingProfile", _LIMIT),
    command("TC_057", "SetChargingProfile", without(PROFILE, "transactionId")),
    command("TC_057", "SetChargingProfile", with_value(PROFILE, "transactionId", value=10**9)),
    command("TC_057", "SetChargingProfile", with_value(PROFILE, "chargingProfilePurpose", value="TxDefaultProfile")),
    command(
        "TC_057",
        "SetChargingProfile",
        lambda payload: (
            with_value(PROFILE, SCHEDULE, "startSchedule", value="2040-01-01T00:00:00.000Z")(payload)
            if payload[PROFILE]["chargingProfileKind"] == "Relative"
            else payload
        ),
    ),
    command("TC_059", "RemoteStartTransaction", without("chargingProfile")),
    command("TC_059", "RemoteStartTransaction", SECOND),
    command("TC_059", "RemoteStartTransaction", with_value("chargingProfile", "recurrencyKind", value="Daily")),
    command(
        "TC_059",
        "RemoteStartTransaction",
        with_value("chargingProfile", SCHEDULE, "chargingSchedulePeriod", "0", "limit", value=7.0),
    ),
    authorized_as("TC_059", "Invalid"),
    started_as("TC_059", "Invalid"),
    command("TC_066", "GetCompositeSchedule", without("chargingRateUnit")),
    command("TC_066", "GetCompositeSchedule", with_value("duration", value=60)),
    command("TC_066", "GetCompositeSchedule", SECOND),
    forgotten("TC_066", "GetCompositeSchedule"),
    command("TC_067", "SetChargingProfile", with_value("connectorId", value=1)),
    command("TC_067", "ClearChargingProfile", with_value("stackLevel", value=0)),  # beside the id
    command("TC_067", "ClearChargingProfile", where("connectorId", 1, without("stackLevel"))),
    command("TC_067", "ClearChargingProfile", where("connectorId", 1, with_value("id", value=1))),
    command("TC_067", "ClearChargingProfile", lambda payload: payload or {"connectorId": 1}),
    forgotten("TC_067", "ClearChargingProfile"),
)
BREAKS_OF_PROFILES = FIRMWARE + LOCAL_LIST + RESERVATION + TRIGGER + SMART_CHARGING
