"""Fill the demo: the store at PortOne's double, then the dashboard's own past, told in the order it happened.

Payments and billing keys are copied over HTTP as `flask sync` does. Refunds, webhooks and notes of earlier
days are written to fit what the simulator reports, with the clock set back.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import flask_migrate
from flask import Flask
from sqlalchemy import insert, select

from app import clock
from app.access.permissions import Role
from app.accounts import service as accounts
from app.accounts.models import User
from app.audit import service as audit
from app.billing_keys.service import sync_billing_keys
from app.columns import new_id
from app.demo.billing_keys import keep_keys
from app.demo.bulk import tell_bulk_refunds
from app.demo.charging import tell_charges
from app.demo.differences import tell_differences
from app.demo.habits import keep_habits
from app.demo.plans import tell_plans
from app.demo.webhook_troubles import tell_troubles
from app.demo.world import PEOPLE
from app.encryption import vault
from app.extensions import db
from app.payments.models import Cancellation, Note, Payment
from app.payments.service import sync_range
from app.portone.requests import CancelRequest, RefundAccount
from app.refunds import account_links
from app.refunds.models import Refund, RefundStatus
from app.refunds.service import Wish
from app.refunds.settling import action_of, outcome_of
from app.settings.service import value_of
from app.simulator import Simulator
from app.simulator.store import fill_store
from app.webhooks.models import WebhookLog, WebhookStatus

#: The staff began this long before the first payment they had to care about.
STAFF_SINCE = timedelta(days=75)

#: What a PG says when it will not refund, for the refunds of the past that failed.
REFUSALS = (
    ("PG_PROVIDER", "8324", "가맹점 정산 잔액이 부족하여 취소할 수 없습니다."),
    ("PG_PROVIDER", "CD32", "카드사 점검 시간입니다. 잠시 후 다시 시도해 주세요."),
)

NOTES = (
    "고객님 통화 완료. 환불 계좌는 문자로 받기로 했습니다.",
    "같은 주문으로 두 번 결제됨. 먼저 들어온 건만 남깁니다.",
    "교환으로 처리. 환불하지 마세요.",
    "배송 전 취소 요청, 물류팀 확인했습니다.",
)


def fill_simulator(simulator: Simulator, *, payments: int) -> None:
    """Give PortOne's double a store of so many payments, unless it has one."""
    if not simulator.payments():
        url = str(simulator.outbox.url)
        fill_store(simulator.state, payments=payments, until=clock.now(), webhook_url=url)


def fill_dashboard(app: Flask, simulator: Simulator) -> None:
    """Migrate the dashboard's database and fill it; `app` reaches the simulator over HTTP."""
    chance = random.Random(7)  # noqa: S311 - a story, no secret
    with app.app_context():
        flask_migrate.upgrade()
        staff = _hire_people()
        sync_range(None, clock.now(), on_progress=lambda _progress: None)
        sync_billing_keys()
        _tell_webhooks(simulator)
        tell_troubles()
        _tell_refunds(staff, chance)
        _ask_for_approval(staff)
        _write_notes(staff, chance)
        _let_a_buyer_enter_an_account(staff)
        keep_habits(staff)
        keep_keys(owner=staff[0], support=staff[-1])
        tell_bulk_refunds(simulator, staff[-1])
        tell_charges(simulator, staff)
        tell_differences(simulator, staff)
        tell_plans(simulator, staff)


def _hire_people() -> list[User]:
    with clock.fixed_at(clock.now() - STAFF_SINCE):
        return [
            accounts.create_admin(person.email, role=person.role, password=person.password, name=person.name)
            for person in PEOPLE
        ]


def _tell_webhooks(simulator: Simulator) -> None:
    """The log as it would stand had the dashboard been running: every delivery that PortOne saw succeed."""
    found = db.session.execute(select(Payment.payment_id, Payment.id))
    row_ids: dict[str, Any] = {row.payment_id: row.id for row in found}
    rows = [
        _log_of(payment["id"], row_ids[payment["id"]], entry)
        for payment in simulator.payments()
        for entry in payment.get("webhooks", [])
        if entry["status"] == "SUCCEEDED" and payment["id"] in row_ids
    ]
    if rows:
        db.session.execute(insert(WebhookLog), rows)
    db.session.commit()


def _log_of(payment_id: str, row_id: Any, entry: dict[str, Any]) -> dict[str, Any]:
    body = json.loads(entry["request"]["body"])
    received = _moment(entry["triggeredAt"])
    return {
        "id": new_id(),
        "webhook_id": entry["id"],
        "webhook_type": body.get("type"),
        "payment_id": row_id,
        "named_payment_id": payment_id,
        "provider_transaction_id": body.get("data", {}).get("transactionId"),
        "request_headers": {
            "content-type": "application/json",
            "webhook-id": entry["id"],
            "webhook-timestamp": str(int(received.timestamp())),
        },
        "request_body": body,
        "response_status": 200,
        "response_body": {},
        "status": WebhookStatus.PROCESSED,
        "deliveries": 1,
        "attempts": 1,
        "occurred_at": received,
        "last_delivered_at": received,
        "created_at": received,
        "processed_at": received + timedelta(milliseconds=340),
    }


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _tell_refunds(staff: list[User], chance: random.Random) -> None:
    """A refund of ours for every cancellation that came by the API, and two that the PG refused."""
    by_api = db.session.scalars(select(Cancellation).where(Cancellation.trigger == "API")).all()
    stories = [*map(_Story.of_cancellation, by_api), *_refused_stories()]
    for story in sorted(stories, key=lambda story: story.at):
        story.tell(chance.choice(staff))
    db.session.commit()


class _Story:
    """A refund of the past: what was wanted, and how it ended."""

    def __init__(self, payment: Payment, at: datetime, status: RefundStatus, **values: Any) -> None:
        self.payment = payment
        self.at = at
        self.status = status
        self.values = values

    @classmethod
    def of_cancellation(cls, cancellation: Cancellation) -> "_Story":
        """The refund that this cancellation came from."""
        return cls(
            cancellation.payment,
            cancellation.requested_at or clock.now(),
            outcome_of(cancellation),
            amount=cancellation.total_amount,
            tax_free_amount=cancellation.tax_free_amount,
            reason=cancellation.reason,
            cancellation_id=cancellation.cancellation_id,
        )

    def tell(self, by: User) -> None:
        """Write the refund and its traces, with the clock set back."""
        with clock.fixed_at(self.at):
            refund = self._refund(by)
            db.session.add(refund)
            amount = {"amount": refund.amount, "currency": self.payment.currency}
            audit.record("refund.requested", "refund", str(refund.id), by=by, facts=amount)
        with clock.fixed_at(self.at + timedelta(seconds=1)):
            audit.record(
                action_of(self.status),
                "refund",
                str(refund.id),
                before={"status": RefundStatus.SENDING},
                after={"status": self.status},
            )
        db.session.flush()

    def _account(self) -> RefundAccount | None:
        """Where the money went: a virtual account is refunded to the buyer's own."""
        if self.payment.method != "VIRTUAL_ACCOUNT":
            return None
        return RefundAccount("KOOKMIN", "93800201123456", self.payment.customer_name or "김하늘")

    def _refund(self, by: User) -> Refund:
        account = self._account()
        request = CancelRequest(
            payment_id=self.payment.payment_id,
            store_id=self.payment.store_id or "",
            reason=self.values["reason"] or "-",
            amount=self.values["amount"],
            current_cancellable_amount=self.payment.amount,
            refund_account=account,
        )
        is_settled = self.status != RefundStatus.REQUESTED
        return Refund(
            id=new_id(),
            payment_id=self.payment.id,
            status=self.status,
            requested_by=by.id,
            request_sealed=vault().seal(request.to_json()),
            account_bank=account.bank if account else None,
            account_last_digits=account.number[-4:] if account else None,
            account_holder=account.holder_name if account else None,
            sent_at=self.at,
            created_at=self.at,
            settled_at=self.at + timedelta(seconds=1) if is_settled else None,
            **self.values,
        )


def _refused_stories() -> Iterator[_Story]:
    paid = db.session.scalars(
        select(Payment)
        .where(Payment.status == "PAID", Payment.method == "CARD", Payment.channel_type == "LIVE")
        .order_by(Payment.changed_clock.desc())
        .offset(12)
        .limit(len(REFUSALS))
    )
    for payment, (problem, pg_code, pg_message) in zip(paid, REFUSALS, strict=False):
        yield _Story(
            payment,
            payment.changed_clock + timedelta(hours=3),
            RefundStatus.FAILED,
            amount=payment.amount,
            reason="고객 변심",
            problem=problem,
            pg_code=pg_code,
            pg_message=pg_message,
        )


def _ask_for_approval(staff: list[User]) -> None:
    """A large refund that support asked for, an hour ago, and that waits for the owner."""
    largest = (
        select(Payment)
        .where(Payment.status == "PAID", Payment.method == "CARD", Payment.channel_type == "LIVE")
        .where(Payment.currency == "KRW")
        .order_by(Payment.amount.desc(), Payment.id)
        .limit(1)
    )
    support = next(person for person in staff if person.role == Role.ADMIN)
    for payment in db.session.scalars(largest):
        with clock.fixed_at(clock.now() - timedelta(hours=1)):
            _wait_for_approval(payment, support)
    db.session.commit()


def _wait_for_approval(payment: Payment, by: User) -> None:
    wish = Wish(
        intent=new_id(),
        amount=payment.cancellable_amount // 2,
        tax_free_amount=0,
        expected_refundable=payment.cancellable_amount,
        reason="상품 불량 또는 오배송 - 사진 확인함",
        reason_code="defective",
    )
    refund = Refund(
        id=wish.intent,
        payment_id=payment.id,
        status=RefundStatus.AWAITING_APPROVAL,
        amount=wish.amount,
        reason=wish.reason,
        reason_code=wish.reason_code,
        requested_by=by.id,
        wish_sealed=vault().seal(wish.to_text()),
        created_at=clock.now(),
        expires_at=clock.now() + timedelta(hours=value_of("refund_approval_hours")),
    )
    db.session.add(refund)
    facts = {"amount": refund.amount, "currency": payment.currency, "reason": refund.reason}
    audit.record("refund.requested", "refund", refund.id, by=by, after={"status": refund.status}, facts=facts)


def _write_notes(staff: list[User], chance: random.Random) -> None:
    payments = db.session.scalars(
        select(Payment)
        .where(Payment.status.in_(["PAID", "PARTIAL_CANCELLED"]))
        .order_by(Payment.changed_clock.desc())
        .limit(40)
    ).all()
    for payment, body in zip(chance.sample(payments, min(len(NOTES), len(payments))), NOTES, strict=False):
        moment = payment.changed_clock + timedelta(minutes=25)
        author = chance.choice(staff)
        db.session.add(Note(payment_id=payment.id, author_id=author.id, body=body, created_at=moment))
    db.session.commit()


def _let_a_buyer_enter_an_account(staff: list[User]) -> None:
    """One refund form offers an account that came by a link."""
    paid = (
        select(Payment)
        .where(Payment.status == "PAID", Payment.method == "VIRTUAL_ACCOUNT", Payment.channel_type == "LIVE")
        .where(Payment.pg_provider == "SMARTRO_V2")
        .order_by(Payment.changed_clock.desc())
        .limit(1)
    )
    payment = db.session.scalar(paid)
    if payment is None:
        return
    holder = payment.customer_name or "김하늘"
    with clock.fixed_at(clock.now() - timedelta(hours=2)):
        token = account_links.make_link(payment.payment_id, by=staff[-1])
        account_links.enter_account(token, RefundAccount("SHINHAN", "110123456789", holder, "01000001234"))
