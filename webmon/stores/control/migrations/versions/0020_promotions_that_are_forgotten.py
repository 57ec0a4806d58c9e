"""Promotions of visits that are over go, and their numbers never come again"""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("delete from promotion where link is null and visit_id is null")
    op.execute(
        "delete from account where subject_digest like 'erased:%'"
        " and id not in (select account_id from promotion) and id not in (select account_id from account_hit)"
    )
    _numbered(again=False)


def downgrade() -> None:
    _numbered(again=True)


def _numbered(*, again: bool) -> None:
    """PostgreSQL gives no number twice; SQLite gives the highest again once its row is gone, unless it is told."""
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table(
            "promotion", recreate="always", table_kwargs={"sqlite_autoincrement": not again}
        ):
            pass
