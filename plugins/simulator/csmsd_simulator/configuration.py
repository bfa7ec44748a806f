"""Configuration keys: their types, who may write them, what a change means (1.6 §9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from csmsd_core.messages import ChangeConfigurationResponse, KeyValue, Measurand

Status = Literal["Accepted", "Rejected", "RebootRequired", "NotSupported"]
MOST_KEYS = 50
_MEASURANDS = frozenset[str](get_args(Measurand))


def _is_number(text: str) -> bool:
    return text.strip().isdecimal()


def _is_flag(text: str) -> bool:
    return text.strip().lower() in ("true", "false")


def _is_measurands(text: str) -> bool:
    return all(item.strip() in _MEASURANDS for item in text.split(",") if item.strip())


def _is_authorization_key(text: str) -> bool:
    return 16 <= len(text) <= 40


def _is_anything(_: str) -> bool:
    return True


@dataclass
class Key:
    """One configuration key."""

    name: str
    value: str
    fits: Callable[[str], bool] = _is_anything
    is_readonly: bool = False
    is_secret: bool = False  # write-only
    needs_reboot: bool = False


def _keys(connectors: int, security_profile: int) -> Iterable[Key]:
    # Core
    yield Key("AllowOfflineTxForUnknownId", "false", _is_flag)
    yield Key("AuthorizationCacheEnabled", "true", _is_flag)
    yield Key("AuthorizeRemoteTxRequests", "false", _is_flag)
    yield Key("ClockAlignedDataInterval", "0", _is_number)
    yield Key("ConnectionTimeOut", "60", _is_number)
    yield Key("ConnectorPhaseRotation", "0.RST")
    yield Key("GetConfigurationMaxKeys", str(MOST_KEYS), is_readonly=True)
    yield Key("HeartbeatInterval", "300", _is_number)
    yield Key("LocalAuthorizeOffline", "true", _is_flag)
    yield Key("LocalPreAuthorize", "false", _is_flag)
    yield Key("MeterValuesAlignedData", "Energy.Active.Import.Register", _is_measurands)
    sampled = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC"
    yield Key("MeterValuesSampledData", sampled, _is_measurands)
    yield Key("MeterValueSampleInterval", "60", _is_number)
    yield Key("MinimumStatusDuration", "0", _is_number)
    yield Key("NumberOfConnectors", str(connectors), is_readonly=True)
    yield Key("ResetRetries", "1", _is_number)
    yield Key("StopTransactionOnEVSideDisconnect", "true", _is_flag)
    yield Key("StopTransactionOnInvalidId", "true", _is_flag)
    yield Key("StopTxnAlignedData", "", _is_measurands)
    yield Key("StopTxnSampledData", "", _is_measurands)
    profiles = "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger"
    yield Key("SupportedFeatureProfiles", profiles, is_readonly=True)
    yield Key("TransactionMessageAttempts", "3", _is_number)
    yield Key("TransactionMessageRetryInterval", "10", _is_number)
    yield Key("UnlockConnectorOnEVSideDisconnect", "true", _is_flag)
    yield Key("WebSocketPingInterval", "0", _is_number, needs_reboot=True)
    # The other profiles
    yield Key("LocalAuthListEnabled", "true", _is_flag)
    yield Key("LocalAuthListMaxLength", "1000", is_readonly=True)
    yield Key("SendLocalListMaxLength", "200", is_readonly=True)
    yield Key("ReserveConnectorZeroSupported", "true", is_readonly=True)
    yield Key("ChargeProfileMaxStackLevel", "8", is_readonly=True)
    yield Key("ChargingScheduleAllowedChargingRateUnit", "Current,Power", is_readonly=True)
    yield Key("ChargingScheduleMaxPeriods", "24", is_readonly=True)
    yield Key("MaxChargingProfilesInstalled", "20", is_readonly=True)
    yield Key("SupportedFileTransferProtocols", "FTP,HTTP,HTTPS", is_readonly=True)
    # Security
    yield Key("AuthorizationKey", "", _is_authorization_key, is_secret=True)
    yield Key("CpoName", "csmsd")
    yield Key("CertificateStoreMaxLength", "10", is_readonly=True)
    yield Key("SecurityProfile", str(security_profile), _is_number)


class Configuration:
    """The keys of one station. They survive a reset."""

    def __init__(self, connectors: int, security_profile: int = 0, *, is_readonly: bool = False) -> None:
        self._keys = {key.name.lower(): key for key in _keys(connectors, security_profile)}
        if is_readonly:
            for key in self._keys.values():
                key.is_readonly = True

    def text(self, name: str) -> str:
        """The value of a key that there is."""
        return self._keys[name.lower()].value

    def number(self, name: str) -> int:
        """The value as a number."""
        return int(self.text(name))

    def flag(self, name: str) -> bool:
        """The value as yes or no."""
        return self.text(name).strip().lower() == "true"

    def items(self, name: str) -> list[str]:
        """The value as a list."""
        return [item.strip() for item in self.text(name).split(",") if item.strip()]

    def put(self, name: str, value: str) -> None:
        """The station itself changes a key."""
        self._keys[name.lower()].value = value

    def show_secrets(self) -> None:
        """As some stations do."""
        for key in self._keys.values():
            key.is_secret = False

    def change(self, name: str, value: str) -> ChangeConfigurationResponse:
        """The central system changes a key."""
        return ChangeConfigurationResponse(self._change(name, value))

    def _change(self, name: str, value: str) -> Status:
        key = self._keys.get(name.lower())
        if key is None:
            return "NotSupported"
        if key.is_readonly or not key.fits(value):
            return "Rejected"
        key.value = value
        return "RebootRequired" if key.needs_reboot else "Accepted"

    def find(self, names: Iterable[str]) -> tuple[tuple[KeyValue, ...], tuple[str, ...]]:
        """The keys with these names, or all of them; and the names that there are not."""
        wanted = list(names)
        if not wanted:
            return tuple(_shown(key) for key in self._keys.values()), ()
        found = [self._keys[name.lower()] for name in wanted if name.lower() in self._keys]
        unknown = tuple(name for name in wanted if name.lower() not in self._keys)
        return tuple(_shown(key) for key in found), unknown


def _shown(key: Key) -> KeyValue:
    return KeyValue(key.name, key.is_readonly, None if key.is_secret else key.value)
