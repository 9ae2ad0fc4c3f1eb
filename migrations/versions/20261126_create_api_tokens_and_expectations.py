"""Create API tokens, and what a store expects of a payment beside its amount and currency."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.String(32).with_variant(sa.DateTime(timezone=True), "postgresql")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def now() -> sa.TextClause:
    if is_sqlite():
        return sa.text("(strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now'))")
    return sa.text("now()")


def upgrade() -> None:
    op.add_column("payments", sa.Column("expected_tax_free_amount", sa.BigInteger))
    op.add_column("payments", sa.Column("expected_digest", sa.String(64)))
    op.add_column(
        "payments", sa.Column("is_mismatched", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.create_index(
        "ix_payments_mismatched",
        "payments",
        ["changed_clock", "id"],
        sqlite_where=sa.text("is_mismatched = 1"),
        postgresql_where=sa.text("is_mismatched"),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", UUID, nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("hint", sa.String(16), nullable=False),
        sa.Column("scopes", DOCUMENT, nullable=False),
        sa.Column("created_by", UUID),
        sa.Column("expires_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.Column("last_used_at", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False, server_default=now()),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=now()),
        sa.PrimaryKeyConstraint("id", name="pk_api_tokens"),
        sa.UniqueConstraint("token_hash", name="uq_api_tokens_token_hash"),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name="fk_api_tokens_created_by_users", ondelete="SET NULL"
        ),
    )
    op.create_table(
        "api_minutes",
        sa.Column("caller", sa.String(120), nullable=False),
        sa.Column("minute", sa.BigInteger, nullable=False),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("caller", "minute", name="pk_api_minutes"),
    )
    if is_sqlite():
        op.execute(
            "CREATE TRIGGER api_tokens_touch AFTER UPDATE ON api_tokens FOR EACH ROW "
            "WHEN NEW.updated_at IS OLD.updated_at BEGIN UPDATE api_tokens "
            "SET updated_at = strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now') WHERE id = NEW.id; END"
        )
    else:
        op.execute(
            "CREATE TRIGGER api_tokens_touch BEFORE UPDATE ON api_tokens "
            "FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) "
            "EXECUTE FUNCTION touch_updated_at()"
        )


def downgrade() -> None:
    op.drop_table("api_minutes")
    op.drop_table("api_tokens")
    op.drop_index("ix_payments_mismatched", "payments")
    for column in ("is_mismatched", "expected_digest", "expected_tax_free_amount"):
        op.drop_column("payments", column)
