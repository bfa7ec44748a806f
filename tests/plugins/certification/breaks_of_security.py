"""Security: what turns each of its cases red, apart from how TLS is set up."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from csmsd.hookspecs import ConnectRequest, Verdict
from tests.plugins.certification.broken import Change, dropped, with_value, without
from tests.plugins.certification.broken_builds import (
    booted_as,
    command,
    forgotten,
    judged,
    kept_out,
    refused,
    signed_as,
)

OTHER_USE = {
    "ManufacturerRootCertificate": "CentralSystemRootCertificate",
    "CentralSystemRootCertificate": "ManufacturerRootCertificate",
}
HASHES = "certificateHashData"
GRANTED = "HTTP 101"


def _is_wrong(request: ConnectRequest) -> bool:
    """The password that the cases take for a wrong one."""
    return request.authorization is not None and b64decode(request.authorization[6:]).endswith(b":" + b"0" * 40)


def _without_credentials(request: ConnectRequest, _count: int) -> Verdict | None:
    return Verdict(True, security_profile=1) if request.authorization is None else None


def _with_a_wrong_password(request: ConnectRequest, _count: int) -> Verdict | None:
    return Verdict(True, security_profile=1) if _is_wrong(request) else None


def _with_the_old_profile(request: ConnectRequest, count: int) -> Verdict | None:
    return Verdict(True, security_profile=2) if count > 2 and not request.is_tls else None


def _without_a_certificate(request: ConnectRequest, _count: int) -> Verdict | None:
    return Verdict(True, security_profile=3) if request.client_certificate is None else None


def _not_with_two_subprotocols(request: ConnectRequest, _count: int) -> Verdict | None:
    return Verdict(False, "one at a time") if len(request.subprotocols) > 1 else None


def _misnamed(algorithm: str, field: str, value: str) -> Change:
    """A certificate to be deleted is not named as the station has named it, with this algorithm."""

    def change(payload: dict[str, Any]) -> dict[str, Any]:
        if payload[HASHES]["hashAlgorithm"] == algorithm:
            payload[HASHES][field] = value
        return payload

    return change


DOOR = (
    command("TC_073", "ChangeConfiguration", with_value("value", value="ab" * 20)),
    command("TC_073", "ChangeConfiguration", with_value("key", value="HeartbeatInterval")),
    forgotten("TC_073", "ChangeConfiguration"),
    kept_out("TC_073"),
    booted_as("TC_073", "Rejected"),
    command("TC_083", "ChangeConfiguration", with_value("value", value="3")),
    command("TC_083", "ChangeConfiguration", with_value("key", value="HeartbeatInterval")),
    command("TC_083", "Reset", with_value("type", value="Soft")),
    kept_out("TC_083"),
    booted_as("TC_083", "Rejected"),
    judged("TC_083", "connect with the old profile", _with_the_old_profile, GRANTED),
    kept_out("TC_083", at=4),  # the new one again
    judged("TC_085", "connect without credentials", _without_credentials, GRANTED),
    judged("TC_085", "connect with a wrong password", _with_a_wrong_password, GRANTED),
    kept_out("TC_085", at=4),
    booted_as("TC_085", "Pending"),
    refused("TC_085", "StatusNotification"),
    kept_out("TC_086", at=1),
    booted_as("TC_086", "Rejected"),
    kept_out("TC_087", at=1),
    booted_as("TC_087", "Rejected"),
    judged("TC_087", "connect without a certificate", _without_a_certificate, GRANTED),
    kept_out("TC_087", at=7),  # with its certificate again, after the suites and who has none
    judged("TC_088", "connect", _not_with_two_subprotocols, "HTTP status 401"),
    booted_as("TC_088", "Rejected"),
)

MESSAGES = (
    command("TC_074", "ExtendedTriggerMessage", with_value("connectorId", value=1)),
    command("TC_074", "ExtendedTriggerMessage", with_value("requestedMessage", value="Heartbeat")),
    signed_as("TC_074", "Rejected"),
    kept_out("TC_074"),
    booted_as("TC_074", "Rejected"),
    command("TC_077", "ExtendedTriggerMessage", dropped, "nothing within"),
    signed_as("TC_077", "Rejected"),
    refused("TC_077", "SecurityEventNotification"),
    *(
        command(case, action, with_value("certificateType", value=OTHER_USE[use]))
        for case, use in (("TC_075_1", "ManufacturerRootCertificate"), ("TC_075_2", "CentralSystemRootCertificate"))
        for action in ("InstallCertificate", "GetInstalledCertificateIds")
    ),
    forgotten("TC_075_1", "GetInstalledCertificateIds"),
    forgotten("TC_075_2", "InstallCertificate"),
    *(
        command("TC_076", "DeleteCertificate", _misnamed(algorithm, field, value), f'"hashAlgorithm":"{named}"')
        for algorithm, other in (("SHA256", "SHA512"), ("SHA384", "SHA256"), ("SHA512", "SHA384"))
        for field, value, named in (
            ("hashAlgorithm", other, other),
            ("serialNumber", "1", algorithm),
            ("issuerNameHash", "00", algorithm),
            ("issuerKeyHash", "00", algorithm),
        )
    ),
    forgotten("TC_076", "DeleteCertificate"),
    command("TC_078", "InstallCertificate", dropped, "nothing within"),
    forgotten("TC_078", "InstallCertificate"),
    refused("TC_078", "SecurityEventNotification"),
    command("TC_079", "GetLog", with_value("logType", value="DiagnosticsLog")),
    command("TC_079", "GetLog", with_value("log", "remoteLocation", value="ftp://elsewhere/")),
    forgotten("TC_079", "GetLog"),
    refused("TC_079", "LogStatusNotification"),
    command("TC_080", "SignedUpdateFirmware", with_value("firmware", "signature", value="AA==")),
    command("TC_080", "SignedUpdateFirmware", with_value("firmware", "location", value="ftp://elsewhere/x")),
    command("TC_080", "SignedUpdateFirmware", without("firmware", "signingCertificate")),
    kept_out("TC_080"),
    booted_as("TC_080", "Rejected"),
    refused("TC_080", "SecurityEventNotification"),
    refused("TC_080", "SignedFirmwareStatusNotification"),
    refused("TC_080", "StatusNotification"),
    command("TC_081", "SignedUpdateFirmware", dropped, "nothing within"),
    forgotten("TC_081", "SignedUpdateFirmware"),
    refused("TC_081", "SignedFirmwareStatusNotification"),
)
BREAKS_OF_SECURITY = DOOR + MESSAGES
