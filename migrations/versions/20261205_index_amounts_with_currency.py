"""Index the currency beside the amount: bounds mean each payment's own, and no row need be read for it."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

BEFORE = "ix_payments_amount_changed_clock_id"
AFTER = "ix_payments_amount_changed_clock_id_currency"


def upgrade() -> None:
    op.create_index(AFTER, "payments", ["amount", "changed_clock", "id", "currency"])
    op.drop_index(BEFORE, "payments")


def downgrade() -> None:
    op.create_index(BEFORE, "payments", ["amount", "changed_clock", "id"])
    op.drop_index(AFTER, "payments")
