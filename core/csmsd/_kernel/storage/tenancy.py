"""One csmsd for one PostgreSQL database: the connection that commits holds a lock, and lets go of it by dying.

Two that commit would deliver every fact twice and hand out verdicts from two memories. On SQLite the file is locked.
"""

from __future__ import annotations

import sqlalchemy as sa

from csmsd.errors import ConfigError, StoreUnavailable

_KEY = 0x63736D73642D77  # "csmsd-w", for who writes; migrations have a lock of their own
_TRY = sa.text("SELECT pg_try_advisory_lock(:key), pg_backend_pid()")
_TRY_BRIEFLY = sa.text("SELECT pg_try_advisory_xact_lock(:key)")
_HOLDER = sa.text(
    "SELECT activity.pid, coalesce(host(activity.client_addr), 'this machine') AS client FROM pg_locks"
    " JOIN pg_stat_activity AS activity USING (pid) WHERE locktype = 'advisory' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND classid = :high AND objid = :low AND objsubid = 1"
)
_END = sa.text("SELECT pg_terminate_backend(:pid, 2000)")  # waits for it, in milliseconds
# A server notices in seconds, not in hours, that the machine of the holder is gone.
_KEEPALIVES = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"


class Tenancy:
    """The claim of one committer, renewed with every new connection."""

    def __init__(self) -> None:
        self._backend = 0  # the server's process behind our latest connection

    def claim(self, connection: sa.Connection) -> None:
        """Be the one that commits; StoreUnavailable if somebody else is."""
        if connection.dialect.name != "postgresql":
            return
        connection.exec_driver_sql(_KEEPALIVES)
        is_ours, backend = connection.execute(_TRY, {"key": _KEY}).one()
        if not is_ours:
            holder = _holder(connection)
            if holder is not None and holder.pid == self._backend:  # our former connection, whose end nobody noticed
                connection.execute(_END, {"pid": holder.pid})
                is_ours, backend = connection.execute(_TRY, {"key": _KEY}).one()
        connection.commit()
        if not is_ours:
            raise StoreUnavailable("another csmsd has taken over the database")
        self._backend = backend


def require_vacancy(engine: sa.Engine) -> None:
    """Before anything starts: ConfigError if another csmsd works with this database."""
    if engine.dialect.name != "postgresql":
        return
    with engine.connect() as connection:
        is_free: bool = connection.execute(_TRY_BRIEFLY, {"key": _KEY}).scalar_one()
        holder = None if is_free else _holder(connection)
    if not is_free:
        where = "" if holder is None else f" (from {holder.client}, backend {holder.pid})"
        raise ConfigError(f"store.url: another csmsd uses this database{where}: stop it, or use a database of its own")


def _holder(connection: sa.Connection) -> sa.Row[tuple[int, str]] | None:
    return connection.execute(_HOLDER, {"high": _KEY >> 32, "low": _KEY & 0xFFFFFFFF}).first()
