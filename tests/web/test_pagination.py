from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from app.accounts.models import User
from app.errors import DomainError
from app.extensions import db
from app.web.pagination import capped_count, list_page

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


@pytest.fixture
def people(app) -> list[User]:
    """Seven customers, two of them of the same moment, newest first."""
    ages = [0, 1, 2, 2, 3, 4, 5]
    moments = [NOON - timedelta(hours=age) for age in ages]
    people = [User(name=f"customer {n}", created_at=moment) for n, moment in enumerate(moments)]
    db.session.add_all(people)
    db.session.commit()
    return sorted(people, key=lambda user: (user.created_at, str(user.id)), reverse=True)


def page(after: str | None = None, **options):
    return list_page(select(User), clock=User.created_at, key=User.id, after=after, **{"size": 3} | options)


def test_pages_follow_each_other_without_a_gap_or_a_repeat(people):
    seen, cursor = [], None
    while True:
        found = page(cursor)
        seen += found.rows
        cursor = found.next_cursor
        if cursor is None:
            break
    assert seen == people


def test_a_row_added_above_moves_nothing_below(people):
    first = page()
    db.session.add(User(name="newest", created_at=NOON + timedelta(hours=1)))
    db.session.commit()
    assert page(first.next_cursor).rows == people[3:6]


def test_a_list_that_fits_has_no_further_page(people):
    assert page(size=7).next_cursor is None


def test_whole_rows_are_answered_on_request(people):
    statement = select(User.name, func.length(User.name).label("size"))
    rows = list_page(statement, clock=User.created_at, key=User.id, after=None, size=2, scalars=False).rows
    assert [(row.name, row.size) for row in rows] == [(user.name, 10) for user in people[:2]]


@pytest.mark.parametrize(
    "cursor", ["x", "!!", "é", "=" * 9, "b3BlbiBzZXNhbWU", "MjAyNi0wMy0yOQ", "MjAyNi0wMy0yOVQxMjowMDowMCAx"]
)
def test_a_cursor_that_is_none_gets_a_sentence(app, cursor):
    with app.test_request_context(), pytest.raises(DomainError) as refusal:
        page(cursor)
    assert refusal.value.status == 400


def test_a_count_stops_at_its_cap(people):
    assert capped_count(select(User)) == 7
    assert capped_count(select(User).order_by(User.created_at), cap=4) == 5
