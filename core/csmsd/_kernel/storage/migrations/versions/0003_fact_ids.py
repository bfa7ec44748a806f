"""Ids of facts come from a sequence of csmsd's, which goes on after every id there was."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Facts are deleted in time, so the last ones may be known only by how far the plugins have come.
    op.execute(
        "INSERT INTO kernel_sequence (name, next) "
        "SELECT 'kernel_outbox', last + 1 FROM (SELECT max(id) AS last FROM ("
        "SELECT id FROM kernel_outbox UNION ALL SELECT fact_id FROM kernel_outbox_cursor "
        "UNION ALL SELECT fact_id FROM kernel_outbox_failure) AS known) AS newest WHERE last IS NOT NULL"
    )
