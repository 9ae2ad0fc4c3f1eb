"""Let the status lead the indexes of waiting webhooks, and index the billing keys of those that have one.

SQLite preferred the index of the status alone, and each claim read and sorted the whole backlog.
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

WAITING = sa.text("status = 'received'")
HELD = sa.text("status = 'received' AND claimed_by IS NOT NULL")
OF_A_KEY = sa.text("billing_key_hash IS NOT NULL")


def upgrade() -> None:
    _create("ix_webhook_logs_waiting_due", ["status", "next_attempt_at", "id"], WAITING)
    _create("ix_webhook_logs_held", ["status", "claimed_until"], HELD)
    _create("ix_webhook_logs_key", ["billing_key_hash"], OF_A_KEY)
    for name in ("waiting", "claimed", "billing_key_hash"):
        op.drop_index(f"ix_webhook_logs_{name}", "webhook_logs")


def downgrade() -> None:
    _create("ix_webhook_logs_waiting", ["next_attempt_at", "id"], WAITING)
    _create("ix_webhook_logs_claimed", ["claimed_until"], HELD)
    op.create_index("ix_webhook_logs_billing_key_hash", "webhook_logs", ["billing_key_hash"])
    for name in ("waiting_due", "held", "key"):
        op.drop_index(f"ix_webhook_logs_{name}", "webhook_logs")


def _create(name: str, columns: list[str], which: sa.TextClause) -> None:
    op.create_index(name, "webhook_logs", columns, sqlite_where=which, postgresql_where=which)
