"""How the station answers the commands of the profiles beyond Core."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from csmsd_core.messages import ChargingSchedule, ChargingSchedulePeriod
from csmsd_simulator import messages
from csmsd_simulator.connectors import Connector
from csmsd_simulator.handling import Commands
from csmsd_simulator.line import Answer
from csmsd_simulator.messages import Status
from csmsd_simulator.meter import VOLTS
from csmsd_simulator.profiles import Session
from csmsd_simulator.station import SimulatedStation

PROFILES = Commands()
_MOST_ENTRIES = 200
_MOST_PROFILES = 20
_HIGHEST_LEVEL = 8
_SECOND = timedelta(seconds=1)


# -- firmware and diagnostics ----------------------------------------------------------------------------------------


@PROFILES.answers("UpdateFirmware", messages.UpdateFirmware)
def update_firmware(station: SimulatedStation, request: messages.UpdateFirmware) -> Answer:
    """Begins at the retrieve date."""
    wait = max((request.retrieve_date - station.now()).total_seconds(), 0.0)
    station.clock.after(wait, lambda: station.files.update_firmware(request.location))
    return messages.Empty()


@PROFILES.answers("GetDiagnostics", messages.GetDiagnostics)
def get_diagnostics(station: SimulatedStation, request: messages.GetDiagnostics) -> Answer:
    """Begins at once."""
    name = f"{station.id}-diagnostics.log"
    station.clock.after(0, lambda: station.files.upload_diagnostics(request.location, name))
    return messages.FileNameResponse(name)


# -- local list ------------------------------------------------------------------------------------------------------


@PROFILES.answers("GetLocalListVersion", messages.GetLocalListVersion)
def get_local_list_version(station: SimulatedStation, _: messages.GetLocalListVersion) -> Answer:
    """0 while it is empty."""
    return messages.GetLocalListVersionResponse(station.tags.version if len(station.tags) else 0)


@PROFILES.answers("SendLocalList", messages.SendLocalList)
def send_local_list(station: SimulatedStation, request: messages.SendLocalList) -> Answer:
    """A differential update needs a higher version than the present one (1.6 §5.15)."""
    if not station.configuration.flag("LocalAuthListEnabled"):
        return Status("NotSupported")
    entries = request.local_authorization_list
    if len(entries) > _MOST_ENTRIES:
        return Status("Failed")
    if request.update_type == "Full":
        station.tags.replace_list(request.list_version, entries)
    elif request.list_version <= station.tags.version:
        return Status("VersionMismatch")
    else:
        station.tags.update_list(request.list_version, entries)
    return Status("Accepted")


# -- reservations ----------------------------------------------------------------------------------------------------


@PROFILES.answers("ReserveNow", messages.ReserveNow)
def reserve_now(station: SimulatedStation, request: messages.ReserveNow) -> Answer:
    """See `Reservations`."""
    return station.reservations.reserve(request)


@PROFILES.answers("CancelReservation", messages.CancelReservation)
def cancel_reservation(station: SimulatedStation, request: messages.CancelReservation) -> Answer:
    """See `Reservations`."""
    return station.reservations.cancel(request)


# -- smart charging --------------------------------------------------------------------------------------------------


@PROFILES.answers("SetChargingProfile", messages.SetChargingProfile)
def set_charging_profile(station: SimulatedStation, request: messages.SetChargingProfile) -> Answer:
    """A TxProfile needs its transaction (1.6 §5.16)."""
    if _is_refused(station, request):
        return Status("Rejected")
    station.profiles.put(request.connector_id, request.cs_charging_profiles)
    station.clock.after(0, lambda: _obey(station))
    return Status("Accepted")


def _is_refused(station: SimulatedStation, request: messages.SetChargingProfile) -> bool:
    profile, quirks = request.cs_charging_profiles, station.quirks
    schedule = profile.charging_schedule
    connector = station.connector(request.connector_id)
    if request.connector_id != 0 and connector is None:
        return True
    if profile.charging_profile_purpose == "ChargePointMaxProfile" and request.connector_id != 0:
        return True
    if profile.charging_profile_purpose == "TxProfile":
        transaction = connector.transaction if connector is not None else None
        if transaction is None or profile.transaction_id not in (None, transaction.transaction_id):
            return True
    limits = [period.limit for period in schedule.charging_schedule_period]
    return (
        profile.stack_level > (0 if quirks.one_stack_level else _HIGHEST_LEVEL)
        or len(station.profiles.installed) >= _MOST_PROFILES
        or (quirks.watts_only and schedule.charging_rate_unit == "A")
        or (quirks.rejects_zero_limit and 0 in limits)
    )


def _obey(station: SimulatedStation) -> None:
    for connector in station.connectors:
        station.metering.advance(connector)
        station.refresh(connector)


@PROFILES.answers("ClearChargingProfile", messages.ClearChargingProfile)
def clear_charging_profile(station: SimulatedStation, request: messages.ClearChargingProfile) -> Answer:
    """Unknown if nothing fits."""
    removed = station.profiles.clear(
        request.id, request.connector_id, request.charging_profile_purpose, request.stack_level
    )
    station.clock.after(0, lambda: _obey(station))
    return Status("Accepted" if removed else "Unknown")


@PROFILES.answers("GetCompositeSchedule", messages.GetCompositeSchedule)
def get_composite_schedule(station: SimulatedStation, request: messages.GetCompositeSchedule) -> Answer:
    """What would be offered, change by change."""
    connector = station.connector(request.connector_id)
    if connector is None and request.connector_id != 0:
        return messages.GetCompositeScheduleResponse("Rejected")
    unit = request.charging_rate_unit or "W"
    now, phases, most = station.now(), station.settings.phases, station.settings.max_power_w
    session = Session(request.connector_id, None, now)
    if connector is not None and connector.transaction is not None:
        session = connector.transaction.session
    factor = VOLTS * phases if unit == "A" else 1
    periods: list[ChargingSchedulePeriod] = []
    for offset in station.profiles.changes(session, now, request.duration):
        at = now + (offset * _SECOND)
        limit = station.profiles.station_limit(at, phases) if connector is None else None
        limit = station.profiles.limit(session, at, phases) if connector is not None else limit
        shown = Decimal(10 * min(most, most if limit is None else limit) // factor) / 10
        if not periods or periods[-1].limit != shown:
            periods.append(ChargingSchedulePeriod(offset, shown))
    schedule = ChargingSchedule(unit, tuple(periods), request.duration, now)
    return messages.GetCompositeScheduleResponse("Accepted", request.connector_id, now, schedule)


# -- remote trigger --------------------------------------------------------------------------------------------------


@PROFILES.answers("TriggerMessage", messages.TriggerMessage)
@PROFILES.answers("ExtendedTriggerMessage", messages.TriggerMessage)
def trigger_message(station: SimulatedStation, request: messages.TriggerMessage) -> Answer:
    """Accepted first, sent afterwards."""
    connectors = [each for each in station.connectors if request.connector_id in (None, 0, each.id)]
    if not connectors:
        return Status("Rejected")
    action = _trigger(station, request, connectors)
    if action is None:
        return Status("NotImplemented")
    message = request.requested_message
    station.line.asked_for |= {message, f"Signed{message}"} | ({"SignCertificate"} if "Sign" in message else set())
    station.clock.after(0, action)
    return Status("Accepted")


def _trigger(
    station: SimulatedStation, request: messages.TriggerMessage, connectors: list[Connector]
) -> Callable[[], None] | None:
    def statuses() -> None:
        if request.connector_id in (None, 0):
            station.registration.send_status(0, "NoError", "Available" if station.is_operative else "Unavailable")
        for connector in connectors:
            station.registration.send_status(connector.id, connector.fault, connector.status)

    def meter_values() -> None:
        for connector in connectors:
            station.metering.send(connector, connector.transaction, "Trigger")

    triggers: dict[str, Callable[[], None]] = {
        "BootNotification": station.registration.boot,
        "DiagnosticsStatusNotification": station.files.report_diagnostics,
        "FirmwareStatusNotification": (
            station.files.report_firmware
            if "Firmware" in station.configuration.text("SupportedFeatureProfiles")
            else station.files.report_signed_firmware
        ),
        "Heartbeat": station.registration.heartbeat,
        "LogStatusNotification": station.files.report_log,
        "MeterValues": meter_values,
        "SignChargePointCertificate": station.key_ring.request_certificate,
        "StatusNotification": statuses,
    }
    return triggers.get(request.requested_message)
