"""From a station's request to its certificate: checked, confirmed, issued, sent, registered (SEC-50 … SEC-57)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import msgspec
import trio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from csmsd.errors import CsmsdError, InvalidPayload
from csmsd.host import Host
from csmsd.station import Station, StationRecord
from csmsd_core import CorePlugin
from csmsd_security.authority import SERIAL_OCTETS, Authority, AuthorityError
from csmsd_security.certificate_rows import (
    CertificateBook,
    StationCertificate,
    fingerprint_of,
    leaf_of,
    with_chain,
)
from csmsd_security.client_rules import objection, read_certificate, registered_objection
from csmsd_security.commands import CERTIFICATE_SIGNED
from csmsd_security.config import SecurityConfig
from csmsd_security.hookspecs import issue_certificate
from csmsd_security.messages import (
    CertificateSigned,
    CertificateSignedResponse,
    SignCertificate,
    SignCertificateResponse,
)
from csmsd_security.requests import SigningRequest, UnusableRequest, deviations, read_request
from csmsd_security.revocation import RevocationLists

log = logging.getLogger("csmsd.plugin.security")

LONGEST_CHAIN = 10_000  # characters (SEC-54)
IN_USE = frozenset({"issued", "accepted"})
REPLACE = msgspec.structs.replace


class Certificates:
    """The certificates of all stations of one csmsd."""

    def __init__(self, host: Host, config: SecurityConfig, authority: Authority, lists: RevocationLists) -> None:
        self._host, self._config, self._authority, self._lists = host, config, authority, lists
        self.book = CertificateBook(host.store)
        self._nursery: trio.Nursery | None = None

    def serve_in(self, nursery: trio.Nursery) -> None:
        """Where certificates are asked for."""
        self._nursery = nursery

    # -- asked for ---------------------------------------------------------------------------------

    def requested(self, core: CorePlugin, station: Station, request: SignCertificate) -> SignCertificateResponse:
        """Accepted if it can be processed; the certificate follows as a CALL of its own (SEC-50, SEC-51)."""
        now = self._host.env.now()
        row = StationCertificate(self._host.env.new_id(), station.id, "waiting", now, now, csr=request.csr)
        try:
            wanted = read_request(request.csr)
            if self._config.authority == "built-in":
                self._authority.root_for(wanted.public_key)
        except (UnusableRequest, AuthorityError) as refusal:
            log.warning("%s: its SignCertificate is refused: %s", station.id, refusal)
            self._put(REPLACE(row, state="failed", reason=str(refusal)))
            return SignCertificateResponse("Rejected")
        found = deviations(wanted, self.common_name(station.id, wanted), self._config.cpo_name)
        row = REPLACE(row, reason="; ".join(found))
        self._put(row)
        if self._config.authority != "manual":
            assert self._nursery is not None, "nobody asks a plugin that does not run"
            self._nursery.start_soon(self._issue, core, station, row)
        return SignCertificateResponse("Accepted")

    def common_name(self, station_id: str, wanted: SigningRequest) -> str:
        """The serial number; where it is not known, what the station asks for (SEC-51)."""
        return self._host.stations.record(station_id).serial_number or wanted.common_name

    async def _issue(self, core: CorePlugin, station: Station, row: StationCertificate) -> None:
        chain = await self._host.hooks.first(issue_certificate, station, row.csr)
        try:
            if chain is None:
                raise InvalidPayload("no certificate authority has issued one (SEC-57)")
            await self.deliver(core, row, chain)
        except CsmsdError as error:
            log.error("%s gets no certificate: %s", station.id, error)  # noqa: TRY400 - a sentence, no traceback
            self._put(REPLACE(self.book.get(row.id), state="failed", reason=str(error)))

    async def issue_built_in(self, station_id: str, csr_pem: str) -> str | None:
        """The built-in CA's answer to `issue_certificate`."""
        if self._config.authority != "built-in":
            return None
        wanted = read_request(csr_pem)
        return self._authority.sign(  # a few milliseconds: no thread
            wanted.public_key,
            common_name=self.common_name(station_id, wanted),
            organisation=self._config.cpo_name,
            serial_number=self.new_serial_number(),
            now=self._host.env.now(),
            days=self._config.certificate_days,
        )

    def new_serial_number(self) -> int:
        """Random, positive, unique."""
        return int.from_bytes(self._host.env.token_bytes(SERIAL_OCTETS), "big") | 1 << 8 * SERIAL_OCTETS - 8

    # -- sent --------------------------------------------------------------------------------------

    async def deliver(self, core: CorePlugin, row: StationCertificate, chain: str) -> StationCertificate:
        """Register a chain for a request and send it, also one an operator has had signed elsewhere (SEC-52).

        InvalidPayload if it does not fit the request or the station; StationUnavailable; what `Station.call` raises.
        """
        leaf = self._check(core, row, chain)
        issued = with_chain(REPLACE(row, state="issued", changed_at=self._host.env.now()), chain, leaf)
        await self.book.put(issued)
        await self._host.stations.get(row.station_id).submit(CERTIFICATE_SIGNED, CertificateSigned(chain))
        return self.book.get(row.id)

    def _check(self, core: CorePlugin, row: StationCertificate, chain: str) -> x509.Certificate:
        leaf = leaf_of(chain)
        if leaf is None:
            raise InvalidPayload("the chain holds no certificate in PEM form")
        if row.csr and _key_of(leaf.public_key()) != _key_of(read_request(row.csr).public_key):
            raise InvalidPayload("the certificate is for another key than the request (SEC-53)")
        most = core.configuration.number(row.station_id, "CertificateSignedMaxChainSize") or LONGEST_CHAIN
        if len(chain) > min(most, LONGEST_CHAIN):
            raise InvalidPayload(f"the chain has {len(chain)} characters, the station takes {most} (SEC-54)")
        return leaf

    async def prepare(self, station_id: str, request: CertificateSigned) -> None:
        """Any CertificateSigned, whoever sends it, is registered before the station can use it."""
        leaf = leaf_of(request.certificate_chain)
        if leaf is None or self._known(station_id, leaf) is not None:
            return
        now = self._host.env.now()
        row = StationCertificate(self._host.env.new_id(), station_id, "issued", now, now)
        await self.book.put(with_chain(row, request.certificate_chain, leaf))

    def answered(self, station_id: str, request: CertificateSigned, response: CertificateSignedResponse) -> None:
        """Accepted retires the older ones in a while; Rejected discards it, and nothing is repeated (SEC-56)."""
        leaf = leaf_of(request.certificate_chain)
        row = None if leaf is None else self._known(station_id, leaf)
        if row is None:
            return
        now = self._host.env.now()
        if response.status == "Rejected":
            log.warning("%s rejects its certificate %s", station_id, row.serial_number)
            self._put(REPLACE(row, state="rejected", changed_at=now, reason=row.reason or "the station rejects it"))
            return
        for older in self.book.of_station(station_id):
            if older.id != row.id and older.state == "accepted" and older.superseded_until is None:
                until = now + timedelta(days=self._config.superseded_days)
                self._put(REPLACE(older, superseded_until=until, changed_at=now))
        self._put(REPLACE(row, state="accepted", changed_at=now))

    def _known(self, station_id: str, leaf: x509.Certificate) -> StationCertificate | None:
        row = self.book.of_leaf(fingerprint_of(leaf))
        return row if row is not None and row.station_id == station_id else None

    # -- shown ---------------------------------------------------------------------------------------

    def judge(self, record: StationRecord, der: bytes) -> str | None:
        """Why a verified certificate that names this station does not count, or None (SEC-21 … SEC-24)."""
        read = read_certificate(der)
        if read is None:
            return "it cannot be read"
        certificate, fingerprint = read
        organisations = (self._config.cpo_name, *self._config.trusted_organisations)
        known, now = self.book.of_leaf(fingerprint), self._host.env.now()
        found = objection(certificate, organisations) or self._lists.objection(certificate)
        if found is None and known is not None:
            found = registered_objection(record, known, now, self._newer_was_used)
            if found is None and known.used_at is None:
                self._put(REPLACE(known, used_at=now))
        return found

    def _newer_was_used(self, old: StationCertificate) -> bool:
        return any(
            each.used_at is not None and each.requested_at > old.requested_at
            for each in self.book.of_station(old.station_id)
        )

    # -- looked after ------------------------------------------------------------------------------

    async def revoke(self, certificate_id: str, *, actor: str) -> StationCertificate:
        """It opens no connection any more; the present one stays (SEC-23). UnknownCertificate."""
        row, now = self.book.get(certificate_id), self._host.env.now()
        if row.revoked_at is None:
            row = await self.book.put(REPLACE(row, state="revoked", revoked_at=now, changed_at=now))
            self._host.audit.record(actor, "security.revoke", row.station_id, None, row.serial_number)
        return row

    def revocation_lists(self) -> str:
        """The CRLs of the built-in CA, as PEM."""
        revoked = [(int(each.serial_number, 16), each.revoked_at) for each in self.book if each.revoked_at is not None]
        return self._authority.revocation_lists(revoked, self._host.env.now())

    def expiring(self) -> list[StationCertificate]:
        """Certificates in use that should be renewed (SEC-50)."""
        limit = self._host.env.now() + timedelta(days=self._config.renew_days)
        return [
            each
            for each in self.book
            if each.state == "accepted" and each.superseded_until is None and _is_due(each.not_after, limit)
        ]

    def _put(self, row: StationCertificate) -> None:
        def report(_value: object, error: BaseException | None) -> None:
            if error is not None:
                log.error("the certificate %s of %s is not stored: %s", row.id, row.station_id, error)

        self.book.put(row).when_settled(report)
        self._host.events.publish(f"security.certificate.{row.state}", row.station_id, row.changed_at, row)


def _is_due(not_after: datetime | None, limit: datetime) -> bool:
    return not_after is not None and not_after <= limit


def _key_of(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
