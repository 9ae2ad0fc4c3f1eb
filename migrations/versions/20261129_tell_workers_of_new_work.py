"""Tell workers of new jobs: PostgreSQL notifies with their commit."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


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
    op.execute(
        "CREATE TRIGGER jobs_tell_workers AFTER INSERT ON jobs "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_workers()"
    )


def downgrade() -> None:
    if is_sqlite():
        return
    op.execute("DROP TRIGGER jobs_tell_workers ON jobs")
    op.execute("DROP FUNCTION tell_workers()")
