"""Files on disk: names chosen here, streamed in, hashed on the way, complete or not there at all (O-07)."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

import trio

from csmsd.env import Env
from csmsd.errors import CsmsdError

STORED = re.compile(r"[0-9a-f]{32}", re.ASCII)
UNFINISHED = ".part"
BUFFER = 262_144  # bytes that are collected before the disk is bothered


class TooLarge(CsmsdError):
    """The file is larger than it may be."""


class Stored(NamedTuple):
    """A file that is complete."""

    name: str  # in the vault
    size: int
    sha256: str


class Vault:
    """A directory of files, without subdirectories."""

    def __init__(self, folder: Path, env: Env) -> None:
        self.folder, self._env = folder, env

    def draft(self, limit: int) -> Draft:
        """A new file of at most `limit` bytes; use it as a context and `keep` it in there."""
        return Draft(self.folder, self._env.token_bytes(16).hex(), limit)

    def path_of(self, stored_name: str) -> Path:
        """Where a file is; ValueError for what is no name of ours."""
        if STORED.fullmatch(stored_name) is None:
            raise ValueError(f"{stored_name!r} is no stored file")
        return self.folder / stored_name

    async def remove(self, stored_name: str) -> None:
        """Forget a file; one that is gone already is fine."""
        path = self.path_of(stored_name)
        await trio.to_thread.run_sync(lambda: path.unlink(missing_ok=True))

    def names(self, older_than: float) -> Iterator[str]:
        """What is there since before a moment (seconds since 1970), also unfinished; for a thread."""
        if not self.folder.is_dir():
            return
        for entry in os.scandir(self.folder):
            if entry.is_file(follow_symlinks=False) and entry.stat().st_mtime < older_than:
                yield entry.name


class Draft:
    """A file that is being written; gone at the end of its context unless it was kept."""

    def __init__(self, folder: Path, name: str, limit: int) -> None:
        self._folder, self._name, self.limit = folder, name, limit
        self._path = folder / (name + UNFINISHED)
        self._hash = hashlib.sha256()
        self._buffer = bytearray()
        self._file: BinaryIO | None = None
        self.size = 0

    async def __aenter__(self) -> Draft:
        self._file = await trio.to_thread.run_sync(self._open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._discard)

    async def write(self, data: bytes) -> None:
        """Add bytes; TooLarge."""
        self.size += len(data)
        if self.size > self.limit:
            raise TooLarge(f"more than {self.limit} bytes")
        self._buffer += data
        if len(self._buffer) >= BUFFER:
            await self._flush()

    async def keep(self) -> Stored:
        """The file is complete, and on disk when this returns."""
        await self._flush()
        await trio.to_thread.run_sync(self._finish)
        return Stored(self._name, self.size, self._hash.hexdigest())

    async def _flush(self) -> None:
        data, self._buffer = bytes(self._buffer), bytearray()
        await trio.to_thread.run_sync(self._put, data)

    def _open(self) -> BinaryIO:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb")

    def _put(self, data: bytes) -> None:
        assert self._file is not None
        self._hash.update(data)
        self._file.write(data)

    def _finish(self) -> None:
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.rename(self._folder / self._name)

    def _discard(self) -> None:
        if self._file is not None:
            self._file.close()
        self._path.unlink(missing_ok=True)
