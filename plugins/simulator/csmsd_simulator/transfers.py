"""Files that really move: firmware down and diagnostics up, over HTTP(S) and FTP."""

from __future__ import annotations

import ftplib
import io
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import httpx
import trio

from csmsd_simulator.files import Transfer

_TIMEOUT = 60.0  # seconds, for one file
_FAILURES: tuple[type[Exception], ...] = (httpx.HTTPError, httpx.InvalidURL, ValueError, *ftplib.all_errors)
_MOST_BYTES = 256 * 1024 * 1024


class Transfers:
    """Moves files in tasks of `nursery`; `start` fits `Files.transfer`."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    def start(self, transfer: Transfer, done: Callable[[bytes | None], None]) -> None:
        """Begin; `done` gets what has been fetched, empty for an upload, None for a failure."""
        self._nursery.start_soon(self._move, transfer, done)

    async def _move(self, transfer: Transfer, done: Callable[[bytes | None], None]) -> None:
        content: bytes | None = None
        with trio.move_on_after(_TIMEOUT):
            try:
                content = await _moved(transfer)
            except _FAILURES:
                content = None  # the station reports that it has failed, and no more
        done(content)


async def _moved(transfer: Transfer) -> bytes:
    scheme = urlsplit(transfer.location).scheme
    if scheme in ("http", "https"):
        return await _over_http(transfer)
    if scheme == "ftp":
        return await trio.to_thread.run_sync(_over_ftp, transfer, abandon_on_cancel=True)
    raise ValueError(f"{scheme} is not supported")


async def _over_http(transfer: Transfer) -> bytes:
    async with httpx.AsyncClient(trust_env=False, follow_redirects=True, timeout=_TIMEOUT) as client:
        if transfer.is_upload:
            location = f"{transfer.location.rstrip('/')}/{transfer.name}"
            (await client.put(location, content=transfer.content)).raise_for_status()
            return b""
        async with client.stream("GET", transfer.location) as response:
            response.raise_for_status()
            content = bytearray()
            async for part in response.aiter_bytes():
                content += part
                if len(content) > _MOST_BYTES:
                    raise ValueError("larger than the station's memory")
            return bytes(content)


def _over_ftp(transfer: Transfer) -> bytes:
    parts = urlsplit(transfer.location)
    with ftplib.FTP(timeout=_TIMEOUT) as ftp:  # noqa: S321 - it is what OCPP 1.6 stations speak
        ftp.connect(parts.hostname or "", parts.port or ftplib.FTP_PORT)
        ftp.login(unquote(parts.username or ""), unquote(parts.password or ""))
        path = unquote(parts.path)
        if transfer.is_upload:
            ftp.storbinary(f"STOR {path.rstrip('/')}/{transfer.name}", io.BytesIO(transfer.content))
            return b""
        content = bytearray()
        ftp.retrbinary(f"RETR {path}", content.extend)
        return bytes(content)
