"""Create users and payments: the shape the older backend left behind."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.String(32).with_variant(sa.DateTime(timezone=True), "postgresql")


def now() -> sa.TextClause:
    if op.get_bind().dialect.name == "sqlite":
        return sa.text("(strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now'))")
    return sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", UUID, nullable=False),
        sa.Column("email", sa.String(320)),
        sa.Column("name", sa.String(200), nullable=False, server_default=""),
        sa.Column("role", sa.String(20), nullable=False, server_default="customer"),
        sa.Column("password_hash", sa.String(255)),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("created_at", MOMENT, nullable=False, server_default=now()),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=now()),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.CheckConstraint("role IN ('customer', 'admin', 'super_admin')", name="ck_users_role_known"),
    )
    op.create_table(
        "payments",
        sa.Column("id", UUID, nullable=False),
        sa.Column("payment_id", sa.Text, nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("order_name", sa.Text),
        sa.Column("amount", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("currency", sa.String(8), nullable=False, server_default="KRW"),
        sa.Column("total_cancel_amount", sa.BigInteger),
        sa.Column("created_at", MOMENT, nullable=False, server_default=now()),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=now()),
        sa.PrimaryKeyConstraint("id", name="pk_payments"),
        sa.UniqueConstraint("payment_id", name="uq_payments_payment_id"),
    )


def downgrade() -> None:
    op.drop_table("payments")
    op.drop_table("users")
