"""The central system under test is another one, which runs already."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import trio
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from csmsd.env import Env
from csmsd.errors import ConfigError
from csmsd.plugin import Plugin
from csmsd_certification.catalogue import Catalogue
from csmsd_certification.credentials import Credentials
from csmsd_certification.driver import OPTION, DrivenCentralSystem, Target, load_driver, options_for

_NO_AUTHORITY = "stations have no certificates that the system would trust: --station-ca is not given"


class Remote(msgspec.Struct, frozen=True):
    """What the options of `csmsd certify` say about it."""

    url: str
    tls_url: str = ""
    tls_roots: Path | None = None
    station_ca: Path | None = None
    station_ca_key: Path | None = None
    organisation: str = "csmsd"
    driver: str = "csmsd"
    driver_options: tuple[str, ...] = ()  # KEY=VALUE
    data_dir: Path = Path("data")


@asynccontextmanager
async def open_remote(
    remote: Remote, plugins: Sequence[type[Plugin[Any]]], timeout: float
) -> AsyncGenerator[DrivenCentralSystem[Any], None]:
    """The system, ready for cases; `plugins` know the messages. ConfigError, or what the driver has to complain of."""
    _check_url("--url", remote.url, ("ws", "wss"))
    if remote.tls_url:
        _check_url("--tls-url", remote.tls_url, ("wss",))
    driver = load_driver(remote.driver)
    options = options_for(remote.driver, driver, dict(map(_assignment, remote.driver_options)))
    with tempfile.TemporaryDirectory(prefix="csmsd-certify-") as folder:
        target = Target(
            url=remote.url,
            tls_url=remote.tls_url or (remote.url if remote.url.startswith("wss:") else ""),
            credentials=_credentials(remote, Path(folder)),
            catalogue=Catalogue.of(plugins),
            run=int(Env().now().timestamp()),
            timeout=timeout,
            data_dir=remote.data_dir,
        )
        central = driver(target, options)
        await central.begin()
        try:
            yield central
        finally:
            with trio.CancelScope(shield=True):
                await central.end()


def _credentials(remote: Remote, folder: Path) -> Credentials:
    credentials = Credentials(folder, Env(), remote.organisation)
    credentials.trusted = remote.tls_roots
    if remote.tls_roots is not None:
        _certificate("--tls-roots", remote.tls_roots)
    if remote.station_ca is None:
        credentials.obstacle = _NO_AUTHORITY
        return credentials
    if remote.station_ca_key is None:
        raise ConfigError("--station-ca needs --station-ca-key, its private key: it issues stations' certificates")
    certificate, key = _certificate("--station-ca", remote.station_ca), _private_key(remote.station_ca_key)
    if certificate.public_key() != key.public_key():
        raise ConfigError(f"--station-ca-key: {remote.station_ca_key} is not the key of {remote.station_ca}")
    credentials.issue_with(certificate, key)
    return credentials


def _certificate(option: str, file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{option}: {file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{option}: {file} holds no certificate in PEM: {error}") from None


def _private_key(file: Path) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        raise ConfigError(f"--station-ca-key: {file} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError) as error:  # a TypeError if it is encrypted
        raise ConfigError(f"--station-ca-key: {file} holds no plain private key in PEM: {error}") from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ConfigError(f"--station-ca-key: {file} holds a key that is neither RSA nor EC")
    return key


def _check_url(option: str, url: str, schemes: Sequence[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        expected = " or ".join(f"{scheme}://host:port/path" for scheme in schemes)
        raise ConfigError(f"{option}: {url} is no URL for stations: expected {expected}")


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{OPTION} {text}: expected KEY=VALUE, like token=csms_…")
    return name.strip(), value
