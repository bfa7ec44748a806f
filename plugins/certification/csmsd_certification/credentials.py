"""Passwords and certificates that are made for one run of the certification."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from csmsd.env import Env

ORGANISATION = "csmsd"
HOST = "localhost"
_LIFETIME = timedelta(days=2)
_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Credentials:
    """A root, the listener's certificates (RSA and EC, SEC-06) and certificates of stations, as files in a folder."""

    def __init__(self, folder: Path, env: Env) -> None:
        self._folder, self._env = folder, env
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        self._root = self._issue("certification root", self._root_key, None)
        self.root_file = folder / "root.pem"
        self.root_file.write_bytes(_pem(self._root))
        self.server_files = (
            self._write("server-rsa", HOST, rsa.generate_private_key(65_537, 2048)),
            self._write("server-ec", HOST, ec.generate_private_key(ec.SECP256R1())),
        )

    def new_password(self) -> str:
        """40 hexadecimal digits of 20 random octets (WS-23)."""
        return self._env.token_bytes(20).hex()

    @property
    def root_pem(self) -> str:
        """A root certificate, for those cases that install one."""
        return _pem(self._root).decode()

    def client_context(self, identity: str | None = None) -> ssl.SSLContext:
        """A charger's TLS context; with its own certificate for security profile 3."""
        context = ssl.create_default_context(cafile=str(self.root_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if identity is not None:
            context.load_cert_chain(*self._write(identity, identity, ec.generate_private_key(ec.SECP256R1())))
        return context

    def _write(self, name: str, common_name: str, key: _Key) -> tuple[Path, Path]:
        certificate, private_key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate.write_bytes(_pem(self._issue(common_name, key, self._root)))
        private_key.touch(mode=0o600)
        private_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, private_key

    def _issue(self, common_name: str, key: _Key, issuer: x509.Certificate | None) -> x509.Certificate:
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name if issuer is None else issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + _LIFETIME)
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._root_key.public_key()), critical=False
            )
        )
        if issuer is not None:
            uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            names = [x509.DNSName(HOST), x509.IPAddress(ip_address("127.0.0.1"))] if common_name == HOST else []
            builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            if names:
                builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._root_key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
