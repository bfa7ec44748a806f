"""The security profile as a plugin: what it declares, and which service answers which hook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import trio

from csmsd.command import AnyCommand
from csmsd.config import Config
from csmsd.env import Env
from csmsd.errors import ConfigError, CsmsdError
from csmsd.hookspecs import hookimpl
from csmsd.host import Host
from csmsd.pending import Pending
from csmsd.plugin import Migrations, Plugin
from csmsd.station import Arrival, Station, StationRecord
from csmsd_core import ChangeConfiguration, ChangeConfigurationResponse, CorePlugin, Triggers, core_of, trigger_rules
from csmsd_security import cli, facts, hookspecs, log_rules, messages, tables, triggers
from csmsd_security.actions import ACTIONS
from csmsd_security.authority import Authority, KeyType, Root
from csmsd_security.certificates import Certificates
from csmsd_security.commands import COMMANDS, EXTENDED_TRIGGER_MESSAGE
from csmsd_security.config import SecurityConfig
from csmsd_security.events import SecurityEvents
from csmsd_security.firmware_rules import about_firmware
from csmsd_security.installed import InstalledCertificates
from csmsd_security.jobs import Jobs
from csmsd_security.profiles import ProfileUpgrades
from csmsd_security.retention import EventRetention
from csmsd_security.revocation import RevocationLists
from csmsd_security.server_rules import about_server

DAY = 86_400.0  # seconds
RENEW = messages.ExtendedTriggerMessage("SignChargePointCertificate")


class SecurityPlugin(Plugin[SecurityConfig]):
    """OCPP 1.6 security white paper: certificates, security events, logs, signed firmware, profiles 1 to 3."""

    name = "security"
    requires = ("core",)
    critical = True
    config_type = SecurityConfig
    specs = (hookspecs,)
    actions = ACTIONS
    commands = COMMANDS
    facts = facts.FACTS
    migrations = Migrations("csmsd_security", tables.metadata)
    cli = (cli.security,)

    def __init__(self, config: SecurityConfig, host: Host) -> None:
        super().__init__(config, host)
        self._told: list[str] = []  # remarks
        self.events = SecurityEvents(host)
        self.jobs = Jobs(host)
        self.authority = Authority(host.config.data_dir / "authority")
        self.revocation = RevocationLists([Path(file) for file in config.client_crl], host.config.listen.client_roots)
        self.certificates = Certificates(host, config, self.authority, self.revocation)
        self.installed = InstalledCertificates(host)
        self.profiles = ProfileUpgrades(host, self.certificates, self.installed)
        self.triggers = Triggers(
            host,
            EXTENDED_TRIGGER_MESSAGE,
            config.patience,
            self._expect,
            kind="security.trigger",
            actions=triggers.ACTIONS,
        )

    @classmethod
    def remarks(cls, own: SecurityConfig, config: Config) -> Iterable[str]:
        """SEC-08; and whether the files can be read that a start will read."""
        authority = Authority(config.data_dir / "authority")
        authority.load()
        lists = RevocationLists([Path(file) for file in own.client_crl], config.listen.client_roots)
        lists.load(root.certificate for root in authority.roots.values())
        now = Env().now()
        return [*about_server(config.listen, own, now), *lists.remarks(now)]

    @property
    def core(self) -> CorePlugin:
        """The Core profile, which is enabled as long as this plugin is."""
        return core_of(self.host)

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Fill the memory before stations are let in, then issue certificates and watch for what was triggered."""
        await trio.to_thread.run_sync(self.authority.load)
        await trio.to_thread.run_sync(self._read_revocation_lists)
        await self.jobs.load(self.core)
        await self.certificates.book.load()
        await self.installed.load()
        async with trio.open_nursery() as nursery:
            self.triggers.serve_in(nursery)
            self.certificates.serve_in(nursery)
            self.profiles.serve_in(nursery)
            nursery.start_soon(EventRetention(self.host, self.config).run)
            task_status.started()
            while True:
                self._told = []  # so they are told every day
                self._tell_remarks()
                await self._propose_renewals()
                await trio.sleep(DAY)

    async def _propose_renewals(self) -> None:
        """SEC-50: report what runs out; ask for new ones only if the operator wants that."""
        for each in self.certificates.expiring():
            self.log.warning("the certificate %s of %s ends at %s", each.serial_number, each.station_id, each.not_after)
            self.host.events.publish("security.certificate.expiring", each.station_id, self.host.env.now(), each)
            station = self.host.stations.find(each.station_id)
            if self.config.renew_automatically and station is not None:
                station.submit(EXTENDED_TRIGGER_MESSAGE, RENEW)

    def _tell_remarks(self) -> None:
        """SEC-08: on our own certificates and on revocation lists, what has not been told yet."""
        now = self.host.env.now()
        found = [*about_server(self.host.config.listen, self.config, now), *self.revocation.remarks(now)]
        for remark in found:
            if remark not in self._told:
                self.log.warning("%s", remark)
                self.host.events.publish("security.server_certificate", "", now, {"remark": remark})
        self._told = found

    def _read_revocation_lists(self) -> None:
        self.revocation.load([root.certificate for root in self.authority.roots.values()])

    async def create_authority(self, kind: KeyType, *, actor: str) -> Root:
        """A root of the built-in CA; AuthorityError if there is one of this kind."""
        number, now = self.certificates.new_serial_number(), self.host.env.now()
        root = await trio.to_thread.run_sync(self.authority.create, kind, self.config.cpo_name, number, now)
        self.host.reload_certificates()
        self.host.audit.record(actor, "security.ca_init", kind, None, root.certificate.subject.rfc4514_string())
        return root

    def _expect(self, station_id: str, action: str) -> None:
        self.core.expected.expect(station_id, action)

    # Who may come in

    @hookimpl
    def report_client_roots(self) -> Iterable[str]:
        """SEC-20: the built-in CA's. Asked when files are read anew, so it is time for the lists and for remarks."""
        try:
            self._read_revocation_lists()
        except ConfigError as error:
            self.log.error("the revocation lists stay as they are: %s", error)  # noqa: TRY400 - a sentence
        self._tell_remarks()
        return [root.pem for root in self.authority.roots.values()]

    @hookimpl
    def judge_certificate(self, record: StationRecord, certificate: bytes) -> str | None:
        """SEC-21 … SEC-24."""
        return self.certificates.judge(record, certificate)

    # CALLs of stations

    @hookimpl(trylast=True)
    def security_event_notification(
        self, station: Station, request: messages.SecurityEventNotification, arrival: Arrival
    ) -> Pending[messages.SecurityEventNotificationResponse]:
        """SEC-70."""
        return self.events.receive(station, request, arrival)

    @hookimpl(trylast=True)
    def log_status_notification(
        self, station: Station, request: messages.LogStatusNotification
    ) -> Pending[messages.LogStatusNotificationResponse]:
        """SEC-73."""
        noted = self.jobs.notified(station.id, "log", request.request_id, request.status)
        return noted.then(lambda _: messages.LogStatusNotificationResponse())

    @hookimpl(trylast=True)
    def signed_firmware_status_notification(
        self, station: Station, request: messages.SignedFirmwareStatusNotification
    ) -> Pending[messages.SignedFirmwareStatusNotificationResponse]:
        """SEC-78."""
        noted = self.jobs.notified(station.id, "firmware", request.request_id, request.status)
        return noted.then(lambda _: messages.SignedFirmwareStatusNotificationResponse())

    @hookimpl(trylast=True)
    def sign_certificate(self, station: Station, request: messages.SignCertificate) -> messages.SignCertificateResponse:
        """SEC-51."""
        return self.certificates.requested(self.core, station, request)

    @hookimpl(trylast=True)
    async def issue_certificate(self, station: Station, csr_pem: str) -> str | None:
        """SEC-53."""
        return await self.certificates.issue_built_in(station.id, csr_pem)

    # Commands on their way

    @hookimpl
    async def guard_command(self, station: Station, request: msgspec.Struct) -> str | None:
        """TRG-05."""
        return trigger_rules.refusal(station, request) if isinstance(request, messages.ExtendedTriggerMessage) else None

    @hookimpl
    def command_warnings(self, station: Station, request: msgspec.Struct) -> Iterable[str]:
        """OP-02."""
        match request:
            case ChangeConfiguration():
                return list(self.profiles.warnings(station, request))
            case messages.ExtendedTriggerMessage():
                return list(triggers.warnings(self.core, station, request))
            case messages.InstallCertificate():
                return list(self.installed.about_install(self.core, station.id, request))
            case messages.DeleteCertificate():
                return list(self.installed.about_deletion(station.id, request))
            case messages.GetLog():
                return list(log_rules.about_log(request))
            case messages.SignedUpdateFirmware():
                about_image = about_firmware(request.firmware, self.installed.roots(), self.host.env.now())
                return [*log_rules.about_schedule(request), *about_image]
            case _:
                return ()

    @hookimpl
    async def prepare_command(self, station: Station, command: AnyCommand, request: msgspec.Struct) -> None:
        """Durable before the station can act on it."""
        match request:
            case ChangeConfiguration():
                await self.profiles.prepare(station, request)
            case messages.CertificateSigned():
                await self.certificates.prepare(station.id, request)
            case messages.InstallCertificate():
                await self.installed.prepare(request)
            case messages.GetLog():
                await self.jobs.prepare(station.id, "log", request.request_id, _shown(command, request))
            case messages.SignedUpdateFirmware():
                await self.jobs.prepare(station.id, "firmware", request.request_id, _shown(command, request))
            case _:
                pass

    @hookimpl
    def command_handled(
        self, station: Station, command: AnyCommand, request: msgspec.Struct, response: msgspec.Struct
    ) -> None:
        """Keep the mirrors up to date, after late answers too (RPC-24)."""
        match request, response:
            case ChangeConfiguration(), ChangeConfigurationResponse():
                self.profiles.handled(station, request, response)
            case messages.ExtendedTriggerMessage(), messages.ExtendedTriggerMessageResponse():
                self.triggers.answered(station.id, request, response.status)
            case messages.CertificateSigned(), messages.CertificateSignedResponse():
                self.certificates.answered(station.id, request, response)
            case messages.GetInstalledCertificateIds(), messages.GetInstalledCertificateIdsResponse():
                self.installed.read(station.id, request, response)
            case messages.DeleteCertificate(), messages.DeleteCertificateResponse():
                self.installed.deleted(station.id, request, response.status)
            case messages.GetLog(), messages.GetLogResponse():
                answer, filename = response.status, response.filename or ""
                self.jobs.answered(self.core, station.id, "log", request.request_id, answer, filename)
            case messages.SignedUpdateFirmware(), messages.SignedUpdateFirmwareResponse():
                self.jobs.answered(self.core, station.id, "firmware", request.request_id, response.status)
            case _:
                pass

    @hookimpl
    def command_failed(self, station: Station, command: AnyCommand, request: msgspec.Struct, error: CsmsdError) -> None:
        """Shown among the station's triggers."""
        if isinstance(request, messages.ExtendedTriggerMessage):
            self.triggers.failed(station.id, request, error)

    @hookimpl(optionalhook=True)
    def web_routes(self) -> Sequence[Any]:
        """This profile's part of the management API; the web plugin asks, so only then its libraries are needed."""
        from csmsd_security.routes import security_routes

        return security_routes(self)


def _shown(command: AnyCommand, request: msgspec.Struct) -> bytes:
    """The request as it may be stored and shown."""
    return command.redact_request(command.encode(request))
