"""TLS for stations: what is offered, what is refused, and which files are good enough for it."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from csmsd.config import Listen
from csmsd.errors import ConfigError

# SEC-05: the four mandated suites of TLS 1.2, and the two that keep RSA certificates forward secret. Python's default
# leaves out the last two. TLS 1.3 brings its own.
SUITES = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
    )
)
OPTIONS = ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
MIN_RSA_BITS = 2048
MIN_EC_BITS = 224
WEAK_HASHES = frozenset(("md5", "sha1"))

REASONS = {
    "HTTP_REQUEST": "The peer speaks plain HTTP; this port needs TLS (wss:).",
    "WRONG_VERSION_NUMBER": "The peer does not speak TLS; this port needs it (wss:).",
    "UNSUPPORTED_PROTOCOL": "The peer offers only TLS versions older than 1.2.",
    "VERSION_TOO_LOW": "The peer offers only TLS versions older than 1.2.",
    "NO_SHARED_CIPHER": "The peer offers none of the cipher suites allowed here, or none that fits our certificates.",
    "CERTIFICATE_VERIFY_FAILED": "The peer's certificate was not issued by a trusted root, or is expired.",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "The peer showed no certificate; this port requires one.",
    "TLSV1_ALERT_UNKNOWN_CA": "The peer does not trust our certificate's root.",
    "SSLV3_ALERT_BAD_CERTIFICATE": "The peer refuses our certificate.",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "The peer refuses our certificate.",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "The peer holds our certificate for expired; check its clock.",
}


def explain(error: BaseException | None) -> str:
    """Why a TLS handshake failed, in words for the operator, without anything the peer wrote (SEC-10)."""
    if isinstance(error, ssl.SSLEOFError | ConnectionError) or error is None:
        return "The peer left in the middle of the TLS handshake."
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_message:
        return f"The peer's certificate is not good: {error.verify_message}."  # OpenSSL's words
    reason = str(getattr(error, "reason", None) or type(error).__name__)
    return REASONS.get(reason, f"The TLS handshake failed ({reason}).")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A PEM chain, leaf first, and the key of its leaf."""

    certificate: Path
    private_key: Path


def context_of(listen: Listen, more_roots: Sequence[str] = ()) -> ssl.SSLContext:
    """The context that the configuration asks for; call it again to reload its files (SEC-06, SEC-11).

    `more_roots` are PEM texts of plugins, beside the files of `listen.client_roots` (SEC-20).
    """
    if len(listen.certificate) != len(listen.private_key):
        raise ConfigError(
            f"listen.certificate names {len(listen.certificate)} files, listen.private_key {len(listen.private_key)}: "
            "every certificate needs its key, in the same order"
        )
    if not listen.certificate:
        raise ConfigError("listen.ocpp_tls needs listen.certificate and listen.private_key")
    if listen.client_certificates == "required" and not (listen.client_roots or more_roots):
        raise ConfigError("listen.client_certificates = required needs roots to judge them by: listen.client_roots")
    pairs = [KeyPair(*files) for files in zip(listen.certificate, listen.private_key, strict=True)]
    return server_context(pairs, listen.client_roots, listen.client_certificates, more_roots)


def server_context(
    pairs: Sequence[KeyPair],
    client_roots: Sequence[Path] = (),
    client_certificates: Literal["optional", "required"] = "optional",
    more_roots: Sequence[str] = (),
) -> ssl.SSLContext:
    """A context for a listener; raises ConfigError naming the file that cannot be used.

    Client certificates are asked for only if there are `client_roots` to judge them by (SEC-12).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= OPTIONS
    context.set_ciphers(SUITES)
    for pair in pairs:
        check_certificate(pair.certificate)
        _load_pair(context, pair)
    if client_roots or more_roots:
        for path in client_roots:
            _load_roots(context, path)
        for pem in more_roots:
            context.load_verify_locations(cadata=pem)
        context.verify_mode = ssl.CERT_REQUIRED if client_certificates == "required" else ssl.CERT_OPTIONAL
    return context


def check_certificate(path: Path) -> None:
    """Raise ConfigError unless key size and signature of the leaf are strong enough (SEC-07)."""
    try:
        leaf = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: holds no certificate in PEM form") from error
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        kind, bits, least = "RSA", key.key_size, MIN_RSA_BITS
    elif isinstance(key, ec.EllipticCurvePublicKey):
        kind, bits, least = "EC", key.key_size, MIN_EC_BITS
    else:
        raise ConfigError(f"{path}: the key is neither RSA nor EC; stations understand only these")
    if bits < least:
        raise ConfigError(f"{path}: the {kind} key has {bits} bits; at least {least} are needed (SEC-07)")
    digest = leaf.signature_hash_algorithm
    if digest is not None and digest.name in WEAK_HASHES:
        raise ConfigError(f"{path}: signed with {digest.name}; SHA-256 or better is needed (SEC-07)")


def _load_pair(context: ssl.SSLContext, pair: KeyPair) -> None:
    try:
        # An encrypted key would make OpenSSL ask for its password on the terminal, and the server wait for ever.
        context.load_cert_chain(pair.certificate, pair.private_key, password=lambda: b"")
    except ssl.SSLError as error:
        reason = error.reason or "not a private key in PEM form, or encrypted"
        raise ConfigError(f"{pair.private_key}: does not fit {pair.certificate} ({reason})") from error
    except OSError as error:
        raise ConfigError(f"{pair.private_key}: cannot be read: {error.strerror}") from error


def _load_roots(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise ConfigError(f"{path}: holds no certificates in PEM form") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
