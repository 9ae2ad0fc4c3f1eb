"""How much of the database a page of the list asks for: a guard against slowness that needs no clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from app.extensions import db
from app.web.pagination import PAGE_SIZE
from tests.payments.documents import store

#: Session, second factor, saved views, chosen columns, rows, their number, and how fresh they are.
LIST = 7

#: What says on PostgreSQL for whom a transaction asks and how long it may take.
_PREPARING = ("SELECT set_config", "SET ", "BEGIN")


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is asked of the database meanwhile."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith(_PREPARING):
            asked.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def asked_for(browser, address: str) -> list[str]:
    browser.get(address)  # the first page of a session may note that it was seen
    with statements() as asked:
        assert browser.get(address).status_code == 200
    return asked


@pytest.mark.parametrize(
    ("address", "most"),
    [
        ("/payments", LIST),
        ("/payments?status=PAID&from=2026-01-01&to=2026-12-31", LIST),
        # Whether it is the id of anything; what the index knows; the fields the text was found in.
        ("/payments?q=홍길", LIST + 3),
    ],
)
def test_a_page_of_many_payments_asks_no_more_than_one_of_a_single_payment(signed_in, address, most):
    store("order-0")
    single = asked_for(signed_in, address)
    for number in range(1, PAGE_SIZE + 5):
        store(f"order-{number}")
    many = asked_for(signed_in, address)
    assert len(many) <= most, many
    assert len(many) - len(single) <= 1  # the number of a list that is one page is known


def test_reading_a_list_writes_nothing(signed_in):
    store("order-1")
    asked = asked_for(signed_in, "/payments")
    assert all(statement.startswith("SELECT") for statement in asked)
