"""An index of the refunds that succeeded, by when: the worker looks for payments that do not show theirs.

Revision ID: proof1
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_SUCCEEDED = sa.text("status = 'succeeded'")


def upgrade() -> None:
    op.create_index(
        "ix_refunds_succeeded",
        "refunds",
        ["settled_at"],
        sqlite_where=_SUCCEEDED,
        postgresql_where=_SUCCEEDED,
    )


def downgrade() -> None:
    op.drop_index("ix_refunds_succeeded", table_name="refunds")
