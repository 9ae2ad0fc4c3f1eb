"""A refund becomes the same text each time, and a falsy amount never a full refund."""

import json

import pytest

from app.portone.requests import CancelRequest, RefundAccount

FULL = {
    "payment_id": "bread-0001",
    "store_id": "store-dawn",
    "reason": "단순 변심",
    "current_cancellable_amount": 9_000,
}


def test_a_full_refund_names_no_amount():
    assert CancelRequest(**FULL).to_json() == (
        '{"storeId":"store-dawn","reason":"단순 변심","requester":"ADMIN","currentCancellableAmount":9000}'
    )


def test_equal_requests_give_equal_text():
    assert (
        CancelRequest(**FULL, amount=1).to_json()
        == CancelRequest(**dict(reversed(FULL.items())), amount=1).to_json()
    )


def test_what_is_given_is_sent():
    request = CancelRequest(
        **FULL,
        requester="CUSTOMER",
        amount=5_000,
        tax_free_amount=0,
        skip_webhook=False,
        promotion_discount_retain_option="RETAIN",
    )
    body = json.loads(request.to_json())
    assert (body["amount"], body["taxFreeAmount"], body["requester"]) == (5_000, 0, "CUSTOMER")
    assert (body["skipWebhook"], body["promotionDiscountRetainOption"]) == (False, "RETAIN")


def test_account_and_phone_numbers_lose_hyphens_and_spaces():
    account = RefundAccount("KOOKMIN", "123-45 6789", "한지우", "010-2000 3000")
    body = json.loads(CancelRequest(**FULL, refund_account=account).to_json())
    assert body["refundAccount"] == {
        "bank": "KOOKMIN",
        "number": "123456789",
        "holderName": "한지우",
        "holderPhoneNumber": "01020003000",
    }


def test_an_absent_phone_number_leaves_no_key():
    account = RefundAccount("KAKAO", "3333", "한지우", "")
    body = json.loads(CancelRequest(**FULL, refund_account=account).to_json())
    assert set(body["refundAccount"]) == {"bank", "number", "holderName"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 0},
        {"amount": -1},
        {"tax_free_amount": -1},
        {"current_cancellable_amount": -1},
        {"reason": " "},
        {"requester": "Admin"},
    ],
)
def test_a_refund_of_nothing_or_by_nobody_is_a_mistake(wrong):
    with pytest.raises(ValueError):
        CancelRequest(**{**FULL, **wrong})


def test_text_that_cannot_be_stored_is_refused_before_it_is_sent():
    with pytest.raises(ValueError):
        CancelRequest(**{**FULL, "reason": "\ud800"}).to_json()


def test_an_account_stands_in_no_repr():
    request = CancelRequest(
        **FULL, refund_account=RefundAccount("KAKAO", "3333010000001", "한지우", "01020003000")
    )
    assert "3333010000001" not in repr(request)
    assert "한지우" not in repr(request)
