"""Stations' certificates in memory and in the database: every change is one row put whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

import msgspec
import sqlalchemy as sa
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

from csmsd.errors import CsmsdError
from csmsd.pending import Pending
from csmsd.store import Store
from csmsd_core.upsert import upsert
from csmsd_security.tables import certificate

# waiting: for an upload. issued: on its way to the station. failed: no chain, or it could not be delivered.
State = Literal["waiting", "issued", "accepted", "rejected", "failed", "revoked"]


class UnknownCertificate(CsmsdError):
    """No certificate has this id."""


class StationCertificate(msgspec.Struct, frozen=True):
    """A certificate of a station, from its request on."""

    id: str
    station_id: str
    state: State
    requested_at: datetime
    changed_at: datetime
    csr: str = ""  # "" if csmsd was given the chain without a request
    chain: str = ""  # PEM, leaf first; "" while there is none
    fingerprint: str = ""  # SHA-256 of the leaf, hexadecimal
    serial_number: str = ""  # hexadecimal
    issuer: str = ""
    subject: str = ""
    reason: str = ""  # why it failed; what deviates in the request
    not_after: datetime | None = None
    superseded_until: datetime | None = None  # a newer one was accepted; good until then
    used_at: datetime | None = None  # first
    revoked_at: datetime | None = None


PUT = upsert(certificate)
ALL = sa.select(certificate).order_by(certificate.c.requested_at, certificate.c.id)


class CertificateBook:
    """All certificates of stations that csmsd knows of."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._all: dict[str, StationCertificate] = {}
        self._by_leaf: dict[str, str] = {}

    async def load(self) -> None:
        """Read everything, before stations are let in."""

        def read(connection: sa.Connection) -> list[StationCertificate]:
            return [StationCertificate(**row) for row in connection.execute(ALL).mappings()]

        for each in await self._store.read(read):
            self._remember(each)

    def __iter__(self) -> Iterator[StationCertificate]:
        return iter(list(self._all.values()))

    def get(self, certificate_id: str) -> StationCertificate:
        """The certificate; UnknownCertificate."""
        found = self._all.get(certificate_id)
        if found is None:
            raise UnknownCertificate(f"there is no certificate {certificate_id!r}")
        return found

    def of_leaf(self, fingerprint: str) -> StationCertificate | None:
        """The newest with this leaf."""
        certificate_id = self._by_leaf.get(fingerprint)
        return None if certificate_id is None else self._all[certificate_id]

    def of_station(self, station_id: str | None) -> Sequence[StationCertificate]:
        """Of one station or all of them, newest first."""
        return [each for each in reversed(self._all.values()) if station_id in (None, each.station_id)]

    def put(self, row: StationCertificate) -> Pending[StationCertificate]:
        """Known at once, durable when the promise is kept."""
        self._remember(row)
        return self._store.submit(put_certificates, row).then(lambda _: row)

    def _remember(self, row: StationCertificate) -> None:
        self._all[row.id] = row
        if row.fingerprint:
            self._by_leaf[row.fingerprint] = row.id


def put_certificates(connection: sa.Connection, rows: Sequence[StationCertificate]) -> list[None]:
    """A write."""
    latest = {row.id: msgspec.structs.asdict(row) for row in rows}
    connection.execute(PUT[connection.dialect.name], list(latest.values()))
    return [None] * len(rows)


def leaf_of(chain: str) -> x509.Certificate | None:
    """The first certificate of a PEM chain, or None."""
    try:
        return x509.load_pem_x509_certificates(chain.encode())[0]
    except ValueError:
        return None


def is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether its issuer's name is the authority's, and its signature that of the authority's key."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def fingerprint_of(leaf: x509.Certificate) -> str:
    """SHA-256, hexadecimal."""
    return leaf.fingerprint(hashes.SHA256()).hex()


def with_chain(row: StationCertificate, chain: str, leaf: x509.Certificate) -> StationCertificate:
    """The row with what the leaf says of itself."""
    return msgspec.structs.replace(
        row,
        chain=chain,
        fingerprint=fingerprint_of(leaf),
        serial_number=f"{leaf.serial_number:x}",
        issuer=leaf.issuer.rfc4514_string(),
        subject=leaf.subject.rfc4514_string(),
        not_after=leaf.not_valid_after_utc,
    )
