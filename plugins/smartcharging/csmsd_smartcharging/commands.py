"""The commands of Smart Charging (MSG-37 … MSG-39)."""

from __future__ import annotations

from csmsd.command import Command
from csmsd_smartcharging import messages as m

SET_CHARGING_PROFILE = Command(
    "SetChargingProfile",
    m.SetChargingProfile,
    m.SetChargingProfileResponse,
    "Install a charging profile on a connector, or on the station (connector 0).",
)
CLEAR_CHARGING_PROFILE = Command(
    "ClearChargingProfile",
    m.ClearChargingProfile,
    m.ClearChargingProfileResponse,
    "Remove the charging profile of an id, those that fit all fields given, or all.",
)
GET_COMPOSITE_SCHEDULE = Command(
    "GetCompositeSchedule",
    m.GetCompositeSchedule,
    m.GetCompositeScheduleResponse,
    "Ask what the station's charging profiles add up to from now on.",
)

COMMANDS = (SET_CHARGING_PROFILE, CLEAR_CHARGING_PROFILE, GET_COMPOSITE_SCHEDULE)
