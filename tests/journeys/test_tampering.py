"""A browser pays something else than the store announced: the webhook finds it, and so does verify."""

from typing import Any

import pytest
from sqlalchemy import select

from app.accounts.models import User
from app.alerts import service as alerts
from app.alerts.models import Alert
from app.audit.queries import list_entries_of
from app.extensions import db
from app.payments.queries import get_payment
from app.refunds.service import request_refund
from app.webhooks.models import WebhookLog
from app.worker import Worker
from tests.api.conftest import Shop, problem_of, shop  # noqa: F401
from tests.conftest import STORE_ID, Browser
from tests.factories import make_wish

OTHER_STORE = "store-00000000-0000-4000-8000-000000000000"
#: What is paid instead of 12,000 won over a live channel of our store, and what that differs in.
TAMPERED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another amount": ({"total": 100}, {"field": "amount", "expected": 12_000, "actual": 100}),
    "another currency": ({"currency": "JPY"}, {"field": "currency", "expected": "KRW", "actual": "JPY"}),
    "a test channel": (
        {"channel_type": "TEST"},
        {"field": "channelType", "expected": "LIVE", "actual": "TEST"},
    ),
    "another store's": (
        {"extra": {"storeId": OTHER_STORE}},
        {"field": "storeId", "expected": STORE_ID, "actual": OTHER_STORE},
    ),
    "all of it tax-free": (
        {"tax_free": 12_000},
        {"field": "taxFreeAmount", "expected": 2_000, "actual": 12_000},
    ),
}
EVERY_WAY = pytest.mark.parametrize("way", list(TAMPERED))


@pytest.fixture
def browser_pays(app: Any, client: Browser, shop: Shop, simulator: Any) -> Any:  # noqa: F811
    """The store announces an order, and the browser pays in one of the ways; PortOne's webhook waits."""
    simulator.outbox.url = "http://portico.example/webhooks/portone"
    simulator.outbox.send = lambda message: client.post(
        "/webhooks/portone", data=message.body, headers=message.headers
    )

    def pay(way: str | None, status: str = "PAID") -> None:
        assert shop.initialize(taxFreeAmount=2_000).status_code == 200
        made = {"total": 12_000, "tax_free": 0 if way == "another amount" else 2_000}
        changes = TAMPERED[way][0] if way else {}
        simulator.make_payment(payment_id="order1", notify=True, status=status, **(made | changes))
        db.session.commit()

    return pay


def let_the_webhook_be_processed(app: Any, simulator: Any) -> None:
    simulator.outbox.flush()
    Worker(app).run_once()
    db.session.expire_all()
    log = db.session.scalars(select(WebhookLog)).one()
    assert (log.status, log.payment_id) == ("processed", get_payment("order1").id)


@EVERY_WAY
def test_the_webhook_alone_marks_it_and_alerts_staff(
    *, app: Any, client: Browser, admin: User, simulator: Any, browser_pays: Any, way: str
) -> None:
    browser_pays(way)
    let_the_webhook_be_processed(app, simulator)
    assert get_payment("order1").is_mismatched
    found = TAMPERED[way][1]
    entry = next(each for each in list_entries_of("payment", "order1") if each.action == "payment.mismatched")
    assert entry.facts[found["field"]] == {"expected": found["expected"], "actual": found["actual"]}
    client.sign_in(admin)
    assert "/payments?flag=mismatched" in client.get("/").text
    assert 'data-payment-id="order1"' in client.get("/payments?flag=mismatched").text
    alerts.decide()
    assert [alert.name for alert in db.session.scalars(select(Alert))] == ["mismatches"]


@EVERY_WAY
def test_verify_alone_finds_it_and_says_what_differs(shop: Shop, browser_pays: Any, way: str) -> None:  # noqa: F811
    browser_pays(way)
    answer = shop.ask("verify", {"paymentId": "order1"})
    assert (answer.status_code, problem_of(answer)) == (409, "mismatch")
    assert TAMPERED[way][1] in answer.get_json()["differences"]
    assert get_payment("order1").is_mismatched
    actions = [entry.action for entry in list_entries_of("payment", "order1")]
    assert actions == ["payment.verify_refused", "payment.mismatched"]


@EVERY_WAY
def test_confirm_does_not_approve_it(shop: Shop, simulator: Any, browser_pays: Any, way: str) -> None:  # noqa: F811
    browser_pays(way, status="READY")
    token = {"paymentId": "order1", "paymentToken": "token-1"}
    simulator.state.save_payment(simulator.payment("order1") | {"_paymentToken": "token-1"})
    assert problem_of(shop.ask("confirm", token)) == "mismatch"


def test_what_was_paid_as_announced_disturbs_nobody(app: Any, simulator: Any, browser_pays: Any) -> None:
    browser_pays(None)
    let_the_webhook_be_processed(app, simulator)
    assert not get_payment("order1").is_mismatched
    alerts.decide()
    assert db.session.scalars(select(Alert)).all() == []


def test_the_alert_is_over_once_the_money_went_back(
    app: Any, client: Browser, admin: User, simulator: Any, browser_pays: Any
) -> None:
    browser_pays("another amount")
    let_the_webhook_be_processed(app, simulator)
    alerts.decide()
    request_refund("order1", make_wish(get_payment("order1")), by=admin)
    alerts.decide()
    assert db.session.scalars(select(Alert)).all() == []
    assert get_payment("order1").is_mismatched
    assert "/payments?flag=mismatched" not in client.sign_in(admin).get("/").text
