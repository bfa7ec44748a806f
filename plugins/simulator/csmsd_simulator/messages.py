"""Messages beyond the Core profile, as a station sees them: no more of them than the simulator looks at."""

from __future__ import annotations

from typing import Literal

from csmsd.ocpp.types import Payload, Timestamp
from csmsd_core.messages import ChargingProfile, ChargingSchedule, IdTagInfo


class Received(Payload, frozen=True, forbid_unknown_fields=False):
    """Base of what is read: members that do not matter here are passed over."""


class Status(Payload, frozen=True):
    """An answer that says no more than this."""

    status: str


class Empty(Payload, frozen=True):
    """An answer that says nothing."""


# -- local list, reservations, triggers ------------------------------------------------------------------------------


class AuthorizationData(Received, frozen=True):
    """An entry of the local list."""

    id_tag: str
    id_tag_info: IdTagInfo | None = None


class SendLocalList(Received, frozen=True):
    """A new local list, or changes to it."""

    list_version: int
    update_type: Literal["Full", "Differential"]
    local_authorization_list: tuple[AuthorizationData, ...] = ()


class GetLocalListVersion(Received, frozen=True):
    """Which version of the list is there?"""


class GetLocalListVersionResponse(Payload, frozen=True):
    """The version; 0: empty, -1: not supported."""

    list_version: int


class ReserveNow(Received, frozen=True):
    """Keep a connector (0: any) free for a tag."""

    connector_id: int
    expiry_date: Timestamp
    id_tag: str
    reservation_id: int
    parent_id_tag: str | None = None


class CancelReservation(Received, frozen=True):
    """Call a reservation off."""

    reservation_id: int


class TriggerMessage(Received, frozen=True):
    """Send a message now; also ExtendedTriggerMessage."""

    requested_message: str
    connector_id: int | None = None


# -- smart charging --------------------------------------------------------------------------------------------------


class SetChargingProfile(Received, frozen=True):
    """Install a profile."""

    connector_id: int
    cs_charging_profiles: ChargingProfile


class ClearChargingProfile(Received, frozen=True):
    """Remove the profiles that fit everything given."""

    id: int | None = None
    connector_id: int | None = None
    charging_profile_purpose: str | None = None
    stack_level: int | None = None


class GetCompositeSchedule(Received, frozen=True):
    """What do all profiles add up to for so many seconds?"""

    connector_id: int
    duration: int
    charging_rate_unit: Literal["A", "W"] | None = None


class GetCompositeScheduleResponse(Payload, frozen=True):
    """What they add up to."""

    status: Literal["Accepted", "Rejected"]
    connector_id: int | None = None
    schedule_start: Timestamp | None = None
    charging_schedule: ChargingSchedule | None = None


# -- firmware, diagnostics, logs -------------------------------------------------------------------------------------


class UpdateFirmware(Received, frozen=True):
    """Fetch and install firmware."""

    location: str
    retrieve_date: Timestamp


class GetDiagnostics(Received, frozen=True):
    """Upload diagnostics."""

    location: str


class FileNameResponse(Payload, frozen=True):
    """What will be uploaded."""

    file_name: str | None = None


class FirmwareStatusNotification(Payload, frozen=True):
    """How far the firmware is."""

    status: str


class DiagnosticsStatusNotification(Payload, frozen=True):
    """How far the upload is."""

    status: str


class LogParameters(Received, frozen=True):
    """Where logs go."""

    remote_location: str


class GetLog(Received, frozen=True):
    """Upload a log."""

    log_type: str
    request_id: int
    log: LogParameters


class GetLogResponse(Payload, frozen=True):
    """What will be uploaded."""

    status: str
    filename: str | None = None


class LogStatusNotification(Payload, frozen=True):
    """How far the log is."""

    status: str
    request_id: int | None = None


class Firmware(Received, frozen=True):
    """Signed firmware."""

    location: str
    retrieve_date_time: Timestamp
    signing_certificate: str
    signature: str
    install_date_time: Timestamp | None = None


class SignedUpdateFirmware(Received, frozen=True):
    """Fetch, verify and install firmware."""

    request_id: int
    firmware: Firmware


class SignedFirmwareStatusNotification(Payload, frozen=True):
    """How far the signed firmware is."""

    status: str
    request_id: int | None = None


# -- certificates and security ---------------------------------------------------------------------------------------


class InstallCertificate(Received, frozen=True):
    """Trust a root."""

    certificate_type: str
    certificate: str


class GetInstalledCertificateIds(Received, frozen=True):
    """Which roots are there?"""

    certificate_type: str


class CertificateHashData(Payload, frozen=True):
    """Names a certificate."""

    hash_algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


class GetInstalledCertificateIdsResponse(Payload, frozen=True):
    """The roots that are there."""

    status: str
    certificate_hash_data: tuple[CertificateHashData, ...] = ()


class DeleteCertificate(Received, frozen=True):
    """Forget a root."""

    certificate_hash_data: CertificateHashData


class CertificateSigned(Received, frozen=True):
    """The answer to SignCertificate, some time later."""

    certificate_chain: str


class SignCertificate(Payload, frozen=True):
    """Asks for a certificate."""

    csr: str


class SecurityEventNotification(Payload, frozen=True):
    """Something that matters for security has happened."""

    type: str
    timestamp: Timestamp
    tech_info: str | None = None
