"""SQLAlchemy engines for the two databases, and the lock that keeps a second csmsd off an SQLite file."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc

from csmsd.errors import ConfigError


def parse_url(url: str) -> sa.URL:
    """`sqlite:////path/csmsd.db` or `postgresql://user@host/database`; ConfigError for anything else."""
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError as error:
        raise ConfigError(f"store.url: {url!r} is no database URL (sqlite:////path or postgresql://…)") from error
    if parsed.drivername == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise ConfigError("store.url: an SQLite database needs a file: sqlite:////path/csmsd.db")
        return parsed
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    raise ConfigError(f"store.url: csmsd cannot use {parsed.drivername!r}, only sqlite and postgresql")


def writing_engine(url: sa.URL, *, is_durable: bool = True, busy_timeout: float = 5.0) -> sa.Engine:
    """The engine of the committer and of migrations."""
    if url.get_backend_name() == "sqlite":
        synchronous = "FULL" if is_durable else "OFF"
        pragmas = ("journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON", *_busy(busy_timeout))
        return _sqlite_engine(url, pragmas, "BEGIN IMMEDIATE")
    return _postgres_engine(url, read_only=False, connections=2)


def reading_engine(url: sa.URL, *, connections: int, busy_timeout: float = 5.0) -> sa.Engine:
    """An engine that can only read."""
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, ("query_only=ON", *_busy(busy_timeout)), "BEGIN")
    return _postgres_engine(url, read_only=True, connections=connections)


def _busy(seconds: float) -> tuple[str]:
    return (f"busy_timeout={round(seconds * 1000)}",)


def _sqlite_engine(url: sa.URL, pragmas: tuple[str, ...], begin: str) -> sa.Engine:
    # isolation_level=None: sqlite3 leaves transactions alone, and ours begin with what we say.
    engine = sa.create_engine(url, connect_args={"check_same_thread": False, "isolation_level": None})

    def set_up(connection: Any, _record: Any) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()

    def start(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", start)
    return engine


_NEVER_OFF = (  # with synchronous_commit=off a COMMIT is no receipt; stronger settings are left as they are
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
_READ_ONLY = (  # and one snapshot for all statements of a query, as on SQLite
    "SELECT set_config('default_transaction_read_only', 'on', false),"
    " set_config('default_transaction_isolation', 'repeatable read', false)"
)


def _postgres_engine(url: sa.URL, *, read_only: bool, connections: int) -> sa.Engine:
    try:
        engine = sa.create_engine(
            url,
            pool_size=connections,
            pool_pre_ping=read_only,  # the committer finds out by itself, and must not pay for a ping
            connect_args={"connect_timeout": 5, "application_name": "csmsd", "tcp_user_timeout": 10_000},
        )
    except ModuleNotFoundError as error:
        raise ConfigError("PostgreSQL needs a driver: pip install 'csmsd[postgres]'") from error
    statement = _READ_ONLY if read_only else _NEVER_OFF

    def set_up(connection: Any, _record: Any) -> None:
        connection.execute(statement)
        connection.commit()

    event.listen(engine, "connect", set_up)
    return engine


class FileLock:
    """Held while a csmsd uses an SQLite file. The kernel of the operating system frees it when the process dies."""

    def __init__(self, url: sa.URL) -> None:
        """Create the file and its folder for the owner's eyes only; ConfigError if another csmsd has it."""
        path = Path(str(url.database))
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))  # -wal and -shm inherit the mode
            self._file = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"store.url: cannot use {path}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._file, 20, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            raise ConfigError(
                f"store.url: {path} is in use by another csmsd (process {holder or 'unknown'})"
            ) from error
        os.truncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let others have the file."""
        os.close(self._file)
