"""Add the parts of a refund, the closing of virtual accounts, and links for the buyer's account."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.String(32).with_variant(sa.DateTime(timezone=True), "postgresql")

TABLES = ("account_closures", "account_links")


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def now() -> sa.TextClause:
    if is_sqlite():
        return sa.text("(strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now'))")
    return sa.text("now()")


def moment(name: str) -> sa.Column[str]:
    return sa.Column(name, MOMENT, nullable=False, server_default=now())


def upgrade() -> None:
    op.add_column("refunds", sa.Column("vat_amount", sa.BigInteger))
    op.add_column("refunds", sa.Column("retain_option", sa.String(20)))
    op.add_column("refunds", sa.Column("account_erased_at", MOMENT))
    _create_closures()
    _create_links()
    for table in TABLES:
        _keep_updated_at(table)


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    for column in ("vat_amount", "retain_option", "account_erased_at"):
        op.drop_column("refunds", column)


def _create_closures() -> None:
    op.create_table(
        "account_closures",
        sa.Column("id", UUID, nullable=False),
        sa.Column("payment_id", UUID, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("requested_by", UUID),
        sa.Column("problem", sa.String(80)),
        sa.Column("pg_code", sa.String(80)),
        sa.Column("pg_message", sa.Text),
        sa.Column("settled_at", MOMENT),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        moment("next_attempt_at"),
        sa.Column("claimed_by", sa.String(120)),
        sa.Column("claimed_until", MOMENT),
        moment("created_at"),
        moment("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_account_closures"),
        _foreign_key("account_closures", "payment_id", "payments", "RESTRICT"),
        _foreign_key("account_closures", "requested_by", "users", "SET NULL"),
        sa.CheckConstraint(
            "status IN ('closing', 'closed', 'failed')", name="ck_account_closures_status_known"
        ),
    )
    op.create_index("ix_account_closures_payment_id", "account_closures", ["payment_id"])
    is_closing = sa.text("status = 'closing'")
    op.create_index(
        "uq_account_closures_payment_closing",
        "account_closures",
        ["payment_id"],
        unique=True,
        sqlite_where=is_closing,
        postgresql_where=is_closing,
    )
    op.create_index(
        "ix_account_closures_waiting",
        "account_closures",
        ["next_attempt_at", "id"],
        sqlite_where=is_closing,
        postgresql_where=is_closing,
    )


def _create_links() -> None:
    op.create_table(
        "account_links",
        sa.Column("id", UUID, nullable=False),
        sa.Column("payment_id", UUID, nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("made_by", UUID),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("entered_at", MOMENT),
        sa.Column("account_sealed", sa.Text),
        sa.Column("account_bank", sa.String(60)),
        sa.Column("account_last_digits", sa.String(8)),
        sa.Column("account_holder", sa.Text),
        sa.Column("account_erased_at", MOMENT),
        moment("created_at"),
        moment("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_account_links"),
        sa.UniqueConstraint("token_hash", name="uq_account_links_token_hash"),
        _foreign_key("account_links", "payment_id", "payments", "CASCADE"),
        _foreign_key("account_links", "made_by", "users", "SET NULL"),
    )
    op.create_index("ix_account_links_payment_id", "account_links", ["payment_id"])


def _foreign_key(table: str, column: str, target: str, ondelete: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}_{target}"
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete=ondelete)


def _keep_updated_at(table: str) -> None:
    if is_sqlite():
        op.execute(
            f"CREATE TRIGGER {table}_touch AFTER UPDATE ON {table} FOR EACH ROW "
            "WHEN NEW.updated_at IS OLD.updated_at BEGIN "
            f"UPDATE {table} SET updated_at = strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now') "
            "WHERE id = NEW.id; END"
        )
        return
    op.execute(
        f"CREATE TRIGGER {table}_touch BEFORE UPDATE ON {table} "
        "FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) "
        "EXECUTE FUNCTION touch_updated_at()"
    )
