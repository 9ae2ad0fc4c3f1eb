"""Payments that a PG refunds only under conditions: too old, too often, in part, by hand, by contract."""

from app.simulator.documents import Document
from app.simulator.scene import Scene, Story
from app.simulator.shop import BANKS_USED


def _card_with(scene: Scene, pg_provider: str, *, channel_type: str = "LIVE", **card: str) -> Document:
    method = scene.card()
    method["card"] |= card
    return scene.pay(scene.open(method, pg_provider, channel_type=channel_type))


def _old_at_ksnet(scene: Scene) -> Document:
    return _card_with(scene, "KSNET")


def _old_at_toss(scene: Scene) -> Document:
    return _card_with(scene, "TOSSPAYMENTS")


def _old_transfer(scene: Scene) -> Document:
    method = {"type": "PaymentMethodTransfer", "bank": scene.rng.choice(BANKS_USED)}
    return scene.pay(scene.open(method, "KCP_V2"))


def _transfer_at_kpn(scene: Scene) -> Document:
    method = {"type": "PaymentMethodTransfer", "bank": scene.rng.choice(BANKS_USED)}
    return scene.pay(scene.open(method, "KPN"))


def _nine_parts_at_ksnet(scene: Scene) -> Document:
    payment = scene.pay(scene.open(scene.card(), "KSNET", total=330_000))
    for _ in range(9):
        scene.refund(payment, 15_000, reason="회차별 미이용분 환불")
    return payment


def _account_at_ksnet(scene: Scene) -> Document:
    payment = scene.deposit(scene.issue_account(scene.open("VIRTUAL_ACCOUNT", "KSNET")))
    payment["cashReceiptIssuanceStatus"] = "ISSUED"
    return payment


def _debit_card_by_smartro_test(scene: Scene) -> Document:
    return _card_with(scene, "SMARTRO_V2", channel_type="TEST", type="DEBIT")


def _corporate_card(scene: Scene) -> Document:
    return _card_with(scene, "KCP_V2", ownerType="CORPORATE")


def _card_with_points(scene: Scene) -> Document:
    return scene.pay(scene.open(scene.card() | {"pointUsed": True}, "TOSSPAYMENTS"))


def _mobile_of_last_month_at_kcp(scene: Scene) -> Document:
    return scene.pay(scene.open("MOBILE", "KCP_V2"))


def _promotion_refunded_in_part(scene: Scene) -> Document:
    payment = scene.open(scene.card(), "TOSSPAYMENTS", total=60_000, discount=6_000)
    payment["promotionId"] = "promotion-summer-10"
    return scene.refund(scene.pay(payment), 20_000, trigger="CONSOLE", reason="관리자페이지취소")


def _wechat(scene: Scene) -> Document:
    method = {"type": "PaymentMethodEasyPay", "provider": "WECHAT"}
    return scene.pay(scene.open(method, "KICC_V2"))


def _paymentwall(scene: Scene) -> Document:
    return scene.pay(scene.open(scene.card(), "PAYMENTWALL", currency="USD"))


_LAST_YEAR, _LAST_SUMMER, _LAST_QUARTER = (370, 420), (190, 230), (95, 130)

STORIES_OF_RULES = [
    Story(_old_at_ksnet, 1, _LAST_SUMMER),
    Story(_old_at_toss, 1, _LAST_YEAR),
    Story(_old_at_toss, 1, _LAST_QUARTER),
    Story(_old_transfer, 1, _LAST_QUARTER),
    Story(_transfer_at_kpn, 1, (1, 20)),
    Story(_nine_parts_at_ksnet, 1, (30, 58)),
    Story(_account_at_ksnet, 1, (2, 20)),
    Story(_debit_card_by_smartro_test, 1, (1, 20)),
    Story(_corporate_card, 1, (1, 20)),
    Story(_card_with_points, 1, (1, 20)),
    Story(_mobile_of_last_month_at_kcp, 1, (33, 58)),
    Story(_promotion_refunded_in_part, 1, (5, 20)),
    Story(_wechat, 1, (1, 20)),
    Story(_paymentwall, 1, (1, 20), is_abroad=True),
]
