"""Create refund batches: a file of refunds and its rows."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.String(32).with_variant(sa.DateTime(timezone=True), "postgresql")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def moment(name: str) -> sa.Column[str]:
    now = "(strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now'))" if is_sqlite() else "now()"
    return sa.Column(name, MOMENT, nullable=False, server_default=sa.text(now))


def person(name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [name], ["users.id"], name=f"fk_refund_batches_{name}_users", ondelete="SET NULL"
    )


def upgrade() -> None:
    op.create_table(
        "refund_batches",
        sa.Column("id", UUID, nullable=False),
        sa.Column("status", sa.String(20), nullable=False, server_default="checking"),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("file_digest", sa.String(64), nullable=False),
        sa.Column("default_reason", sa.Text, nullable=False, server_default=""),
        sa.Column("unused_columns", DOCUMENT),
        sa.Column("row_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("includes_warned", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("uploaded_by", UUID),
        sa.Column("confirmed_by", UUID),
        sa.Column("proof", sa.String(20)),
        sa.Column("confirmed_at", MOMENT),
        sa.Column("decided_by", UUID),
        sa.Column("decided_at", MOMENT),
        sa.Column("decision_note", sa.Text, nullable=False, server_default=""),
        sa.Column("finished_at", MOMENT),
        moment("created_at"),
        moment("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_refund_batches"),
        *map(person, ("uploaded_by", "confirmed_by", "decided_by")),
        sa.CheckConstraint(
            "status IN ('checking', 'checked', 'awaiting_approval', 'running', 'finished', 'rejected',"
            " 'discarded', 'expired')",
            name="ck_refund_batches_status_known",
        ),
    )
    op.create_index("ix_refund_batches_file_digest", "refund_batches", ["file_digest"])
    op.create_index("ix_refund_batches_created_at_id", "refund_batches", ["created_at", "id"])
    op.create_index("ix_refund_batches_status_created_at", "refund_batches", ["status", "created_at"])
    op.create_table(
        "refund_batch_rows",
        sa.Column("id", UUID, nullable=False),
        sa.Column("batch_id", UUID, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("cells", DOCUMENT, nullable=False),
        sa.Column("cells_sealed", sa.Text),
        sa.Column("level", sa.String(10)),
        sa.Column("findings", DOCUMENT),
        sa.Column("payment_id", UUID),
        sa.Column("currency", sa.String(8)),
        sa.Column("is_test", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("amount", sa.BigInteger),
        sa.Column("tax_free_amount", sa.BigInteger),
        sa.Column("checked_refundable", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("wish_sealed", sa.Text),
        sa.Column("account_bank", sa.String(60)),
        sa.Column("account_last_digits", sa.String(8)),
        sa.Column("account_holder", sa.Text),
        sa.Column("intent", UUID, nullable=False),
        sa.Column("status", sa.String(10), nullable=False, server_default="waiting"),
        sa.Column("problem", sa.Text),
        sa.Column("carried_out_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_refund_batch_rows"),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["refund_batches.id"],
            name="fk_refund_batch_rows_batch_id_refund_batches",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"],
            ["payments.id"],
            name="fk_refund_batch_rows_payment_id_payments",
            ondelete="SET NULL",
        ),
        sa.UniqueConstraint("batch_id", "number", name="uq_refund_batch_rows_batch_id_number"),
        sa.UniqueConstraint("intent", name="uq_refund_batch_rows_intent"),
        sa.CheckConstraint("level IN ('good', 'warned', 'bad')", name="ck_refund_batch_rows_level_known"),
        sa.CheckConstraint(
            "status IN ('waiting', 'sent', 'refused', 'left_out')", name="ck_refund_batch_rows_status_known"
        ),
    )
    op.create_index("ix_refund_batch_rows_payment_id", "refund_batch_rows", ["payment_id"])
    op.create_index(
        "ix_refund_batch_rows_batch_id_status_number", "refund_batch_rows", ["batch_id", "status", "number"]
    )
    _keep_updated_at("refund_batches")


def downgrade() -> None:
    op.drop_table("refund_batch_rows")
    op.drop_table("refund_batches")


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
