"""Firmware images that csmsd offers: added once, checked, never changed (FW-09)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import sqlalchemy as sa
from msgspec.structs import asdict, replace

from csmsd.errors import CsmsdError, WriteFailed
from csmsd.host import Host
from csmsd_firmware.records import Image
from csmsd_firmware.sending import Offer
from csmsd_firmware.tables import image
from csmsd_firmware.vault import Draft, Vault

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}", re.ASCII)  # goes into URLs, and stations make files of it

ADD = sa.insert(image)
ALL = sa.select(image).order_by(image.c.name)
BY_NAME = sa.select(image).where(image.c.name == sa.bindparam("wanted"))
BY_ID = sa.select(image).where(image.c.id == sa.bindparam("wanted"))
REMOVE = sa.delete(image).where(image.c.id == sa.bindparam("wanted"))


class UnknownImage(CsmsdError):
    """There is no such firmware image."""


class BadImage(CsmsdError):
    """The image cannot be taken: says why."""


class Images:
    """All images of one csmsd."""

    def __init__(self, host: Host, vault: Vault, limit: int) -> None:
        self._host, self._vault, self._limit = host, vault, limit

    def draft(self) -> Draft:
        """Where the content of a new image is written to."""
        return self._vault.draft(self._limit)

    async def check_name(self, name: str) -> None:
        """BadImage if it cannot be used."""
        if NAME.fullmatch(name) is None:
            raise BadImage("a name has letters, digits, dots, hyphens, plus and underscores, 100 at most")
        if any(each.name == name for each in await self.all()):
            raise BadImage(f"there is an image {name} already")

    async def add(self, draft: Draft, name: str, *, version: str, note: str, sha256: str, actor: str) -> Image:
        """Keep what was written; BadImage, also if its SHA-256 is not the one that was announced."""
        if draft.size == 0:
            raise BadImage("the image is empty")
        stored = await draft.keep()
        if sha256 and stored.sha256 != sha256.strip().lower():
            await self._vault.remove(stored.name)
            raise BadImage(f"the SHA-256 of what arrived is {stored.sha256}")
        now = self._host.env.now()
        new = Image(0, name, version, note, stored.size, stored.sha256, stored.name, now, actor)
        try:
            return await self._host.store.submit(self._add, new)
        except WriteFailed as error:
            await self._vault.remove(stored.name)
            raise BadImage(f"there is an image {name} already") from error

    async def all(self) -> Sequence[Image]:
        """By name."""
        return await self._host.store.read(lambda found: [Image(**row) for row in found.execute(ALL).mappings()])

    async def named(self, name: str) -> Image:
        """One image; UnknownImage."""
        return await self._one(BY_NAME, name)

    async def numbered(self, image_id: int) -> Image:
        """One image; UnknownImage."""
        return await self._one(BY_ID, image_id)

    async def remove(self, name: str) -> Image:
        """Forget an image, and its content; UnknownImage."""
        known = await self.named(name)
        await self._host.store.submit(_remove, known.id)
        await self._vault.remove(known.stored_name)
        return known

    def offer(self, known: Image) -> Offer:
        """For downloads."""
        return Offer(self._vault.path_of(known.stored_name), known.size, known.sha256, known.name)

    async def _one(self, statement: sa.Select[tuple[object, ...]], wanted: str | int) -> Image:
        def read(connection: sa.Connection) -> Image | None:
            row = connection.execute(statement, {"wanted": wanted}).mappings().first()
            return None if row is None else Image(**row)

        found = await self._host.store.read(read)
        if found is None:
            raise UnknownImage(f"there is no image {wanted}")
        return found

    def _add(self, connection: sa.Connection, rows: Sequence[Image]) -> Sequence[Image]:
        ids = self._host.store.take_ids(connection, "firmware_image", len(rows))
        new = [replace(row, id=id_) for id_, row in zip(ids, rows, strict=True)]
        connection.execute(ADD, [asdict(each) for each in new])
        return new


def _remove(connection: sa.Connection, rows: Sequence[int]) -> Sequence[None]:
    connection.execute(REMOVE, [{"wanted": row} for row in rows])
    return [None] * len(rows)
