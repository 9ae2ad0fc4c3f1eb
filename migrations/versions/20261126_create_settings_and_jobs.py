"""Create settings and jobs: what a super admin decides, and work that outlives a request."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.String(32).with_variant(sa.DateTime(timezone=True), "postgresql")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

KEYS = {"settings": "name", "jobs": "id"}


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
        "settings",
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("document", DOCUMENT, nullable=False),
        sa.Column("changed_by", UUID),
        moment("created_at"),
        moment("updated_at"),
        sa.PrimaryKeyConstraint("name", name="pk_settings"),
        sa.ForeignKeyConstraint(
            ["changed_by"], ["users.id"], name="fk_settings_changed_by_users", ondelete="SET NULL"
        ),
    )
    op.create_table(
        "jobs",
        sa.Column("id", UUID, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("subject_id", UUID),
        sa.Column("status", sa.String(20), nullable=False, server_default="waiting"),
        sa.Column("params", DOCUMENT),
        sa.Column("result", DOCUMENT),
        sa.Column("total", sa.BigInteger),
        sa.Column("done", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("failed", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("problem", sa.Text),
        sa.Column("requested_by", UUID),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        moment("next_attempt_at"),
        sa.Column("claimed_by", sa.String(120)),
        sa.Column("claimed_until", MOMENT),
        moment("created_at"),
        moment("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["users.id"], name="fk_jobs_requested_by_users", ondelete="SET NULL"
        ),
        sa.CheckConstraint(
            "status IN ('waiting', 'running', 'paused', 'done', 'failed', 'stopped')",
            name="ck_jobs_status_known",
        ),
    )
    op.create_index("ix_jobs_subject_id", "jobs", ["subject_id"])
    op.create_index("ix_jobs_created_at_id", "jobs", ["created_at", "id"])
    is_open = sa.text("status IN ('waiting', 'running')")
    op.create_index(
        "ix_jobs_open", "jobs", ["next_attempt_at", "id"], sqlite_where=is_open, postgresql_where=is_open
    )
    for table, key in KEYS.items():
        _keep_updated_at(table, key)


def downgrade() -> None:
    for table in KEYS:
        op.drop_table(table)


def _keep_updated_at(table: str, key: str) -> None:
    if is_sqlite():
        op.execute(
            f"CREATE TRIGGER {table}_touch AFTER UPDATE ON {table} FOR EACH ROW "
            "WHEN NEW.updated_at IS OLD.updated_at BEGIN "
            f"UPDATE {table} SET updated_at = strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now') "
            f"WHERE {key} = NEW.{key}; END"
        )
        return
    op.execute(
        f"CREATE TRIGGER {table}_touch BEFORE UPDATE ON {table} "
        "FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) "
        "EXECUTE FUNCTION touch_updated_at()"
    )
