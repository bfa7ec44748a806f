"""Which verified client certificates count as a station's (SEC-21 … SEC-24)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from csmsd.station import StationRecord
from csmsd_security.certificate_rows import StationCertificate, fingerprint_of

CLIENT_USES = frozenset({ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})
Find = Callable[[str], StationCertificate | None]  # by fingerprint
NewerWasUsed = Callable[[StationCertificate], bool]


def objection(certificate: x509.Certificate, organisations: Collection[str]) -> str | None:
    """What in the certificate itself speaks against it, or None."""
    names = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    if not any(name in organisations for name in names):
        return f"its organisation is {names[0] if names else 'not named'!r}, not {' or '.join(organisations)} (SEC-21)"
    for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        if _is_address(str(each.value)):
            return "its name is a URL or an IP address (SEC-24)"
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    return None if CLIENT_USES.intersection(uses) else "it is not for clients (SEC-24)"


def registered_objection(
    record: StationRecord, known: StationCertificate, now: datetime, newer_was_used: NewerWasUsed
) -> str | None:
    """What csmsd knows about the certificate that speaks against it, or None."""
    if known.station_id != record.id:
        return f"it was issued to {known.station_id} (SEC-22)"
    if known.revoked_at is not None:
        return "it is revoked (SEC-23)"
    if known.superseded_until is not None and known.superseded_until < now and newer_was_used(known):
        return "a newer one has replaced it (SEC-56)"
    return None


def read_certificate(der: bytes) -> tuple[x509.Certificate, str] | None:
    """The certificate and its fingerprint; None if it cannot be read."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        return certificate, fingerprint_of(certificate)
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    if "://" in name:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
