"""Erase persons: who was erased stays so, though PortOne tells of them again."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

UUID = sa.String(36).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.String(32).with_variant(sa.DateTime(timezone=True), "postgresql")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("users", sa.Column("erased_at", MOMENT))
    op.add_column("users", sa.Column("erased_id_hash", sa.String(64)))
    op.create_index("ix_users_erased_id_hash", "users", ["erased_id_hash"])
    op.add_column("payments", sa.Column("person_erased_at", MOMENT))
    op.add_column("billing_keys", sa.Column("person_erased_at", MOMENT))
    op.create_table(
        "erasure_keys",
        sa.Column("id", UUID, nullable=False),
        sa.Column("key_sealed", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_erasure_keys"),
    )
    op.create_table(
        "erasures",
        sa.Column("id", UUID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("requested_by", UUID),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("counts", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["users.id"], name="fk_erasures_requested_by_users", ondelete="SET NULL"
        ),
    )
    op.create_index("ix_erasures_at_id", "erasures", ["at", "id"])


def downgrade() -> None:
    op.drop_table("erasures")
    op.drop_table("erasure_keys")
    op.drop_column("billing_keys", "person_erased_at")
    op.drop_column("payments", "person_erased_at")
    op.drop_index("ix_users_erased_id_hash", "users")
    op.drop_column("users", "erased_id_hash")
    op.drop_column("users", "erased_at")
