"""Forget old contents of webhooks: when those of a message were removed, and which still have some."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

MOMENT = sa.String(32).with_variant(sa.DateTime(timezone=True), "postgresql")
HAS_CONTENTS = sa.text("contents_removed_at IS NULL")


def upgrade() -> None:
    op.add_column("webhook_logs", sa.Column("contents_removed_at", MOMENT))
    op.create_index(
        "ix_webhook_logs_with_contents",
        "webhook_logs",
        ["created_at"],
        sqlite_where=HAS_CONTENTS,
        postgresql_where=HAS_CONTENTS,
    )


def downgrade() -> None:
    op.drop_index("ix_webhook_logs_with_contents", table_name="webhook_logs")
    op.drop_column("webhook_logs", "contents_removed_at")
