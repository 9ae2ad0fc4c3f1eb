"""What happens to the payments of a believable store: every status, every method, many PGs."""

from datetime import timedelta

from app.simulator import lifecycle
from app.simulator.cancelling import CONSOLE_REASON
from app.simulator.documents import Document, timestamp
from app.simulator.scene import Scene, Story
from app.simulator.shop import BANKS_USED, FAILURES
from app.simulator.stories_abroad import STORIES_ABROAD
from app.simulator.stories_of_rules import STORIES_OF_RULES

_CARD_PGS = ["TOSSPAYMENTS", "KCP_V2", "INICIS_V2", "NICE_V2", "SMARTRO_V2", "KSNET"]
_ACCOUNT_PGS = ["TOSSPAYMENTS", "SMARTRO_V2", "NICE_V2", "KCP_V2", "INICIS_V2"]
_EASY_PAYS = [
    ("KAKAOPAY", "KAKAOPAY"),
    ("NAVERPAY", "NAVERPAY"),
    ("TOSSPAYMENTS", "TOSSPAY"),
    ("KCP_V2", "PAYCO"),
    ("TOSSPAYMENTS", "APPLEPAY"),
    ("INICIS_V2", "SAMSUNGPAY"),
]


def _paid_by_card(scene: Scene) -> Document:
    return scene.pay(scene.open(scene.card(), scene.rng.choice(_CARD_PGS)))


def _paid_in_instalments(scene: Scene) -> Document:
    method = scene.card(month=scene.rng.choice([2, 3, 6, 12]))
    return scene.pay(scene.open(method, scene.rng.choice(_CARD_PGS), total=scene.item.price * 4))


def _paid_with_mixed_tax(scene: Scene) -> Document:
    total = scene.item.price + 20_000
    return scene.pay(scene.open(scene.card(), "NICE_V2", total=total, tax_free=20_000))


def _paid_with_a_promotion(scene: Scene) -> Document:
    payment = scene.open(scene.card(), "TOSSPAYMENTS", discount=scene.item.price // 10)
    payment["promotionId"] = "promotion-summer-10"
    return scene.pay(payment)


def _paid_by_easy_pay(scene: Scene) -> Document:
    pg_provider, provider = scene.rng.choice(_EASY_PAYS)
    inner: Document = {"type": "PaymentMethodEasyPayMethodCharge", "bank": scene.rng.choice(BANKS_USED)}
    if provider in {"APPLEPAY", "SAMSUNGPAY", "PAYCO"} or scene.rng.random() < 0.5:
        inner = scene.card()
    method = {"type": "PaymentMethodEasyPay", "provider": provider, "easyPayMethod": inner}
    is_discounted = provider == "NAVERPAY" and scene.rng.random() < 0.5
    return scene.pay(scene.open(method, pg_provider, discount=1_000 if is_discounted else 0))


def _paid_by_transfer(scene: Scene) -> Document:
    method = {"type": "PaymentMethodTransfer", "bank": scene.rng.choice(BANKS_USED)}
    payment = scene.pay(scene.open(method, scene.rng.choice(["NICE_V2", "INICIS_V2", "TOSSPAYMENTS"])))
    return _with_cash_receipt(scene, payment)


def _with_cash_receipt(scene: Scene, payment: Document) -> Document:
    payment["cashReceipt"] = {
        "status": "ISSUED",
        "type": scene.rng.choice(["PERSONAL", "PERSONAL", "CORPORATE"]),
        "issueNumber": scene.ids.digits(9),
        "totalAmount": payment["amount"]["total"],
        "taxFreeAmount": payment["amount"]["taxFree"],
        "currency": payment["currency"],
        "issuedAt": payment["paidAt"],
    }
    payment["cashReceiptIssuanceStatus"] = "ISSUED"
    return payment


def _transfer_refunded(scene: Scene) -> Document:
    return scene.refund(_paid_by_transfer(scene))


def _paid_with_escrow(scene: Scene) -> Document:
    payment = scene.pay(scene.open("TRANSFER", "INICIS_V2"))
    status = scene.rng.choice(["BEFORE_REGISTERED", "REGISTERED", "DELIVERED", "CONFIRMED"])
    payment["escrow"] = {"status": status}
    if status != "BEFORE_REGISTERED":
        sent = timestamp(scene.later(timedelta(hours=3), timedelta(days=2)))
        payment["escrow"] |= {"company": "CJGLS", "invoiceNumber": scene.ids.digits(12), "sentAt": sent}
        lifecycle.touch(payment, scene.moment)
    if status == "CONFIRMED":
        payment["escrow"]["isAutomaticallyConfirmed"] = False
    return payment


def _paid_by_mobile(scene: Scene) -> Document:
    return scene.pay(scene.open("MOBILE", scene.rng.choice(["DANAL", "KCP_V2", "KSNET"])))


def _paid_by_gift_certificate(scene: Scene) -> Document:
    kind = scene.rng.choice(["CULTURELAND", "BOOKNLIFE", "HAPPYMONEY"])
    method = {"type": "PaymentMethodGiftCertificate", "giftCertificateType": kind}
    return scene.pay(scene.open({**method, "approvalNumber": scene.ids.digits(14)}, "TOSSPAYMENTS"))


def _window_left(scene: Scene) -> Document:
    payment = scene.open(None)
    if scene.rng.random() < 0.6:
        del payment["channel"]
    return payment


def _failed(scene: Scene) -> Document:
    payment = scene.open({"type": "PaymentMethodCard"}, scene.rng.choice(_CARD_PGS))
    return _let_fail(scene, payment)


def _let_fail(scene: Scene, payment: Document) -> Document:
    reason, pg_code, pg_message = scene.rng.choice(FAILURES)
    lifecycle.fail(payment, scene.soon(), reason=reason, pg_code=pg_code, pg_message=pg_message)
    scene.tell(payment, "Transaction.Failed")
    return payment


def _paid_at_the_second_try(scene: Scene) -> Document:
    payment = _failed(scene)
    scene.earlier_attempts.append(lifecycle.attempt_of(payment))
    lifecycle.begin_attempt(payment, scene.soon(), ids=scene.ids)
    payment["method"] = scene.card()
    return scene.pay(payment)


def _refunded(scene: Scene) -> Document:
    return scene.refund(_paid_by_card(scene))


def _refunded_in_part(scene: Scene) -> Document:
    payment = _paid_by_card(scene)
    return scene.refund(payment, payment["amount"]["total"] // 5 * scene.rng.choice([1, 2, 3]))


def _refunded_in_many_parts(scene: Scene) -> Document:
    payment = scene.pay(scene.open(scene.card(), "KSNET", total=330_000))
    for _ in range(scene.rng.choice([3, 5, 8])):
        scene.refund(payment, 15_000, reason="회차별 미이용분 환불")
    return payment


def _easy_pay_refunded(scene: Scene) -> Document:
    return scene.refund(_paid_by_easy_pay(scene))


def _cancelled_in_the_console(scene: Scene) -> Document:
    payment = _paid_by_card(scene)
    part = None if scene.rng.random() < 0.6 else payment["amount"]["total"] // 2
    return scene.refund(payment, part, trigger="CONSOLE", reason=CONSOLE_REASON)


def _refund_failed(scene: Scene) -> Document:
    return scene.refund(_paid_by_card(scene), status="FAILED")


def _open_account(scene: Scene, pg_provider: str | None = None, *, channel_type: str = "LIVE") -> Document:
    method = {
        "type": "PaymentMethodVirtualAccount",
        "bank": scene.rng.choice(BANKS_USED),
        "accountNumber": scene.ids.digits(14),
        "accountType": "NORMAL",
        "remitteeName": "포티코뷰티",
        "issuedAt": timestamp(scene.moment),
        "expiredAt": timestamp(scene.moment + timedelta(days=3)),
    }
    payment = scene.open(method, pg_provider or scene.rng.choice(_ACCOUNT_PGS), channel_type=channel_type)
    return scene.issue_account(payment)


def _account_waits(scene: Scene) -> Document:
    return _open_account(scene)


def _account_closed(scene: Scene) -> Document:
    payment = _open_account(scene)
    lifecycle.close_account(payment, scene.later(timedelta(minutes=20), timedelta(days=1)))
    scene.tell(payment, "Transaction.Failed")
    return payment


def _account_paid(scene: Scene) -> Document:
    return _with_cash_receipt(scene, scene.deposit(_open_account(scene)))


def _account_paid_at_smartro(scene: Scene) -> Document:
    return scene.deposit(_open_account(scene, "SMARTRO_V2"))


def _account_paid_by_test(scene: Scene) -> Document:
    return scene.deposit(_open_account(scene, "TOSSPAYMENTS", channel_type="TEST"))


def _account_refund(scene: Scene, refund_status: str, *, is_partial: bool = False) -> Document:
    payment = _account_paid(scene)
    part = payment["amount"]["total"] // 4 if is_partial else None
    scene.refund(payment, part, reason="고객 요청 (계좌 환불)")
    payment["method"]["refundStatus"] = refund_status
    if refund_status != "PENDING":
        lifecycle.touch(payment, scene.later(timedelta(hours=5), timedelta(days=2)))
    return payment


def _account_refunded(scene: Scene) -> Document:
    return _account_refund(scene, "COMPLETED", is_partial=scene.rng.random() < 0.3)


def _account_refund_waits(scene: Scene) -> Document:
    return _account_refund(scene, "PENDING")


def _account_refund_failed(scene: Scene) -> Document:
    return _account_refund(scene, "FAILED")


def _account_part_failed(scene: Scene) -> Document:
    return _account_refund(scene, "PARTIAL_REFUND_FAILED", is_partial=True)


def _by_test_channel(scene: Scene) -> Document:
    return scene.pay(scene.open(scene.card(), "TOSSPAYMENTS", channel_type="TEST", total=1_000))


def _by_the_old_version(scene: Scene) -> Document:
    return scene.pay(scene.open(scene.card(), "HTML5_INICIS", version="V1"))


def _old_version_refunded(scene: Scene) -> Document:
    return scene.refund(_by_the_old_version(scene))


STORIES = [
    Story(_paid_by_card, 120),
    Story(_paid_by_easy_pay, 90),
    Story(_paid_in_instalments, 18),
    Story(_paid_by_transfer, 18),
    Story(_paid_with_mixed_tax, 8),
    Story(_paid_with_a_promotion, 6),
    Story(_paid_with_escrow, 6, (2, 30)),
    Story(_paid_by_mobile, 8),
    Story(_paid_by_mobile, 2, (33, 58)),
    Story(_paid_by_gift_certificate, 4),
    Story(_window_left, 10),
    Story(_failed, 18),
    Story(_paid_at_the_second_try, 6),
    Story(_refunded, 18),
    Story(_refunded_in_part, 14),
    Story(_refunded_in_many_parts, 2, (20, 58)),
    Story(_easy_pay_refunded, 8),
    Story(_transfer_refunded, 3),
    Story(_cancelled_in_the_console, 6),
    Story(_refund_failed, 2),
    Story(_account_waits, 6, (0, 2.5)),
    Story(_account_waits, 2, (5, 40)),
    Story(_account_closed, 3),
    Story(_account_paid, 14, (1, 58)),
    Story(_account_paid_at_smartro, 5, (1, 40)),
    Story(_account_paid_by_test, 1, (2, 20)),
    Story(_account_refunded, 5, (6, 58)),
    Story(_account_refund_waits, 3, (1, 4)),
    Story(_account_refund_failed, 1, (5, 20)),
    Story(_account_part_failed, 1, (5, 20)),
    Story(_by_test_channel, 5),
    Story(_by_the_old_version, 3, (30, 59)),
    Story(_old_version_refunded, 1, (30, 59)),
    *STORIES_ABROAD,
    *STORIES_OF_RULES,
]
