"""What PortOne answers when it refuses: an HTTP status, a type and a Korean message."""

from typing import Any

#: Error type → (HTTP status, message), for the errors that this simulator can answer.
KNOWN_PROBLEMS: dict[str, tuple[int, str]] = {
    "INVALID_REQUEST": (400, "요청된 입력 정보가 유효하지 않은 경우"),
    "INVALID_PAYMENT_TOKEN": (400, "유효하지 않은 결제 토큰인 경우"),
    "MAX_WEBHOOK_RETRY_COUNT_REACHED": (
        400,
        "동일한 webhook id에 대한 수동 재시도 횟수가 최대에 도달한 경우",
    ),
    "NEGATIVE_PROMOTION_ADJUSTED_CANCEL_AMOUNT": (400, "프로모션에 의해 조정된 취소 금액이 음수인 경우"),
    "PROMOTION_DISCOUNT_RETAIN_OPTION_SHOULD_NOT_BE_CHANGED": (
        400,
        "프로모션 혜택 유지 옵션을 이전 부분 취소와 다른 것으로 입력한 경우",
    ),
    "UNAUTHORIZED": (401, "인증 정보가 올바르지 않은 경우"),
    "FORBIDDEN": (403, "요청이 거절된 경우"),
    "NOT_FOUND": (404, "요청한 주소가 존재하지 않는 경우"),
    "PAYMENT_NOT_FOUND": (404, "결제 건이 존재하지 않는 경우"),
    "WEBHOOK_NOT_FOUND": (404, "웹훅 내역이 존재하지 않는 경우"),
    "BILLING_KEY_NOT_FOUND": (404, "빌링키가 존재하지 않는 경우"),
    "ALREADY_PAID": (409, "결제가 이미 완료된 경우"),
    "INFORMATION_MISMATCH": (409, "정보가 일치하지 않는 경우"),
    "PAYMENT_NOT_PAID": (409, "결제가 완료되지 않은 경우"),
    "PAYMENT_ALREADY_CANCELLED": (409, "결제가 이미 취소된 경우"),
    "PAYMENT_NOT_WAITING_FOR_DEPOSIT": (409, "결제 건이 입금 대기 상태가 아닌 경우"),
    "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN": (409, "취소 가능 잔액 검증에 실패한 경우"),
    "CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT": (409, "결제 취소 금액이 취소 가능 금액을 초과한 경우"),
    "SUM_OF_PARTS_EXCEEDS_CANCEL_AMOUNT": (
        409,
        "면세 금액 등 하위 항목들의 합이 전체 취소 금액을 초과한 경우",
    ),
    "CANCEL_TAX_FREE_AMOUNT_EXCEEDS_CANCELLABLE_TAX_FREE_AMOUNT": (
        409,
        "취소 면세 금액이 취소 가능한 면세 금액을 초과한 경우",
    ),
    "CANCEL_TAX_AMOUNT_EXCEEDS_CANCELLABLE_TAX_AMOUNT": (
        409,
        "취소 과세 금액이 취소 가능한 과세 금액을 초과한 경우",
    ),
    "MAX_CANCEL_COUNT_REACHED": (409, "취소 시도 횟수가 초과된 경우"),
    "BILLING_KEY_ALREADY_DELETED": (409, "빌링키가 이미 삭제된 경우"),
    "ALREADY_PAID_OR_WAITING": (409, "결제가 이미 완료되었거나 대기중인 경우"),
    "SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT": (
        409,
        "면세 금액 등 하위 항목들의 합이 전체 결제 금액을 초과한 경우",
    ),
    "PAYMENT_SCHEDULE_NOT_FOUND": (404, "결제 예약건이 존재하지 않는 경우"),
    "PAYMENT_SCHEDULE_ALREADY_PROCESSED": (409, "결제 예약건이 이미 처리된 경우"),
    "PAYMENT_SCHEDULE_ALREADY_REVOKED": (409, "결제 예약건이 이미 취소된 경우"),
    "PAYMENT_SCHEDULE_ALREADY_EXISTS": (409, "결제 예약건이 이미 존재하는 경우"),
    "IDEMPOTENCY_OUTSTANDING_REQUEST": (409, "동일한 멱등 키의 요청이 처리 중인 경우"),
    "PG_PROVIDER": (502, "PG사에서 오류를 전달한 경우"),
    "CHANNEL_SPECIFIC": (502, "여러 채널을 지정한 요청에서, 채널 각각에서 오류가 발생한 경우"),
}


class Problem(Exception):
    """A refusal as PortOne words it; `kind` is the `type` of its body."""

    def __init__(self, kind: str, detail: str | None = None, **extra: Any) -> None:
        self.kind = kind
        self.status, message = KNOWN_PROBLEMS[kind]
        self.message = f"{message}: {detail}" if detail else message
        self.extra = extra
        super().__init__(f"{kind}: {self.message}")

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        return {"type": self.kind, "message": self.message, **self.extra}


def pg_refusal(pg_code: str, pg_message: str) -> Problem:
    """The gateway said no: a business answer with status 502, not a broken proxy."""
    return Problem("PG_PROVIDER", pgCode=pg_code, pgMessage=pg_message)


def channels_refusal(pg_code: str, pg_message: str) -> Problem:
    """Of three channels one has done its part, one was refused by its PG, and one saw a bad value."""
    shop = (("토스페이먼츠 일반결제", "TOSSPAYMENTS"), ("KCP 일반", "KCP_V2"), ("나이스 일반결제", "NICE_V2"))
    done, refused, unreadable = (
        {"type": "LIVE", "id": f"channel-id-{pg}", "key": f"channel-key-{pg}", "name": name, "pgProvider": pg}
        for name, pg in shop
    )
    failures = [
        {"type": "PG_PROVIDER", "channel": refused, "pgCode": pg_code, "pgMessage": pg_message},
        {"type": "INVALID_REQUEST", "channel": unreadable, "message": KNOWN_PROBLEMS["INVALID_REQUEST"][1]},
    ]
    return Problem("CHANNEL_SPECIFIC", failures=failures, succeededChannels=[done])
