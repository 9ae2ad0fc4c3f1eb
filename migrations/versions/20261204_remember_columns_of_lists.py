"""Remember which columns of a list a person chose."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(postgresql.UUID(), "postgresql")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "list_columns",
        sa.Column("user_id", UUID, nullable=False),
        sa.Column("list_name", sa.String(40), nullable=False),
        sa.Column("columns", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "list_name", name="pk_list_columns"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_list_columns_user_id_users", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    op.drop_table("list_columns")
