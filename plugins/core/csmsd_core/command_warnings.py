"""What about a command is likely to be refused or to surprise: shown, never in the way (OP-02, CFG-06)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from csmsd.station import Station
from csmsd_core.authorization import Authorization
from csmsd_core.configuration import ConfigurationMirror
from csmsd_core.configuration_keys import ConfigurationKey, is_authorization_key, known_key, max_length_key
from csmsd_core.configuration_values import as_integer, as_list, value_warning
from csmsd_core.folding import folded
from csmsd_core.messages import (
    ChangeAvailability,
    ChangeConfiguration,
    ClearCache,
    GetConfiguration,
    RemoteStartTransaction,
    UnlockConnector,
)
from csmsd_core.status import StatusService

CHARGING = frozenset({"Charging", "SuspendedEV", "SuspendedEVSE"})


class CommandWarnings:
    """Compares requests with what the mirrors say about the station."""

    def __init__(
        self, configuration: ConfigurationMirror, statuses: StatusService, authorization: Authorization
    ) -> None:
        self._configuration, self._statuses, self._authorization = configuration, statuses, authorization

    def about(self, station: Station, request: msgspec.Struct) -> list[str]:
        """One sentence for each finding."""
        match request:
            case ChangeConfiguration():
                return list(self._change_configuration(station, request))
            case GetConfiguration():
                return list(self._get_configuration(station, request))
            case RemoteStartTransaction():
                return list(self._remote_start(station, request))
            case ChangeAvailability():
                return list(self._change_availability(station, request))
            case UnlockConnector():
                return list(self._unlock(station, request))
            case ClearCache():
                return list(self._clear_cache(station))
            case _:
                return []

    def _change_configuration(self, station: Station, request: ChangeConfiguration) -> Iterator[str]:
        key = known_key(request.key)
        if key is None:
            yield f"{request.key} is not a key of OCPP 1.6; it is sent as a vendor's key (CFG-06)"
            return
        if key.access == "R":
            yield f"{key.name} is read-only (CFG-06)"
        finding = value_warning(key, request.value)
        if finding is not None:
            yield f"{finding} (CFG-06)"
        yield from self._list_length(station, key, request.value)
        if key.name == "SecurityProfile" and as_integer(request.value) == station.record.security_profile:
            yield f"the security profile of {station.id} is {request.value} already (SEC-46)"
        yield from self._ping_interval(station, key, request.value)

    def _list_length(self, station: Station, key: ConfigurationKey, value: str) -> Iterator[str]:
        limiting = max_length_key(key.name)
        limit = None if limiting is None else self._configuration.number(station.id, limiting.name)
        if limiting is not None and limit is not None and len(as_list(value)) > limit:
            yield f"{limiting.name} of {station.id} is {limit}, this list has {len(as_list(value))} items (CFG-08)"

    def _ping_interval(self, station: Station, key: ConfigurationKey, value: str) -> Iterator[str]:
        """Whoever of the three is changed: pings must be more frequent than giving up on a message (CFG-12)."""
        names = ("WebSocketPingInterval", "TransactionMessageAttempts", "TransactionMessageRetryInterval")
        if key.name not in names:
            return
        numbers = {name: self._configuration.number(station.id, name) for name in names} | {key.name: as_integer(value)}
        ping, attempts, retry = (numbers[name] for name in names)
        if ping is not None and attempts is not None and retry is not None and 0 < attempts * retry <= ping:
            yield (
                f"WebSocketPingInterval {ping} s should be less than TransactionMessageAttempts × "
                f"TransactionMessageRetryInterval = {attempts * retry} s (CFG-12)"
            )

    def _get_configuration(self, station: Station, request: GetConfiguration) -> Iterator[str]:
        limit = self._configuration.number(station.id, "GetConfigurationMaxKeys")
        if limit is not None and len(request.key) > limit:
            yield f"GetConfigurationMaxKeys of {station.id} is {limit}, this asks for {len(request.key)} (CFG-03)"
        if any(is_authorization_key(key) for key in request.key):
            yield "AuthorizationKey is write-only; what a station returns for it is not kept (CFG-11)"
        if len({folded(key) for key in request.key}) < len(request.key):
            yield "a key is named more than once (CFG-04)"

    def _unlock(self, station: Station, request: UnlockConnector) -> Iterator[str]:
        yield from self._unknown_connector(station, request.connector_id)
        if self._is_charging(station, request.connector_id):
            yield "a transaction seems to run there: the station will stop it (OP-16)"

    def _change_availability(self, station: Station, request: ChangeAvailability) -> Iterator[str]:
        yield from self._unknown_connector(station, request.connector_id)
        charging = [
            each.connector_id
            for each in self._statuses.of_station(station.id)
            if each.status in CHARGING and request.connector_id in (0, each.connector_id)
        ]
        if request.type == "Inoperative" and charging:
            yield "a transaction seems to run there: expect Scheduled (OP-17)"

    def _remote_start(self, station: Station, request: RemoteStartTransaction) -> Iterator[str]:
        if not request.id_tag:
            yield "the id tag is empty (OP-10)"
        verdict = self._authorization.own_verdict(station.id, request.id_tag).status
        if verdict in ("Blocked", "Expired"):
            yield f"the id tag is {verdict}, and the station will be told so (AUTH-10)"
        if request.connector_id is not None:
            yield from self._unknown_connector(station, request.connector_id)
            status = self._statuses.of_connector(station.id, request.connector_id)
            if status is not None and (not status.is_operative or status.status in CHARGING):
                yield f"connector {request.connector_id} is {status.status} (OP-10)"

    def _clear_cache(self, station: Station) -> Iterator[str]:
        if self._configuration.lacks(station.id, "AuthorizationCacheEnabled"):
            yield f"{station.id} has no AuthorizationCacheEnabled, so probably no cache: expect Rejected (OP-18)"

    def _unknown_connector(self, station: Station, connector_id: int) -> Iterator[str]:
        count = self._configuration.number(station.id, "NumberOfConnectors")
        if count is not None and connector_id > count:
            yield f"NumberOfConnectors of {station.id} is {count} (BOOT-28)"

    def _is_charging(self, station: Station, connector_id: int) -> bool:
        status = self._statuses.of_connector(station.id, connector_id)
        return status is not None and status.status in CHARGING
