"""Create schedules and plans: charges to come, and what makes one after the other."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.String(32).with_variant(sa.DateTime(timezone=True), "postgresql")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

OPEN = "status NOT IN ('succeeded', 'failed', 'revoked', 'refused')"
SPENT = "status NOT IN ('failed', 'revoked', 'refused')"


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def now() -> sa.TextClause:
    if is_sqlite():
        return sa.text("(strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now'))")
    return sa.text("now()")


def upgrade() -> None:
    _create_plans()
    _create_schedules()
    for table in ("charge_plans", "payment_schedules"):
        _keep_updated_at(table)


def downgrade() -> None:
    op.drop_table("payment_schedules")
    op.drop_table("charge_plans")


def _create_plans() -> None:
    op.create_table(
        "charge_plans",
        sa.Column("id", UUID, nullable=False),
        sa.Column("billing_key_id", UUID, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("cadence", sa.String(20), nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("minute", sa.Integer, nullable=False),
        sa.Column("anchor", sa.Date, nullable=False),
        sa.Column("starts_on", sa.Date, nullable=False),
        sa.Column("ends_on", sa.Date),
        sa.Column("most_charges", sa.Integer),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("order_name", sa.Text, nullable=False),
        sa.Column("next_period", sa.Integer, nullable=False, server_default="0"),
        sa.Column("skipped_periods", sa.Integer, nullable=False, server_default="0"),
        sa.Column("stop", sa.String(40)),
        sa.Column("problem", sa.String(80)),
        sa.Column("note", sa.Text),
        sa.Column("stopped_at", MOMENT),
        sa.Column("created_by", UUID),
        *_leased(),
        sa.PrimaryKeyConstraint("id", name="pk_charge_plans"),
        sa.ForeignKeyConstraint(
            ["billing_key_id"],
            ["billing_keys.id"],
            name="fk_charge_plans_billing_key_id_billing_keys",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name="fk_charge_plans_created_by_users", ondelete="SET NULL"
        ),
        sa.CheckConstraint(
            "status IN ('active', 'paused', 'ended')", name=op.f("ck_charge_plans_status_known")
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_charge_plans_amount_positive")),
        sa.CheckConstraint(
            "(cadence = 'monthly' AND day >= 1 AND day <= 31)"
            " OR (cadence = 'weekly' AND day >= 0 AND day <= 6)",
            name=op.f("ck_charge_plans_day_of_cadence"),
        ),
        sa.CheckConstraint("minute >= 0 AND minute < 1440", name=op.f("ck_charge_plans_minute_of_day")),
        sa.CheckConstraint("next_period >= 0", name=op.f("ck_charge_plans_next_period_counted")),
    )
    op.create_index("ix_charge_plans_billing_key_id", "charge_plans", ["billing_key_id"])
    op.create_index("ix_charge_plans_created_at_id", "charge_plans", ["created_at", "id"])
    _create_partial("ix_charge_plans_due", "charge_plans", ["next_attempt_at", "id"], "status = 'active'")


def _create_schedules() -> None:
    table = "payment_schedules"
    op.create_table(
        table,
        sa.Column("id", UUID, nullable=False),
        sa.Column("schedule_id", sa.String(255)),
        sa.Column("payment_id", sa.Text, nullable=False),
        sa.Column("billing_key_id", UUID),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("is_ours", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("tax_free_amount", sa.BigInteger),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("order_name", sa.Text, nullable=False, server_default=""),
        sa.Column("customer_id", sa.Text),
        sa.Column("customer_name", sa.Text),
        sa.Column("time_to_pay", MOMENT, nullable=False),
        sa.Column("plan_id", UUID),
        sa.Column("period", sa.Integer),
        sa.Column("plan_try", sa.Integer),
        sa.Column("requested_by", UUID),
        sa.Column("problem", sa.String(80)),
        sa.Column("problem_message", sa.Text),
        sa.Column("sent_at", MOMENT),
        sa.Column("started_at", MOMENT),
        sa.Column("completed_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.Column("revoke_id", UUID),
        sa.Column("revoke_reason", sa.Text),
        sa.Column("revoke_problem", sa.String(80)),
        sa.Column("revoke_requested_by", UUID),
        sa.Column("revoke_requested_at", MOMENT),
        sa.Column("synced_at", MOMENT),
        sa.Column("snapshot", DOCUMENT),
        *_leased(),
        sa.PrimaryKeyConstraint("id", name="pk_payment_schedules"),
        sa.UniqueConstraint("schedule_id", name="uq_payment_schedules_schedule_id"),
        sa.UniqueConstraint("plan_id", "period", "plan_try", name="uq_payment_schedules_plan_try"),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_payment_schedules_amount_not_negative")),
        _foreign_key("billing_key_id", "billing_keys", "RESTRICT"),
        _foreign_key("plan_id", "charge_plans", "RESTRICT"),
        _foreign_key("requested_by", "users", "SET NULL"),
        _foreign_key("revoke_requested_by", "users", "SET NULL"),
    )
    for columns in (
        ["payment_id"],
        ["time_to_pay", "id"],
        ["status", "time_to_pay", "id"],
        ["billing_key_id", "time_to_pay"],
        ["revoke_id"],
        ["plan_id"],
    ):
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)
    _create_partial(f"ix_{table}_waiting", table, ["next_attempt_at", "id"], OPEN)
    for name, columns, rows in (
        ("plan_open", ["plan_id"], f"plan_id IS NOT NULL AND {OPEN}"),
        ("period_spent", ["plan_id", "period"], f"plan_id IS NOT NULL AND {SPENT}"),
        ("payment_id_ours", ["payment_id"], "is_ours"),
    ):
        _create_partial(f"uq_{table}_{name}", table, columns, rows, unique=True)


def _leased() -> list[sa.Column]:
    return [
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_attempt_at", MOMENT, nullable=False, server_default=now()),
        sa.Column("claimed_by", sa.String(120)),
        sa.Column("claimed_until", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False, server_default=now()),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=now()),
    ]


def _foreign_key(column: str, table: str, ondelete: str) -> sa.ForeignKeyConstraint:
    name = f"fk_payment_schedules_{column}_{table}"
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=name, ondelete=ondelete)


def _create_partial(name: str, table: str, columns: list[str], rows: str, *, unique: bool = False) -> None:
    op.create_index(
        name, table, columns, unique=unique, sqlite_where=sa.text(rows), postgresql_where=sa.text(rows)
    )


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
