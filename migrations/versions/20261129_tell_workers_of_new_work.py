"""Tell workers of new work: PostgreSQL notifies with the commit of a webhook or a job."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLES = ("webhook_logs", "jobs")


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def upgrade() -> None:
    if is_sqlite():
        return
    op.execute(
        """
        CREATE FUNCTION tell_workers() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_notify('portico_work', ''); RETURN NULL; END $$
        """
    )
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_tell_workers AFTER INSERT ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION tell_workers()"
        )


def downgrade() -> None:
    if is_sqlite():
        return
    for table in TABLES:
        op.execute(f"DROP TRIGGER {table}_tell_workers ON {table}")
    op.execute("DROP FUNCTION tell_workers()")
