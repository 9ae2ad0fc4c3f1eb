"""Index all that totals add up: of a million rows with their documents it is a twentieth to read."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

COLUMNS = ["changed_clock", "status", "currency", "channel_type", "amount", "cancelled_amount"]


def upgrade() -> None:
    op.create_index("ix_payments_totals", "payments", COLUMNS)


def downgrade() -> None:
    op.drop_index("ix_payments_totals", "payments")
