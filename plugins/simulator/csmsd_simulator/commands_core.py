"""How the station answers the commands of the Core profile."""

from __future__ import annotations

from csmsd_core import messages as core
from csmsd_core.messages import AcceptedOrRejected
from csmsd_simulator.configuration import MOST_KEYS
from csmsd_simulator.connectors import Connector
from csmsd_simulator.handling import Commands
from csmsd_simulator.line import Answer
from csmsd_simulator.station import SimulatedStation

CORE = Commands()


@CORE.answers("ChangeAvailability", core.ChangeAvailability)
def change_availability(station: SimulatedStation, request: core.ChangeAvailability) -> Answer:
    """In transactions it is scheduled (1.6 §5.2)."""
    connectors = [each for each in station.connectors if request.connector_id in (0, each.id)]
    if not connectors:
        return core.ChangeAvailabilityResponse("Rejected")
    operative = request.type == "Operative"
    busy = [each for each in connectors if each.transaction is not None and not operative]
    for connector in connectors:
        if connector in busy:
            connector.becomes_operative = False
        else:
            connector.is_operative, connector.becomes_operative = operative, None
    if request.connector_id == 0:
        station.is_operative = operative
    station.clock.after(0, station.registration.report_changes)
    return core.ChangeAvailabilityResponse("Scheduled" if busy else "Accepted")


@CORE.answers("ChangeConfiguration", core.ChangeConfiguration)
def change_configuration(station: SimulatedStation, request: core.ChangeConfiguration) -> Answer:
    """See `Configuration`."""
    answer = station.configuration.change(request.key, request.value)
    if answer.status in ("Accepted", "RebootRequired"):
        station.clock.after(0, lambda: station.configuration_changed(request.key, request.value))
    return answer


@CORE.answers("ClearCache", core.ClearCache)
def clear_cache(station: SimulatedStation, _: core.ClearCache) -> Answer:
    """Forget every verdict."""
    if not station.configuration.flag("AuthorizationCacheEnabled"):
        return core.ClearCacheResponse("Rejected")
    station.tags.clear_cache()
    return core.ClearCacheResponse("Accepted")


@CORE.answers("DataTransfer", core.DataTransfer)
def data_transfer(station: SimulatedStation, request: core.DataTransfer) -> Answer:
    """Knows one vendor, that of the simulator, and one message of it: Echo."""
    if request.vendor_id != station.settings.vendor:
        return core.DataTransferResponse("UnknownVendorId")
    if request.message_id != "Echo":
        return core.DataTransferResponse("UnknownMessageId")
    return core.DataTransferResponse("Accepted", request.data)


@CORE.answers("GetConfiguration", core.GetConfiguration)
def get_configuration(station: SimulatedStation, request: core.GetConfiguration) -> Answer:
    """All keys, or those asked for."""
    if not request.key and station.quirks.no_full_configuration:
        return None
    found, unknown = station.configuration.find(request.key[:MOST_KEYS])
    return core.GetConfigurationResponse(found, unknown)


@CORE.answers("RemoteStartTransaction", core.RemoteStartTransaction)
def remote_start(station: SimulatedStation, request: core.RemoteStartTransaction) -> Answer:
    """Accepted if a connector is free; then the tag waits for a plug, or is asked about first (1.6 §5.11)."""
    connector = _connector_for(station, request)
    if connector is None:
        return core.RemoteStartTransactionResponse("Rejected")

    def begin() -> None:
        if request.charging_profile is not None:
            station.profiles.put(connector.id, request.charging_profile)
        if station.configuration.flag("AuthorizeRemoteTxRequests"):
            station.charging.present(connector, request.id_tag)
        else:
            station.charging.permit(connector, request.id_tag)

    if not station.quirks.ignores_remote_start:
        station.clock.after(0, begin)
    return core.RemoteStartTransactionResponse("Accepted")


def _connector_for(station: SimulatedStation, request: core.RemoteStartTransaction) -> Connector | None:
    wanted = request.connector_id
    if wanted is None and station.quirks.needs_connector:
        return None
    free = [
        each
        for each in station.connectors
        if each.is_free
        and each.permission is None
        and not each.is_finishing
        and wanted in (None, each.id)
        and (each.reservation is None or each.reservation.admits(request.id_tag, None))
    ]
    plugged = [each for each in free if each.car is not None]
    return next(iter(plugged or free), None)


@CORE.answers("RemoteStopTransaction", core.RemoteStopTransaction)
def remote_stop(station: SimulatedStation, request: core.RemoteStopTransaction) -> Answer:
    """End a transaction of that number."""
    for connector in station.connectors:
        transaction = connector.transaction
        if transaction is not None and transaction.transaction_id == request.transaction_id:
            station.clock.after(0, lambda found=connector: station.charging.stop(found, "Remote"))  # type: ignore[misc] # a lambda's default has no type
            return core.RemoteStopTransactionResponse("Accepted")
    return core.RemoteStopTransactionResponse("Rejected")


@CORE.answers("Reset", core.Reset)
def reset(station: SimulatedStation, request: core.Reset) -> Answer:
    """Transactions end first, in any case (1.6 §5.14)."""
    station.clock.after(0, lambda: station.power.reset("HardReset" if request.type == "Hard" else "SoftReset"))
    accepted: AcceptedOrRejected = "Accepted"
    return core.ResetResponse(accepted)


@CORE.answers("UnlockConnector", core.UnlockConnector)
def unlock(station: SimulatedStation, request: core.UnlockConnector) -> Answer:
    """A transaction ends with it (1.6 §5.18)."""
    connector = station.connector(request.connector_id)
    if connector is None:
        return core.UnlockConnectorResponse("NotSupported")
    station.clock.after(0, lambda: station.charging.stop(connector, "UnlockCommand"))
    return core.UnlockConnectorResponse("Unlocked")
