"""Index what workers hold, so that nobody else works on the same payments meanwhile."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

IS_CLAIMED = sa.text("status = 'received' AND claimed_by IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_webhook_logs_claimed",
        "webhook_logs",
        ["claimed_until"],
        sqlite_where=IS_CLAIMED,
        postgresql_where=IS_CLAIMED,
    )


def downgrade() -> None:
    op.drop_index("ix_webhook_logs_claimed", table_name="webhook_logs")
