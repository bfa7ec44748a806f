"""The file plane: stations fetch images and bring diagnostics over HTTP, with nothing but their link.

Everything that is not good is refused alike: unknown, expired, used up, another station's (O-08).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from csmsd.errors import StoreError
from csmsd_firmware.config import FirmwareConfig
from csmsd_firmware.files import Files
from csmsd_firmware.images import Images, UnknownImage
from csmsd_firmware.links import Link, Links
from csmsd_firmware.receiving import BadForm, Interrupted, read_file
from csmsd_firmware.sending import NOTHING, method_of, send_plain, send_problem
from csmsd_firmware.vault import TooLarge

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

log = logging.getLogger("csmsd.plugin.firmware")

METHODS = "GET, HEAD, PUT, POST"
CLOSE = {b"connection": b"close"}  # the rest of the body is not read


class Refusal(NamedTuple):
    """An answer to a request that is not granted."""

    status: int
    kind: str
    detail: str
    headers: Mapping[bytes, bytes] = NOTHING


REFUSED = Refusal(404, "not-found", "there is nothing here, or not any more")
BUSY = Refusal(409, "conflict", "another upload is in progress", {b"retry-after": b"10"})


class FilePlane:
    """An ASGI application for what follows `/files`: `/{station_id}/{token}/…`."""

    def __init__(self, config: FirmwareConfig, links: Links, images: Images, files: Files) -> None:
        self._config, self._links, self._images, self._files = config, links, images, files
        self._uploading: set[str] = set()  # stations: two at a time could exceed the quota together

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """GET, HEAD: an image. PUT, POST: diagnostics."""
        method = method_of(scope)
        station_id, token, name = _parts(scope)
        if method not in ("GET", "HEAD", "PUT", "POST"):
            await send_problem(send, 405, "method-not-allowed", METHODS, {b"allow": METHODS.encode()})
            return
        is_upload = method in ("PUT", "POST")
        try:
            found = await self._links.find(station_id, token, is_upload=is_upload)
            if found is None:
                await send_problem(send, *REFUSED)
            elif is_upload:
                await self._receive(found, name, scope, receive, send)
            else:
                await self._offer(found, scope, receive, send)
        except FileNotFoundError:
            log.error("%s: the content of an image is gone", station_id)  # noqa: TRY400
            await send_problem(send, *REFUSED)
        except StoreError:
            await send_problem(send, 503, "storage-unavailable", "try again later", {b"retry-after": b"60"})

    async def _offer(self, found: Link, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            image = await self._images.numbered(found.image_id or 0)
        except UnknownImage:
            await send_problem(send, *REFUSED)
            return
        await self._images.offer(image)(scope, receive, send)

    async def _receive(self, found: Link, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        if found.station_id in self._uploading:
            await send_problem(send, *BUSY)
            return
        self._uploading.add(found.station_id)
        try:
            refusal = await self._take(found, name, scope, receive)
        finally:
            self._uploading.discard(found.station_id)
        if refusal is None:
            await send_plain(send, 201, [])
        else:
            log.info("%s: an upload is refused: %s", found.station_id, refusal.detail)
            await send_problem(send, *refusal)

    async def _take(self, found: Link, name: str, scope: Scope, receive: Receive) -> Refusal | None:
        asked = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        room = await self._files.room(found.station_id)
        announced = asked.get(b"content-length", "")
        is_form = asked.get(b"content-type", "").lower().startswith("multipart/")
        if announced.isdecimal() and not is_form and int(announced) > room:
            return Refusal(413, "too-large", f"more than {room} bytes", CLOSE)
        try:
            async with self._files.draft(room) as draft:
                named = await read_file(receive, asked.get(b"content-type", ""), draft, self._config.idle_timeout)
                if not draft.size:
                    return Refusal(400, "bad-request", "the file is empty")
                kept = await self._files.keep(draft, found, named or name)
        except TooLarge as error:
            return Refusal(413, "too-large", str(error), CLOSE)
        except BadForm as error:
            return Refusal(400, "bad-request", str(error), CLOSE)
        except Interrupted as error:
            return Refusal(408, "request-timeout", str(error), CLOSE)
        except OSError as error:
            log.error("%s: an upload cannot be stored: %s", found.station_id, error)  # noqa: TRY400
            return Refusal(507, "insufficient-storage", "no room", CLOSE)
        return REFUSED if kept is None else None


def _parts(scope: Scope) -> tuple[str, str, str]:
    """Station, token, and what the station calls its file; "" for what is not there or is no UTF-8."""
    try:
        segments = [unquote(each, errors="strict") for each in scope["path"].strip("/").split("/")]
    except UnicodeDecodeError:
        segments = []
    station_id, token, *rest = [*segments, *([""] * (2 - len(segments)))]
    return station_id, token, rest[-1] if rest else ""
