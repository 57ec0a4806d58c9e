"""Other sites of this installation that a site has one choice with"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("site", sa.Column("family", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("site", "family")
