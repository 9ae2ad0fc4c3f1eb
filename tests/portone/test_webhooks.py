"""Only what PortOne signed is an event; anything else is forged, and nothing else escapes."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook
from werkzeug.datastructures import Headers

from app import clock
from app.portone.webhooks import InvalidWebhook, event_from, is_webhook_secret, verify

SECRET = "whsec_ZGF3bi1iYWtlcnktd2ViaG9vay1zZWNyZXQtMDAwMQ=="
OTHER = "whsec_ZGF3bi1iYWtlcnktd2ViaG9vay1zZWNyZXQtMDAwMg=="
NOW = datetime(2026, 9, 1, 1, tzinfo=UTC)
PAID = {
    "type": "Transaction.Paid",
    "timestamp": "2026-09-01T00:59:30.120Z",
    "data": {"storeId": "store-dawn", "paymentId": "bread-0001", "transactionId": "tx-0001"},
}


@pytest.fixture(autouse=True)
def _at_one_moment():
    with clock.fixed_at(NOW):
        yield


def signed(body, *, secret=SECRET, webhook_id="hook-1", at=NOW):
    """The bytes of a body and the headers PortOne would send with it."""
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return content, {
        "Webhook-Id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "WEBHOOK-SIGNATURE": Webhook(secret).sign(webhook_id, at, content.decode()),
    }


def reason_of(body, headers, secrets=(SECRET,)):
    with pytest.raises(InvalidWebhook) as caught:
        verify(body, headers, secrets)
    return caught.value.reason


def test_a_signed_event_tells_what_happened_to_what():
    event = verify(*signed(PAID), [OTHER, SECRET])
    assert (event.webhook_id, event.type, event.version) == ("hook-1", "Transaction.Paid", "2024-04-25")
    assert (event.payment_id, event.transaction_id, event.store_id) == ("bread-0001", "tx-0001", "store-dawn")
    assert event.occurred_at == datetime(2026, 9, 1, 0, 59, 30, 120000, tzinfo=UTC)
    assert (event.billing_key, event.cancellation_id, event.body) == (None, None, PAID)


def test_the_headers_of_a_flask_request_are_taken_as_they_are():
    body, headers = signed(PAID)
    assert verify(body, Headers(headers), [SECRET]).payment_id == "bread-0001"


def test_a_billing_key_event_has_no_payment_and_shows_no_key():
    event = verify(
        *signed({"type": "BillingKey.Issued", "data": {"billingKey": "billing-key-1", "paymentId": "?"}}),
        [SECRET],
    )
    assert (event.billing_key, event.payment_id) == ("billing-key-1", None)
    assert "billing-key-1" not in repr(event)


def test_an_event_of_another_product_is_an_event():
    event = verify(*signed({"type": "TaxInvoice.Issued", "data": {"paymentId": "?"}}), [SECRET])
    assert (event.type, event.payment_id) == ("TaxInvoice.Issued", None)


@pytest.mark.parametrize("body", [{}, {"type": {}, "data": []}, {"type": None, "payment_id": 3}])
def test_a_signed_object_without_a_type_is_an_event_of_no_type(body):
    assert verify(*signed(body), [SECRET]).type == ""


@pytest.mark.parametrize(
    ("body", "event_type"),
    [
        (
            {"payment_id": "bread-0001", "tx_id": "tx-1", "status": "PartialCancelled"},
            "Transaction.PartialCancelled",
        ),
        ({"payment_id": "bread-0001", "tx_id": "tx-1", "total_amount": 5}, "Transaction.Confirm"),
        (b"payment_id=bread-0001&tx_id=tx-1&status=Paid", "Transaction.Paid"),
        (b"payment_id=bread-0001&tx_id=tx-1", ""),
    ],
)
def test_a_body_of_the_older_version_is_read_as_the_newer_type(body, event_type):
    event = verify(*signed(body), [SECRET])
    assert (event.version, event.type) == ("2024-01-01", event_type)
    assert (event.payment_id, event.transaction_id, event.occurred_at) == ("bread-0001", "tx-1", None)


def test_a_stored_body_gives_the_same_event_again():
    event = verify(*signed(PAID), [SECRET])
    assert event_from(event.webhook_id, event.raw_body.encode()) == event


@pytest.mark.parametrize("body", [b"", b"[1]", b"7", b"hello", b"a=1&b=2", b"&" * 1000 + b"payment_id=1"])
def test_a_signed_body_nobody_can_read_is_refused(body):
    assert reason_of(*signed(body)) == "UNREADABLE_BODY"


def test_no_secret_or_another_or_a_broken_one_fits_nothing():
    message = signed(PAID)
    for secrets in ([], [OTHER], [""], ["whsec_"], ["whsec_***"], ["whsec_한글"]):
        assert reason_of(*message, secrets) == "NO_MATCHING_SIGNATURE"


def test_one_changed_byte_fits_nothing():
    body, headers = signed(PAID)
    assert reason_of(body.replace(b"bread-0001", b"bread-0002"), headers) == "NO_MATCHING_SIGNATURE"
    assert reason_of(b"\xff" + body, headers) == "NO_MATCHING_SIGNATURE"


@pytest.mark.parametrize(
    "signature",
    ["v1", "v1,", ",", " ", "v1,***", "v2,{digest}", "{digest}", "v1,{digest},x", "v1,\udcff", "v1,한글"],
)
def test_a_signature_of_another_shape_fits_nothing(signature):
    body, headers = signed(PAID)
    digest = headers["WEBHOOK-SIGNATURE"].removeprefix("v1,")
    headers["WEBHOOK-SIGNATURE"] = signature.replace("{digest}", digest)
    assert reason_of(body, headers) == "NO_MATCHING_SIGNATURE"


def test_the_right_signature_is_found_among_odd_ones():
    body, headers = signed(PAID)
    headers["WEBHOOK-SIGNATURE"] = "v1,*** v1 v9,x,y " + headers["WEBHOOK-SIGNATURE"]
    assert verify(body, headers, [SECRET]).payment_id == "bread-0001"


@pytest.mark.parametrize("webhook_id", ["with space", "한글", "x" * 256, "nul\x00"])
def test_an_id_that_cannot_be_stored_is_refused(webhook_id):
    assert reason_of(*signed(PAID, webhook_id=webhook_id)) == "INVALID_SIGNATURE"


@pytest.mark.parametrize("timestamp", ["soon", "1.5", "-1", "１２３", "9" * 30, "1_0", " 1"])
def test_a_time_that_is_no_plain_number_is_refused(timestamp):
    body, headers = signed(PAID)
    assert reason_of(body, headers | {"webhook-timestamp": timestamp}) == "INVALID_SIGNATURE"


@pytest.mark.parametrize("timestamp", ["0", "99999999999"])
def test_a_time_far_away_is_refused(timestamp):
    body, headers = signed(PAID)
    assert reason_of(body, headers | {"webhook-timestamp": timestamp}).startswith("TIMESTAMP_TOO_")


@given(
    body=st.binary(max_size=40),
    values=st.dictionaries(
        st.sampled_from(["webhook-id", "Webhook-Timestamp", "webhook-signature", "x"]),
        st.text(max_size=12) | st.just(str(int(NOW.timestamp()))) | st.just("v1,AAAA"),
    ),
    secrets=st.lists(st.just(SECRET) | st.text(max_size=12), max_size=2),
)
def test_whatever_strangers_send_is_invalid_and_nothing_else(body, values, secrets):
    with clock.fixed_at(NOW), pytest.raises(InvalidWebhook):
        verify(body, values, secrets)


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_whatever_body_is_read_gives_an_event_or_is_invalid(body):
    try:
        event = event_from("hook-1", body)
    except InvalidWebhook:
        return
    assert event.webhook_id == "hook-1"


@pytest.mark.parametrize("secret", [SECRET, SECRET.rstrip("="), "whsec_c2hvcnQ="])
def test_a_secret_is_a_prefix_and_base64(secret):
    assert is_webhook_secret(secret)


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_***", SECRET.removeprefix("whsec_"), "whsec_a", "whsec_한글", " " + SECRET]
)
def test_anything_else_is_no_secret(text):
    assert not is_webhook_secret(text)
