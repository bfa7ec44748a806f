"""Certificates named as OCSP names them (SEC-64)."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from csmsd_security.messages import CertificateHashData, HashAlgorithm

ALGORITHMS: dict[HashAlgorithm, hashes.HashAlgorithm] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}
Key = tuple[str, str, str, str]


def hash_data(
    certificate: x509.Certificate, algorithm: HashAlgorithm, issuer: x509.Certificate | None = None
) -> CertificateHashData | None:
    """The name of a certificate; without `issuer` of a self-signed one; None for keys other than RSA and EC."""
    bits = _key_bits((issuer or certificate).public_key())
    if bits is None:
        return None
    return CertificateHashData(
        algorithm,
        _hash(certificate.issuer.public_bytes(), algorithm),
        _hash(bits, algorithm),
        f"{certificate.serial_number:x}",
    )


def key_of(data: CertificateHashData) -> Key:
    """Equal for equal certificates: hexadecimal in any case, serial numbers without leading zeros."""
    serial_number = data.serial_number.casefold().lstrip("0") or "0"
    return (data.hash_algorithm, data.issuer_name_hash.casefold(), data.issuer_key_hash.casefold(), serial_number)


def _key_bits(key: object) -> bytes | None:
    """The content of the subjectPublicKey BIT STRING, without tag, length and unused-bits octet."""
    match key:
        case rsa.RSAPublicKey():
            return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
        case ec.EllipticCurvePublicKey():
            return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        case _:
            return None


def _hash(content: bytes, algorithm: HashAlgorithm) -> str:
    digest = hashes.Hash(ALGORITHMS[algorithm])
    digest.update(content)
    return digest.finalize().hex()
