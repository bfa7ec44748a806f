"""The messages of Smart Charging (MSG-37 … MSG-39); charging profiles are in the Core profile, which shares them."""

from __future__ import annotations

from typing import Literal

from csmsd.ocpp.types import ConnectorOrStation, Integer, Payload, Timestamp
from csmsd_core.messages import ChargingProfile, ChargingProfilePurpose, ChargingRateUnit, ChargingSchedule


class SetChargingProfile(Payload, frozen=True):
    """Install a charging profile on a connector, or on the station (connector 0)."""

    connector_id: ConnectorOrStation
    cs_charging_profiles: ChargingProfile


class SetChargingProfileResponse(Payload, frozen=True):
    """Answer to SetChargingProfile; Accepted does not promise the exact curve (SC-17)."""

    status: Literal["Accepted", "Rejected", "NotSupported"]


class ClearChargingProfile(Payload, frozen=True):
    """Remove the profile of an id, or those that fit everything given, or all (SC-26)."""

    id: Integer | None = None
    connector_id: ConnectorOrStation | None = None
    charging_profile_purpose: ChargingProfilePurpose | None = None
    stack_level: Integer | None = None


class ClearChargingProfileResponse(Payload, frozen=True):
    """Answer to ClearChargingProfile; Unknown: the station has no such profile."""

    status: Literal["Accepted", "Unknown"]


class GetCompositeSchedule(Payload, frozen=True):
    """Ask what the station's profiles add up to, for `duration` seconds from now."""

    connector_id: ConnectorOrStation
    duration: Integer
    charging_rate_unit: ChargingRateUnit | None = None


class GetCompositeScheduleResponse(Payload, frozen=True):
    """Answer to GetCompositeSchedule; periods are relative to `schedule_start` (SC-29)."""

    status: Literal["Accepted", "Rejected"]
    connector_id: ConnectorOrStation | None = None
    schedule_start: Timestamp | None = None
    charging_schedule: ChargingSchedule | None = None
