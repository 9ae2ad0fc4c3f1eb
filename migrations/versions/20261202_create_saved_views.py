"""Create saved views: the filters of a list under a name, and what a person's list opens with."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.String(32).with_variant(sa.DateTime(timezone=True), "postgresql")


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def now() -> sa.TextClause:
    if is_sqlite():
        return sa.text("(strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now'))")
    return sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "saved_views",
        sa.Column("id", UUID, nullable=False),
        sa.Column("list_name", sa.String(40), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("query", sa.Text, nullable=False, server_default=""),
        sa.Column("owner_id", UUID),
        sa.Column("is_shared", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at", MOMENT, nullable=False, server_default=now()),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=now()),
        sa.PrimaryKeyConstraint("id", name="pk_saved_views"),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name="fk_saved_views_owner_id_users", ondelete="SET NULL"
        ),
    )
    op.create_index("ix_saved_views_list_name_owner_id", "saved_views", ["list_name", "owner_id"])
    op.create_table(
        "default_views",
        sa.Column("user_id", UUID, nullable=False),
        sa.Column("list_name", sa.String(40), nullable=False),
        sa.Column("view_id", UUID, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "list_name", name="pk_default_views"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_default_views_user_id_users", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["view_id"], ["saved_views.id"], name="fk_default_views_view_id_saved_views", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_default_views_view_id", "default_views", ["view_id"])
    _keep_updated_at("saved_views")


def downgrade() -> None:
    op.drop_table("default_views")
    op.drop_table("saved_views")


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
