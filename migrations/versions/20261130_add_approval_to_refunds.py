"""Add what approval needs: the wish of a waiting refund, until when it waits, and grants to one admin."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

MOMENT = sa.String(32).with_variant(sa.DateTime(timezone=True), "postgresql")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("users", sa.Column("grants", DOCUMENT))
    op.add_column("refunds", sa.Column("wish_sealed", sa.Text))
    op.add_column("refunds", sa.Column("expires_at", MOMENT))


def downgrade() -> None:
    op.drop_column("refunds", "expires_at")
    op.drop_column("refunds", "wish_sealed")
    op.drop_column("users", "grants")
