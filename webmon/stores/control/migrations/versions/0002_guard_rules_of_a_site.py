"""The guard's rules of a site"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

RULES = ("allowed_parameters", "path_templates", "property_keys")


def upgrade() -> None:
    with op.batch_alter_table("site") as site:
        for name in RULES:
            site.add_column(sa.Column(name, sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("site") as site:
        for name in RULES:
            site.drop_column(name)
