"""The audit trail signed and searchable; a second factor and named sessions for staff"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0009"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "audit_checkpoint",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("chain_hash", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.String(length=40), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_checkpoint")),
    )
    with op.batch_alter_table("audit") as batch_op:
        batch_op.add_column(sa.Column("actor", sa.String(length=254), server_default="", nullable=False))
        batch_op.add_column(sa.Column("account_id", sa.BigInteger(), nullable=True))
        batch_op.create_index(op.f("ix_audit_actor"), ["actor"])
        batch_op.create_index(op.f("ix_audit_account_id"), ["account_id"])
    # What older entries say in the body that the chain covers.
    connection = op.get_bind()
    audit = sa.table("audit", sa.column("seq"), sa.column("body"), sa.column("actor"), sa.column("account_id"))
    for seq, body in connection.execute(sa.select(audit.c.seq, audit.c.body)).all():
        said = json.loads(body)
        values = {"actor": said["actor"], "account_id": said["detail"].get("account_id")}
        connection.execute(audit.update().where(audit.c.seq == seq).values(values))
    op.add_column("staff", sa.Column("totp_wrapped", sa.LargeBinary(), nullable=True))
    op.add_column("staff", sa.Column("totp_pending", sa.LargeBinary(), nullable=True))
    op.add_column("staff", sa.Column("totp_step", sa.BigInteger(), nullable=True))
    op.add_column("staff_session", sa.Column("awaits_code", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("staff_session", sa.Column("browser", sa.String(length=64), server_default="", nullable=False))
    op.create_table(
        "staff_recovery_code",
        sa.Column("id", _ID, nullable=False),
        sa.Column("staff_id", _ID, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_recovery_code_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_recovery_code")),
        sa.UniqueConstraint("staff_id", "digest", name=op.f("uq_staff_recovery_code_staff_id_digest")),
    )


def downgrade() -> None:
    op.drop_table("staff_recovery_code")
    with op.batch_alter_table("staff_session") as batch_op:
        batch_op.drop_column("browser")
        batch_op.drop_column("awaits_code")
    with op.batch_alter_table("staff") as batch_op:
        batch_op.drop_column("totp_step")
        batch_op.drop_column("totp_pending")
        batch_op.drop_column("totp_wrapped")
    with op.batch_alter_table("audit") as batch_op:
        batch_op.drop_index(op.f("ix_audit_account_id"))
        batch_op.drop_index(op.f("ix_audit_actor"))
        batch_op.drop_column("account_id")
        batch_op.drop_column("actor")
    op.drop_table("audit_checkpoint")
