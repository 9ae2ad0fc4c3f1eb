"""The rulebook against payments of every kind: certain refusals stop, likely ones warn, and when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from app import clock
from app.payments.models import Payment
from app.refunds import rules
from app.refunds.rulebook import BLOCK, RULES
from tests.conftest import on_one_database
from tests.payments.documents import cancellation, card, stored

pytestmark = on_one_database

NOON = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)


def at_pg(pg_provider: str, channel_type: str = "LIVE") -> dict[str, Any]:
    return {"channel": {"type": channel_type, "pgProvider": pg_provider, "pgMerchantId": "m1"}}


def by(method: str, **values: Any) -> dict[str, Any]:
    return {"method": {"type": f"PaymentMethod{method}"} | values}


def wallet(provider: str, inner: str = "PaymentMethodEasyPayMethodCharge") -> dict[str, Any]:
    return by("EasyPay", provider=provider, easyPayMethod={"type": inner, "card": {}})


def codes(payment: Payment, amount: int | None = None) -> set[str]:
    return {rule.code for rule in rules.rules_broken(payment, amount)}


ACCOUNT = by("VirtualAccount", accountNumber="1", bank="KOOKMIN")
ESCROW = {"escrow": {"status": "DELIVERED"}}
DISPUTE = {"disputes": [{"status": "UNRESOLVED", "reason": "x", "createdAt": "2026-03-29T01:00:00Z"}]}
MIXED = {"method": card(pointUsed=True)}
DEBIT = {"method": card(card={"type": "DEBIT"})}
PROMOTION = {"promotionId": "promotion-1"}
RECEIPT = {"cashReceiptIssuanceStatus": "ISSUED"}
NINE = {"cancellations": [cancellation(id=f"c{number}", total=10) for number in range(9)]}


@pytest.mark.parametrize(
    ("code", "days", "values", "amount"),
    [
        ("ACCOUNT_NOT_PAID_INTO", 0, ACCOUNT | {"status": "VIRTUAL_ACCOUNT_ISSUED"}, None),
        ("NOT_PAID", 0, {"status": "READY"}, None),
        ("AWAITING_AUTHORISATION", 0, {"status": "PAY_PENDING"}, None),
        ("ALREADY_REFUNDED", 0, {"status": "CANCELLED"}, None),
        ("NOTHING_LEFT", 0, {"cancelled": 12_000}, None),
        ("CANCELLATION_IN_PROGRESS", 0, {"cancellations": [cancellation("REQUESTED")]}, None),
        ("TEST_VIRTUAL_ACCOUNT", 0, ACCOUNT | at_pg("TOSSPAYMENTS", "TEST"), None),
        ("KSNET_SIX_MONTHS", 185, at_pg("KSNET"), None),
        ("KSNET_NINE_PARTS", 0, at_pg("KSNET") | NINE | {"status": "PARTIAL_CANCELLED"}, None),
        ("CONVENIENCE_STORE_PAID", 0, by("ConvenienceStore") | at_pg("INICIS_JP"), None),
        ("KSNET_MOBILE_PARTIAL", 0, by("Mobile") | at_pg("KSNET"), 100),
        ("MOBILE_PARTIAL", 0, by("Mobile") | at_pg("DANAL"), 100),
        ("TOSS_GIFT_CERTIFICATE_PARTIAL", 0, by("GiftCertificate"), 100),
        ("ESCROW_PARTIAL", 0, ESCROW, 100),
        ("SMARTRO_TEST_DEBIT_PARTIAL", 0, DEBIT | at_pg("SMARTRO_V2", "TEST"), 100),
        ("DISPUTE_OPEN", 0, DISPUTE, None),
        ("CARD_THREE_MONTHS", 93, {}, None),
        ("CARD_ONE_YEAR", 367, {}, None),
        ("TRANSFER_THREE_MONTHS", 93, by("Transfer"), None),
        ("MOBILE_EARLIER_MONTH", 30, by("Mobile") | at_pg("DANAL"), None),
        ("MOBILE_EARLIER_MONTH_CONTRACT", 30, by("Mobile") | at_pg("KCP_V2"), None),
        ("MOBILE_PARTIAL_CONTRACT", 0, by("Mobile") | at_pg("INICIS_V2"), 100),
        ("KAKAOPAY_CARD_ONE_YEAR", 367, wallet("KAKAOPAY", "PaymentMethodCard"), None),
        ("KAKAOPAY_FIVE_YEARS", 1_828, wallet("KAKAOPAY"), None),
        ("NAVERPAY_1095_DAYS", 1_096, wallet("NAVERPAY"), None),
        ("PAYPAL_180_DAYS", 181, wallet("PAYPAL") | at_pg("PAYPAL_V2"), None),
        ("CARD_KIND_PARTIAL", 0, {"method": card(card={"ownerType": "CORPORATE"})}, 100),
        ("FOREIGN_CARD_PARTIAL", 0, {"country": "US"}, 100),
        ("POINTS_PARTIAL", 0, MIXED, 100),
        ("NICE_PARTIAL_CONTRACT", 0, at_pg("NICE_V2"), 100),
        ("PAYMENTWALL_CURRENCY_PARTIAL", 0, at_pg("PAYMENTWALL"), 100),
        ("KPN_ACCOUNT_SERVICE", 0, by("Transfer") | at_pg("KPN"), None),
        ("KPN_SMALL_DOLLARS", 0, at_pg("KPN") | {"currency": "USD"}, 99),
        ("KSNET_CASH_RECEIPT", 0, ACCOUNT | at_pg("KSNET") | RECEIPT, None),
        ("VIRTUAL_ACCOUNT_CLAUSE", 0, ACCOUNT | at_pg("KCP_V2"), None),
        ("VIRTUAL_ACCOUNT_FEE", 0, ACCOUNT, None),
        ("SMARTRO_PHONE", 0, ACCOUNT | at_pg("SMARTRO"), None),
        ("PROMOTION_PARTIAL", 0, PROMOTION, 100),
        ("PAYPAL_LATER", 0, at_pg("PAYPAL_V2"), None),
        ("PAYPAL_FEE", 0, wallet("PAYPAL"), None),
        ("WECHAT_LATER", 0, wallet("WECHAT") | at_pg("KICC_V2"), None),
        ("TRIPLE_A_WALLET", 0, by("Crypto") | at_pg("TRIPLE_A"), None),
    ],
)
def test_a_rule_speaks_up_where_it_holds_and_not_elsewhere(
    app: Flask, code: str, days: int, values: dict[str, Any], amount: int | None
) -> None:
    with clock.fixed_at(NOON + timedelta(days=days)):
        assert code in codes(stored("order-1", **values), amount)
        if next(rule for rule in RULES if rule.code == code).only_partial:
            assert code not in codes(stored("order-1", **values))
    with clock.fixed_at(NOON):
        assert code not in codes(stored("order-2"))


@pytest.mark.parametrize(
    ("hour", "is_open"), [(5, False), (6, True), (14, True), (22, True), (23, False), (0, False)]
)
def test_ksnet_has_opening_hours_for_virtual_accounts(app: Flask, hour: int, is_open: bool) -> None:
    payment = stored(**ACCOUNT | at_pg("KSNET"))
    with clock.fixed_at(datetime(2026, 3, 30, hour, 30, tzinfo=clock.SEOUL)):
        assert ("KSNET_HOURS" not in codes(payment)) is is_open


def test_a_month_ends_where_the_calendar_says(app: Flask) -> None:
    paid = {"paidAt": "2025-08-31T03:00:00Z"} | at_pg("KSNET")
    payment = stored(**paid)
    with clock.fixed_at(datetime(2026, 2, 28, 2, 59, tzinfo=UTC)):
        assert "KSNET_SIX_MONTHS" not in codes(payment)
    with clock.fixed_at(datetime(2026, 2, 28, 3, 1, tzinfo=UTC)):
        assert "KSNET_SIX_MONTHS" in codes(payment)


def test_the_rest_of_a_payment_refunded_in_part_is_a_part_too(app: Flask) -> None:
    payment = stored(cancelled=2_000, status="PARTIAL_CANCELLED", **ESCROW)
    assert "ESCROW_PARTIAL" in codes(payment)
    assert "ESCROW_PARTIAL" in codes(payment, 10_000)


def test_v1_says_nothing_of_its_escrow(app: Flask) -> None:
    assert "ESCROW_PARTIAL" not in codes(stored(version="V1", **ESCROW), 100)


def test_an_obstacle_is_what_nobody_may_set_aside(app: Flask) -> None:
    old = stored("order-1", **at_pg("KSNET"))
    with clock.fixed_at(NOON + timedelta(days=200)):
        assert rules.find_obstacle(old) is None
        assert [rule.code for rule in rules.blocks_to_override(old)] == ["KSNET_SIX_MONTHS"]
    assert rules.find_obstacle(stored("order-2", status="READY")) is not None
    assert rules.find_obstacle(stored("order-3", **by("Mobile"), **at_pg("KSNET")), 100) is not None


def test_what_stops_comes_first_and_every_rule_names_its_source(app: Flask) -> None:
    with clock.fixed_at(NOON + timedelta(days=400)):
        told = rules.rules_for(stored(**at_pg("KSNET"), **ESCROW))
    assert [rule.severity for rule in told] == sorted(rule.severity for rule in told)
    assert told[0].severity == BLOCK
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert all(str(rule.source) and str(rule.sentence) for rule in RULES)


def test_an_account_is_asked_where_only_an_account_helps(app: Flask) -> None:
    mobile = stored("order-1", **by("Mobile"), **at_pg("DANAL"))
    with clock.fixed_at(datetime(2026, 3, 31, 23, 59, tzinfo=clock.SEOUL)):
        assert not rules.needs_account(mobile)
    with clock.fixed_at(datetime(2026, 4, 1, 0, 1, tzinfo=clock.SEOUL)):
        assert rules.needs_account(mobile)
    transfer = stored("order-2", **by("Transfer"), **at_pg("KPN"))
    assert rules.may_name_account(transfer)
    assert not rules.needs_account(transfer)
