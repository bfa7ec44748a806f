"""Firmware images, and the files that stations have brought, for operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import msgspec
from litestar import Request, delete, get, put
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.types import ASGIApp, ControllerRouterHandler

from csmsd_firmware.files import UnknownFile
from csmsd_firmware.images import BadImage, UnknownImage
from csmsd_firmware.receiving import Interrupted, read_body
from csmsd_firmware.records import Image, ReceivedFile
from csmsd_firmware.vault import TooLarge

if TYPE_CHECKING:
    from csmsd_firmware.plugin import FirmwarePlugin

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="How many items at most.")]
After = Annotated[int | None, QueryParameter(ge=0, le=2**31 - 1, description="Where the page before ended.")]


class ImageList(msgspec.Struct, frozen=True):
    """All images, by name."""

    items: Sequence[Image]
    next: None = None


class FileList(msgspec.Struct, frozen=True):
    """Files, newest first."""

    items: Sequence[ReceivedFile]
    next: str | None = None


def file_routes(plugin: FirmwarePlugin) -> Sequence[ControllerRouterHandler]:
    """Handlers around the images and the files."""
    return [*_image_routes(plugin), *_received_routes(plugin)]


def _image_routes(plugin: FirmwarePlugin) -> Sequence[ControllerRouterHandler]:
    host, images = plugin.host, plugin.images

    @put(
        "/firmware/images/{name:str}",
        scope="admin",
        summary="Add a firmware image",
        tags=["Firmware"],
        status_code=201,
        request_max_body_size=None,
    )
    async def add_image(
        request: Request[Any, Any, Any],
        name: FromPath[str],
        version: FromQuery[str] = "",
        note: FromQuery[str] = "",
        sha256: FromQuery[str] = "",
    ) -> Image:
        """The body is the image; `sha256` is checked if it is given. An image is never replaced."""
        try:
            await images.check_name(name)
            async with images.draft() as draft:
                await read_body(request.receive, draft.write, plugin.config.idle_timeout)
                added = await images.add(draft, name, version=version, note=note, sha256=sha256, actor=request.user)
        except TooLarge as error:
            raise HTTPException(status_code=413, detail=str(error)) from error
        except BadImage as error:
            raise HTTPException(status_code=422, detail=str(error)) from error
        except Interrupted as error:
            raise HTTPException(status_code=408, detail=str(error)) from error
        host.audit.record(request.user, "firmware.image.add", name, None, added)
        return added

    @get("/firmware/images", scope="read", summary="List firmware images", tags=["Firmware"])
    async def list_images() -> ImageList:
        """By name."""
        return ImageList(await images.all())

    @delete("/firmware/images/{name:str}", scope="admin", summary="Remove a firmware image", tags=["Firmware"])
    async def remove_image(request: Request[Any, Any, Any], name: FromPath[str]) -> None:
        """Links to it are good for nothing from then on; one that a campaign needs stays."""
        if await plugin.campaigns.uses(name):
            raise HTTPException(status_code=409, detail=f"a campaign needs {name}")
        try:
            removed = await images.remove(name)
        except UnknownImage as error:
            raise HTTPException(status_code=404, detail=str(error)) from error
        host.audit.record(request.user, "firmware.image.remove", name, removed, None)

    return [add_image, list_images, remove_image]


def _received_routes(plugin: FirmwarePlugin) -> Sequence[ControllerRouterHandler]:
    host, files = plugin.host, plugin.files

    @get("/diagnostics/files", scope="read", summary="List files of stations", tags=["Diagnostics"])
    async def list_files(station_id: FromQuery[str | None] = None, after: After = None, limit: Limit = 100) -> FileList:
        """Newest first; of one station, or of all."""
        items = await files.listed(station_id, before_id=after, limit=limit)
        more = f"?limit={limit}&after={items[-1].id}" if len(items) == limit else None
        of_station = f"&station_id={quote(station_id, safe='')}" if station_id is not None else ""
        return FileList(items, None if more is None else f"/api/v1/diagnostics/files{more}{of_station}")

    @get(
        "/diagnostics/files/{file_id:int}/content",
        scope="operate",
        summary="Download a file of a station",
        tags=["Diagnostics"],
    )
    async def save_file(request: Request[Any, Any, Any], file_id: FromPath[int]) -> ASGIApp:
        """Always as an attachment; ranges are possible."""
        try:
            known = await files.numbered(file_id)
        except UnknownFile as error:
            raise HTTPException(status_code=404, detail=str(error)) from error
        host.audit.record(request.user, "diagnostics.download", known.station_id, None, {"file": file_id})
        return files.offer(known)

    @delete("/diagnostics/files/{file_id:int}", scope="operate", summary="Delete a file", tags=["Diagnostics"])
    async def remove_file(request: Request[Any, Any, Any], file_id: FromPath[int]) -> None:
        """From the disk, too."""
        try:
            removed = await files.remove(file_id)
        except UnknownFile as error:
            raise HTTPException(status_code=404, detail=str(error)) from error
        host.audit.record(request.user, "diagnostics.delete", removed.station_id, removed, None)

    return [list_files, save_file, remove_file]
