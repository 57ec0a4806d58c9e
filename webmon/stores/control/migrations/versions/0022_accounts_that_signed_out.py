"""When an account last signed out on its website"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account", sa.Column("signed_out_at", sa.DateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("account", "signed_out_at")
