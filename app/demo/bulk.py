"""Two bulk refunds for the demo: one that was carried out, with rows that went wrong, and one to confirm."""

import csv
import io
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from app.accounts.models import User
from app.bulk_refunds import queries, service
from app.bulk_refunds.parsing import COLUMNS
from app.bulk_refunds.uploading import upload
from app.extensions import db
from app.jobs import service as jobs
from app.leases import new_holder
from app.payments.models import Payment
from app.simulator import Simulator

#: More jobs than wait in a store that has just been filled.
_JOBS = 100
#: The newest payments are left for whoever plays with the demo.
_LEFT_ALONE, _CARDS = 20, 10
_ACCOUNT = ("국민은행", "012345-67-890123", "홍길동", "010-1234-5678")


def tell_bulk_refunds(simulator: Simulator, by: User) -> None:
    """Carry one file out over HTTP, as a person and a worker would, and leave another to be confirmed."""
    cards = _paid("CARD", offset=_LEFT_ALONE, limit=_CARDS)
    if len(cards) < _CARDS:  # a tiny store has none to spare
        return
    done, waiting = cards[: _CARDS // 2], cards[_CARDS // 2 :]
    batch_id = _upload(
        "3월 품절 환불.csv", [*map(_card_row, done), ("order-unknown-1", "10,000", "", "품절")], by
    )
    sums = {each.currency: each.amount for each in queries.sums(batch_id, with_warned=False)}
    service.confirm(batch_id, with_warned=False, expected=sums, password="", by=by)
    simulator.console_cancel(done[1], 1_000)  # its balance moves before its row is carried out
    simulator.faults.next("cancel", "pg_refuses", pg_code="8324", pg_message="정산 잔액이 부족합니다.")
    _work()
    _upload("배송 지연 보상.csv", [*map(_card_row, waiting), *_rows_worth_a_look(waiting[0])], by)


def _work() -> None:
    """Do every job that waits, as a worker would: what the PG is to refuse is met by this file, not later."""
    holder = new_holder()
    for job_id in jobs.claim_waiting(holder=holder, limit=_JOBS):
        jobs.run(job_id, holder)


def _rows_worth_a_look(payment_id: str) -> list[tuple[str, ...]]:
    accounts = [
        (each, "", "", "배송 지연", *_ACCOUNT) for each in _paid("VIRTUAL_ACCOUNT", offset=2, limit=2)
    ]
    return [
        *accounts,
        (payment_id, "1,000", "", "배송 지연"),
        (payment_id, "9.5E+03", "", "배송 지연"),
        ("주문-없음", "전액", "", "배송 지연"),
    ]


def _card_row(payment_id: str) -> tuple[str, ...]:
    return (payment_id, "2,000", "", "품절")


def _paid(method: str, *, offset: int, limit: int) -> list[str]:
    found = db.session.scalars(
        select(Payment.payment_id)
        .where(
            Payment.status == "PAID",
            Payment.method == method,
            Payment.channel_type == "LIVE",
            Payment.currency == "KRW",
            Payment.amount >= 5_000,
            Payment.tax_free_amount == 0,
        )
        .order_by(Payment.changed_clock.desc())
        .offset(offset)
        .limit(limit)
    ).all()
    db.session.rollback()
    return list(found)


def _upload(name: str, rows: Sequence[Sequence[str]], by: User) -> UUID:
    lines = io.StringIO(newline="")
    csv.writer(lines).writerows([[column.heading for column in COLUMNS.values()], *rows])
    return upload(lines.getvalue().encode("cp949"), file_name=name, default_reason="", by=by)
