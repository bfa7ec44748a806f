"""Another csmsd to certify: listeners with and without TLS, the management API, certificates for stations."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from csmsd import Config, Host, open_csms
from csmsd.cli.settings import check_plugins, load_settings
from csmsd.client import TOKEN_FILE, URL_FILE
from csmsd.config import Access, Listen
from csmsd.env import Env
from csmsd.hookspecs import hookimpl
from csmsd.plugin import NoConfig, Plugin
from csmsd_certification.cases import select
from csmsd_certification.credentials import HOST, Credentials
from csmsd_certification.remote import Remote, open_remote
from csmsd_certification.results import Report
from csmsd_certification.running import run_cases
from csmsd_web import WebPlugin

PATIENCE = 20.0
NOWHERE = "ws://127.0.0.1:9/ocpp"  # no central system
PLUGINS = [loaded.type for loaded in check_plugins(load_settings(None, {}))]
AS_DEFAULT = Access()
PROFILES: tuple[Any, ...] = (
    "core",
    "firmware",
    "localauth",
    "reservation",
    "security",
    "smartcharging",
    "trigger",
)


@dataclass
class RemoteCsmsd:
    """One that runs, and what a tester knows of it."""

    host: Host
    folder: Path
    url: str
    tls_url: str

    @property
    def api(self) -> str:
        return (self.folder / "data" / URL_FILE).read_text().strip()

    @property
    def token(self) -> str:
        return (self.folder / "data" / TOKEN_FILE).read_text().strip()

    def remote(self, driver: str, *options: str) -> Remote:
        """With everything that there is to be said about it."""
        return Remote(
            self.url,
            tls_url=self.tls_url,
            tls_roots=self.folder / "ca.pem",
            station_ca=self.folder / "ca.pem",
            station_ca_key=self.folder / "ca.key",
            driver=driver,
            driver_options=options,
        )

    def by_api(self) -> Remote:
        return self.remote("csmsd", f"api={self.api}", f"token={self.token}")


@asynccontextmanager
async def open_remote_csmsd(
    folder: Path, *more: type[Plugin[Any]], access: Access = AS_DEFAULT
) -> AsyncGenerator[RemoteCsmsd, None]:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    ca.private_key_pem.write_to_path(folder / "ca.key")
    credentials = Credentials(folder, Env(), "csmsd")
    key: Any = load_pem_private_key(ca.private_key_pem.bytes(), None)
    credentials.issue_with(x509.load_pem_x509_certificate(ca.cert_pem.bytes()), key)

    class Authority(Plugin[NoConfig]):
        """Issues what stations ask for."""

        name = "authority"

        @hookimpl(optionalhook=True)
        async def issue_certificate(self, csr_pem: str) -> str | None:
            return credentials.sign(csr_pem)

    config = Config(
        plugins=(*PROFILES, WebPlugin, Authority, *more),
        plugin={"security": {"authority": "external"}},
        access=access,
        data_dir=folder / "data",
        listen=Listen(
            ocpp="127.0.0.1:0",
            ocpp_tls="127.0.0.1:0",
            http="127.0.0.1:0",
            certificate=tuple(certificate for certificate, _ in credentials.server_files),
            private_key=tuple(key for _, key in credentials.server_files),
            client_roots=(folder / "ca.pem",),
        ),
    )
    async with open_csms(config) as host:
        plain, secure = (next(url for url in host.ocpp_urls if url.startswith(scheme)) for scheme in ("ws:", "wss:"))
        yield RemoteCsmsd(host, folder, plain, secure.replace("127.0.0.1", HOST))


async def certify(remote: Remote, *ids: str, timeout: float = PATIENCE) -> Report:
    async with open_remote(remote, PLUGINS, timeout) as central:
        return await run_cases(central, select(ids), timeout=timeout, at_once=8)


def verdicts(report: Report) -> dict[str, str]:
    return {case.id: case.verdict for case in report.cases}


def reasons(report: Report) -> dict[str, str]:
    return {case.id: case.reason for case in report.cases if case.verdict == "Not applicable"}
