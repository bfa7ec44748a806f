"""The messages of the OCPP 1.6 security white paper, edition 3, both ways (MSG-50 … MSG-60)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from csmsd.ocpp.types import (
    DESCRIPTIVE,
    MULTILINE,
    Accepting,
    CiString50,
    CiString255,
    ConnectorOrStation,
    Integer,
    Payload,
    Timestamp,
)

# -- shared types --------------------------------------------------------------------------------------------------

AcceptedOrRejected = Literal["Accepted", "Rejected"]
CertificateUse = Literal["CentralSystemRootCertificate", "ManufacturerRootCertificate"]
HashAlgorithm = Literal["SHA256", "SHA384", "SHA512"]
LogType = Literal["DiagnosticsLog", "SecurityLog"]
LogStatus = Literal[
    "BadMessage", "Idle", "NotSupportedOperation", "PermissionDenied", "Uploaded", "UploadFailure", "Uploading"
]
# Not in the schema, but in the white paper's text (C-10); it depends on nothing but itself.
UPLOAD_FAILED = Accepting(("UploadFailed",), rule="SEC-73", because=("status", "UploadFailed"))
FirmwareStatus = Literal[
    "Downloaded", "DownloadFailed", "Downloading", "DownloadScheduled", "DownloadPaused", "Idle", "InstallationFailed",
    "Installing", "Installed", "InstallRebooting", "InstallScheduled", "InstallVerificationFailed",
    "InvalidSignature", "SignatureVerified",
]  # fmt: skip
ExtendedTrigger = Literal[
    "BootNotification", "LogStatusNotification", "FirmwareStatusNotification", "Heartbeat", "MeterValues",
    "SignChargePointCertificate", "StatusNotification",
]  # fmt: skip
Location = Annotated[str, Meta(max_length=512)]
PemCertificate = Annotated[str, Meta(max_length=5500), MULTILINE]
"""One certificate; line ends go out as they came in (SEC-61)."""
PemChain = Annotated[str, Meta(max_length=10_000), MULTILINE]


class CertificateHashData(Payload, frozen=True):
    """Names a certificate as OCSP does; hexadecimal, in any case (SEC-64)."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: Annotated[str, Meta(max_length=128)]
    issuer_key_hash: Annotated[str, Meta(max_length=128)]
    serial_number: Annotated[str, Meta(max_length=40)]


class LogParameters(Payload, frozen=True):
    """Where a log goes, and which part of it."""

    remote_location: Location
    oldest_timestamp: Timestamp | None = None
    latest_timestamp: Timestamp | None = None


class Firmware(Payload, frozen=True):
    """An image, when to fetch and to install it, and what proves that it is genuine (SEC-75)."""

    location: Location
    retrieve_date_time: Timestamp
    signing_certificate: PemCertificate
    signature: Annotated[str, Meta(max_length=800), MULTILINE]  # base64, of the whole file
    install_date_time: Timestamp | None = None


# -- from the station ----------------------------------------------------------------------------------------------


class LogStatusNotification(Payload, frozen=True):
    """How an upload is going; without a request id only as the answer to a trigger (SEC-73)."""

    status: Annotated[LogStatus, UPLOAD_FAILED.meta]
    request_id: Integer | None = None


class LogStatusNotificationResponse(Payload, frozen=True):
    """Answer to LogStatusNotification."""


class SecurityEventNotification(Payload, frozen=True):
    """Something happened that matters for security; the list of types is open (SEC-70)."""

    type: Annotated[CiString50, DESCRIPTIVE]
    timestamp: Timestamp
    tech_info: Annotated[CiString255, DESCRIPTIVE, MULTILINE] | None = None


class SecurityEventNotificationResponse(Payload, frozen=True):
    """Answer to SecurityEventNotification."""


class SignCertificate(Payload, frozen=True):
    """The station asks for a certificate: PKCS#10 in PEM form."""

    csr: Annotated[str, Meta(max_length=5500), MULTILINE]


class SignCertificateResponse(Payload, frozen=True):
    """Answer to SignCertificate; after Accepted a CertificateSigned follows."""

    status: AcceptedOrRejected


class SignedFirmwareStatusNotification(Payload, frozen=True):
    """How a signed update is going; without a request id only Idle (SEC-78)."""

    status: FirmwareStatus
    request_id: Integer | None = None


class SignedFirmwareStatusNotificationResponse(Payload, frozen=True):
    """Answer to SignedFirmwareStatusNotification."""


# -- to the station ------------------------------------------------------------------------------------------------


class CertificateSigned(Payload, frozen=True):
    """The station's new certificate: PEM, the leaf first, then sub-CAs."""

    certificate_chain: PemChain


class CertificateSignedResponse(Payload, frozen=True):
    """Answer to CertificateSigned."""

    status: AcceptedOrRejected


class DeleteCertificate(Payload, frozen=True):
    """Delete a root certificate, named exactly as the station named it (SEC-63)."""

    certificate_hash_data: CertificateHashData


class DeleteCertificateResponse(Payload, frozen=True):
    """Answer to DeleteCertificate; Failed also: in use (SEC-65)."""

    status: Literal["Accepted", "Failed", "NotFound"]


class ExtendedTriggerMessage(Payload, frozen=True):
    """Ask the station to send a message now; connector 0 is the station itself (C-14), none: it and all connectors."""

    requested_message: ExtendedTrigger
    connector_id: ConnectorOrStation | None = None


class ExtendedTriggerMessageResponse(Payload, frozen=True):
    """Answer to ExtendedTriggerMessage; after Accepted the message follows."""

    status: Literal["Accepted", "Rejected", "NotImplemented"]


class GetInstalledCertificateIds(Payload, frozen=True):
    """Which root certificates of this use are installed?"""

    certificate_type: CertificateUse


class GetInstalledCertificateIdsResponse(Payload, frozen=True):
    """Answer to GetInstalledCertificateIds; NotFound: none."""

    status: Literal["Accepted", "NotFound"]
    certificate_hash_data: tuple[CertificateHashData, ...] = ()


class GetLog(Payload, frozen=True):
    """Upload a log; `retry_interval` in seconds."""

    log_type: LogType
    request_id: Integer
    log: LogParameters
    retries: Integer | None = None
    retry_interval: Integer | None = None


class GetLogResponse(Payload, frozen=True):
    """Answer to GetLog; AcceptedCanceled: an older upload was given up for it."""

    status: Literal["Accepted", "Rejected", "AcceptedCanceled"]
    filename: Annotated[CiString255, DESCRIPTIVE] | None = None


class InstallCertificate(Payload, frozen=True):
    """Install a root certificate."""

    certificate_type: CertificateUse
    certificate: PemCertificate


class InstallCertificateResponse(Payload, frozen=True):
    """Answer to InstallCertificate; Rejected: invalid, or the store is full."""

    status: Literal["Accepted", "Failed", "Rejected"]


class SignedUpdateFirmware(Payload, frozen=True):
    """Fetch, check and install an image; `retry_interval` in seconds."""

    request_id: Integer
    firmware: Firmware
    retries: Integer | None = None
    retry_interval: Integer | None = None


class SignedUpdateFirmwareResponse(Payload, frozen=True):
    """Answer to SignedUpdateFirmware; AcceptedCanceled: an older update was given up for it (SEC-77)."""

    status: Literal["Accepted", "Rejected", "AcceptedCanceled", "InvalidCertificate", "RevokedCertificate"]
