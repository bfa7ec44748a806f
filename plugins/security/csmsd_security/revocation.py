"""Revocation lists of other authorities than the built-in one: `client_crl` (SEC-23)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from csmsd.errors import ConfigError
from csmsd_security.certificate_rows import is_issued_by

ONE_LIST = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)
LONGEST_CHAIN = 10  # certificates; beyond it somebody has built a loop
Listed = tuple[x509.Certificate, x509.CertificateRevocationList]


class RevocationLists:
    """What other authorities have revoked, as their lists said when they were read last."""

    def __init__(self, files: Sequence[Path], root_files: Sequence[Path]) -> None:
        self._files, self._root_files = files, root_files
        self._authorities: Sequence[x509.Certificate] = ()
        self._lists: Sequence[Listed] = ()

    def load(self, built_in: Iterable[x509.Certificate]) -> None:
        """Read all files anew; ConfigError names the one that cannot be used, and then everything stays as it was.

        The authorities are those in the files of `listen.client_roots`, which may hold intermediate ones as well, and
        the built-in one's roots.
        """
        if not self._files:
            return
        authorities = [certificate for path in self._root_files for certificate in _certificates_in(path)]
        authorities += built_in
        self._lists = [_signed_by(authorities, found, path) for path in self._files for found in _lists_in(path)]
        self._authorities = authorities

    def objection(self, certificate: x509.Certificate) -> str | None:
        """Why a certificate, or an authority above it, is not good any more, or None."""
        if not self._lists:
            return None
        what = "it"
        for _ in range(LONGEST_CHAIN):
            authority = _issuer_of(certificate, self._authorities)
            if authority is None:
                issuer = certificate.issuer.rfc4514_string()
                return (
                    f"nobody knows whether it is revoked: {issuer} is not in the files of listen.client_roots (SEC-23)"
                )
            for entry in self._entries(authority, certificate.serial_number):
                return f"{what} is revoked by {_name_of(authority)} since {entry.revocation_date_utc:%Y-%m-%d} (SEC-23)"
            if authority.subject == authority.issuer:
                return None
            certificate, what = authority, f"its authority {_name_of(authority)}"
        return "its chain has no end (SEC-23)"

    def remarks(self, now: datetime) -> Iterator[str]:
        """What the operator should know about lists that are used all the same."""
        for authority, found in self._lists:
            due = found.next_update_utc
            if due is not None and due < now:
                yield (
                    f"the revocation list of {_name_of(authority)} is out of date since {due:%Y-%m-%d %H:%M} UTC and "
                    "still used: put a newer one into plugin.security.client_crl and send SIGHUP (SEC-23)"
                )

    def _entries(self, authority: x509.Certificate, serial_number: int) -> Iterator[x509.RevokedCertificate]:
        for signer, found in self._lists:
            if signer == authority:
                entry = found.get_revoked_certificate_by_serial_number(serial_number)
                if entry is not None:
                    yield entry


def _lists_in(path: Path) -> list[x509.CertificateRevocationList]:
    texts: list[bytes] = ONE_LIST.findall(_content_of(path))
    if not texts:
        raise ConfigError(
            f"{path}: holds no revocation list in PEM form; `openssl crl -inform DER` makes one of a DER file"
        )
    try:
        return [x509.load_pem_x509_crl(text) for text in texts]
    except ValueError as error:
        raise ConfigError(f"{path}: a revocation list in it cannot be read: {error}") from None


def _certificates_in(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_content_of(path))
    except ValueError:
        raise ConfigError(f"{path}: holds no certificates in PEM form") from None


def _content_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _signed_by(authorities: Iterable[x509.Certificate], found: x509.CertificateRevocationList, path: Path) -> Listed:
    """The list with its authority; ConfigError unless it is a complete list of one."""
    if any(each.critical and not _is_harmless(each.value) for each in found.extensions):
        raise ConfigError(f"{path}: holds a delta or an indirect list; the authority's complete list is needed")
    for authority in authorities:
        key = authority.public_key()
        if authority.subject != found.issuer or not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            continue
        if found.is_signature_valid(key):
            return authority, found
    raise ConfigError(
        f"{path}: no certificate in the files of listen.client_roots has signed the list of "
        f"{found.issuer.rfc4514_string()}; add that authority's certificate there"
    )


def _is_harmless(extension: x509.ExtensionType) -> bool:
    return isinstance(extension, x509.IssuingDistributionPoint) and not extension.indirect_crl


def _issuer_of(certificate: x509.Certificate, authorities: Iterable[x509.Certificate]) -> x509.Certificate | None:
    return next((authority for authority in authorities if is_issued_by(certificate, authority)), None)


def _name_of(authority: x509.Certificate) -> str:
    return authority.subject.rfc4514_string()
