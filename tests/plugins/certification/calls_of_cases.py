"""Who sends what in each case, in this order, after the OCA's document.

Every CALL of the charger must be confirmed; what is answered to every command, the operator must see.
"""

from __future__ import annotations

_NAMES = {
    "auth": "Authorize",
    "boot": "BootNotification",
    "data": "DataTransfer",
    "diag": "DiagnosticsStatusNotification",
    "event": "SecurityEventNotification",
    "firm": "FirmwareStatusNotification",
    "beat": "Heartbeat",
    "log": "LogStatusNotification",
    "meter": "MeterValues",
    "sign": "SignCertificate",
    "signed": "SignedFirmwareStatusNotification",
    "start": "StartTransaction",
    "stat": "StatusNotification",
    "stop": "StopTransaction",
}
_BOOTED = "boot stat stat stat"  # the station and two connectors
_CHARGING = "auth stat start stat"
_INSTALLED = "firm firm stat firm boot stat firm"
_CALLS = {
    "TC_001": f"{_BOOTED} beat beat",
    "TC_003": "stat auth start stat",
    "TC_004_1": _CHARGING,
    "TC_004_2": "auth stat stat",
    "TC_005_1": f"{_CHARGING} stat stop stat stat",
    "TC_007": "stat start stat",
    "TC_023_1": "auth",
    "TC_023_2": "auth",
    "TC_023_3": "auth",
    "TC_024": "auth stat stat",
    "TC_032_1": f"{_CHARGING} {_BOOTED} stat stop stat",
    "TC_037_1": "start stat",
    "TC_037_3": "start stat stop stat",
    "TC_039": "start stop",
    "TC_064": "data",
    "TC_010": "stat auth start stat",
    "TC_011_1": _CHARGING,
    "TC_011_2": "auth stat stat",
    "TC_012": f"{_CHARGING} stop stat stat",
    "TC_013": _BOOTED,
    "TC_014": _BOOTED,
    "TC_018_1": f"{_CHARGING} stat stop stat",  # Finishing comes first
    "TC_028": _CHARGING,
    "TC_044_1": _INSTALLED,
    "TC_044_2": "firm firm",
    "TC_044_3": _INSTALLED,
    "TC_045_1": "diag diag",
    "TC_045_2": "diag diag",
    "TC_046": f"stat {_CHARGING}",
    "TC_047": "stat stat",
    "TC_048_2": "stat",
    "TC_048_3": "stat",
    "TC_049": "stat",
    "TC_051": "stat stat",
    "TC_052": "stat",
    "TC_053": f"stat {_CHARGING}",
    "TC_054": "meter beat stat diag firm",
    "TC_057": _CHARGING,
    "TC_059": _CHARGING,
    "TC_067": _CHARGING,
    "TC_073": _BOOTED,
    "TC_074": "sign boot",
    "TC_077": "sign event",
    "TC_078": "event",
    "TC_079": "log log",
    "TC_080": "signed signed signed stat signed signed boot event stat signed",
    "TC_081": "signed signed signed",
    "TC_083": _BOOTED,
    "TC_085": _BOOTED,
    "TC_086": _BOOTED,
    "TC_087": _BOOTED,
    "TC_088": _BOOTED,
}


_ORDERS = {
    "TC_010 TC_011_1 TC_011_2 TC_026 TC_059": "RemoteStartTransaction",
    "TC_012 TC_028": "RemoteStopTransaction",
    "TC_013 TC_014": "Reset",
    "TC_017_1 TC_017_2 TC_018_1 TC_030 TC_031": "UnlockConnector",
    "TC_019_1 TC_019_2": "GetConfiguration",
    "TC_021 TC_040_1 TC_040_2 TC_073": "ChangeConfiguration",
    "TC_061": "ClearCache",
    "TC_042_1 TC_042_2": "GetLocalListVersion",
    "TC_043_1 TC_043_3 TC_043_4": "SendLocalList",
    "TC_043_5": "SendLocalList GetLocalListVersion SendLocalList",
    "TC_044_1 TC_044_2 TC_044_3": "UpdateFirmware",
    "TC_045_1 TC_045_2": "GetDiagnostics",
    "TC_046 TC_047 TC_048_1 TC_048_2 TC_048_4 TC_049 TC_053": "ReserveNow",
    "TC_048_3": "ChangeAvailability ReserveNow",
    "TC_051 TC_052": "ReserveNow CancelReservation",
    "TC_054": " ".join(["TriggerMessage"] * 5),
    "TC_055": "TriggerMessage",
    "TC_056": "SetChargingProfile",
    "TC_057": "SetChargingProfile SetChargingProfile",  # absolute, relative
    "TC_066": "GetCompositeSchedule",
    "TC_067": " ".join(["SetChargingProfile"] * 3 + ["ClearChargingProfile"] * 3),
    "TC_074 TC_077": "ExtendedTriggerMessage",
    "TC_075_1 TC_075_2": "InstallCertificate GetInstalledCertificateIds",
    "TC_076": " ".join(  # for three algorithms
        ["InstallCertificate", "GetInstalledCertificateIds", "DeleteCertificate", "GetInstalledCertificateIds"] * 3
    ),
    "TC_078": "InstallCertificate",
    "TC_079": "GetLog",
    "TC_080 TC_081": "SignedUpdateFirmware",
    "TC_083": "ChangeConfiguration Reset",
}
_ORDERS_BY_CASE = {case_id: orders for ids, orders in _ORDERS.items() for case_id in ids.split()}


def orders_of(case_id: str) -> list[str]:
    """The operator's commands, in order."""
    return _ORDERS_BY_CASE.get(case_id, "").split()


def calls_of(case_id: str) -> list[str]:
    """OCPP names, in order; none where only the system says something."""
    return [_NAMES[short] for short in _CALLS.get(case_id, "").split()]
