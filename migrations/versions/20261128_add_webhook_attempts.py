"""Add webhook attempts: how often a message was processed, when, and what came of each time."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.String(32).with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "webhook_attempts",
        sa.Column("id", UUID, nullable=False),
        sa.Column("webhook_log_id", UUID, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("problem", sa.Text),
        sa.Column("times", sa.Integer, server_default="1", nullable=False),
        sa.Column("is_replay", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "outcome IN ('processed', 'skipped', 'postponed', 'refused', 'broken')",
            name="ck_webhook_attempts_outcome_known",
        ),
        sa.ForeignKeyConstraint(
            ["webhook_log_id"],
            ["webhook_logs.id"],
            name="fk_webhook_attempts_webhook_log_id_webhook_logs",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_attempts"),
        sa.UniqueConstraint("webhook_log_id", "number", name="uq_webhook_attempts_webhook_log_id_number"),
    )
    op.add_column(
        "webhook_logs", sa.Column("is_replay", sa.Boolean, server_default=sa.false(), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("webhook_logs", "is_replay")
    op.drop_table("webhook_attempts")
