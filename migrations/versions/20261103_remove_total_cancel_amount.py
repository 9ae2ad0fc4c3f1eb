"""Remove total_cancel_amount, which the two balances have replaced."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("payments", "total_cancel_amount")


def downgrade() -> None:
    op.add_column("payments", sa.Column("total_cancel_amount", sa.BigInteger))
    op.execute("UPDATE payments SET total_cancel_amount = cancelled_amount")
