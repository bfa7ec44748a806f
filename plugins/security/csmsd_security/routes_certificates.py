"""Stations' certificates, the built-in authority, and what is installed in stations (SEC-50 … SEC-68)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
from litestar import get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.types import ControllerRouterHandler

from csmsd_core.routes_page import AnyRequest, Page
from csmsd_security.authority import AuthorityError, KeyType
from csmsd_security.certificate_rows import StationCertificate, UnknownCertificate
from csmsd_security.commands import GET_INSTALLED_CERTIFICATE_IDS
from csmsd_security.installed import Installed
from csmsd_security.messages import CertificateUse, GetInstalledCertificateIds

if TYPE_CHECKING:
    from csmsd_security.plugin import SecurityPlugin

TAG = "Security"
USES: tuple[CertificateUse, ...] = ("CentralSystemRootCertificate", "ManufacturerRootCertificate")


class ChainBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A chain that was signed elsewhere: PEM, leaf first, without the root."""

    chain: str


class AuthorityBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The kind of key."""

    type: KeyType = "ecdsa"


class AuthorityView(msgspec.Struct, frozen=True):
    """A root of the built-in authority; its key is never shown (SEC-25)."""

    type: str
    pem: str


class RevocationView(msgspec.Struct, frozen=True):
    """The lists of all roots, one after the other."""

    pem: str


@contextmanager
def _refusals() -> Generator[None]:
    try:
        yield
    except UnknownCertificate as error:
        raise HTTPException(detail=str(error), status_code=404) from None
    except AuthorityError as error:
        raise HTTPException(detail=str(error), status_code=409) from None


def certificate_routes(plugin: SecurityPlugin) -> Sequence[ControllerRouterHandler]:
    """Handlers around the services."""
    host, certificates = plugin.host, plugin.certificates

    @get("/security/certificates", scope="read", summary="List stations' certificates", tags=[TAG])
    async def list_certificates(station: FromQuery[str] = "") -> Page[StationCertificate]:
        """Newest first, from the request on."""
        return Page(certificates.book.of_station(station or None))

    @post(
        "/security/certificates/{certificate_id:str}/chain",
        scope="admin",
        summary="Send a chain that was signed elsewhere",
        tags=[TAG],
        status_code=200,
    )
    async def upload_chain(
        request: AnyRequest, certificate_id: FromPath[str], data: JSONBody[ChainBody]
    ) -> StationCertificate:
        """To the station of the request, whose key it must be for; again to send it once more (SEC-52)."""
        with _refusals():
            row = certificates.book.get(certificate_id)
            host.audit.record(request.user, "security.upload_chain", row.station_id, None, row.id)
            return await certificates.deliver(plugin.core, row, data.chain)

    @post(
        "/security/certificates/{certificate_id:str}/revoke",
        scope="admin",
        summary="Revoke a certificate",
        tags=[TAG],
        status_code=200,
    )
    async def revoke_certificate(request: AnyRequest, certificate_id: FromPath[str]) -> StationCertificate:
        """It opens no connection any more; a present one stays (SEC-23)."""
        with _refusals():
            return await certificates.revoke(certificate_id, actor=request.user)

    @get("/security/authority", scope="read", summary="Show the built-in authority's roots", tags=[TAG])
    async def list_roots() -> Page[AuthorityView]:
        """Certificates only."""
        return Page([AuthorityView(kind, root.pem) for kind, root in plugin.authority.roots.items()])

    @post("/security/authority", scope="admin", summary="Make a root of the built-in authority", tags=[TAG])
    async def create_authority(request: AnyRequest, data: JSONBody[AuthorityBody]) -> AuthorityView:
        """Its key stays in the data directory."""
        with _refusals():
            root = await plugin.create_authority(data.type, actor=request.user)
        return AuthorityView(data.type, root.pem)

    @get("/security/authority/crl", scope="read", summary="Show the revocation lists", tags=[TAG])
    async def revocation_lists() -> RevocationView:
        """Signed now, good for a week."""
        return RevocationView(certificates.revocation_lists())

    @get(
        "/stations/{station_id:str}/security/installed",
        scope="read",
        summary="List root certificates in a station",
        tags=[TAG],
    )
    async def list_installed(station_id: FromPath[str]) -> Page[Installed]:
        """As it reported them last; a subject where csmsd knows the certificate (SEC-64)."""
        host.stations.record(station_id)
        return Page(plugin.installed.of_station(station_id))

    @post(
        "/stations/{station_id:str}/security/installed/refresh",
        scope="operate",
        summary="Ask a station for its root certificates",
        tags=[TAG],
        status_code=200,
    )
    async def refresh_installed(request: AnyRequest, station_id: FromPath[str]) -> Page[Installed]:
        """Of both uses (SEC-62)."""
        station = host.stations.get(station_id)
        host.audit.record(request.user, "security.refresh_installed", station_id)
        for use in USES:
            await station.call(GET_INSTALLED_CERTIFICATE_IDS, GetInstalledCertificateIds(use))
        return Page(plugin.installed.of_station(station_id))

    return [
        list_certificates, upload_chain, revoke_certificate, list_roots, create_authority, revocation_lists,
        list_installed, refresh_installed,
    ]  # fmt: skip
