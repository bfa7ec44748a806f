"""Certificates and security events: the roots a station trusts, and its own key (security whitepaper)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from csmsd_simulator.messages import CertificateHashData, SecurityEventNotification, SignCertificate

if TYPE_CHECKING:
    from csmsd_simulator.station import SimulatedStation

_MOST_ROOTS = 10


class KeyRing:
    """The certificates of one station."""

    def __init__(self, station: SimulatedStation) -> None:
        self._station = station
        self._roots: list[tuple[str, x509.Certificate]] = []  # type and certificate
        self._key: ec.EllipticCurvePrivateKey | None = None  # of the last signing request
        self.chain: str = ""  # its own certificate, PEM

    def install(self, kind: str, pem: str) -> str:
        """Trust a root: the status to answer."""
        try:
            certificate = x509.load_pem_x509_certificate(pem.encode())
        except ValueError:
            return "Rejected"
        if len(self._roots) >= _MOST_ROOTS:
            return "Failed"
        self._roots.append((kind, certificate))
        return "Accepted"

    def installed(self, kind: str) -> tuple[CertificateHashData, ...]:
        """The roots of a kind."""
        return tuple(hash_data(certificate) for other, certificate in self._roots if other == kind)

    def delete(self, wanted: CertificateHashData) -> str:
        """Forget a root: the status to answer."""

        def is_wanted(certificate: x509.Certificate) -> bool:
            found = hash_data(certificate)
            return found.serial_number.casefold() == wanted.serial_number.casefold() and (
                found.issuer_key_hash.casefold() == wanted.issuer_key_hash.casefold()
                or wanted.hash_algorithm != "SHA256"
            )

        kept = [entry for entry in self._roots if not is_wanted(entry[1])]
        if len(kept) == len(self._roots):
            return "NotFound"
        self._roots = kept
        return "Accepted"

    def request_certificate(self) -> None:
        """Make a new key and ask for a certificate (SignCertificate)."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        organisation = self._station.configuration.text("CpoName") or "csmsd"
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, self._station.id[:64]),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation[:64]),
            ]
        )
        request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(self._key, hashes.SHA256())
        csr = request.public_bytes(serialization.Encoding.PEM).decode()
        self._station.line.call("SignCertificate", lambda: SignCertificate(csr))

    def accept(self, chain: str) -> bool:
        """A signed certificate has come: is it for our key?"""
        try:
            certificate = x509.load_pem_x509_certificates(chain.encode())[0]
        except ValueError:
            certificate = None
        if certificate is None or self._key is None or certificate.public_key() != self._key.public_key():
            self.security_event("InvalidChargePointCertificate")
            return False
        self.chain = chain
        return True

    def private_key(self) -> bytes:
        """The key of `chain`, PEM; empty without one."""
        if self._key is None:
            return b""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def is_genuine(self, certificate_pem: str, signature: str, content: bytes) -> bool:
        """Does the signature (base64, SHA-256, ECDSA or RSA PKCS#1 v1.5) fit the content?"""
        try:
            key = x509.load_pem_x509_certificate(certificate_pem.encode()).public_key()
            raw = base64.b64decode(signature, validate=True)
            if isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(raw, content, ec.ECDSA(hashes.SHA256()))
            elif isinstance(key, rsa.RSAPublicKey):
                key.verify(raw, content, padding.PKCS1v15(), hashes.SHA256())
            else:
                return False
        except (ValueError, InvalidSignature):
            return False
        return True

    def security_event(self, kind: str, detail: str | None = None) -> None:
        """Send SecurityEventNotification, also later if there is no connection (SEC-70)."""
        event = SecurityEventNotification(kind, self._station.now(), detail)
        self._station.tell(f"security event: {kind}")
        self._station.line.deliver("SecurityEventNotification", lambda: event)


def hash_data(certificate: x509.Certificate) -> CertificateHashData:
    """How a certificate is named: hashes of the issuer's name and key, and the serial number."""
    name, key = hashes.Hash(hashes.SHA256()), hashes.Hash(hashes.SHA256())
    name.update(certificate.issuer.public_bytes())
    key.update(_key_bytes(certificate))
    return CertificateHashData("SHA256", name.finalize().hex(), key.finalize().hex(), f"{certificate.serial_number:x}")


def _key_bytes(certificate: x509.Certificate) -> bytes:
    """The subject public key without its header, of a root that is its own issuer (as OCSP does)."""
    return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
