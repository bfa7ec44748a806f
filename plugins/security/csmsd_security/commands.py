"""The commands of the security white paper (MSG-50 … MSG-60)."""

from __future__ import annotations

from csmsd.command import Command
from csmsd_security import messages as m
from csmsd_security.redaction import mask_url_credentials

CERTIFICATE_SIGNED = Command(
    "CertificateSigned", m.CertificateSigned, m.CertificateSignedResponse, "Give the station its new certificate."
)
DELETE_CERTIFICATE = Command(
    "DeleteCertificate", m.DeleteCertificate, m.DeleteCertificateResponse, "Delete a root certificate."
)
EXTENDED_TRIGGER_MESSAGE = Command(
    "ExtendedTriggerMessage",
    m.ExtendedTriggerMessage,
    m.ExtendedTriggerMessageResponse,
    "Ask the station to send a message now, also one about security.",
)
GET_INSTALLED_CERTIFICATE_IDS = Command(
    "GetInstalledCertificateIds",
    m.GetInstalledCertificateIds,
    m.GetInstalledCertificateIdsResponse,
    "List the root certificates that are installed.",
)
GET_LOG = Command("GetLog", m.GetLog, m.GetLogResponse, "Have a log uploaded.", redact_request=mask_url_credentials)
INSTALL_CERTIFICATE = Command(
    "InstallCertificate", m.InstallCertificate, m.InstallCertificateResponse, "Install a root certificate."
)
SIGNED_UPDATE_FIRMWARE = Command(
    "SignedUpdateFirmware",
    m.SignedUpdateFirmware,
    m.SignedUpdateFirmwareResponse,
    "Have signed firmware installed.",
    redact_request=mask_url_credentials,
)

COMMANDS = (
    CERTIFICATE_SIGNED,
    DELETE_CERTIFICATE,
    EXTENDED_TRIGGER_MESSAGE,
    GET_INSTALLED_CERTIFICATE_IDS,
    GET_LOG,
    INSTALL_CERTIFICATE,
    SIGNED_UPDATE_FIRMWARE,
)
