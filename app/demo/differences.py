"""Differences from PortOne in a believable store: some healed, some that wait for a person, one judged."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, select, update

from app import clock
from app.accounts.models import User
from app.columns import new_id
from app.drift import pg_refunds, service
from app.drift.models import Drift
from app.drift.walking import compare_again
from app.extensions import db
from app.payments.models import Cancellation, Payment
from app.refunds.models import Refund
from app.simulator import Simulator

#: The newest payments have stories of their own; as far behind them as there are any come those for these.
_LEFT_ALONE, _NEEDED = 60, 6


def tell_differences(simulator: Simulator, staff: Sequence[User]) -> None:
    """Let our rows fall behind, or PortOne's, and compare them as the worker would. Commits."""
    paid = db.session.scalars(
        select(Payment)
        .where(Payment.status == "PAID", Payment.method == "CARD", Payment.currency == "KRW")
        .where(Payment.channel_type == "LIVE", Payment.id.not_in(select(Refund.payment_id)))
        .order_by(Payment.changed_clock.desc(), Payment.id.desc())
        .limit(_LEFT_ALONE + _NEEDED)
    ).all()
    if len(paid) < _NEEDED:  # a tiny store has none to spare
        return
    late, odd, judged, *at_pg = (payment.payment_id for payment in paid[-_NEEDED:])
    with clock.fixed_at(clock.now() - timedelta(hours=20)):
        _fall_behind(late)
        _forget_a_cancellation()
        _cancel_without_a_record(simulator, judged, 5_000)
        _judge(judged, staff[-1])
    with clock.fixed_at(clock.now() - timedelta(hours=3)):
        _cancel_without_a_record(simulator, odd, 12_000)
        _vanish(simulator)
    _note_refunds_at_pg(at_pg, staff)


def _fall_behind(payment_id: str) -> None:
    behind = {"status": "READY", "paid_at": None, "reported_at": None, "status_changed_at": None}
    db.session.execute(update(Payment).where(Payment.payment_id == payment_id).values(behind))
    db.session.commit()
    compare_again(payment_id, seen_how="cursor")


def _forget_a_cancellation() -> None:
    """One that was made in the console, as if its webhook had been lost."""
    record = db.session.scalar(
        select(Cancellation)
        .join(Cancellation.payment)
        .where(Cancellation.trigger == "CONSOLE", Payment.status == "CANCELLED")
        .order_by(Cancellation.cancelled_at.desc())
        .limit(1)
    )
    if record is None:
        return
    payment, payment_id = record.payment, record.payment.payment_id
    payment.status, payment.reported_at, payment.status_changed_at = "PAID", None, None
    payment.cancelled_amount, payment.cancellable_amount = 0, payment.amount
    db.session.execute(delete(Cancellation).where(Cancellation.payment_id == payment.id))
    db.session.commit()
    compare_again(payment_id, seen_how="events")


def _cancel_without_a_record(simulator: Simulator, payment_id: str, amount: int) -> None:
    document = simulator.state.find_payment(payment_id)
    if document is None:
        return
    document["amount"]["cancelled"] = min(amount, document["amount"]["total"])
    with simulator.state.transaction():
        simulator.state.save_payment(document)
    compare_again(payment_id, seen_how="cursor")


def _judge(payment_id: str, by: User) -> None:
    kept = select(Drift.id).join(Drift.payment).where(Payment.payment_id == payment_id)
    for drift_id in db.session.scalars(kept.where(Drift.healed_at.is_(None))).all():
        service.close(drift_id, "PG와 통화함. 부분 취소가 맞고 취소 내역은 다음 날 반영 예정.", by=by)


def _vanish(simulator: Simulator) -> None:
    """A virtual account of which PortOne knows nothing any more."""
    waiting = (
        select(Payment.payment_id)
        .where(Payment.status == "VIRTUAL_ACCOUNT_ISSUED", Payment.channel_type == "LIVE")
        .order_by(Payment.changed_clock)
        .limit(1)
    )
    for payment_id in db.session.scalars(waiting).all():
        simulator.state.execute("DELETE FROM payments WHERE payment_id = ?", payment_id)
        compare_again(payment_id, seen_how="open")


def _note_refunds_at_pg(payment_ids: Sequence[str], staff: Sequence[User]) -> None:
    notes = ("PG 관리자 화면에서 취소한 것을 확인함(담당: 정산팀)", "고객이 카드사 취소 문자를 보내 옴")
    for number, (payment_id, note) in enumerate(zip(payment_ids, notes, strict=False)):
        payment = db.session.scalars(select(Payment).where(Payment.payment_id == payment_id)).one()
        told = pg_refunds.Noted(new_id(), payment.amount, clock.today() - timedelta(days=1), note)
        with clock.fixed_at(clock.now() - timedelta(hours=5 - number)):
            pg_refunds.flag(payment_id, told, by=staff[number % len(staff)])
        if number:
            pg_refunds.resolve(told.intent, "PG와 PortOne에 반영 요청 완료", is_shown=False, by=staff[-1])
