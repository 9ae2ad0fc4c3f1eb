"""Show rows by role: on PostgreSQL a query that forgot to ask who it is for sees nothing.

Who asks stands in the session variables `app.role` and `app.user_id`, set by the app in every transaction.
The tables' owner is bound too. SQLite has no row-level security.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

IS_STAFF = "current_setting('app.role', true) IN ('admin', 'super_admin', 'system')"
IS_OWN = (
    "current_setting('app.role', true) = 'customer' AND user_id::text = current_setting('app.user_id', true)"
)

#: What is seen of a table by whom; the customers' own billing keys besides.
RULES = {
    "payments": IS_STAFF,
    "refunds": IS_STAFF,
    "webhook_logs": IS_STAFF,
    "billing_keys": f"{IS_STAFF} OR ({IS_OWN})",
}


def is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def upgrade() -> None:
    if not is_postgresql():
        return
    for table, rule in RULES.items():
        op.execute(f"CREATE POLICY {table}_by_role ON {table} USING ({rule}) WITH CHECK ({IS_STAFF})")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    if not is_postgresql():
        return
    for table in RULES:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        op.execute(f"DROP POLICY {table}_by_role ON {table}")
