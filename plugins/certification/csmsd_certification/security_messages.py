"""Security: certificates, events, logs and signed firmware."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any

from cryptography import x509

from csmsd_certification.case import CaseFailed, CaseTable
from csmsd_certification.charger import Fields
from csmsd_certification.execution import Execution, at
from csmsd_certification.states import boot, report

SECURITY_MESSAGES = CaseTable("Security")
_case = SECURITY_MESSAGES.case
_RENEWAL = ("ExtendedTriggerMessage", "SignCertificate", "CertificateSigned")
_INSTALL = ("InstallCertificate", "GetInstalledCertificateIds")
_HASHES = ("sha256", "sha384", "sha512")  # that a certificate may be signed with (SEC-07)
_EVENT = "SecurityEventNotification"
_FIRMWARE = ("SignedUpdateFirmware", "SignedFirmwareStatusNotification")


async def _renew(execution: Execution, status: str) -> tuple[str, Any]:
    """Up to CertificateSigned: the chain, and the file of the private key."""
    ordered = {"requestedMessage": "SignChargePointCertificate"}
    await execution.order("ExtendedTriggerMessage", ordered, status="Accepted")
    request, key_file = execution.central.credentials.new_request(execution.identity)
    answer = await execution.charger.call("SignCertificate", csr=request)
    execution.expect("SignCertificate.conf status", "Accepted", answer["status"])
    command = await execution.charger.command("CertificateSigned")
    await execution.charger.answer(command, {"status": status})
    chain: str = command.fields["certificateChain"]
    _certificate_is_the_requested_one(execution, chain, request)
    return chain, key_file


def _certificate_is_the_requested_one(execution: Execution, chain: str, request: str) -> None:
    """Its key is as long as that of the request, being the same."""
    step = "CertificateSigned.req certificateChain"
    try:
        leaf = x509.load_pem_x509_certificates(chain.encode())[0]
    except ValueError:
        raise CaseFailed(step, "certificates in PEM form", chain) from None
    csr = x509.load_pem_x509_csr(request.encode())
    same = leaf.public_key() == csr.public_key()
    execution.demand(f"{step}: key", "that of the request", "another one", holds=same)
    execution.expect(f"{step}: subject", csr.subject, leaf.subject)
    digest = leaf.signature_hash_algorithm
    execution.demand(
        f"{step}: signature",
        " or ".join(_HASHES),
        digest and digest.name,
        holds=digest is not None and digest.name in _HASHES,
    )


@_case("TC_074", "Update charge point certificate by request of central system", *_RENEWAL, security_profile=3)
async def new_certificate(execution: Execution) -> None:
    """The charger comes back with the certificate it was given."""
    chain, key_file = await _renew(execution, "Accepted")
    execution.door = replace(execution.door, tls=execution.central.credentials.context_with(chain, key_file))
    await execution.connect()
    await boot(execution)


@_case("TC_077", "Invalid ChargePointCertificate security event", *_RENEWAL, _EVENT, security_profile=3)
async def invalid_station_certificate(execution: Execution) -> None:
    """The charger does not want it."""
    await _renew(execution, "Rejected")
    await _event(execution, "InvalidChargePointCertificate")


async def _event(execution: Execution, kind: str) -> None:
    await execution.charger.call(_EVENT, type=kind, timestamp=at())


async def _install(execution: Execution, use: str, status: str = "Accepted") -> None:
    certificate = execution.central.credentials.root_pem
    await execution.order("InstallCertificate", {"certificateType": use, "certificate": certificate}, status=status)


def _hash_data(execution: Execution, algorithm: str) -> Fields:
    """As a charger reports the root; what the hashes are made of is its business."""
    root = x509.load_pem_x509_certificate(execution.central.credentials.root_pem.encode())
    digest = hashlib.new(algorithm, root.issuer.public_bytes()).hexdigest()
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": digest,
        "issuerKeyHash": digest[::-1],
        "serialNumber": f"{root.serial_number:x}",
    }


async def _installed(execution: Execution, use: str, algorithm: str = "SHA256") -> Fields:
    data = _hash_data(execution, algorithm)
    ordered = {"certificateType": use}
    await execution.order("GetInstalledCertificateIds", ordered, status="Accepted", certificateHashData=[data])
    return data


@_case("TC_075_1", "Install a certificate - ManufacturerRootCertificate", *_INSTALL)
async def manufacturer_root(execution: Execution) -> None:
    """For firmware."""
    await _install(execution, "ManufacturerRootCertificate")
    await _installed(execution, "ManufacturerRootCertificate")


@_case("TC_075_2", "Install a certificate - CentralSystemRootCertificate", *_INSTALL)
async def central_system_root(execution: Execution) -> None:
    """For the connection."""
    await _install(execution, "CentralSystemRootCertificate")
    await _installed(execution, "CentralSystemRootCertificate")


@_case("TC_076", "Delete a specific certificate", *_INSTALL, "DeleteCertificate")
async def delete_certificate(execution: Execution) -> None:
    """Named exactly as the charger names it, with each algorithm."""
    use = "ManufacturerRootCertificate"
    for algorithm in ("SHA256", "SHA384", "SHA512"):
        await _install(execution, use)
        data = await _installed(execution, use, algorithm)
        await execution.order("DeleteCertificate", {"certificateHashData": data}, status="Accepted")
        await execution.order("GetInstalledCertificateIds", {"certificateType": use}, status="NotFound")


@_case("TC_078", "Invalid CentralSystemCertificate security event", "InstallCertificate", _EVENT)
async def invalid_central_system_certificate(execution: Execution) -> None:
    """The charger does not want the root; it is sent all the same."""
    await _install(execution, "CentralSystemRootCertificate", "Rejected")
    await _event(execution, "InvalidCentralSystemCertificate")


@_case("TC_079", "Get security log", "GetLog", "LogStatusNotification")
async def security_log(execution: Execution) -> None:
    """A log is uploaded."""
    request = execution.central.new_id()
    location = {"remoteLocation": "https://files.example.com/logs/"}
    ordered = {"logType": "SecurityLog", "requestId": request, "log": location}
    await execution.order("GetLog", ordered, status="Accepted", filename="security.log")
    for status in ("Uploading", "Uploaded"):
        await execution.charger.call("LogStatusNotification", status=status, requestId=request)


async def _order_firmware(execution: Execution) -> int:
    request = execution.central.new_id()
    firmware = {
        "location": "https://files.example.com/firmware.bin",
        "retrieveDateTime": at(),
        "signingCertificate": execution.central.credentials.root_pem,
        "signature": base64.b64encode(b"no signature of any image").decode(),
    }
    await execution.order("SignedUpdateFirmware", {"requestId": request, "firmware": firmware}, status="Accepted")
    return request


async def _progress(execution: Execution, request: int, *statuses: str) -> None:
    for status in statuses:
        await execution.charger.call("SignedFirmwareStatusNotification", status=status, requestId=request)


@_case("TC_080", "Secure firmware update", *_FIRMWARE, _EVENT)
async def signed_firmware(execution: Execution) -> None:
    """Everything goes well."""
    request = await _order_firmware(execution)
    await _progress(execution, request, "Downloading", "Downloaded", "SignatureVerified")
    await report(execution, "Unavailable")
    await _progress(execution, request, "Installing", "InstallRebooting")
    await execution.connect()
    await boot(execution)
    await _event(execution, "FirmwareUpdated")
    await report(execution, "Available")
    await _progress(execution, request, "Installed")


@_case("TC_081", "Secure firmware update - invalid signature", *_FIRMWARE)
async def badly_signed_firmware(execution: Execution) -> None:
    """The image is not genuine; the request is sent all the same."""
    request = await _order_firmware(execution)
    await _progress(execution, request, "Downloading", "Downloaded", "InvalidSignature")
