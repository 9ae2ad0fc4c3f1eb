"""Random payments and queries, and what a query finds by looking at every payment in Python."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import selectinload

from app.clock import start_of_day
from app.extensions import db
from app.money import decimals
from app.payments.filters import FLAGS, PaymentFilters
from app.payments.models import Cancellation, Payment, PaymentSearch
from app.payments.search import FIELDS
from app.payments.snapshots import store_snapshots
from app.portone.payloads import PaymentSnapshot
from app.web.query_language import Term
from app.web.query_values import Span
from tests.payments.documents import MORNING, cancellation, card, document, virtual_account

NAMES = ("홍길동", "김민서", "이서준", "박길동", "Jane Doe", "최민")
PRODUCTS = ("속눈썹 펌", "속눈썹 연장", "네일 케어", "Gift Card 50", '5% "할인"', "왁싱")
STATUSES = (
    "PAID",
    "PAID",
    "PAID",
    "FAILED",
    "READY",
    "CANCELLED",
    "PARTIAL_CANCELLED",
    "VIRTUAL_ACCOUNT_ISSUED",
)
CURRENCIES = ("KRW", "KRW", "KRW", "USD", "JPY", "KWD")
PGS = ("KCP_V2", "KCP", "TOSSPAYMENTS", "NICE_V2")
AMOUNTS = (1_000, 9_900, 10_000, 12_345, 50_000, 100_000)


def store_world(chance: random.Random, count: int) -> None:
    """Payments of every sort, many of which share a moment."""
    store_snapshots([_snapshot(chance, number) for number in range(count)], read_at=MORNING)
    drifting = [f"order-{number:04}" for number in range(0, count, 13)]
    db.session.execute(
        db.update(Payment).where(Payment.payment_id.in_(drifting)).values(has_drift=True),
        execution_options={"synchronize_session": False},
    )
    db.session.commit()


def _snapshot(chance: random.Random, number: int) -> PaymentSnapshot:
    status, total = chance.choice(STATUSES), chance.choice(AMOUNTS)
    at = MORNING + timedelta(hours=chance.randrange(24 * 40))
    moments = {
        "requestedAt": _iso(at),
        "updatedAt": _iso(at),
        "statusChangedAt": _iso(at + timedelta(hours=3)),
    }
    gone = {"CANCELLED": total, "PARTIAL_CANCELLED": 1_000}.get(status, 0)
    account = virtual_account(accountNumber=f"{chance.randrange(10**6)}-{number:04}")
    return PaymentSnapshot.from_raw(
        document(
            f"order-{number:04}", total=max(total, gone), cancelled=gone, status=status,
            transactionId=f"t{chance.getrandbits(40):x}",
            orderName=chance.choice(PRODUCTS),
            currency=chance.choice(CURRENCIES),
            method=chance.choice([card(approvalNumber=f"{chance.randrange(10**8):08}"), account]),
            channel={"type": chance.choice(["LIVE", "LIVE", "TEST"]), "pgProvider": chance.choice(PGS)},
            customer={
                "id": f"c{number % 7}",
                "name": chance.choice(NAMES),
                "email": f"{chance.choice('abc')}{number % 9}@example.com",
                "phoneNumber": f"010-{chance.randrange(3) + 1234}-{number % 50 + 5000}",
            },
            cancellations=[cancellation("SUCCEEDED", gone, id=f"c-{number}")] if gone else [],
            disputes=[{"status": "UNRESOLVED", "reason": "미배송"}] if number % 11 == 0 else [],
            paidAt=_iso(at + timedelta(hours=1)) if gone or status == "PAID" else None,
            **moments,
        )
    )  # fmt: skip


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def queries(chance: random.Random, count: int) -> Iterator[str]:
    """Queries of up to three words, some of which narrow each other."""
    for _ in range(count):
        yield " ".join(_word(chance) for _ in range(chance.choice((1, 1, 2, 2, 3))))


#: Values that tell payments apart, by the words that take them.
WORDS = {
    "status": ("paid", "failed,ready", "partial_cancelled"),
    "상태": ("결제완료", "취소", "결제실패,결제예정"),
    "pg": ("kcp", "=KCP", "토스", "nice"),
    "method": ("card", "가상계좌"),
    "금액": ("1000..9900", ">9900", ">=9900", "<50000", "<=1만", "99", "10000", "12.345", "..500"),
    "date": ("2026-04", ">2026-04-10", "<=2026-04-20", "2026-04-05..2026-04-12"),
    "requested": ("2026-04-01..2026-04-15", ">=2026-04-20"),
    "approved": ("2026-04-01..2026-04-15", "2026-03"),
    "취소일": ("2026-03-29", "2026-04"),
    "currency": ("USD", "JPY,KWD", "KRW"),
    "test": ("true", "false"),
    "has": ("cancellation", "분쟁", "메모", "cancellation,분쟁", "drift"),
    "drift": ("yes", "no"),
    "어긋남": ("예",),
    "phone": ("1234", "5,9", "0101235", "50-0", "12"),
    "email": ("a1", "@exam", "A"),
    "고객": ("길동", "jane", "c3", "민"),
    "card": ("1234", "53", "5387-1111-2222-1234", "5387****1234", "5387****9999"),
    "주문": ("속눈썹", "'펌'", "5%"),
    "id": ("order-000", "12", "t1"),
    "사유": ("변심", "고객"),
}
TEXTS = (
    "길동", "속눈썹", "gift", "010-1234", "example", "ord", "펌", "er", "없는말", "%", "_",
    "'속눈썹 펌'", "'gift card'", "'길동 홍'",
)  # fmt: skip


def _word(chance: random.Random) -> str:
    name, values = chance.choice([*WORDS.items(), *[("", TEXTS)] * 5])
    value = chance.choice(values).replace("'", '"')
    return ("-" if chance.random() < 0.2 else "") + (f"{name}:{value}" if name else value)


def every_payment() -> list[tuple[Payment, str]]:
    """All payments with their searchable texts."""
    texts = {row.payment_id: row.text for row in db.session.scalars(db.select(PaymentSearch))}
    statement = db.select(Payment).options(selectinload(Payment.cancellations))
    return [(payment, texts[payment.id]) for payment in db.session.scalars(statement)]


def found_by_looking(filters: PaymentFilters, everything: list[tuple[Payment, str]]) -> list[str]:
    """The paymentIds the filters find, in the order of the list: every payment is looked at."""
    payments = [payment for payment, text in everything if _is_wanted(payment, text, filters)]
    column = "requested_clock" if filters.clock == "requested" else "changed_clock"
    column = "paid_at" if filters.clock == "paid" else column
    payments.sort(key=lambda payment: (getattr(payment, column), str(payment.id)), reverse=True)
    return [payment.payment_id for payment in payments]


def _is_wanted(payment: Payment, text: str, filters: PaymentFilters) -> bool:
    return (
        (not filters.statuses or payment.status in filters.statuses)
        and (not filters.methods or payment.method in filters.methods)
        and (not filters.pg_providers or payment.pg_provider in filters.pg_providers)
        and (not filters.currency or payment.currency == filters.currency)
        and _is_in_period(payment, filters.clock, filters.since, filters.until)
        and _is_amount(payment, Span(filters.least, filters.most))
        and (not filters.flag or _has(payment, filters.flag))
        and (not filters.is_real_only or payment.channel_type == "LIVE")
        and all(_holds(payment, term, filters) != term.is_negated for term in filters.terms)
        and _is_text(text, filters)
    )


def _holds(payment: Payment, term: Term, filters: PaymentFilters) -> bool:
    return any(_is_value(payment, term.word, value, filters) for value in term.values)


def _is_value(payment: Payment, word: str, value: Any, filters: PaymentFilters) -> bool:
    simple = {"status": "status", "method": "method", "pg": "pg_provider", "currency": "currency"}
    if word in simple:
        return getattr(payment, simple[word]) == value
    if word == "amount":
        return _is_amount(payment, value)
    if word == "test":
        return (payment.channel_type == "TEST") == value
    if word == "drift":
        return payment.has_drift == value
    if word == "has":
        return _has(payment, value)
    clock = {"approved": "paid", "requested": "requested", "cancelled-on": "cancelled"}.get(
        word, filters.clock
    )
    since = start_of_day(value.low) if value.low else None
    return _is_in_period(payment, clock, since, value.high and start_of_day(value.high + timedelta(days=1)))


def _has(payment: Payment, code: str) -> bool:
    if code == "cancellation":
        return bool(payment.cancellations)
    if code == "open_dispute":
        return payment.has_open_dispute
    if code == "drift":
        return payment.has_drift
    assert code in FLAGS or code == "note", code
    return False


def _is_amount(payment: Payment, span: Span) -> bool:
    amount = Decimal(payment.amount).scaleb(-decimals(payment.currency))
    is_above = span.low is None or (amount > span.low if span.is_low_open else amount >= span.low)
    return is_above and (
        span.high is None or (amount < span.high if span.is_high_open else amount <= span.high)
    )


def _is_in_period(payment: Payment, clock: str, since: Any, until: Any) -> bool:
    def is_within(moment: datetime | None) -> bool:
        return moment is not None and (since is None or moment >= since) and (until is None or moment < until)

    if clock == "cancelled":
        return any(_is_done(each) and is_within(each.cancelled_at) for each in payment.cancellations)
    moments = {"paid": payment.paid_at, "requested": payment.requested_clock}
    return is_within(moments.get(clock, payment.changed_clock))


def _is_done(row: Cancellation) -> bool:
    return row.status == "SUCCEEDED"


def _is_text(text: str, filters: PaymentFilters) -> bool:
    lines = dict(zip(FIELDS, text.split("\n"), strict=True))

    def stands(part: Any, line: str) -> bool:
        return part in line if isinstance(part, str) else line.startswith(part[0]) and line.endswith(part[1])

    def has(word: str) -> bool:
        return word in text or (
            "-" in word and word.replace("-", "").isdigit() and word.replace("-", "") in text
        )

    return (
        all(map(has, filters.text.words))
        and not any(map(has, filters.text.without))
        and all(
            any(stands(part, lines[line]) for part in each.texts for line in each.lines) != each.is_negated
            for each in filters.text.bound
        )
    )
