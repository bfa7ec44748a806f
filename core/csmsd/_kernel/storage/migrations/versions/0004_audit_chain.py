"""The audit becomes a chain of hashes; what is there already is numbered without gaps and chained as it stands."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from csmsd._kernel.storage.chain import BASE, GENESIS, HEAD, Content, hash_of
from csmsd.store import StationText, UtcTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

PAGE = 1000

audit = sa.table(
    "kernel_audit",
    sa.column("id", sa.BigInteger),
    sa.column("at", UtcTime),
    sa.column("actor", StationText),
    sa.column("action", sa.Text),
    sa.column("subject", StationText),
    sa.column("before", StationText),
    sa.column("after", StationText),
    sa.column("way", sa.Text),
    sa.column("previous", sa.Text),
    sa.column("hash", sa.Text),
)
mark = sa.table(
    "kernel_audit_mark", sa.column("name", sa.Text), sa.column("entry_id", sa.BigInteger), sa.column("hash", sa.Text)
)


def upgrade() -> None:
    for name in ("way", "previous", "hash"):
        op.add_column("kernel_audit", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "kernel_audit_mark",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    number, last = chain_up(op.get_bind())
    op.bulk_insert(
        mark, [{"name": BASE, "entry_id": 0, "hash": GENESIS}, {"name": HEAD, "entry_id": number, "hash": last}]
    )


def chain_up(connection: sa.Connection) -> tuple[int, str]:
    """Number and chain the entries, the oldest first; returns the last one's number and hash."""
    change = (
        sa.update(audit)
        .where(audit.c.id == sa.bindparam("old"))
        .values({name: sa.bindparam(f"new_{name}") for name in ("id", "way", "previous", "hash")})
    )
    number, last, seen = 0, GENESIS, -(2**63)
    while True:
        page = sa.select(audit).where(audit.c.id > seen).order_by(audit.c.id).limit(PAGE)
        rows = connection.execute(page).all()
        if not rows:
            return number, last
        for row in rows:  # a new number is never greater than the old one, so it is free
            number, previous, seen = number + 1, last, row.id
            way = "system" if row.actor == "csmsd" else "api"
            content = Content(number, row.at, row.actor, way, row.action, row.subject, row.before, row.after)
            last = hash_of(content, previous)
            new = {"new_id": number, "new_way": way, "new_previous": previous, "new_hash": last}
            connection.execute(change, {"old": row.id, **new})
