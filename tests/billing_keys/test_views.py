"""Billing keys in the browser: found, shown masked, and looked up without entering an address."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from app.billing_keys import panels, service
from app.billing_keys.models import BillingKey
from app.extensions import db
from app.portone.payloads import BillingKeyInfo
from tests.billing_keys.documents import KAKAOPAY, KEY, LATER, TRANSFER, billing_key_document
from tests.conftest import on_both_databases, pages_on_one_database
from tests.webhooks.messages import FakePortOne, about_billing_key, payment_document, signed

pytestmark = pages_on_one_database

NOON = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)


def store(*documents: dict[str, Any]) -> None:
    for document in documents:
        service.store_billing_key(BillingKeyInfo.from_raw(document), read_at=NOON)
    db.session.commit()


def shown(page: Any) -> list[str]:
    """The ends of the billing keys on a page."""
    return re.findall(r'class="mono unbroken">\*\*\*\*(\w*)<', page.text)


@pytest.fixture
def three_keys(app: Any) -> None:
    """A card of 김하늘, a wallet of nobody, and a deleted account of 이수민, the first issued first."""
    store(
        billing_key_document("billing-key-of-a-card-1111"),
        billing_key_document(
            "billing-key-of-wallet-2222", KAKAOPAY, customer={}, issuedAt="2026-03-28T02:00:00Z"
        ),
        billing_key_document(
            "billing-key-of-account-3333",
            TRANSFER,
            status="DELETED",
            customer={"id": "customer-9", "name": "이수민"},
            issuedAt="2026-03-28T03:00:00Z",
        ),
    )


@on_both_databases
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["3333", "2222", "1111"]),
        ("?status=ISSUED", ["2222", "1111"]),
        ("?status=DELETED", ["3333"]),
        ("?method=EASY_PAY", ["2222"]),
        ("?customer=customer-7", ["1111"]),
        ("?q=하늘", ["1111"]),
        ("?q=5100", ["1111"]),
        ("?q=2222", ["2222"]),
        ("?q=customer-9", ["3333"]),
        ("?q=omer-9", ["3333"]),
        ("?q=5100-4200 ", ["1111"]),
        ("?pg=TOSSPAYMENTS", ["3333", "2222", "1111"]),
        ("?pg=KCP_V2", []),
        ("?use=chargeable", ["2222", "1111"]),
        ("?use=off", []),
        ("?use=default", []),
        ("?use=deleting", []),
        ("?from=2026-03-28&to=2026-03-28", ["3333", "2222", "1111"]),
        ("?from=2026-03-29", []),
        ("?to=2026-03-27", []),
        ("?q=%25", []),
        ("?q=_", []),
    ],
)
@pytest.mark.usefixtures("three_keys")
def test_each_filter_finds_its_keys(signed_in: Any, query: str, found: list[str]) -> None:
    page = signed_in.get(f"/billing-keys{query}")
    assert page.status_code == 200
    assert shown(page) == found


@on_both_databases
def test_keys_are_found_by_what_people_made_of_them(signed_in: Any, three_keys: None) -> None:
    rows = {row.key_ending: row for row in db.session.scalars(select(BillingKey))}
    rows["1111"].is_default, rows["2222"].is_active = True, False
    assert [shown(signed_in.get(f"/billing-keys?use={use}")) for use in ("default", "off", "chargeable")] == [
        ["1111"],
        ["2222"],
        ["1111"],
    ]


@on_both_databases
def test_a_key_without_a_time_of_issue_is_listed_too(signed_in: Any) -> None:
    db.session.add(BillingKey(billing_key="a" * 64))
    store(billing_key_document())
    assert shown(signed_in.get("/billing-keys")) == ["", "9e77"]


def test_an_unknown_method_is_shown_as_it_came(signed_in: Any) -> None:
    store(billing_key_document(method=LATER))
    assert "BillingKeyPaymentMethodMoonbeam" in signed_in.get("/billing-keys").text


@pytest.mark.parametrize(
    "query",
    [
        *("?status=odd", "?method=odd", "?use=odd", "?q=%0B", "?customer=" + "x" * 300),
        *("?from=odd", "?from=2026-03-02&to=2026-03-01"),
    ],
)
def test_filters_that_make_no_sense_get_a_sentence(signed_in: Any, query: str) -> None:
    page = signed_in.get(f"/billing-keys{query}")
    assert page.status_code == 422
    assert "empty-text" in page.text


def test_a_key_in_an_address_is_taken_out_of_it(signed_in: Any) -> None:
    answer = signed_in.get(f"/billing-keys?q={KEY}")
    assert answer.status_code == 303
    assert KEY not in answer.headers["Location"]


@on_both_databases
def test_a_whole_key_leads_to_its_page(signed_in: Any) -> None:
    store(billing_key_document())
    answer = signed_in.submit("/billing-keys", {"billing_key": f" {KEY} "})
    row_id = db.session.scalars(select(BillingKey.id)).one()
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/billing-keys/{row_id}")


def test_a_key_unknown_here_is_asked_of_portone(signed_in: Any, portone: FakePortOne) -> None:
    assert signed_in.submit("/billing-keys", {"billing_key": KEY}).status_code == 404
    portone.knows(billing_key_document())
    assert signed_in.submit("/billing-keys", {"billing_key": KEY}).status_code == 303
    assert signed_in.submit("/billing-keys", {"billing_key": ""}).status_code == 422


@pytest.mark.usefixtures("three_keys")
def test_every_key_has_a_page_that_never_shows_it_whole(signed_in: Any) -> None:
    for row in db.session.scalars(select(BillingKey)).all():
        page = signed_in.get(f"/billing-keys/{row.id}")
        assert page.status_code == 200
        assert "billing-key-of" not in page.text


def test_a_page_shows_payments_and_events(
    signed_in: Any, portone: FakePortOne, settle: Callable[[], None]
) -> None:
    portone.knows(billing_key_document())
    portone.knows(payment_document("order-1", billingKey=KEY))
    for body in (about_billing_key(KEY), {"type": "Transaction.Paid", "data": {"paymentId": "order-1"}}):
        signed_in.post("/webhooks/portone", **signed(body))
    settle()
    row_id = db.session.scalars(select(BillingKey.id)).one()
    page = signed_in.get(f"/billing-keys/{row_id}").text
    assert "/payments/order-1" in page
    assert "/webhooks/" in page
    assert KEY not in page


def test_a_key_that_does_not_exist_is_not_found(signed_in: Any) -> None:
    assert signed_in.get("/billing-keys/0190f000-0000-7000-8000-000000000000").status_code == 404


@pytest.mark.parametrize("address", ["/billing-keys", "/billing-keys/0190f000-0000-7000-8000-000000000000"])
def test_nobody_sees_billing_keys_without_a_sign_in(client: Any, address: str) -> None:
    assert client.get(address).headers["Location"].startswith("/login")


def test_domains_above_add_columns_to_the_list(signed_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "_columns", [])
    store(billing_key_document("billing-key-of-a-card-1111"), billing_key_document("billing-key-number-2222"))
    asked: list[int] = []

    def failures(rows: Sequence[BillingKey]) -> dict[UUID, str]:
        asked.append(len(rows))
        return {row.id: "three in a row" for row in rows if row.key_ending == "2222"}

    panels.contribute_column(panels.ListColumn("Failures", failures))
    page = signed_in.get("/billing-keys").text
    assert (page.count("three in a row"), page.count(">Failures<"), asked) == (1, 1, [2])
