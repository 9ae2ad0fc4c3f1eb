"""The question to PortOne or the PG about a refund that did not end well: Korean, since they read it."""

from collections.abc import Sequence
from datetime import date

from app.money import Money
from app.payments.models import Payment
from app.payments.queries import snapshot_of
from app.portone.banks import bank_name
from app.portone.labels import pg_name
from app.refunds.bank_accounts import masked_name
from app.refunds.models import Refund, RefundStatus
from app.web.filters import local_time

#: How the question begins, and what is asked in the end.
_QUESTIONS = {
    RefundStatus.FAILED: (
        "아래 결제의 취소(환불)가 거절되어 문의드립니다.",
        "거절된 사유와 필요한 조치를 알려 주시기 바랍니다.",
    ),
    RefundStatus.UNCERTAIN: (
        "아래 결제의 취소(환불) 요청에 대한 응답을 받지 못해 문의드립니다.",
        "실제로 취소되었는지 확인해 주시기 바랍니다. 중복 환불을 막기 위해 새로 요청하지 않고 있습니다.",
    ),
    RefundStatus.REQUESTED: (
        "아래 결제의 취소(환불)가 접수된 뒤 아직 완료되지 않아 문의드립니다.",
        "처리 상태와 예상 완료 시점을 알려 주시기 바랍니다.",
    ),
}


_TRANSFER_FAILED = (
    "가상계좌 결제 취소 후 환불 계좌로의 이체가 실패하여 문의드립니다.",
    "올바른 계좌로 다시 이체하려면 어떻게 해야 하는지 알려 주시기 바랍니다.",
)

_REFUNDED_AT_PG = (
    "아래 결제의 환불이 PG에서 직접 이루어졌으나 포트원에는 취소 내역이 없어 문의드립니다.",
    "PG의 취소 내역을 확인하시고 포트원 결제 상태에 반영할 수 있는지 알려 주시기 바랍니다. "
    "중복 환불을 막기 위해 포트원에서는 취소를 요청하지 않고 있습니다.",
)


def inquiry_of(refund: Refund) -> str | None:
    """The text to copy; None for a refund there is nothing to ask about."""
    if refund.status not in _QUESTIONS:
        return None
    return _letter(*_QUESTIONS[RefundStatus(refund.status)], _facts(refund))


def inquiry_about_transfer(refund: Refund) -> str:
    """The text to copy where the money did not reach the account; the number stays out of it."""
    account = f"{bank_name(refund.account_bank, 'ko')} ****{refund.account_last_digits}"
    facts = [*_facts(refund), ("환불 계좌", account), ("예금주", masked_name(refund.account_holder))]
    return _letter(*_TRANSFER_FAILED, facts)


def inquiry_about_pg_refund(payment: Payment, amount: int, refunded_on: date) -> str:
    """The text to copy about money (minor units) that went back at the PG, of which PortOne does not know."""
    facts = [
        *_facts_of(payment),
        ("결제 금액", Money(payment.amount, payment.currency).format("ko")),
        ("PG에서 환불된 금액", Money(amount, payment.currency).format("ko")),
        ("PG에서 환불된 날짜(KST)", refunded_on.isoformat()),
    ]
    return _letter(*_REFUNDED_AT_PG, facts)


def _letter(begins: str, asks: str, facts: Sequence[tuple[str, str | None]]) -> str:
    told = "\n".join(f"- {name}: {value}" for name, value in facts if value)
    return f"안녕하세요.\n{begins}\n\n{told}\n\n{asks}\n감사합니다."


def _facts(refund: Refund) -> list[tuple[str, str | None]]:
    payment = refund.payment
    error = " ".join(filter(None, (refund.problem, refund.problem_message)))
    return [
        *_facts_of(payment),
        ("취소 ID", refund.cancellation_id),
        ("멱등 키(Idempotency-Key)", str(refund.id)),
        ("취소 요청 금액", Money(refund.amount, payment.currency).format("ko")),
        ("취소 요청 시각(KST)", local_time(refund.sent_at or refund.created_at)),
        ("오류", error if refund.status == RefundStatus.FAILED else None),
        ("PG 오류 코드", refund.pg_code),
        ("PG 오류 메시지", refund.pg_message),
    ]


def _facts_of(payment: Payment) -> list[tuple[str, str | None]]:
    """What PortOne and the PG find a payment by."""
    snapshot = snapshot_of(payment)
    channel = snapshot.channel if snapshot else None
    return [
        ("결제대행사", pg_name(payment.pg_provider, "ko") if payment.pg_provider else None),
        ("상점 아이디(MID)", channel.pg_merchant_id if channel else None),
        ("고객사 거래번호(paymentId)", payment.payment_id),
        ("포트원 거래번호(transactionId)", payment.transaction_id),
        ("PG 거래번호(pgTxId)", snapshot.pg_tx_id if snapshot else None),
    ]
