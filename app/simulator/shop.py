"""A beauty salon with an online shop, all made up: what it sells, who buys, with which cards.

Phone numbers begin with 010-0 or 010-1, which Korea never gave to anybody; mail addresses end in example.com.
"""

import random
from dataclasses import dataclass

from app.simulator.documents import Document, Ids, card_document, customer_document

_SURNAMES = [
    ("김", "kim"),
    ("이", "lee"),
    ("박", "park"),
    ("최", "choi"),
    ("정", "jung"),
    ("강", "kang"),
    ("조", "cho"),
    ("윤", "yoon"),
    ("장", "jang"),
    ("임", "lim"),
    ("한", "han"),
    ("오", "oh"),
    ("서", "seo"),
    ("신", "shin"),
    ("남궁", "namgung"),
]

_GIVEN_NAMES = [
    ("하늘", "haneul"),
    ("서준", "seojun"),
    ("수민", "sumin"),
    ("지우", "jiwoo"),
    ("민서", "minseo"),
    ("예은", "yeeun"),
    ("도윤", "doyun"),
    ("채원", "chaewon"),
    ("은비", "eunbi"),
    ("가을", "gaeul"),
    ("나래", "narae"),
    ("보람", "boram"),
    ("산", "san"),
    ("솔", "sol"),
    ("준", "jun"),
    ("별", "byeol"),
]

_ABROAD = [
    ("cust_us_771", "Dana Whitfield", "dana.w@example.com", "+1-555-0137"),
    ("cust_us_802", "Marcus Oyelaran", "marcus.o@example.com", "+1-555-0188"),
    ("cust_jp_12", "SATO YUKI", "yuki.sato@example.com", None),
    ("cust_jp_31", "TANAKA REN", "ren.tanaka@example.com", None),
]


@dataclass(frozen=True)
class Item:
    """Something for sale; the price is in won."""

    name: str
    price: int
    code: str


SERVICES = [
    Item("속눈썹 펌 예약", 39_000, "svc-114"),
    Item("속눈썹 연장", 55_000, "svc-115"),
    Item("젤네일 + 케어", 60_000, "svc-201"),
    Item("네일 아트", 48_000, "svc-202"),
    Item("여성 컷 예약", 33_000, "svc-301"),
    Item("남성 컷 예약", 22_000, "svc-302"),
    Item("디지털 펌", 154_000, "svc-311"),
    Item("뿌리 염색", 77_000, "svc-312"),
    Item("두피 스케일링", 90_000, "svc-320"),
    Item("왁싱 예약", 45_000, "svc-401"),
    Item("웨딩 메이크업 예약금", 300_000, "svc-501"),
    Item("피부 관리 10회권", 880_000, "svc-610"),
]

GOODS = [
    Item("헤어 에센스", 16_000, "prd-1001"),
    Item("단백질 트리트먼트", 24_900, "prd-1002"),
    Item("마스크팩 10매", 15_000, "prd-1101"),
    Item("비건 선크림", 19_800, "prd-1102"),
    Item("향수 50ml", 98_000, "prd-1201"),
    Item("립 틴트", 12_500, "prd-1301"),
    Item("고데기", 69_000, "prd-1401"),
    Item("바디 로션 2개", 31_000, "prd-1501"),
    Item("기프트 카드 5만원권", 50_000, "prd-1901"),
]

GOODS_ABROAD = [
    Item("K-Beauty Starter Box", 2_999, "box-1"),
    Item("Lash Serum", 4_800, "box-2"),
    Item("Sheet Mask Set", 1_850, "box-3"),
]

_CARDS = [
    ("SHINHAN_CARD", "신한카드", "51004200"),
    ("SAMSUNG_CARD", "삼성카드", "53617400"),
    ("KOOKMIN_CARD", "KB국민카드", "55702100"),
    ("HYUNDAI_CARD", "현대카드", "43301200"),
    ("LOTTE_CARD", "롯데카드", "51554000"),
    ("BC_CARD", "BC카드", "94035000"),
    ("HANA_CARD", "하나카드", "45184200"),
    ("WOORI_CARD", "우리카드", "53872000"),
    ("NH_CARD", "NH농협카드", "35630500"),
]

BANKS_USED = ["KOOKMIN", "SHINHAN", "WOORI", "HANA", "NONGHYUP", "IBK", "KAKAO", "K_BANK", "TOSS", "POST"]

#: What gateways say when a payment fails: (reason, PG code, PG message).
FAILURES = [
    ("사용자가 결제를 취소하였습니다.", "PAY_PROCESS_CANCELED", "사용자에 의해 결제가 취소되었습니다."),
    ("카드 한도가 초과되었습니다.", "EXCEED_MAX_AMOUNT", "결제 가능 금액을 초과하였습니다."),
    ("잔액이 부족합니다.", "REJECT_ACCOUNT_PAYMENT", "잔액부족으로 결제에 실패했습니다."),
    ("유효하지 않은 카드입니다.", "8112", "유효기간 오류"),
    ("카드사에서 승인을 거절하였습니다.", "REJECT_CARD_COMPANY", "결제 승인이 거절되었습니다."),
    ("인증 시간이 초과되었습니다.", "W042", "인증 시간 초과"),
]

REFUND_REASONS = ["고객 변심", "예약 취소", "일부 시술 취소", "매장 사정으로 취소", "상품 불량", "중복 결제"]


def make_customers(rng: random.Random, count: int) -> list[Document]:
    """Customers in Korea; some gave little, and one in ten nothing but an address."""
    customers = []
    for number in range(count):
        surname, surname_in_latin = rng.choice(_SURNAMES)
        given, given_in_latin = rng.choice(_GIVEN_NAMES)
        phone = f"010{rng.choice('01')}{rng.randrange(1000):03}{rng.randrange(10_000):04}"
        customer = customer_document(
            f"user-{10_421 + number * 7}",
            surname + given,
            f"{given_in_latin}.{surname_in_latin}{number}@example.com",
            f"{phone[:3]}-{phone[3:7]}-{phone[7:]}" if rng.random() < 0.7 else phone,
        )
        customers.append(customer if rng.random() < 0.9 else {"email": customer["email"]})
    return customers


def customers_abroad() -> list[Document]:
    """The few who order from elsewhere."""
    return [customer_document(*known) for known in _ABROAD]


def make_card(rng: random.Random, ids: Ids) -> Document:
    """A Korean card with a masked number; one in four is a debit card, one in fifteen a company's."""
    publisher, name, bin_number = rng.choice(_CARDS)
    return card_document(
        publisher,
        name,
        number=f"{bin_number}****{ids.digits(3)}*",
        card_type="DEBIT" if rng.random() < 0.25 else "CREDIT",
        owner_type="CORPORATE" if rng.random() < 0.07 else "PERSONAL",
    )
