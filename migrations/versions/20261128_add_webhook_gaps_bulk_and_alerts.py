"""Add what compares PortOne's webhook log with ours, bulk replays, and alerts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.String(32).with_variant(sa.DateTime(timezone=True), "postgresql")

#: Few rows are looked for among many: by index, or a page would walk through all.
PARTIAL = {"ix_webhook_logs_tried_again": "attempts > 1", "ix_webhook_logs_not_ok": "response_status >= 300"}
UNBALANCED = "ix_payments_unbalanced"
BY_TYPE = "ix_webhook_logs_webhook_type_created_at"


def upgrade() -> None:
    op.add_column("webhook_logs", sa.Column("first_status", sa.String(20)))
    for name, condition in PARTIAL.items():
        op.create_index(
            name,
            "webhook_logs",
            ["created_at", "id"],
            sqlite_where=sa.text(condition),
            postgresql_where=sa.text(condition),
        )
    op.create_index(BY_TYPE, "webhook_logs", ["webhook_type", "created_at"])
    unbalanced = sa.text("cancellable_amount <> amount - cancelled_amount AND snapshot IS NOT NULL")
    op.create_index(UNBALANCED, "payments", ["id"], sqlite_where=unbalanced, postgresql_where=unbalanced)
    _create_gaps()
    op.create_table(
        "webhook_watch",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("reached_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_webhook_watch"),
    )
    _create_bulk_items()
    _create_alerts()


def downgrade() -> None:
    for table in ("alert_messages", "alerts", "webhook_bulk_items", "webhook_watch", "webhook_gaps"):
        op.drop_table(table)
    op.drop_index(UNBALANCED, "payments")
    for name in (*PARTIAL, BY_TYPE):
        op.drop_index(name, "webhook_logs")
    op.drop_column("webhook_logs", "first_status")


def _create_gaps() -> None:
    op.create_table(
        "webhook_gaps",
        sa.Column("id", UUID, nullable=False),
        sa.Column("payment_id", UUID, nullable=False),
        sa.Column("webhook_id", sa.Text, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("is_held", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("payment_status", sa.Text),
        sa.Column("url", sa.Text),
        sa.Column("delivery_status", sa.Text),
        sa.Column("response_code", sa.Text),
        sa.Column("tries", sa.Integer),
        sa.Column("most_tries", sa.Integer),
        sa.Column("triggered_at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("checked_at", MOMENT),
        sa.Column("healed_at", MOMENT),
        sa.Column("note", sa.Text),
        sa.CheckConstraint(
            "kind IN ('missed', 'refused', 'late', 'repeated', 'elsewhere')",
            name="ck_webhook_gaps_kind_known",
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_webhook_gaps_payment_id_payments", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_gaps"),
        sa.UniqueConstraint("webhook_id", name="uq_webhook_gaps_webhook_id"),
    )
    op.create_index("ix_webhook_gaps_payment_id", "webhook_gaps", ["payment_id"])
    op.create_index("ix_webhook_gaps_triggered_at_id", "webhook_gaps", ["triggered_at", "id"])
    op.create_index("ix_webhook_gaps_kind_triggered_at_id", "webhook_gaps", ["kind", "triggered_at", "id"])
    op.create_index(
        "ix_webhook_gaps_open",
        "webhook_gaps",
        ["checked_at"],
        sqlite_where=sa.text("is_held = 0 AND healed_at IS NULL"),
        postgresql_where=sa.text("NOT is_held AND healed_at IS NULL"),
    )


def _create_bulk_items() -> None:
    op.create_table(
        "webhook_bulk_items",
        sa.Column("bulk_id", UUID, nullable=False),
        sa.Column("webhook_log_id", UUID, nullable=False),
        sa.Column("status", sa.String(20), server_default="waiting", nullable=False),
        sa.Column("told", sa.Text),
        sa.Column("ended_at", MOMENT),
        sa.CheckConstraint(
            "status IN ('waiting', 'asked', 'done', 'failed', 'left_out')",
            name="ck_webhook_bulk_items_status_known",
        ),
        sa.ForeignKeyConstraint(
            ["webhook_log_id"],
            ["webhook_logs.id"],
            name="fk_webhook_bulk_items_webhook_log_id_webhook_logs",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("bulk_id", "webhook_log_id", name="pk_webhook_bulk_items"),
    )
    op.create_index("ix_webhook_bulk_items_bulk_id_status", "webhook_bulk_items", ["bulk_id", "status"])
    op.create_index("ix_webhook_bulk_items_webhook_log_id", "webhook_bulk_items", ["webhook_log_id"])


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("told_at", MOMENT, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_alerts"),
    )
    op.create_table(
        "alert_messages",
        sa.Column("id", UUID, nullable=False),
        sa.Column("alert", sa.String(20), nullable=False),
        sa.Column("occasion", sa.String(20), nullable=False),
        sa.Column("channel", sa.String(20), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("next_attempt_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False),
        sa.Column("sent_at", MOMENT),
        sa.Column("given_up_at", MOMENT),
        sa.Column("problem", sa.Text),
        sa.CheckConstraint(
            "occasion IN ('began', 'reminder', 'ended', 'test')", name="ck_alert_messages_occasion_known"
        ),
        sa.CheckConstraint("channel IN ('slack', 'email')", name="ck_alert_messages_channel_known"),
        sa.PrimaryKeyConstraint("id", name="pk_alert_messages"),
    )
    op.create_index("ix_alert_messages_created_at_id", "alert_messages", ["created_at", "id"])
    is_due = sa.text("sent_at IS NULL AND given_up_at IS NULL")
    op.create_index(
        "ix_alert_messages_due",
        "alert_messages",
        ["next_attempt_at"],
        sqlite_where=is_due,
        postgresql_where=is_due,
    )
