"""The built-in certificate authority: its keys never leave their directory (SEC-25, SEC-53)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from csmsd.errors import CsmsdError
from csmsd_security.requests import PublicKey

KeyType = Literal["ecdsa", "rsa"]
KEY_TYPES: tuple[KeyType, ...] = ("ecdsa", "rsa")
RSA_BITS = 3072
ROOT_YEARS = 20
BACKDATED = timedelta(hours=1)  # for those with slow clocks (SEC-55)
SERIAL_OCTETS = 19  # positive, and 20 octets at most in DER
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class AuthorityError(CsmsdError):
    """The built-in CA is not there, there already, or its files cannot be used."""


class Root(NamedTuple):
    """One key of the authority and its own certificate."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        """The certificate; the key is never shown."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


class Authority:
    """The roots in one directory, at most one of each key type."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.roots: Mapping[str, Root] = {}

    def load(self) -> None:
        """Read what is there; it may be nothing. AuthorityError names the file that cannot be used."""
        self.roots = {kind: self._read(kind) for kind in KEY_TYPES if self._path(kind, "key").exists()}

    def create(self, kind: KeyType, organisation: str, serial_number: int, now: datetime) -> Root:
        """Make a key and its self-signed certificate; takes a moment, so call it in a thread."""
        if kind in self.roots or self._path(kind, "key").exists():
            raise AuthorityError(f"there is an {kind.upper()} authority already in {self._folder}")
        key: PrivateKey = (
            rsa.generate_private_key(65_537, RSA_BITS) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
        )
        name = f"{organisation} stations ({kind.upper()})"
        root = Root(key, _self_signed(key, organisation, name, serial_number, now))
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_private(self._path(kind, "key"), _key_pem(key))
        self._path(kind, "pem").write_text(root.pem)
        self.roots = {**self.roots, kind: root}
        return root

    def root_for(self, key: PublicKey) -> Root:
        """Of the request's own key type, else the one there is (SEC-53); AuthorityError without any."""
        wanted = "rsa" if isinstance(key, rsa.RSAPublicKey) else "ecdsa"
        root = self.roots.get(wanted) or next(iter(self.roots.values()), None)
        if root is None:
            raise AuthorityError("there is no certificate authority: `csmsd security ca init` makes one")
        return root

    def sign(
        self, key: PublicKey, *, common_name: str, organisation: str, serial_number: int, now: datetime, days: int
    ) -> str:
        """A station's certificate as PEM; the chain is the leaf alone, for the root is left out (SEC-53)."""
        root = self.root_for(key)
        until = min(now + timedelta(days=days), root.certificate.not_valid_after_utc)
        builder = (
            _builder(_name(organisation, common_name), root.certificate.subject, key, serial_number)
            .not_valid_before(now - BACKDATED)
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(is_authority=False, is_rsa=isinstance(key, rsa.RSAPublicKey)), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(_issuer_key(root), critical=False)
        )
        return builder.sign(root.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def revocation_lists(self, revoked: Iterable[tuple[int, datetime]], now: datetime, days: int = 7) -> str:
        """One CRL for each root, as PEM, with all serial numbers revoked (SEC-23)."""
        entries = [
            x509.RevokedCertificateBuilder().serial_number(number).revocation_date(at).build() for number, at in revoked
        ]
        lists: list[str] = []
        for root in self.roots.values():
            builder = (
                x509.CertificateRevocationListBuilder()
                .issuer_name(root.certificate.subject)
                .last_update(now - BACKDATED)
                .next_update(now + timedelta(days=days))
                .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
                .add_extension(_issuer_key(root), critical=False)
            )
            for entry in entries:
                builder = builder.add_revoked_certificate(entry)
            signed = builder.sign(root.key, hashes.SHA256())
            lists.append(signed.public_bytes(serialization.Encoding.PEM).decode())
        return "".join(lists)

    def _path(self, kind: str, suffix: str) -> Path:
        return self._folder / f"{kind}.{suffix}"

    def _read(self, kind: str) -> Root:
        path = self._path(kind, "key")
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
            certificate = x509.load_pem_x509_certificate(self._path(kind, "pem").read_bytes())
        except (OSError, ValueError, TypeError) as error:
            raise AuthorityError(f"{path} or its certificate cannot be used: {error}") from None
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise AuthorityError(f"{path} holds neither an RSA nor an EC key")
        if path.stat().st_mode & 0o077:
            raise AuthorityError(f"{path} may be read by others: chmod 600 {path} (SEC-25)")
        return Root(key, certificate)


def _self_signed(key: PrivateKey, organisation: str, name: str, serial_number: int, now: datetime) -> x509.Certificate:
    subject = _name(organisation, name)
    return (
        _builder(subject, subject, key.public_key(), serial_number)
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=365 * ROOT_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: PublicKey, serial_number: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial_number)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _issuer_key(root: Root) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key())


def _name(organisation: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _usage(*, is_authority: bool, is_rsa: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=is_rsa,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_private(path: Path, content: bytes) -> None:
    """Readable by the owner from the first octet on; an existing file is never replaced."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
