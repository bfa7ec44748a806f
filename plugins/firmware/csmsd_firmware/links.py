"""Links: who may fetch or bring which file, until when (O-08)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

import msgspec
import sqlalchemy as sa

from csmsd.errors import CsmsdError
from csmsd.host import Host
from csmsd_firmware.config import FirmwareConfig
from csmsd_firmware.records import Image
from csmsd_firmware.tables import link
from csmsd_firmware.tokens import hash_of, is_same, new_token

PATH = "/api/v1/files"

ADD = sa.insert(link)
FIND = sa.select(link).where(link.c.token_hash == sa.bindparam("hash"))


class NoFilePlane(CsmsdError):
    """Stations cannot reach csmsd over HTTP, so it cannot serve them files."""


class Link(msgspec.Struct, frozen=True):
    """One station's permission for one file."""

    token_hash: str
    station_id: str
    image_id: int | None  # to fetch; None: to bring one file
    job_id: int | None
    expires_at: datetime
    ended_at: datetime | None = None


def add_links(connection: sa.Connection, rows: Sequence[Link]) -> Sequence[None]:
    """Store new links."""
    connection.execute(ADD, [msgspec.structs.asdict(row) for row in rows])
    return [None] * len(rows)


class Links:
    """All links of one csmsd."""

    def __init__(self, host: Host, config: FirmwareConfig) -> None:
        self._host, self._config = host, config

    @property
    def base(self) -> str:
        """Where stations reach csmsd over HTTP, or NoFilePlane."""
        listening = str(getattr(self._host.plugins.get("web"), "http_url", ""))
        url = self._config.public_url or listening
        if not url or self._host.plugins.get("web") is None:
            raise NoFilePlane("csmsd serves no HTTP: enable the plugin web and set listen.http, or give a location")
        return url.rstrip("/")

    async def to_image(self, station_id: str, image: Image) -> str:
        """A location from which only this station can download only this image, also in several parts."""
        return await self._new(station_id, image.id, image.name)

    async def for_upload(self, station_id: str) -> str:
        """A directory into which only this station can upload, and only one file."""
        return await self._new(station_id, None, "")

    async def find(self, station_id: str, token: str, *, is_upload: bool) -> Link | None:
        """The link, if it is good for this now."""
        wanted = hash_of(token)

        def read(connection: sa.Connection) -> Link | None:
            row = connection.execute(FIND, {"hash": wanted}).mappings().first()
            return None if row is None else Link(**row)

        found = await self._host.store.read(read)
        if found is None or not is_same(found.token_hash, wanted) or not is_same(found.station_id, station_id):
            return None
        if found.ended_at is not None or found.expires_at <= self._host.env.now():
            return None
        return found if (found.image_id is None) == is_upload else None

    async def _new(self, station_id: str, image_id: int | None, name: str) -> str:
        base, token = self.base, new_token(self._host.env)
        expires_at = self._host.env.now() + timedelta(seconds=self._config.link_lifetime)
        row = Link(hash_of(token), station_id, image_id, None, expires_at)
        await self._host.store.submit(add_links, row)
        return f"{base}{PATH}/{quote(station_id, safe='')}/{token}/{quote(name, safe='')}"
