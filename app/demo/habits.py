"""What the demo's staff made for themselves: views of the lists they open every day, and a file."""

from collections.abc import Sequence

from app.accounts import people
from app.accounts.models import User
from app.exports import service as exports
from app.exports.models import Format
from app.saved_views import service as saved_views
from app.web.lists import get_listing

#: Name, list and filters of the views; everybody sees them.
VIEWS = (
    ("입금 기다리는 가상계좌", "payments", "status=VIRTUAL_ACCOUNT_ISSUED"),
    ("취소 진행 중", "payments", "flag=pending_cancellation"),
    ("10만 원 이상 카드", "payments", "amount_min=100000&currency=KRW&method=CARD"),
    ("확인할 환불", "refunds", "status=failed&status=uncertain"),
    ("계좌로 환불", "refunds", "account=1"),
    ("확인할 청구", "charges", "status=failed&status=uncertain"),
    ("실패한 예약결제", "schedules", "status=failed"),
)


def keep_habits(staff: Sequence[User]) -> None:
    """Save the views, bound the day of support, and ask for a file, which the demo's worker writes."""
    for number, (name, list_name, query) in enumerate(VIEWS):
        by = staff[number % len(staff)]
        listing = get_listing(list_name)
        saved_views.save_view(listing, name, query, is_shared=True, is_default=False, by=by)
    people.change_limits(staff[-1].id, {"refund_daily_limit": {"KRW": 5_000_000}}, by=staff[0])
    exports.request_export(
        get_listing("refunds"),
        "status=succeeded",
        format=Format.XLSX,
        reason="월 마감 환불 대사",
        is_unmasked=False,
        language="ko",
        by=staff[-1],
    )
