"""When a fact that is set aside was recorded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from csmsd.store import UtcTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("kernel_outbox_failure", sa.Column("recorded_at", UtcTime, nullable=True))
