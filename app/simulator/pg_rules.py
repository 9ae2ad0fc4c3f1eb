"""What PGs refuse although PortOne would pass it on: deadlines, partial refunds, missing accounts.

The codes and sentences are made up in the manner of PGs; the rules are those of the PGs' guides.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.clock import SEOUL
from app.simulator.documents import Document, moment_of
from app.simulator.problems import Problem, pg_refusal

SMARTRO = frozenset({"SMARTRO", "SMARTRO_V2"})
PAYPAL = frozenset({"PAYPAL", "PAYPAL_V2"})

#: A refund account that ends so is accepted, and the pay-out fails later: method.refundStatus FAILED.
UNREACHABLE_ACCOUNT_ENDING = "9999"

_HALF_YEAR = timedelta(days=183)
_YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Attempt:
    """A refund on its way to the PG."""

    payment: Document
    amount: int
    is_partial: bool
    refund_account: Document | None
    refund_email: str | None
    at: datetime

    @property
    def pg_provider(self) -> str:
        """The PG that has to carry it out."""
        return str(self.payment["channel"]["pgProvider"])

    @property
    def method(self) -> str:
        """The wire name of the payment method, or nothing."""
        return str(self.payment.get("method", {}).get("type", ""))

    @property
    def paid_at(self) -> datetime | None:
        """When the money came in; None where it never did."""
        return moment_of(self.payment["paidAt"]) if "paidAt" in self.payment else None


Refusal = tuple[str, str]


def check_with_pg(attempt: Attempt) -> None:
    """Raise PG_PROVIDER (502) with the PG's own code and message when the PG would say no."""
    for rule in _RULES:
        refusal = rule(attempt)
        if refusal:
            raise pg_refusal(*refusal)


def is_asynchronous(payment: Document) -> bool:
    """Whether this PG answers a refund with REQUESTED and decides later."""
    pg_provider = payment["channel"]["pgProvider"]
    is_wechat = payment.get("method", {}).get("provider") == "WECHAT"
    return pg_provider in PAYPAL | {"TRIPLE_A"} or (is_wechat and pg_provider.startswith("KICC"))


def _virtual_account(attempt: Attempt) -> Refusal | None:
    if attempt.method != "PaymentMethodVirtualAccount":
        return None
    if attempt.payment["channel"]["type"] == "TEST":
        return "TEST_REFUND_UNSUPPORTED", "테스트 환경에서는 가상계좌 환불을 지원하지 않습니다."
    if attempt.refund_account is None:
        return "REFUND_ACCOUNT_REQUIRED", "환불 계좌 정보가 필요합니다."
    if attempt.pg_provider in SMARTRO and not attempt.refund_account.get("holderPhoneNumber"):
        return "REFUND_PHONE_REQUIRED", "환불 계좌 예금주 연락처가 필요합니다."
    return None


def _ksnet_hours(attempt: Attempt) -> Refusal | None:
    is_account = attempt.method == "PaymentMethodVirtualAccount"
    if is_account and attempt.pg_provider == "KSNET" and not 6 <= attempt.at.astimezone(SEOUL).hour < 23:
        return "OUT_OF_HOURS", "가상계좌 환불은 06시부터 23시까지 가능합니다."
    return None


def _smartro_test_card(attempt: Attempt) -> Refusal | None:
    card = attempt.payment.get("method", {}).get("card", {})
    is_test = attempt.payment["channel"]["type"] == "TEST"
    if attempt.is_partial and is_test and attempt.pg_provider in SMARTRO and card.get("type") == "DEBIT":
        return "PARTIAL_REFUND_UNSUPPORTED", "테스트 체크카드는 전체 취소만 가능합니다."
    return None


def _mobile(attempt: Attempt) -> Refusal | None:
    if attempt.method != "PaymentMethodMobile":
        return None
    if attempt.is_partial and attempt.pg_provider != "INICIS_V2":
        return "PARTIAL_REFUND_UNSUPPORTED", "휴대폰 결제는 부분 취소할 수 없습니다."
    if attempt.refund_account is None and not _is_same_month(attempt):
        return "NEXT_MONTH_REFUND", "익월 환불은 환불 계좌 정보가 필요합니다."
    return None


def _is_same_month(attempt: Attempt) -> bool:
    def month(moment: datetime) -> tuple[int, int]:
        there = moment.astimezone(SEOUL)
        return there.year, there.month

    return attempt.paid_at is None or month(attempt.paid_at) == month(attempt.at)


def _deadline(attempt: Attempt) -> Refusal | None:
    if attempt.paid_at is None or attempt.method == "PaymentMethodVirtualAccount":
        return None
    allowed = _HALF_YEAR if attempt.pg_provider == "KSNET" else _YEAR
    if attempt.at - attempt.paid_at > allowed:
        return "REFUND_DEADLINE_PASSED", "취소 가능 기간이 지났습니다."
    return None


def _gift_certificate(attempt: Attempt) -> Refusal | None:
    if attempt.method == "PaymentMethodGiftCertificate" and attempt.is_partial:
        return "PARTIAL_REFUND_UNSUPPORTED", "상품권 결제는 부분 취소할 수 없습니다."
    return None


def _paid_in_a_shop(attempt: Attempt) -> Refusal | None:
    if attempt.method == "PaymentMethodConvenienceStore" and attempt.paid_at is not None:
        return "ALREADY_PAID_AT_STORE", "편의점 수납이 완료된 결제는 취소할 수 없습니다."
    return None


def _crypto(attempt: Attempt) -> Refusal | None:
    if attempt.pg_provider == "TRIPLE_A" and not attempt.refund_email:
        return "REFUND_EMAIL_REQUIRED", "환불 안내를 받을 이메일이 필요합니다."
    return None


def _unconfirmed_escrow(attempt: Attempt) -> Refusal | None:
    escrow = attempt.payment.get("escrow", {}).get("status")
    if attempt.is_partial and escrow not in {None, "CONFIRMED"}:
        return "ESCROW_PARTIAL_REFUND", "구매 확정 전 에스크로 결제는 부분 취소할 수 없습니다."
    return None


_RULES: tuple[Callable[[Attempt], Refusal | None], ...] = (
    _virtual_account,
    _ksnet_hours,
    _smartro_test_card,
    _mobile,
    _deadline,
    _gift_certificate,
    _paid_in_a_shop,
    _crypto,
    _unconfirmed_escrow,
)


def is_cancel_count_reached(payment: Document) -> bool:
    """KSNET refunds a payment in at most nine parts."""
    done = [item for item in payment.get("cancellations", []) if item["status"] == "SUCCEEDED"]
    return payment["channel"]["pgProvider"] == "KSNET" and len(done) >= 9


def check_cancel_count(payment: Document) -> None:
    """Raise MAX_CANCEL_COUNT_REACHED when no further refund is possible."""
    if is_cancel_count_reached(payment):
        raise Problem("MAX_CANCEL_COUNT_REACHED")
