"""Why money goes back: a code to count by, words for the page, and the Korean text that PortOne gets."""

from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _l


@dataclass(frozen=True, slots=True)
class Reason:
    """`label` is shown in the person's language; `text` goes to PortOne, which is Korean throughout."""

    label: Any
    text: str


REASONS: dict[str, Reason] = {
    "customer_request": Reason(_l("Change of mind"), "고객 변심"),
    "duplicate": Reason(_l("Paid twice"), "중복 결제"),
    "defective": Reason(_l("Faulty or wrong item"), "상품 불량 또는 오배송"),
    "out_of_stock": Reason(_l("Out of stock"), "품절"),
    "late_delivery": Reason(_l("Late delivery"), "배송 지연"),
    "price_error": Reason(_l("Wrong price"), "금액 오류"),
    "other": Reason(_l("Other (write it below)"), ""),
}


def text_for_portone(code: str | None, note: str) -> str:
    """The reason PortOne is given: the note behind the words of the code, or either alone."""
    known = REASONS.get(code or "")
    return " - ".join(part for part in (known.text if known else "", note) if part)
