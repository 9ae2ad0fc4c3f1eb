"""Index payments by what lists are narrowed by, and give search rows the tokens of their time.

Frequent words are found by those. `flask rebuild-search` adds what the text has learned besides: card
numbers, reasons and customer ids.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

INDEXES = {"ix_payments_pg_provider_changed_clock_id": ["pg_provider", "changed_clock", "id"]}

#: Few payments are in another currency, or of a test channel; a list of them must not walk through all.
PARTIAL_INDEXES = {
    "ix_payments_foreign_currency": (["currency", "changed_clock", "id"], "currency <> 'KRW'"),
    "ix_payments_test_channel": (["changed_clock", "id"], "channel_type = 'TEST'"),
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(name, "payments", columns)
    for name, (columns, condition) in PARTIAL_INDEXES.items():
        where = sa.text(condition)
        op.create_index(name, "payments", columns, sqlite_where=where, postgresql_where=where)
    _add_time_tokens()


def downgrade() -> None:
    for name in (*INDEXES, *PARTIAL_INDEXES):
        op.drop_index(name, "payments")


def _add_time_tokens() -> None:
    """A year, a month and a day (UTC) of each clock: `t2026c t202603c t20260329c t2026r …`."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    tokens = []
    for clock in ("changed_clock", "requested_clock"):
        day = f"replace(substr(p.{clock}, 1, 10), '-', '')"
        if not is_sqlite:
            day = f"to_char(p.{clock} AT TIME ZONE 'UTC', 'YYYYMMDD')"
        tokens += [f"'t' || substr({day}, 1, {length}) || '{clock[0]}'" for length in (4, 6, 8)]
    told = " || ' ' || ".join(tokens) if is_sqlite else f"ARRAY[{', '.join(tokens)}]"
    joined = f"tokens || ' ' || ({told})" if is_sqlite else f"tokens || {told}"
    op.execute(
        f"UPDATE payment_search SET tokens = {joined} FROM payments p WHERE p.id = payment_search.payment_id"
    )
