"""Create charges: money taken now from a billing key, each under a paymentId that no other charge has."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.String(32).with_variant(sa.DateTime(timezone=True), "postgresql")

IS_STAFF = "current_setting('app.role', true) IN ('admin', 'super_admin', 'system')"

REFERENCES = (
    ("billing_key_id", "billing_keys", "RESTRICT"),
    ("payment_id", "payments", "SET NULL"),
    ("requested_by", "users", "SET NULL"),
    ("approved_by", "users", "SET NULL"),
)

INDEXES = {
    "ix_charges_payment_id": ["payment_id"],
    "ix_charges_created_at_id": ["created_at", "id"],
    "ix_charges_status_created_at_id": ["status", "created_at", "id"],
    "ix_charges_billing_key_id_created_at_id": ["billing_key_id", "created_at", "id"],
    "ix_charges_requested_by_created_at_id": ["requested_by", "created_at", "id"],
    "ix_charges_approved_by_created_at_id": ["approved_by", "created_at", "id"],
}

#: Those whose outcome PortOne has not told: one of an amount for a key, and quickly found.
IN_FLIGHT = sa.text("status IN ('sending', 'uncertain')")


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def now() -> sa.TextClause:
    if is_sqlite():
        return sa.text("(strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now'))")
    return sa.text("now()")


def moment(name: str) -> sa.Column[str]:
    return sa.Column(name, MOMENT, nullable=False, server_default=now())


def upgrade() -> None:
    op.create_table(
        "charges",
        sa.Column("id", UUID, nullable=False),
        sa.Column("billing_key_id", UUID, nullable=False),
        sa.Column("named_payment_id", sa.String(64), nullable=False),
        sa.Column("payment_id", UUID),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("tax_free_amount", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("order_name", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Text),
        sa.Column("customer_name", sa.Text),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("request_sealed", sa.Text),
        sa.Column("requested_by", UUID),
        sa.Column("approved_by", UUID),
        sa.Column("problem", sa.String(80)),
        sa.Column("problem_message", sa.Text),
        sa.Column("pg_code", sa.String(80)),
        sa.Column("pg_message", sa.Text),
        sa.Column("expires_at", MOMENT),
        sa.Column("sent_at", MOMENT),
        sa.Column("settled_at", MOMENT),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        moment("next_attempt_at"),
        sa.Column("claimed_by", sa.String(120)),
        sa.Column("claimed_until", MOMENT),
        moment("created_at"),
        moment("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_charges"),
        sa.UniqueConstraint("named_payment_id", name="uq_charges_named_payment_id"),
        *(_reference(*each) for each in REFERENCES),
        sa.CheckConstraint(
            "status IN ('awaiting_approval', 'sending', 'uncertain', 'succeeded', 'failed', 'rejected')",
            name="ck_charges_status_known",
        ),
        sa.CheckConstraint("amount > 0", name="ck_charges_amount_positive"),
        sa.CheckConstraint(
            "tax_free_amount >= 0 AND tax_free_amount <= amount", name="ck_charges_tax_free_within_amount"
        ),
    )
    for name, columns in INDEXES.items():
        op.create_index(name, "charges", columns)
    _index_those_in_flight("uq_charges_in_flight", ["billing_key_id", "amount", "currency"], unique=True)
    _index_those_in_flight("ix_charges_waiting", ["next_attempt_at", "id"])
    _keep_updated_at()
    _show_rows_to_staff()


def downgrade() -> None:
    op.drop_table("charges")


def _reference(column: str, table: str, ondelete: str) -> sa.ForeignKeyConstraint:
    name = f"fk_charges_{column}_{table}"
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=name, ondelete=ondelete)


def _index_those_in_flight(name: str, columns: list[str], *, unique: bool = False) -> None:
    op.create_index(
        name, "charges", columns, unique=unique, sqlite_where=IN_FLIGHT, postgresql_where=IN_FLIGHT
    )


def _keep_updated_at() -> None:
    if is_sqlite():
        op.execute(
            "CREATE TRIGGER charges_touch AFTER UPDATE ON charges FOR EACH ROW "
            "WHEN NEW.updated_at IS OLD.updated_at BEGIN "
            "UPDATE charges SET updated_at = strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now') "
            "WHERE id = NEW.id; END"
        )
        return
    op.execute(
        "CREATE TRIGGER charges_touch BEFORE UPDATE ON charges "
        "FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) "
        "EXECUTE FUNCTION touch_updated_at()"
    )


def _show_rows_to_staff() -> None:
    """As for refunds; SQLite has no row-level security."""
    if is_sqlite():
        return
    op.execute(f"CREATE POLICY charges_by_role ON charges USING ({IS_STAFF}) WITH CHECK ({IS_STAFF})")
    op.execute("ALTER TABLE charges ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE charges FORCE ROW LEVEL SECURITY")
