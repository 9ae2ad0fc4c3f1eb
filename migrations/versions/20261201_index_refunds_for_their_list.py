"""Index refunds for their list: by the clocks it is ordered by, and by who asked for them or decided."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

ORDERS = (
    ("created_at", "id"),
    ("status", "created_at", "id"),
    ("settled_at", "id"),
    ("requested_by", "created_at", "id"),
    ("approved_by", "created_at", "id"),
)


def upgrade() -> None:
    for columns in ORDERS:
        op.create_index(f"ix_refunds_{'_'.join(columns)}", "refunds", list(columns))


def downgrade() -> None:
    for columns in ORDERS:
        op.drop_index(f"ix_refunds_{'_'.join(columns)}", "refunds")
