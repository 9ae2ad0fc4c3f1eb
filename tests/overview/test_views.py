"""The first page."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from app import clock, leases
from app.columns import new_id
from app.extensions import db
from app.payments.models import Cancellation, Payment
from app.refunds.models import Refund
from app.webhooks.models import WebhookLog
from tests.conftest import on_both_databases, pages_on_one_database
from tests.factories import make_payment

pytestmark = pages_on_one_database

MOMENT = datetime(2026, 4, 1, 1, 42, tzinfo=UTC)


@pytest.fixture
def worker():
    leases.hold("worker:one", holder="one", seconds=3600)


def add_payment(**values):
    defaults = {"status": "PAID", "amount": 10_000, "channel_type": "LIVE", "status_changed_at": clock.now()}
    payment = Payment(payment_id=f"order-{new_id()}", **(defaults | values))
    db.session.add(payment)
    db.session.commit()
    return payment


def add_all(*rows):
    db.session.add_all(rows)
    db.session.commit()


def english(browser):
    browser.submit("/account/language", {"language": "en"})
    return browser


def concerns_of(page):
    """Each link of the work list, and the count it shows."""
    items = re.findall(r'worklist-item.*?href="([^"]+)".*?worklist-count">(\d+)<', page, re.DOTALL)
    return {url.replace("&amp;", "&"): int(count) for url, count in items}


def test_all_is_well_and_since_when(client, admin):
    with clock.fixed_at(MOMENT):
        add_payment()
        leases.hold("worker:one", holder="one", seconds=60)
        page = english(client.sign_in(admin)).get("/").text
    assert "All is well as of 10:42" in page


def test_nothing_is_called_well_without_a_worker(signed_in):
    add_payment()
    page = english(signed_in).get("/").text
    assert "No worker is running" in page
    assert "All is well" not in page


@on_both_databases
def test_every_count_leads_to_exactly_its_rows(signed_in, worker):
    for status in ("uncertain", "uncertain", "succeeded", "failed"):
        add_all(Refund(payment=add_payment(), status=status, amount=10))
    overdue = clock.now() - timedelta(minutes=2)
    for status in ("failed", "failed", "processed", "rejected"):
        add_all(WebhookLog(webhook_id=str(new_id()), status=status, created_at=overdue))
    add_payment(has_open_dispute=True)
    add_payment(has_open_dispute=True, channel_type="TEST")
    add_payment(account_refund_status="PENDING", status_changed_at=clock.now() - timedelta(days=9))
    add_payment(account_refund_status="PENDING")
    add_payment(account_refund_status="FAILED")
    concerns = concerns_of(signed_in.get("/").text)
    assert len(concerns) == 6
    for url, count in concerns.items():
        rows = re.findall(r"<tr[^>]* data-(?:payment|refund|webhook)-id=", signed_in.get(url).text)
        assert len(rows) == count, url


@on_both_databases
def test_todays_figures_lead_to_the_rows_whose_sum_they_are(signed_in, worker):
    now = clock.now()
    first, _second = add_payment(paid_at=now), add_payment(paid_at=now, amount=2_500)
    add_payment(paid_at=now, amount=999, currency="USD")
    add_payment(paid_at=now - timedelta(days=2))
    gone = {"status": "SUCCEEDED", "total_amount": 4_000, "cancelled_at": now}
    add_all(Cancellation(payment=first, cancellation_id="c-1", **gone))
    page = english(signed_in).get("/").text
    values = re.findall(r'stat-value">(?:<a href="([^"]+)">)?([^<]+)<', page)
    assert [value for _url, value in values] == ["₩12,500", "₩4,000", "₩8,500", "$9.99", "$0.00", "$9.99"]
    rows = signed_in.get(values[0][0].replace("&amp;", "&")).text
    assert (rows.count("data-payment-id="), rows.count("₩10,000"), rows.count("₩2,500")) == (2, 1, 1)


def test_a_new_install_sees_what_is_left_to_set_up_and_no_figures(signed_in):
    page = english(signed_in).get("/").text
    assert (page.count("Done"), page.count("To do")) == (1, 3)
    assert "http://127.0.0.1:8000/webhooks/portone" in page
    assert 'class="stat"' not in page
    assert "All is well" not in page


def test_set_up_steps_are_checked_live(signed_in, worker):
    add_all(WebhookLog(webhook_id="w-1", status="skipped"))
    page = english(signed_in).get("/").text
    assert (page.count("Done"), page.count("To do")) == (3, 1)


def test_portone_is_asked_when_somebody_wants_to_know(signed_in, simulator):
    make_payment(simulator)
    english(signed_in).submit("/set-up/portone")
    assert "Payments of this store there: 1" in signed_in.get("/").text


def test_a_portone_that_does_not_answer_is_no_error_here(signed_in):
    answer = english(signed_in).submit("/set-up/portone")
    assert (answer.status_code, answer.location) == (303, "/")
    assert "PortOne gave no answer" in signed_in.get("/").text


def test_whoever_may_approve_reads_how_many_they_can_decide_about(client, worker, admin, super_admin):
    payment = add_payment()
    waiting = {"payment_id": payment.id, "status": "awaiting_approval", "amount": 1_000}
    add_all(Refund(**waiting, requested_by=admin.id), Refund(**waiting, requested_by=super_admin.id))
    page = english(client.sign_in(super_admin)).get("/").text
    assert concerns_of(page)["/refunds?status=awaiting_approval"] == 2
    assert "for you to decide: 1" in page
