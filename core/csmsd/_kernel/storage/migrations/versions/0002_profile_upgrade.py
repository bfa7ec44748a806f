"""The security profile that a station is about to use (SEC-42)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("kernel_station", sa.Column("profile_upgrade_to", sa.Integer(), nullable=True))
