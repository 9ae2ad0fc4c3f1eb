"""Bring the enhancements: balances, refunds, the webhook log, billing keys, the audit trail.

`cancelled_amount` and `cancellable_amount` are filled from `total_cancel_amount`; no row is lost.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.String(32).with_variant(sa.DateTime(timezone=True), "postgresql")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TOKENS = sa.Text().with_variant(postgresql.ARRAY(sa.Text), "postgresql")

TOUCHED = ("users", "payments", "cancellations", "refunds", "webhook_logs", "billing_keys")


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def now() -> sa.TextClause:
    if is_sqlite():
        return sa.text("(strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now'))")
    return sa.text("now()")


def upgrade() -> None:
    _enhance_users()
    _enhance_payments()
    _fill_balances()
    _add_checks_and_clocks()
    _create_sign_ins()
    _create_audit_entries()
    _create_what_belongs_to_payments()
    _create_refunds()
    _create_webhook_logs()
    _create_billing_keys()
    _create_leases()
    if is_sqlite():
        _add_sqlite_triggers()
        _add_sqlite_search()
    else:
        _add_postgresql_triggers()
        op.create_index("ix_payment_search_tokens", "payment_search", ["tokens"], postgresql_using="gin")


def downgrade() -> None:
    if is_sqlite():
        op.execute("DROP TABLE payment_search_index")
    for table in (
        "leases",
        "billing_keys",
        "webhook_logs",
        "refunds",
        "sync_runs",
        "payment_search",
        "payment_notes",
        "cancellations",
        "audit_entries",
        "sign_in_attempts",
        "sign_ins",
    ):
        op.drop_table(table)
    _drop_triggers_of_what_stays()
    op.execute("UPDATE payments SET total_cancel_amount = cancelled_amount")
    _restore_payments()
    with op.batch_alter_table("users") as users:
        users.drop_constraint("uq_users_customer_id", type_="unique")
        users.drop_column("language")
        users.drop_column("customer_id")


def _enhance_users() -> None:
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("customer_id", sa.String(255)))
        users.add_column(sa.Column("language", sa.String(8)))
        users.create_unique_constraint("uq_users_customer_id", ["customer_id"])


def payment_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("transaction_id", sa.Text),
        sa.Column("pg_tx_id", sa.Text),
        sa.Column("store_id", sa.Text),
        sa.Column("user_id", UUID),
        sa.Column("cancelled_amount", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("cancellable_amount", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("tax_free_amount", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("cancelled_tax_free_amount", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("expected_amount", sa.BigInteger),
        sa.Column("expected_currency", sa.String(8)),
        sa.Column("method", sa.String(60)),
        sa.Column("pg_provider", sa.String(60)),
        sa.Column("channel_type", sa.String(20)),
        sa.Column("customer_name", sa.Text),
        sa.Column("customer_email", sa.Text),
        sa.Column("customer_phone", sa.Text),
        sa.Column("billing_key_hash", sa.String(64)),
        sa.Column("has_pending_cancellation", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("has_open_dispute", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("account_refund_status", sa.String(40)),
        sa.Column("requested_at", MOMENT),
        sa.Column("paid_at", MOMENT),
        sa.Column("status_changed_at", MOMENT),
        sa.Column("reported_at", MOMENT),
        sa.Column("synced_at", MOMENT),
        sa.Column("snapshot", DOCUMENT),
    ]


PAYMENT_INDEXES = {
    "ix_payments_amount_changed_clock_id": ["amount", "changed_clock", "id"],
    "ix_payments_billing_key_hash": ["billing_key_hash"],
    "ix_payments_changed_clock_id": ["changed_clock", "id"],
    "ix_payments_method_changed_clock_id": ["method", "changed_clock", "id"],
    "ix_payments_paid_at": ["paid_at"],
    "ix_payments_pg_tx_id": ["pg_tx_id"],
    "ix_payments_requested_clock_id": ["requested_clock", "id"],
    "ix_payments_status_changed_clock_id": ["status", "changed_clock", "id"],
    "ix_payments_transaction_id": ["transaction_id"],
    "ix_payments_user_id": ["user_id"],
}

#: Few rows need a person; finding them must not cost a walk through all.
PARTIAL_INDEXES = {
    "ix_payments_pending_cancellation": (["changed_clock", "id"], "has_pending_cancellation"),
    "ix_payments_in_motion": (
        ["synced_at"],
        "has_pending_cancellation OR account_refund_status = 'PENDING'",
    ),
    "ix_payments_open_dispute": (["changed_clock", "id"], "has_open_dispute"),
    "ix_payments_account_refund_status": (
        ["account_refund_status", "changed_clock", "id"],
        "account_refund_status IS NOT NULL",
    ),
}

CLOCKS = {"changed_clock": "status_changed_at", "requested_clock": "requested_at"}


def _enhance_payments() -> None:
    with op.batch_alter_table("payments") as payments:
        for column in payment_columns():
            payments.add_column(column)
        payments.create_foreign_key(
            "fk_payments_user_id_users", "users", ["user_id"], ["id"], ondelete="SET NULL"
        )


def _fill_balances() -> None:
    """What was cancelled, kept between nothing and everything, and what is left of the amount."""
    op.execute(
        """
        UPDATE payments SET cancelled_amount =
            CASE WHEN coalesce(total_cancel_amount, 0) < 0 THEN 0
                 WHEN coalesce(total_cancel_amount, 0) > amount THEN amount
                 ELSE coalesce(total_cancel_amount, 0) END
        """
    )
    op.execute("UPDATE payments SET cancellable_amount = amount - cancelled_amount")


def _add_checks_and_clocks() -> None:
    """In one step, and last: Alembic cannot copy a SQLite table that has generated columns already."""
    with op.batch_alter_table("payments", recreate="always" if is_sqlite() else "never") as payments:
        payments.create_check_constraint(
            "ck_payments_cancelled_within_amount", "cancelled_amount >= 0 AND cancelled_amount <= amount"
        )
        payments.create_check_constraint(
            "ck_payments_cancellable_within_amount",
            "cancellable_amount >= 0 AND cancellable_amount <= amount",
        )
        for clock, moment in CLOCKS.items():
            computed = sa.Computed(f"coalesce({moment}, created_at)", persisted=True)
            payments.add_column(sa.Column(clock, MOMENT, computed, nullable=False))
    for name, columns in PAYMENT_INDEXES.items():
        op.create_index(name, "payments", columns)
    for name, (columns, condition) in PARTIAL_INDEXES.items():
        is_flag = condition.isidentifier()
        op.create_index(
            name,
            "payments",
            columns,
            sqlite_where=sa.text(f"{condition} = 1" if is_flag else condition),
            postgresql_where=sa.text(condition),
        )


def _restore_payments() -> None:
    for name in (*PAYMENT_INDEXES, *PARTIAL_INDEXES):
        op.drop_index(name, "payments")
    with op.batch_alter_table("payments") as payments:
        payments.drop_constraint("ck_payments_cancelled_within_amount", type_="check")
        payments.drop_constraint("ck_payments_cancellable_within_amount", type_="check")
        payments.drop_constraint("fk_payments_user_id_users", type_="foreignkey")
        for clock in CLOCKS:
            payments.drop_column(clock)
        for column in reversed(payment_columns()):
            payments.drop_column(column.name)


def _create_sign_ins() -> None:
    op.create_table(
        "sign_ins",
        sa.Column("id", UUID, nullable=False),
        sa.Column("user_id", UUID, nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("address", sa.String(45), server_default="", nullable=False),
        sa.Column("user_agent", sa.String(400), server_default="", nullable=False),
        sa.Column("created_at", MOMENT, server_default=now(), nullable=False),
        sa.Column("last_seen_at", MOMENT, server_default=now(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_sign_ins_user_id_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sign_ins"),
        sa.UniqueConstraint("token_hash", name="uq_sign_ins_token_hash"),
    )
    op.create_index("ix_sign_ins_user_id", "sign_ins", ["user_id"])
    op.create_table(
        "sign_in_attempts",
        sa.Column("id", UUID, nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("address", sa.String(45), server_default="", nullable=False),
        sa.Column("succeeded", sa.Boolean, nullable=False),
        sa.Column("attempted_at", MOMENT, server_default=now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_attempts"),
    )
    op.create_index("ix_sign_in_attempts_email_attempted_at", "sign_in_attempts", ["email", "attempted_at"])
    op.create_index("ix_sign_in_attempts_attempted_at", "sign_in_attempts", ["attempted_at"])


def _create_audit_entries() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", UUID, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("action", sa.String(80), nullable=False),
        sa.Column("subject_type", sa.String(40), nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("actor_id", UUID),
        sa.Column("actor_name", sa.String(200), nullable=False),
        sa.Column("address", sa.String(45)),
        sa.Column("sign_in_id", UUID),
        sa.Column("before", DOCUMENT),
        sa.Column("after", DOCUMENT),
        sa.Column("facts", DOCUMENT),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entries"),
        sa.UniqueConstraint("hash", name="uq_audit_entries_hash"),
        sa.UniqueConstraint("sequence", name="uq_audit_entries_sequence"),
    )
    op.create_index("ix_audit_entries_actor_id", "audit_entries", ["actor_id"])
    op.create_index("ix_audit_entries_at", "audit_entries", ["at"])
    op.create_index("ix_audit_entries_subject", "audit_entries", ["subject_type", "subject_id"])


def _create_what_belongs_to_payments() -> None:
    op.create_table(
        "cancellations",
        sa.Column("id", UUID, nullable=False),
        sa.Column("payment_id", UUID, nullable=False),
        sa.Column("cancellation_id", sa.Text, nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("total_amount", sa.BigInteger, nullable=False),
        sa.Column("tax_free_amount", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("vat_amount", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("reason", sa.Text, server_default="", nullable=False),
        sa.Column("trigger", sa.String(40)),
        sa.Column("pg_cancellation_id", sa.Text),
        sa.Column("receipt_url", sa.Text),
        sa.Column("requested_at", MOMENT),
        sa.Column("cancelled_at", MOMENT),
        sa.Column("created_at", MOMENT, server_default=now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_cancellations_payment_id_payments", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_cancellations"),
        sa.UniqueConstraint(
            "payment_id", "cancellation_id", name="uq_cancellations_payment_id_cancellation_id"
        ),
    )
    op.create_index("ix_cancellations_cancellation_id", "cancellations", ["cancellation_id"])
    op.create_index("ix_cancellations_cancelled_at", "cancellations", ["cancelled_at"])
    op.create_table(
        "payment_notes",
        sa.Column("id", UUID, nullable=False),
        sa.Column("payment_id", UUID, nullable=False),
        sa.Column("author_id", UUID),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, server_default=now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["author_id"], ["users.id"], name="fk_payment_notes_author_id_users", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_payment_notes_payment_id_payments", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_payment_notes"),
    )
    op.create_index("ix_payment_notes_payment_id", "payment_notes", ["payment_id"])
    op.create_table(
        "payment_search",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("payment_id", UUID, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("tokens", TOKENS, nullable=False),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_payment_search_payment_id_payments", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_payment_search"),
        sa.UniqueConstraint("payment_id", name="uq_payment_search_payment_id"),
    )
    op.create_table(
        "sync_runs",
        sa.Column("id", UUID, nullable=False),
        sa.Column("since", MOMENT),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("cursor", sa.Text),
        sa.Column("payments_read", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("payments_changed", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("started_at", MOMENT, server_default=now(), nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_sync_runs"),
    )
    op.create_index("ix_sync_runs_finished_at", "sync_runs", ["finished_at"])


def _create_refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", UUID, nullable=False),
        sa.Column("payment_id", UUID, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("tax_free_amount", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("balance_before", sa.BigInteger),
        sa.Column("reason_code", sa.String(40)),
        sa.Column("reason", sa.Text, server_default="", nullable=False),
        sa.Column("request_sealed", sa.Text),
        sa.Column("account_bank", sa.String(60)),
        sa.Column("account_last_digits", sa.String(8)),
        sa.Column("account_holder", sa.Text),
        sa.Column("requested_by", UUID),
        sa.Column("approved_by", UUID),
        sa.Column("cancellation_id", sa.Text),
        sa.Column("problem", sa.String(80)),
        sa.Column("problem_message", sa.Text),
        sa.Column("pg_code", sa.String(80)),
        sa.Column("pg_message", sa.Text),
        sa.Column("sent_at", MOMENT),
        sa.Column("settled_at", MOMENT),
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False),
        sa.Column("next_attempt_at", MOMENT, server_default=now(), nullable=False),
        sa.Column("claimed_by", sa.String(120)),
        sa.Column("claimed_until", MOMENT),
        sa.Column("created_at", MOMENT, server_default=now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=now(), nullable=False),
        sa.CheckConstraint(
            "status IN ('awaiting_approval', 'sending', 'uncertain', 'requested', 'succeeded', 'failed',"
            " 'rejected')",
            name="ck_refunds_status_known",
        ),
        sa.CheckConstraint("amount > 0", name="ck_refunds_amount_positive"),
        sa.CheckConstraint(
            "tax_free_amount >= 0 AND tax_free_amount <= amount", name="ck_refunds_tax_free_within_amount"
        ),
        sa.ForeignKeyConstraint(
            ["approved_by"], ["users.id"], name="fk_refunds_approved_by_users", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_refunds_payment_id_payments", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["users.id"], name="fk_refunds_requested_by_users", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_refunds"),
    )
    op.create_index("ix_refunds_cancellation_id", "refunds", ["cancellation_id"])
    op.create_index("ix_refunds_payment_id", "refunds", ["payment_id"])
    op.create_index("ix_refunds_status_id", "refunds", ["status", "id"])
    op.create_index(
        "ix_refunds_waiting",
        "refunds",
        ["next_attempt_at", "id"],
        sqlite_where=sa.text("status IN ('sending', 'uncertain', 'requested')"),
        postgresql_where=sa.text("status IN ('sending', 'uncertain', 'requested')"),
    )
    op.create_index(
        "uq_refunds_payment_in_flight",
        "refunds",
        ["payment_id"],
        unique=True,
        sqlite_where=sa.text("status IN ('sending', 'uncertain', 'requested')"),
        postgresql_where=sa.text("status IN ('sending', 'uncertain', 'requested')"),
    )


def _create_webhook_logs() -> None:
    op.create_table(
        "webhook_logs",
        sa.Column("id", UUID, nullable=False),
        sa.Column("webhook_id", sa.Text),
        sa.Column("webhook_type", sa.Text),
        sa.Column("payment_id", UUID),
        sa.Column("named_payment_id", sa.Text),
        sa.Column("provider_transaction_id", sa.Text),
        sa.Column("billing_key_sealed", sa.Text),
        sa.Column("billing_key_hash", sa.String(64)),
        sa.Column("request_headers", DOCUMENT),
        sa.Column("request_body", DOCUMENT),
        sa.Column("response_status", sa.Integer),
        sa.Column("response_body", DOCUMENT),
        sa.Column("status", sa.String(20), server_default="received", nullable=False),
        sa.Column("error_message", sa.Text),
        sa.Column("deliveries", sa.Integer, server_default="1", nullable=False),
        sa.Column("last_delivered_at", MOMENT),
        sa.Column("occurred_at", MOMENT),
        sa.Column("changes", DOCUMENT),
        sa.Column("processed_at", MOMENT),
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False),
        sa.Column("next_attempt_at", MOMENT, server_default=now(), nullable=False),
        sa.Column("claimed_by", sa.String(120)),
        sa.Column("claimed_until", MOMENT),
        sa.Column("created_at", MOMENT, server_default=now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=now(), nullable=False),
        sa.CheckConstraint(
            "status IN ('received', 'processed', 'failed', 'skipped', 'rejected')",
            name="ck_webhook_logs_status_known",
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_webhook_logs_payment_id_payments", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_logs"),
        sa.UniqueConstraint("webhook_id", name="uq_webhook_logs_webhook_id"),
    )
    op.create_index("ix_webhook_logs_billing_key_hash", "webhook_logs", ["billing_key_hash"])
    op.create_index("ix_webhook_logs_created_at", "webhook_logs", ["created_at"])
    op.create_index("ix_webhook_logs_named_payment_id", "webhook_logs", ["named_payment_id"])
    op.create_index("ix_webhook_logs_payment_id", "webhook_logs", ["payment_id"])
    op.create_index("ix_webhook_logs_provider_transaction_id", "webhook_logs", ["provider_transaction_id"])
    op.create_index(
        "ix_webhook_logs_repeated",
        "webhook_logs",
        ["created_at", "id"],
        sqlite_where=sa.text("deliveries > 1"),
        postgresql_where=sa.text("deliveries > 1"),
    )
    op.create_index("ix_webhook_logs_status_created_at", "webhook_logs", ["status", "created_at"])
    op.create_index(
        "ix_webhook_logs_waiting",
        "webhook_logs",
        ["next_attempt_at", "id"],
        sqlite_where=sa.text("status = 'received'"),
        postgresql_where=sa.text("status = 'received'"),
    )


def _create_billing_keys() -> None:
    op.create_table(
        "billing_keys",
        sa.Column("id", UUID, nullable=False),
        sa.Column("user_id", UUID),
        sa.Column("billing_key", sa.String(64), nullable=False),
        sa.Column("billing_key_encrypted", sa.Text),
        sa.Column("card_type", sa.String(40)),
        sa.Column("card_company", sa.String(80)),
        sa.Column("card_number", sa.String(40)),
        sa.Column("card_name", sa.Text),
        sa.Column("expiry_year", sa.Integer),
        sa.Column("expiry_month", sa.Integer),
        sa.Column("is_default", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("is_active", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.Column("metadata", DOCUMENT),
        sa.Column("registered_at", MOMENT),
        sa.Column("last_used_at", MOMENT),
        sa.Column("key_ending", sa.String(8)),
        sa.Column("status", sa.String(40), server_default="ISSUED", nullable=False),
        sa.Column("store_id", sa.Text),
        sa.Column("method", sa.String(60)),
        sa.Column("method_summary", sa.Text),
        sa.Column("pg_provider", sa.String(60)),
        sa.Column("channel_type", sa.String(20)),
        sa.Column("customer_name", sa.Text),
        sa.Column("deleted_at", MOMENT),
        sa.Column("synced_at", MOMENT),
        sa.Column("snapshot", DOCUMENT),
        sa.Column("created_at", MOMENT, server_default=now(), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=now(), nullable=False),
        sa.Column(
            "registered_clock",
            MOMENT,
            sa.Computed("coalesce(registered_at, created_at)", persisted=True),
            nullable=False,
        ),
        sa.CheckConstraint(
            "expiry_month IS NULL OR (expiry_month >= 1 AND expiry_month <= 12)",
            name="ck_billing_keys_expiry_month",
        ),
        sa.CheckConstraint(
            "expiry_year IS NULL OR (expiry_year >= 2024 AND expiry_year <= 2099)",
            name="ck_billing_keys_expiry_year",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_billing_keys_user_id_users", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_billing_keys"),
    )
    op.create_index("ix_billing_keys_billing_key", "billing_keys", ["billing_key"], unique=True)
    op.create_index("ix_billing_keys_is_active", "billing_keys", ["is_active"])
    op.create_index("ix_billing_keys_is_default", "billing_keys", ["is_default"])
    op.create_index("ix_billing_keys_registered_clock_id", "billing_keys", ["registered_clock", "id"])
    op.create_index("ix_billing_keys_user_id", "billing_keys", ["user_id"])
    op.create_index(
        "uq_billing_keys_default",
        "billing_keys",
        ["user_id"],
        unique=True,
        sqlite_where=sa.text("is_default"),
        postgresql_where=sa.text("is_default"),
    )


def _create_leases() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("holder", sa.String(120), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )


def _add_sqlite_triggers() -> None:
    for table in TOUCHED:
        op.execute(
            f"""
            CREATE TRIGGER {table}_touch AFTER UPDATE ON {table} FOR EACH ROW
            WHEN NEW.updated_at IS OLD.updated_at BEGIN
                UPDATE {table} SET updated_at = strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now')
                WHERE id = NEW.id;
            END
            """
        )
    # REPLACE deletes without asking the trigger for deletions, so it is refused where it begins.
    op.execute(
        """
        CREATE TRIGGER audit_entries_no_replace BEFORE INSERT ON audit_entries
        WHEN EXISTS (SELECT 1 FROM audit_entries
                     WHERE id = NEW.id OR sequence = NEW.sequence OR hash = NEW.hash) BEGIN
            SELECT RAISE(ABORT, 'audit_entries is append-only');
        END
        """
    )
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"""
            CREATE TRIGGER audit_entries_no_{change.lower()} BEFORE {change} ON audit_entries BEGIN
                SELECT RAISE(ABORT, 'audit_entries is append-only');
            END
            """
        )


def _add_sqlite_search() -> None:
    """The full-text index over `payment_search.tokens`, kept right by the database itself."""
    op.execute(
        """
        CREATE VIRTUAL TABLE payment_search_index USING fts5(
            tokens, content='payment_search', content_rowid='id',
            detail=none, columnsize=0, tokenize='unicode61')
        """
    )
    op.execute("INSERT INTO payment_search_index(payment_search_index, rank) VALUES ('automerge', 16)")
    command = "INSERT INTO payment_search_index(payment_search_index, rowid, tokens)"
    forget = f"{command} VALUES ('delete', OLD.id, OLD.tokens);"
    learn = "INSERT INTO payment_search_index(rowid, tokens) VALUES (NEW.id, NEW.tokens);"
    for change, steps in {
        "INSERT": learn,
        "DELETE": forget,
        "UPDATE OF tokens": forget + learn,
    }.items():
        name = change.split()[0].lower()
        op.execute(f"CREATE TRIGGER payment_search_{name} AFTER {change} ON payment_search BEGIN {steps} END")


def _add_postgresql_triggers() -> None:
    op.execute(
        """
        CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN NEW.updated_at = clock_timestamp(); RETURN NEW; END $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
        """
    )
    for table in TOUCHED:
        op.execute(
            f"CREATE TRIGGER {table}_touch BEFORE UPDATE ON {table} "
            "FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) "
            "EXECUTE FUNCTION touch_updated_at()"
        )
    op.execute(
        "CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _drop_triggers_of_what_stays() -> None:
    for table in ("users", "payments"):
        op.execute(f"DROP TRIGGER {table}_touch" + ("" if is_sqlite() else f" ON {table}"))
    if not is_sqlite():
        op.execute("DROP FUNCTION touch_updated_at")
        op.execute("DROP FUNCTION refuse_change")
