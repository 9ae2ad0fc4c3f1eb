"""Create the deletions of billing keys, and mark the keys that are being deleted."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.String(32).with_variant(sa.DateTime(timezone=True), "postgresql")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

TABLE = "billing_key_deletions"


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def now() -> sa.TextClause:
    if is_sqlite():
        return sa.text("(strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now'))")
    return sa.text("now()")


def moment(name: str) -> sa.Column[str]:
    return sa.Column(name, MOMENT, nullable=False, server_default=now())


def upgrade() -> None:
    op.add_column("billing_keys", sa.Column("deleting_since", MOMENT))
    op.create_table(
        TABLE,
        sa.Column("id", UUID, nullable=False),
        sa.Column("billing_key_id", UUID, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("requester", sa.String(20), nullable=False),
        sa.Column("requested_by", UUID),
        sa.Column("schedules", DOCUMENT),
        sa.Column("schedules_revoked_at", MOMENT),
        sa.Column("problem", sa.String(80)),
        sa.Column("problem_message", sa.Text),
        sa.Column("pg_code", sa.String(80)),
        sa.Column("pg_message", sa.Text),
        sa.Column("channels", DOCUMENT),
        sa.Column("settled_at", MOMENT),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        moment("next_attempt_at"),
        sa.Column("claimed_by", sa.String(120)),
        sa.Column("claimed_until", MOMENT),
        moment("created_at"),
        moment("updated_at"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{TABLE}"),
        _foreign_key("billing_key_id", "billing_keys", "RESTRICT"),
        _foreign_key("requested_by", "users", "SET NULL"),
        sa.CheckConstraint(
            "status IN ('sending', 'uncertain', 'succeeded', 'failed')", name=f"ck_{TABLE}_status_known"
        ),
        sa.CheckConstraint("requester IN ('ADMIN', 'CUSTOMER')", name=f"ck_{TABLE}_requester_known"),
    )
    op.create_index(f"ix_{TABLE}_billing_key_id", TABLE, ["billing_key_id"])
    _index_what_is_under_way(f"uq_{TABLE}_under_way", ["billing_key_id"], unique=True)
    _index_what_is_under_way(f"ix_{TABLE}_waiting", ["next_attempt_at", "id"], unique=False)
    _keep_updated_at()


def downgrade() -> None:
    op.drop_table(TABLE)
    op.drop_column("billing_keys", "deleting_since")


def _foreign_key(column: str, target: str, ondelete: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{TABLE}_{column}_{target}"
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete=ondelete)


def _index_what_is_under_way(name: str, columns: list[str], *, unique: bool) -> None:
    is_under_way = sa.text("status IN ('sending', 'uncertain')")
    op.create_index(
        name, TABLE, columns, unique=unique, sqlite_where=is_under_way, postgresql_where=is_under_way
    )


def _keep_updated_at() -> None:
    if is_sqlite():
        op.execute(
            f"CREATE TRIGGER {TABLE}_touch AFTER UPDATE ON {TABLE} FOR EACH ROW "
            "WHEN NEW.updated_at IS OLD.updated_at BEGIN "
            f"UPDATE {TABLE} SET updated_at = strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now') "
            "WHERE id = NEW.id; END"
        )
        return
    op.execute(
        f"CREATE TRIGGER {TABLE}_touch BEFORE UPDATE ON {TABLE} "
        "FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at) "
        "EXECUTE FUNCTION touch_updated_at()"
    )
