"""What became of the money after PortOne gave it back to an account: the PG still has to pay it out."""

from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _l

from app.money import Money
from app.payments.queries import snapshot_of
from app.portone.banks import bank_name
from app.refunds.bank_accounts import masked_name
from app.refunds.models import Refund, RefundStatus
from app.refunds.queries import list_refunds_of
from app.web.filters import local_time

_NEXT: dict[str, Any] = {
    "PENDING": _l("The PG pays it out within one or two business days. We look again until it has."),
    "COMPLETED": _l("The PG has paid the account."),
}

_FAILED = _l(
    "The PG could not pay this account. Call the buyer and compare the account. PortOne counts the payment "
    "as cancelled, so it cannot be refunded to another account from here: send the text below to the PG or "
    "to PortOne, and they pay it out again."
)

_BROKEN = frozenset({"FAILED", "PARTIAL_REFUND_FAILED"})


@dataclass(frozen=True, slots=True)
class Transfer:
    """PortOne's word for the pay-out, what to do, and the text to ask the PG with where it failed."""

    status: str
    what_next: str
    inquiry: str | None


def transfer_of(refund: Refund) -> Transfer | None:
    """How the pay-out of a refund stands; None where there is none to tell of.

    PortOne tells it of the payment as a whole, so it is told of the newest refund to an account.
    """
    status = refund.payment.account_refund_status
    if status is None or not _is_newest_to_an_account(refund):
        return None
    what_next = _FAILED if status in _BROKEN else _NEXT.get(status, "")
    return Transfer(status, str(what_next), _inquiry(refund) if status in _BROKEN else None)


def _is_newest_to_an_account(refund: Refund) -> bool:
    paid_out = [
        other
        for other in list_refunds_of(refund.payment)
        if other.account_bank and other.status == RefundStatus.SUCCEEDED
    ]
    return bool(paid_out) and paid_out[-1].id == refund.id


def _inquiry(refund: Refund) -> str:
    """A letter to the PG or PortOne, in Korean whoever sends it, without the number."""
    payment, snapshot = refund.payment, snapshot_of(refund.payment)
    lines = {
        "고객사 거래번호": payment.payment_id,
        "포트원 거래번호": payment.transaction_id,
        "PG 거래번호": snapshot.pg_tx_id if snapshot else None,
        "취소 번호": refund.cancellation_id,
        "환불 금액": Money(refund.amount, payment.currency).format("ko"),
        "환불 요청 시각": f"{local_time(refund.created_at)} (KST)",
        "환불 계좌": f"{bank_name(refund.account_bank, 'ko')} ****{refund.account_last_digits}",
        "예금주": masked_name(refund.account_holder),
    }
    facts = [f"- {name}: {value}" for name, value in lines.items() if value]
    return "\n".join(
        [
            "안녕하세요. 가상계좌 결제 취소 후 환불 계좌로의 이체가 실패하여 문의드립니다.",
            *facts,
            "올바른 계좌로 다시 이체하려면 어떻게 해야 하는지 알려 주시기 바랍니다.",
        ]
    )
