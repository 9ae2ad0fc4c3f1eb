"""Add limits of one person, links for a new password, and the device that a try to sign in comes from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.add_column("users", sa.Column("limits", DOCUMENT))
    op.add_column("invitations", sa.Column("is_reset", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("sign_in_attempts", sa.Column("device", sa.String(64)))
    op.create_index(
        "ix_sign_in_attempts_address_attempted_at", "sign_in_attempts", ["address", "attempted_at"]
    )


def downgrade() -> None:
    op.drop_index("ix_sign_in_attempts_address_attempted_at", "sign_in_attempts")
    op.drop_column("sign_in_attempts", "device")
    op.drop_column("invitations", "is_reset")
    op.drop_column("users", "limits")
