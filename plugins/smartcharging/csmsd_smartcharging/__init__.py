"""OCPP 1.6 Smart Charging: charging profiles, what they add up to, and limits that stations share.

What other plugins and programs use: the commands and messages, the hook, the calculation, and the plugin's services.
"""

from __future__ import annotations

from csmsd_smartcharging.builder import Draft, DraftPeriod, InvalidProfile, build
from csmsd_smartcharging.commands import (
    CLEAR_CHARGING_PROFILE,
    COMMANDS,
    GET_COMPOSITE_SCHEDULE,
    SET_CHARGING_PROFILE,
)
from csmsd_smartcharging.composite import Composite, CompositePeriod, Installed, Query, Rules, Running, composite
from csmsd_smartcharging.config import SmartChargingConfig
from csmsd_smartcharging.messages import (
    ClearChargingProfile,
    ClearChargingProfileResponse,
    GetCompositeSchedule,
    GetCompositeScheduleResponse,
    SetChargingProfile,
    SetChargingProfileResponse,
)
from csmsd_smartcharging.mirror_rows import Held
from csmsd_smartcharging.plugin import SmartChargingPlugin
from csmsd_smartcharging.site_rows import Site, SiteMember

__all__ = [
    "CLEAR_CHARGING_PROFILE",
    "COMMANDS",
    "GET_COMPOSITE_SCHEDULE",
    "SET_CHARGING_PROFILE",
    "ClearChargingProfile",
    "ClearChargingProfileResponse",
    "Composite",
    "CompositePeriod",
    "Draft",
    "DraftPeriod",
    "GetCompositeSchedule",
    "GetCompositeScheduleResponse",
    "Held",
    "Installed",
    "InvalidProfile",
    "Query",
    "Rules",
    "Running",
    "SetChargingProfile",
    "SetChargingProfileResponse",
    "Site",
    "SiteMember",
    "SmartChargingConfig",
    "SmartChargingPlugin",
    "build",
    "composite",
]
