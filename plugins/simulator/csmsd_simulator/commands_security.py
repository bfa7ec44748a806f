"""How the station answers the commands of the security extensions."""

from __future__ import annotations

from csmsd_simulator.handling import Commands
from csmsd_simulator.line import Answer
from csmsd_simulator.messages import (
    CertificateSigned,
    DeleteCertificate,
    GetInstalledCertificateIds,
    GetInstalledCertificateIdsResponse,
    GetLog,
    GetLogResponse,
    InstallCertificate,
    SignedUpdateFirmware,
    Status,
)
from csmsd_simulator.station import SimulatedStation

SECURITY = Commands()


@SECURITY.answers("CertificateSigned", CertificateSigned)
def certificate_signed(station: SimulatedStation, request: CertificateSigned) -> Answer:
    """Taken if it is for the key that was asked for."""
    return Status("Accepted" if station.key_ring.accept(request.certificate_chain) else "Rejected")


@SECURITY.answers("InstallCertificate", InstallCertificate)
def install_certificate(station: SimulatedStation, request: InstallCertificate) -> Answer:
    """See `KeyRing`."""
    return Status(station.key_ring.install(request.certificate_type, request.certificate))


@SECURITY.answers("GetInstalledCertificateIds", GetInstalledCertificateIds)
def installed_certificates(station: SimulatedStation, request: GetInstalledCertificateIds) -> Answer:
    """See `KeyRing`."""
    found = station.key_ring.installed(request.certificate_type)
    return GetInstalledCertificateIdsResponse("Accepted" if found else "NotFound", found)


@SECURITY.answers("DeleteCertificate", DeleteCertificate)
def delete_certificate(station: SimulatedStation, request: DeleteCertificate) -> Answer:
    """See `KeyRing`."""
    return Status(station.key_ring.delete(request.certificate_hash_data))


@SECURITY.answers("GetLog", GetLog)
def get_log(station: SimulatedStation, request: GetLog) -> Answer:
    """Upload a log; an upload that is under way is called off."""
    status = "AcceptedCanceled" if station.files.is_uploading_log else "Accepted"
    name = f"{station.id}-{request.log_type}.log"
    station.clock.after(0, lambda: station.files.upload_log(request.log.remote_location, name, request.request_id))
    return GetLogResponse(status, name)


@SECURITY.answers("SignedUpdateFirmware", SignedUpdateFirmware)
def signed_update_firmware(station: SimulatedStation, request: SignedUpdateFirmware) -> Answer:
    """A certificate that cannot be read is refused at once; the signature is looked at later."""
    firmware = request.firmware
    if "BEGIN CERTIFICATE" not in firmware.signing_certificate:
        return Status("InvalidCertificate")
    wait = max((firmware.retrieve_date_time - station.now()).total_seconds(), 0.0)
    station.clock.after(
        wait,
        lambda: station.files.update_signed_firmware(firmware, request.request_id),
    )
    return Status("Accepted")
