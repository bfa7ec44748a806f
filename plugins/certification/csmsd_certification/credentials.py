"""Passwords and certificates that are made for one run of the certification."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from csmsd.env import Env
from csmsd.errors import ConfigError

HOST = "localhost"
_LIFETIME = timedelta(days=2)
_PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Credentials:
    """A root, the listener's certificates (RSA and EC, SEC-06) and certificates of stations, as files in a folder."""

    obstacle: str = ""  # why stations cannot have certificates that the system trusts; "" if they can

    def __init__(self, folder: Path, env: Env, organisation: str) -> None:
        self._folder, self._env, self._organisation = folder, env, organisation
        self._root_key: _Key = ec.generate_private_key(ec.SECP256R1())
        self._root = self._issue("certification root", self._root_key.public_key(), None)
        self.root_file = folder / "root.pem"
        self.root_file.write_bytes(_pem(self._root))
        self.trusted: Path | None = self.root_file  # roots of the listener's certificate; None: this machine's

    @cached_property
    def server_files(self) -> tuple[tuple[Path, Path], ...]:
        """Certificates of the listener and their private keys."""
        return (
            self._write("server-rsa", HOST, rsa.generate_private_key(65_537, 2048)),
            self._write("server-ec", HOST, ec.generate_private_key(ec.SECP256R1())),
        )

    def issue_with(self, certificate: x509.Certificate, key: _Key) -> None:
        """From now on stations' certificates come from this authority."""
        self._root, self._root_key = certificate, key

    def new_password(self) -> str:
        """40 hexadecimal digits of 20 random octets (WS-23)."""
        return self._env.token_bytes(20).hex()

    @property
    def root_pem(self) -> str:
        """A root certificate, for those cases that install one."""
        return _pem(self._root).decode()

    def client_context(self, identity: str | None = None) -> ssl.SSLContext:
        """A charger's TLS context; with its own certificate for security profile 3."""
        context = ssl.create_default_context(cafile=None if self.trusted is None else str(self.trusted))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if identity is not None:
            context.load_cert_chain(*self._write(identity, identity, ec.generate_private_key(ec.SECP256R1())))
        return context

    def sign(self, request_pem: str) -> str:
        """The certificate that a station asks for, PEM (SEC-53)."""
        request = x509.load_pem_x509_csr(request_pem.encode())
        names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        key = request.public_key()
        if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise ConfigError("the request is for a key that is neither RSA nor EC")
        return _pem(self._issue(str(names[0].value), key, self._root)).decode()

    def new_request(self, identity: str) -> tuple[str, Path]:
        """A station's request for a new certificate, PEM, and the file of its private key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [(NameOID.ORGANIZATION_NAME, self._organisation), (NameOID.COMMON_NAME, identity)]
        name = x509.Name([x509.NameAttribute(oid, text) for oid, text in subject])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        return request.public_bytes(serialization.Encoding.PEM).decode(), self._write_key(f"{identity}-new", key)

    def context_with(self, chain_pem: str, key_file: Path) -> ssl.SSLContext:
        """A charger's TLS context with a certificate that it was given."""
        file = key_file.with_suffix(".pem")
        file.write_text(chain_pem)
        context = self.client_context()
        context.load_cert_chain(file, key_file)
        return context

    def _write(self, name: str, common_name: str, key: _Key) -> tuple[Path, Path]:
        certificate = self._folder / f"{name}.pem"
        certificate.write_bytes(_pem(self._issue(common_name, key.public_key(), self._root)))
        return certificate, self._write_key(name, key)

    def _write_key(self, name: str, key: _Key) -> Path:
        private_key = self._folder / f"{name}.key"
        private_key.touch(mode=0o600)
        private_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return private_key

    def _issue(self, common_name: str, key: _PublicKey, issuer: x509.Certificate | None) -> x509.Certificate:
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self._organisation),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name if issuer is None else issuer.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + _LIFETIME)
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
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
