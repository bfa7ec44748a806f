"""The central system under test is a csmsd of our own: real sockets and TLS, its data in a temporary folder."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from csmsd import open_csms
from csmsd.config import Config, Listen, StoreConfig
from csmsd.env import Env
from csmsd.errors import CsmsdError
from csmsd.hookspecs import hookimpl
from csmsd.host import Host
from csmsd.plugin import NoConfig, Plugin
from csmsd.station import StationRecord
from csmsd_certification.catalogue import Catalogue
from csmsd_certification.central import CentralSystem, Outcome, PluginInfo, Refused, SystemInfo
from csmsd_certification.credentials import HOST, Credentials
from csmsd_core import Tag, core_of

_ACTOR = "certification"
_AUTHORITY = "certificationauthority"
_SECURITY, _ORGANISATION = "security", "csmsd"  # the organisation is that plugin's default


class LocalCentralSystem(CentralSystem):
    """Driven from inside: what an operator does by the API, without the web plugin having to be there."""

    def __init__(self, host: Host, credentials: Credentials) -> None:
        super().__init__()
        self._host, self.credentials = host, credentials
        self.catalogue = Catalogue(host.actions, host.commands.known)
        self.info = _info(host)
        # By name: the certificate is of that name (TC_086).
        self.url = next(url for url in host.ocpp_urls if url.startswith("ws:"))
        self.tls_url = next(url for url in host.ocpp_urls if url.startswith("wss:")).replace("127.0.0.1", HOST)

    async def put_station(self, identity: str, password: str | None, security_profile: int) -> None:
        """See CentralSystem."""
        await self._host.stations.register(StationRecord(identity, security_profile=security_profile), password)

    async def put_tag(self, tag: Tag) -> None:
        """See CentralSystem."""
        await core_of(self._host).tags.put(tag, actor=_ACTOR)

    async def raise_profile(self, identity: str, security_profile: int) -> None:
        """See CentralSystem."""
        await self._host.stations.change(identity, profile_upgrade_to=security_profile)

    async def send(self, identity: str, action: str, payload: bytes) -> str:
        """See CentralSystem."""
        try:
            return (await self._host.commands.submit(identity, action, payload, actor=_ACTOR)).id
        except CsmsdError as error:
            raise Refused(str(error)) from error

    async def outcome(self, command_id: str) -> Outcome:
        """See CentralSystem."""
        record = await self._host.commands.outcome(command_id)
        return Outcome(record.state, bytes(record.result or b"{}"), record.error or record.error_code)


@asynccontextmanager
async def open_local(config: Config) -> AsyncGenerator[LocalCentralSystem, None]:
    """Run a csmsd with the plugins and the settings of `config`, but with a database and listeners of its own."""
    with tempfile.TemporaryDirectory(prefix="csmsd-certify-") as folder:
        credentials = Credentials(Path(folder), Env(), _organisation_in(config))
        async with open_csms(_private(config, Path(folder), credentials)) as host:
            yield LocalCentralSystem(host, credentials)


def _private(config: Config, folder: Path, credentials: Credentials) -> Config:
    """The same settings, apart from where data is and who listens where; our certificates are valid."""
    listen = Listen(
        ocpp="127.0.0.1:0",
        ocpp_tls="127.0.0.1:0",
        http="",
        certificate=tuple(certificate for certificate, _ in credentials.server_files),
        private_key=tuple(key for _, key in credentials.server_files),
        client_roots=(credentials.root_file,),
    )
    tables = config.plugin
    if _SECURITY in (plugin if isinstance(plugin, str) else plugin.name for plugin in config.plugins):
        tables = tables | {_SECURITY: tables.get(_SECURITY, {}) | {"authority": "external"}}
    return msgspec.structs.replace(
        config,
        plugins=(*config.plugins, _authority_with(credentials)),
        plugin=tables,
        data_dir=folder,
        store=msgspec.structs.replace(StoreConfig(), journal=config.store.journal),
        listen=listen,
    )


def _organisation_in(config: Config) -> str:
    """What the security profile wants certificates to name (SEC-21)."""
    return str(config.plugin.get(_SECURITY, {}).get("cpo_name", _ORGANISATION))


def _authority_with(credentials: Credentials) -> type[Plugin[Any]]:
    """A plugin that issues the certificates that stations ask for."""

    class CertificationAuthority(Plugin[NoConfig]):
        """Issues certificates while cases run."""

        name = _AUTHORITY

        @hookimpl(optionalhook=True)
        async def issue_certificate(self, csr_pem: str) -> str | None:
            """See the security profile's hook."""
            return credentials.sign(csr_pem)

    return CertificationAuthority


def _info(host: Host) -> SystemInfo:
    plugins = tuple(
        PluginInfo(plugin.name, plugin.version, tuple(dict.fromkeys((*plugin.actions, *plugin.commands))))
        for plugin in host.plugins.status()
        if plugin.state == "enabled" and plugin.name != _AUTHORITY
    )
    configuration = (
        ("Python", platform.python_version()),
        ("System", platform.platform()),
        ("Transport", host.config.transport),
        ("Database", "SQLite"),
        ("Tolerance", host.config.tolerance.value),
        ("Security profiles", "1 (ws), 2 and 3 (wss)"),
    )
    return SystemInfo("csmsd", version("csmsd"), configuration, plugins)
