"""Create what compares our payments with PortOne's: drifts, walks, and refunds made at the PG."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.String(32).with_variant(sa.DateTime(timezone=True), "postgresql")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

KINDS = (
    "payment_unknown",
    "cancellation_unknown",
    "cancellation_behind",
    "status_behind",
    "figures_differ",
    "not_expected",
    "payment_gone",
    "refund_unconfirmed",
    "cancelled_unexplained",
    "cancelled_less",
    "amount_differs",
    "currency_differs",
    "store_differs",
    "refunded_at_pg",
)
OPEN = sa.text("healed_at IS NULL AND closed_at IS NULL")


def upgrade() -> None:
    op.add_column("payments", sa.Column("has_drift", sa.Boolean, server_default=sa.false(), nullable=False))
    op.add_column(
        "payments", sa.Column("refunded_at_pg_amount", sa.BigInteger, server_default="0", nullable=False)
    )
    op.create_index(
        "ix_payments_drift",
        "payments",
        ["changed_clock", "id"],
        sqlite_where=sa.text("has_drift = 1"),
        postgresql_where=sa.text("has_drift"),
    )
    _create_drifts()
    _create_pg_refunds()
    _create_runs()


def downgrade() -> None:
    for table in ("drift_runs", "pg_refunds", "drifts"):
        op.drop_table(table)
    op.drop_index("ix_payments_drift", "payments")
    op.drop_column("payments", "refunded_at_pg_amount")
    op.drop_column("payments", "has_drift")


def _create_drifts() -> None:
    op.create_table(
        "drifts",
        sa.Column("id", UUID, nullable=False),
        sa.Column("payment_id", UUID, nullable=False),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("subject", sa.Text, server_default="", nullable=False),
        sa.Column("fields", DOCUMENT),
        sa.Column("amount", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("seen_how", sa.String(20), nullable=False),
        sa.Column("changed_at", MOMENT),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.Column("times_seen", sa.Integer, server_default="1", nullable=False),
        sa.Column("healed_at", MOMENT),
        sa.Column("healed_how", sa.String(20)),
        sa.Column("closed_at", MOMENT),
        sa.Column("closed_by", UUID),
        sa.Column("note", sa.Text),
        sa.CheckConstraint(
            "kind IN ({})".format(", ".join(f"'{kind}'" for kind in KINDS)), name="ck_drifts_kind_known"
        ),
        sa.CheckConstraint("healed_at IS NULL OR closed_at IS NULL", name="ck_drifts_ended_once"),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_drifts_payment_id_payments", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["closed_by"], ["users.id"], name="fk_drifts_closed_by_users", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_drifts"),
    )
    op.create_index("ix_drifts_payment_id", "drifts", ["payment_id"])
    op.create_index("ix_drifts_first_seen_at_id", "drifts", ["first_seen_at", "id"])
    op.create_index("ix_drifts_last_seen_at", "drifts", ["last_seen_at"])
    op.create_index("ix_drifts_kind_first_seen_at_id", "drifts", ["kind", "first_seen_at", "id"])
    op.create_index(
        "uq_drifts_open",
        "drifts",
        ["payment_id", "kind", "subject"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_index(
        "ix_drifts_waiting", "drifts", ["first_seen_at", "id"], sqlite_where=OPEN, postgresql_where=OPEN
    )


def _create_pg_refunds() -> None:
    op.create_table(
        "pg_refunds",
        sa.Column("id", UUID, nullable=False),
        sa.Column("payment_id", UUID, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("refunded_on", sa.Date, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("flagged_by", UUID),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("withdrawn_at", MOMENT),
        sa.Column("resolved_at", MOMENT),
        sa.Column("is_shown", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.CheckConstraint("amount > 0", name="ck_pg_refunds_amount_positive"),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name="fk_pg_refunds_payment_id_payments", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["flagged_by"], ["users.id"], name="fk_pg_refunds_flagged_by_users", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_pg_refunds"),
    )
    op.create_index("ix_pg_refunds_payment_id", "pg_refunds", ["payment_id"])


def _create_runs() -> None:
    op.create_table(
        "drift_runs",
        sa.Column("id", UUID, nullable=False),
        sa.Column("walk", sa.String(20), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("cursor", sa.Text),
        sa.Column("reached_at", MOMENT),
        sa.Column("payments_read", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("differences", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("left_out", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("touched_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.Column("failures", sa.Integer, server_default="0", nullable=False),
        sa.Column("next_at", MOMENT, nullable=False),
        sa.Column("problem", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_drift_runs"),
    )
    under_way = sa.text("finished_at IS NULL")
    op.create_index(
        "uq_drift_runs_under_way",
        "drift_runs",
        ["walk"],
        unique=True,
        sqlite_where=under_way,
        postgresql_where=under_way,
    )
    op.create_index("ix_drift_runs_walk_finished_at", "drift_runs", ["walk", "finished_at"])
