"""The configuration keys of OCPP 1.6 and the security white paper: type, access, profile, meaning (CFG-13)."""

# ruff: noqa: E501 -- one key a line reads as the table it is

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from csmsd_core.folding import folded

KeyType = Literal["boolean", "integer", "text", "list"]
Access = Literal["R", "RW", "W", "R/RW"]  # R/RW: the station decides


class ConfigurationKey(NamedTuple):
    """What is known of one key."""

    name: str  # canonical spelling; names are case-insensitive (CFG-04)
    type: KeyType
    access: Access
    is_required: bool  # by its profile
    profile: str
    meaning: str
    unit: str = ""
    items: tuple[str, ...] = ()  # of a list: the values allowed; empty: see the meaning
    low: int | None = None  # of an integer: the lowest value that makes sense
    high: int | None = None


PROFILES = ("Core", "FirmwareManagement", "LocalAuthListManagement", "Reservation", "SmartCharging", "RemoteTrigger")
ROTATIONS = ("NotApplicable", "Unknown", "RST", "RTS", "SRT", "STR", "TRS", "TSR")
CORE, LIST, SMART, SECURITY = "Core", "LocalAuthListManagement", "SmartCharging", "Security"

K = ConfigurationKey
# fmt: off
KEYS: tuple[ConfigurationKey, ...] = (
    K("AllowOfflineTxForUnknownId", "boolean", "RW", False, CORE, "Unknown id tags may charge while off-line."),
    K("AuthorizationCacheEnabled", "boolean", "RW", False, CORE, "Whether the authorization cache is used; its presence says that there is one."),
    K("AuthorizeRemoteTxRequests", "boolean", "R/RW", True, CORE, "Authorize the id tag of a RemoteStartTransaction before starting."),
    K("BlinkRepeat", "integer", "RW", False, CORE, "How often the lights blink.", "times", low=0),
    K("ClockAlignedDataInterval", "integer", "RW", True, CORE, "Interval of clock-aligned meter values, counted from midnight; 0 = off.", "s", low=0),
    K("ConnectionTimeOut", "integer", "RW", True, CORE, "From Preparing until a start attempt is given up.", "s", low=0),
    K("ConnectorPhaseRotation", "list", "RW", True, CORE, "Items `connector.rotation`, such as 1.RST; connector 0 is the main meter."),
    K("ConnectorPhaseRotationMaxLength", "integer", "R", False, CORE, "Items that ConnectorPhaseRotation can hold.", "items", low=1),
    K("GetConfigurationMaxKeys", "integer", "R", True, CORE, "Keys that one GetConfiguration may ask for.", "keys", low=1),
    K("HeartbeatInterval", "integer", "RW", True, CORE, "Inactivity before a Heartbeat.", "s", low=1),
    K("LightIntensity", "integer", "RW", False, CORE, "Brightness of the lights.", "%", low=0, high=100),
    K("LocalAuthorizeOffline", "boolean", "RW", True, CORE, "Start transactions for locally authorized id tags while off-line."),
    K("LocalPreAuthorize", "boolean", "RW", True, CORE, "Start transactions for locally authorized id tags without waiting for csmsd."),
    K("MaxEnergyOnInvalidId", "integer", "RW", False, CORE, "Energy delivered after csmsd has refused the id tag.", "Wh", low=0),
    K("MessageTimeout", "integer", "RW", False, CORE, "How long the station waits for our answers.", "s", low=1),
    K("MeterValuesAlignedData", "list", "RW", True, CORE, "Clock-aligned measurands; a phase may be appended: Voltage.L1."),
    K("MeterValuesAlignedDataMaxLength", "integer", "R", False, CORE, "Items that MeterValuesAlignedData can hold.", "items", low=1),
    K("MeterValuesSampledData", "list", "RW", True, CORE, "Measurands sampled during a transaction; a phase may be appended."),
    K("MeterValuesSampledDataMaxLength", "integer", "R", False, CORE, "Items that MeterValuesSampledData can hold.", "items", low=1),
    K("MeterValueSampleInterval", "integer", "RW", True, CORE, "Interval of sampled meter values during a transaction; 0 = off.", "s", low=0),
    K("MinimumStatusDuration", "integer", "RW", False, CORE, "How long a status must last before it is reported.", "s", low=0),
    K("NumberOfConnectors", "integer", "R", True, CORE, "Connectors of the station, numbered from 1.", "connectors", low=1),
    K("ResetRetries", "integer", "RW", True, CORE, "Attempts at a reset that did not succeed.", "times", low=0),
    K("StopTransactionMaxMeterValues", "integer", "R", False, CORE, "Samples that fit into a StopTransaction.", "samples", low=0),
    K("StopTransactionOnEVSideDisconnect", "boolean", "R/RW", False, CORE, "Stop the transaction when the cable is unplugged from the vehicle."),
    K("StopTransactionOnInvalidId", "boolean", "RW", True, CORE, "Stop the transaction when csmsd refuses its id tag."),
    K("StopTxnAlignedData", "list", "RW", True, CORE, "Clock-aligned measurands in StopTransaction; empty: none."),
    K("StopTxnAlignedDataMaxLength", "integer", "R", False, CORE, "Items that StopTxnAlignedData can hold.", "items", low=1),
    K("StopTxnSampledData", "list", "RW", True, CORE, "Sampled measurands in StopTransaction; empty: none."),
    K("StopTxnSampledDataMaxLength", "integer", "R", False, CORE, "Items that StopTxnSampledData can hold.", "items", low=1),
    K("SupportedFeatureProfiles", "list", "R", True, CORE, "Profiles of OCPP 1.6 that the station has.", items=PROFILES),
    K("SupportedFeatureProfilesMaxLength", "integer", "R", False, CORE, "Obsolete: items that SupportedFeatureProfiles can hold.", "items", low=1),
    K("TransactionMessageAttempts", "integer", "RW", True, CORE, "How often a transaction message is sent before it is dropped.", "times", low=1),
    K("TransactionMessageRetryInterval", "integer", "RW", True, CORE, "Pause before a transaction message is repeated, times the attempts so far.", "s", low=0),
    K("UnlockConnectorOnEVSideDisconnect", "boolean", "R/RW", True, CORE, "Unlock the connector when the cable is unplugged from the vehicle; false with a fixed cable."),
    K("WebSocketPingInterval", "integer", "RW", False, CORE, "Pause between the station's pings; 0 = it does not ping.", "s", low=0),
    K("LocalAuthListEnabled", "boolean", "RW", True, LIST, "Whether the local authorization list is used."),
    K("LocalAuthListMaxLength", "integer", "R", True, LIST, "Entries of the local authorization list.", "entries", low=0),
    K("SendLocalListMaxLength", "integer", "R", True, LIST, "Entries of one SendLocalList.", "entries", low=1),
    K("ReserveConnectorZeroSupported", "boolean", "R", False, "Reservation", "Whether connector 0 can be reserved; absent means no."),
    K("ChargeProfileMaxStackLevel", "integer", "R", True, SMART, "Highest stackLevel, and most profiles of one purpose.", low=0),
    K("ChargingScheduleAllowedChargingRateUnit", "list", "R", True, SMART, "Units of limits: Current is A, Power is W.", items=("Current", "Power")),
    K("ChargingScheduleMaxPeriods", "integer", "R", True, SMART, "Periods of one charging schedule.", "periods", low=1),
    K("ConnectorSwitch3to1PhaseSupported", "boolean", "R", False, SMART, "Whether the station can switch from three phases to one."),
    K("MaxChargingProfilesInstalled", "integer", "R", True, SMART, "Charging profiles at a time.", "profiles", low=1),
    K("SupportedFileTransferProtocols", "list", "R", False, "FirmwareManagement", "Protocols for files.", items=("FTP", "FTPS", "HTTP", "HTTPS", "SFTP")),
    K("AdditionalRootCertificateCheck", "boolean", "R", False, SECURITY, "One central system root and one fall-back only; a new root must be signed by the old."),
    K("AuthorizationKey", "text", "W", False, SECURITY, "The password for Basic authentication: 16 to 20 octets as hexadecimal digits. Write-only."),
    K("CertificateSignedMaxChainSize", "integer", "R", False, SECURITY, "Longest certificate chain of CertificateSigned.", "characters", low=1, high=10_000),
    K("CertificateStoreMaxLength", "integer", "R", False, SECURITY, "Root certificates that the station can hold.", "certificates", low=1),
    K("CpoName", "text", "RW", False, SECURITY, "The organisation in the station's certificate requests."),
    K("SecurityProfile", "integer", "RW", False, SECURITY, "The security profile in use; may only be raised.", low=0, high=3),
)
# fmt: on
ALIASES = {  # other spellings in the documents (C-11, C-25)
    "AuthorizationRemoteTxRequests": "AuthorizeRemoteTxRequests",
    "LocalAuthorizationOffline": "LocalAuthorizeOffline",
    "CertificateSignedMaxSize": "CertificateSignedMaxChainSize",
}
_BY_NAME = {folded(key.name): key for key in KEYS}
_BY_ALIAS = {folded(alias): _BY_NAME[folded(name)] for alias, name in ALIASES.items()}


def known_key(name: str) -> ConfigurationKey | None:
    """The standard key of that name in any spelling; None for a vendor's key."""
    wanted = folded(name.strip())
    return _BY_NAME.get(wanted) or _BY_ALIAS.get(wanted)


def max_length_key(name: str) -> ConfigurationKey | None:
    """The key that limits the items of a list key (CFG-08)."""
    return known_key(f"{name.strip()}MaxLength")


def is_authorization_key(name: str) -> bool:
    """Whether the key is the station's password, in any spelling (SEC-30)."""
    return folded(name.strip()) == "authorizationkey"


def of_profile(profile: str) -> Iterator[ConfigurationKey]:
    """The keys of a profile, for forms and capability checks."""
    return (key for key in KEYS if key.profile == profile)
