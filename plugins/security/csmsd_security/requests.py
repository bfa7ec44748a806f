"""Certificate signing requests of stations: what is refused, and what only deviates (SEC-51)."""

from __future__ import annotations

from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from csmsd.errors import CsmsdError

MIN_RSA_BITS = 2048  # SEC-07
MIN_EC_BITS = 224

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class UnusableRequest(CsmsdError):
    """A request that no certificate is issued for; says why."""


class SigningRequest(NamedTuple):
    """A request in order: its key, and what it says of its subject."""

    public_key: PublicKey
    common_name: str
    organisation: str


def read_request(pem: str) -> SigningRequest:
    """UnusableRequest unless it is PKCS#10 in PEM form, signed by its own, long enough key."""
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        key, is_signed = request.public_key(), request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableRequest("it is no PKCS#10 request in PEM form") from None
    if not is_signed:
        raise UnusableRequest("its signature is wrong")
    subject = request.subject
    return SigningRequest(
        _strong(key), _attribute(subject, NameOID.COMMON_NAME), _attribute(subject, NameOID.ORGANIZATION_NAME)
    )


def deviations(request: SigningRequest, common_name: str, organisation: str) -> list[str]:
    """What in the request differs from what csmsd knows to be right: it is signed as known, and flagged."""
    found: list[str] = []
    if request.common_name != common_name:
        found.append(f"the request's CN is {request.common_name!r}, not {common_name!r}")
    if request.organisation != organisation:
        found.append(f"the request's O is {request.organisation!r}, not {organisation!r}")
    return found


def _strong(key: object) -> PublicKey:
    match key:
        case rsa.RSAPublicKey() if key.key_size >= MIN_RSA_BITS:
            return key
        case ec.EllipticCurvePublicKey() if key.key_size >= MIN_EC_BITS:
            return key
        case rsa.RSAPublicKey() | ec.EllipticCurvePublicKey():
            raise UnusableRequest(f"its key has only {key.key_size} bits")
        case _:
            raise UnusableRequest("its key is neither RSA nor EC")


def _attribute(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    return next((str(each.value) for each in name.get_attributes_for_oid(oid)), "")
