"""Whose fault is it? A database's error is the row's, the storage's, or nobody can know what became of the COMMIT."""

from __future__ import annotations

import sqlite3

from sqlalchemy import exc

from csmsd.errors import OutcomeUnknown, StoreError, StoreUnavailable, WriteFailed

# SQLite's primary result codes that speak of the file, the disk or a lock, not of the row.
_SQLITE_STORAGE = frozenset(
    (
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    )
)
# With these a COMMIT has certainly not happened: nothing was written, or what was written lacks its commit frame.
_SQLITE_CERTAIN = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL))

# PostgreSQL: connection, resources (disk full), operator intervention (shutdown), system, internal.
_POSTGRES_STORAGE = frozenset(("08", "53", "57", "58", "XX"))
_POSTGRES_READ_ONLY = "25006"  # a standby, after a failover
_POSTGRES_QUERY_CANCELED = "57014"  # a statement's own time-out: this statement is at fault


def judge(error: BaseException, *, in_commit: bool) -> StoreError:
    """The StoreError that those who wait shall see: WriteFailed, StoreUnavailable or OutcomeUnknown."""
    reason = f"{type(error).__name__}: {_first_line(error)}"
    if isinstance(error, StoreError):
        return WriteFailed(str(error))  # raised on purpose by a write, for instance an exhausted sequence
    if not _is_storage_fault(error):
        return WriteFailed(reason)
    if in_commit and not _is_certainly_undone(error):
        return OutcomeUnknown(f"the answer to COMMIT was lost: {reason}")
    return StoreUnavailable(reason)


def is_refused_write(error: exc.DBAPIError) -> bool:
    """Tell whether a query tried to write over a read-only connection."""
    return _sqlite_code(error) == sqlite3.SQLITE_READONLY or _sqlstate(error) == _POSTGRES_READ_ONLY


def _is_storage_fault(error: BaseException) -> bool:
    if not isinstance(error, exc.DBAPIError):
        return isinstance(error, (exc.TimeoutError, OSError, MemoryError))
    if error.connection_invalidated:
        return True
    code = _sqlite_code(error)
    if code is not None:
        return code in _SQLITE_STORAGE
    state = _sqlstate(error)
    if state == "":  # psycopg had no answer from a server
        return isinstance(error, (exc.OperationalError, exc.InterfaceError))
    if state == _POSTGRES_QUERY_CANCELED:
        return False
    return state[:2] in _POSTGRES_STORAGE or state == _POSTGRES_READ_ONLY


def _is_certainly_undone(error: BaseException) -> bool:
    return isinstance(error, exc.DBAPIError) and _sqlite_code(error) in _SQLITE_CERTAIN


def _sqlite_code(error: exc.DBAPIError) -> int | None:
    """SQLite's primary result code; None if another database speaks."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return int(code) & 0xFF
    return 0 if isinstance(error.orig, sqlite3.Error) else None


def _sqlstate(error: exc.DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def _first_line(error: BaseException) -> str:
    """Without the statement and its parameters: they may hold secrets (WS-24)."""
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    return (str(cause).splitlines() or [""])[0]
