"""Root certificates in stations: what they reported last, and what is known of it (SEC-60 … SEC-68)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa
from cryptography import x509

from csmsd.host import Host
from csmsd.store import Write
from csmsd_core import CorePlugin
from csmsd_core.configuration_values import as_boolean
from csmsd_core.upsert import upsert
from csmsd_security.certificate_rows import fingerprint_of, is_issued_by, leaf_of
from csmsd_security.hash_data import ALGORITHMS, hash_data, key_of
from csmsd_security.messages import (
    CertificateHashData,
    CertificateUse,
    DeleteCertificate,
    GetInstalledCertificateIds,
    GetInstalledCertificateIdsResponse,
    InstallCertificate,
)
from csmsd_security.tables import installed, root

log = logging.getLogger("csmsd.plugin.security")

CENTRAL: CertificateUse = "CentralSystemRootCertificate"
LAST = {
    CENTRAL: "the station could never connect again",
    "ManufacturerRootCertificate": "the station would take no signed firmware any more",
}


class Installed(msgspec.Struct, frozen=True):
    """A root certificate as a station reported it; `subject` is "" if csmsd does not know it."""

    station_id: str
    use: CertificateUse
    hash_data: CertificateHashData  # exactly as reported (SEC-63)
    read_at: datetime
    subject: str = ""


class Reading(msgspec.Struct, frozen=True):
    """All certificates of one use that a station reports."""

    station_id: str
    use: CertificateUse
    found: tuple[CertificateHashData, ...]
    at: datetime


class Sent(msgspec.Struct, frozen=True):
    """A root certificate that csmsd has sent."""

    fingerprint: str
    pem: str
    added_at: datetime


REMOVE_USE = sa.delete(installed).where(
    installed.c.station_id == sa.bindparam("of_station"), installed.c.use == sa.bindparam("of_use")
)
ADD = sa.insert(installed)
PUT_ROOT = upsert(root, only=("pem",))
ALL, ROOTS = sa.select(installed), sa.select(root.c.pem)


class InstalledCertificates:
    """The mirror of all stations' certificate stores."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._found: dict[tuple[str, CertificateUse], Reading] = {}
        self._names: dict[tuple[str, str, str, str], str] = {}
        self._roots: dict[str, x509.Certificate] = {}

    async def load(self) -> None:
        """Read everything, before stations are let in."""

        def read(connection: sa.Connection) -> tuple[list[sa.RowMapping], list[str]]:
            return list(connection.execute(ALL).mappings()), list(connection.execute(ROOTS).scalars())

        rows, pems = await self._host.store.read(read)
        for row in rows:
            key = (row["station_id"], row["use"])
            known = self._found.get(key, Reading(*key, (), row["read_at"]))
            data = CertificateHashData(
                row["hash_algorithm"], row["issuer_name_hash"], row["issuer_key_hash"], row["serial_number"]
            )
            self._found[key] = Reading(*key, (*known.found, data), row["read_at"])
        for pem in pems:
            certificate = leaf_of(pem)
            if certificate is not None:
                self._name(certificate)

    def of_station(self, station_id: str) -> Sequence[Installed]:
        """What it reported last, with the names of those that csmsd knows."""
        return [
            Installed(station_id, use, data, reading.at, self._names.get(key_of(data), ""))
            for (of_station, use), reading in sorted(self._found.items())
            if of_station == station_id
            for data in reading.found
        ]

    def read(
        self, station_id: str, request: GetInstalledCertificateIds, response: GetInstalledCertificateIdsResponse
    ) -> None:
        """The station's answer; NotFound means none (SEC-62)."""
        found = {key_of(data): data for data in response.certificate_hash_data}
        self._put(Reading(station_id, request.certificate_type, tuple(found.values()), self._host.env.now()))

    def deleted(self, station_id: str, request: DeleteCertificate, status: str) -> None:
        """Accepted and NotFound both mean that it is not there; Failed changes nothing (SEC-65)."""
        if status == "Failed":
            return
        gone = key_of(request.certificate_hash_data)
        for (of_station, _), reading in list(self._found.items()):
            left = tuple(data for data in reading.found if key_of(data) != gone)
            if of_station == station_id and len(left) < len(reading.found):
                self._put(msgspec.structs.replace(reading, found=left))

    async def prepare(self, request: InstallCertificate) -> None:
        """A certificate that is sent is known by its names from then on (SEC-64)."""
        certificate = leaf_of(request.certificate)
        if certificate is not None:
            row = Sent(fingerprint_of(certificate), request.certificate, self._host.env.now())
            await self._host.store.submit(put_roots, row)
            self._name(certificate)

    def about_install(self, core: CorePlugin, station_id: str, request: InstallCertificate) -> Iterator[str]:
        """One sentence for each finding (SEC-61, SEC-67, SEC-68)."""
        certificate = leaf_of(request.certificate)
        if certificate is None or request.certificate.count("-----BEGIN CERTIFICATE-----") != 1:
            yield "this is not one certificate in PEM form (SEC-60)"
        count = len(self.of_station(station_id))
        most = core.configuration.number(station_id, "CertificateStoreMaxLength")
        if most is not None and count >= most:
            yield f"CertificateStoreMaxLength of {station_id} is {most}, and {count} are installed (SEC-68)"
        checks = as_boolean(core.configuration.remembered(station_id, "AdditionalRootCertificateCheck"))
        if certificate is not None and checks and request.certificate_type == CENTRAL:
            old = self._known_roots(station_id)
            if not any(is_issued_by(certificate, root) for root in old) and (old or _is_self_signed(certificate)):
                yield "AdditionalRootCertificateCheck: a new root must be signed by the old one (SEC-67)"

    def about_deletion(self, station_id: str, request: DeleteCertificate) -> Iterator[str]:
        """One sentence for each finding (SEC-63, SEC-66)."""
        key = key_of(request.certificate_hash_data)
        mine = [reading for (of_station, _), reading in self._found.items() if of_station == station_id]
        holding = [reading for reading in mine if any(key_of(data) == key for data in reading.found)]
        if not holding:
            yield "the station has not reported this certificate: ask with GetInstalledCertificateIds first (SEC-63)"
        for reading in holding:
            if len(reading.found) == 1:
                yield f"it is the last {reading.use}: {LAST[reading.use]} (SEC-66)"
            if request.certificate_hash_data not in reading.found:
                yield "the station reported it in another spelling (SEC-63)"

    def roots(self) -> Sequence[x509.Certificate]:
        """All root certificates that csmsd has sent to stations."""
        return list(self._roots.values())

    def _known_roots(self, station_id: str) -> list[x509.Certificate]:
        """Those that csmsd knows of the roots that a station knows csmsd by."""
        reading = self._found.get((station_id, CENTRAL))
        keys = {key_of(data) for data in reading.found} if reading else set[tuple[str, str, str, str]]()
        return [certificate for certificate in self._roots.values() if not keys.isdisjoint(_names_of(certificate))]

    def _name(self, certificate: x509.Certificate) -> None:
        self._roots[fingerprint_of(certificate)] = certificate
        self._names |= dict.fromkeys(_names_of(certificate), certificate.subject.rfc4514_string())

    def _put(self, reading: Reading) -> None:
        self._found[reading.station_id, reading.use] = reading
        write: Write[Reading, None] = put_readings

        def report(_value: object, error: BaseException | None) -> None:
            if error is not None:
                log.error("the certificates of %s are not stored: %s", reading.station_id, error)

        self._host.store.submit(write, reading).when_settled(report)


def put_readings(connection: sa.Connection, rows: Sequence[Reading]) -> list[None]:
    """A write: each reading replaces the one before it."""
    latest = {(row.station_id, row.use): row for row in rows}
    connection.execute(REMOVE_USE, [{"of_station": row.station_id, "of_use": row.use} for row in latest.values()])
    columns = [
        msgspec.structs.asdict(data) | {"station_id": row.station_id, "use": row.use, "read_at": row.at}
        for row in latest.values()
        for data in row.found
    ]
    if columns:
        connection.execute(ADD, columns)
    return [None] * len(rows)


def put_roots(connection: sa.Connection, rows: Sequence[Sent]) -> list[None]:
    """A write."""
    latest = {row.fingerprint: msgspec.structs.asdict(row) for row in rows}
    connection.execute(PUT_ROOT[connection.dialect.name], list(latest.values()))
    return [None] * len(rows)


def _names_of(certificate: x509.Certificate) -> list[tuple[str, str, str, str]]:
    """A root's, with each algorithm; of others one would have to know the issuer."""
    if not _is_self_signed(certificate):
        return []
    return [key_of(data) for algorithm in ALGORITHMS if (data := hash_data(certificate, algorithm)) is not None]


def _is_self_signed(certificate: x509.Certificate) -> bool:
    return certificate.issuer.public_bytes() == certificate.subject.public_bytes()
