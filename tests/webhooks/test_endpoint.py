"""POST /webhooks/portone: what is taken, what is refused, and what is kept of either."""

import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from app import clock
from app.encryption import vault
from app.extensions import db
from app.webhooks import claiming, contents, inbox
from app.webhooks.models import WebhookLog
from tests.conftest import make_settings
from tests.webhooks.messages import about_billing_key, about_payment, signed

VECTORS = "shared/data/webhook-signature-vectors.json"
OTHER_SECRET = "whsec_bm90LXRoZS1zZWNyZXQtb2YtdGhlLXN0b3JlLTAwMQ=="
KEY = "billing-key-0193c6f0-2a9e-7c52-b0a4-6b1f0b0d9e77"

#: `FUZZ_EXAMPLES=5000 pytest tests/webhooks -k whatever` looks deeper.
in_one_database = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def logs() -> list[WebhookLog]:
    return list(db.session.scalars(select(WebhookLog).order_by(WebhookLog.created_at, WebhookLog.id)))


@pytest.mark.parametrize("address", ["/webhooks/portone", "/api/portone/webhook"])
def test_a_signed_message_is_stored_before_it_is_answered(client: Any, address: str) -> None:
    answer = client.post(address, **signed(about_payment("주문/1 🍊"), webhook_id="w-1"))
    (log,) = logs()
    assert (answer.status_code, answer.json) == (200, {})
    assert (log.webhook_id, log.webhook_type, log.named_payment_id) == (
        "w-1",
        "Transaction.Paid",
        "주문/1 🍊",
    )
    assert (log.status, log.deliveries, log.response_status) == ("received", 1, 200)
    assert log.request_body == about_payment("주문/1 🍊")
    assert "Set-Cookie" not in answer.headers


def test_a_repeat_adds_to_the_deliveries_and_nothing_else(client: Any) -> None:
    for _ in range(3):
        assert (
            client.post("/webhooks/portone", **signed(about_payment(), webhook_id="w-1")).status_code == 200
        )
    assert [(log.webhook_id, log.deliveries) for log in logs()] == [("w-1", 3)]


def test_two_hundred_deliveries_at_once_are_one_row(app: Flask, client: Any) -> None:
    message = signed(about_payment(), webhook_id="w-1")
    db.session.commit()
    with ThreadPoolExecutor(16) as pool:
        send = [pool.submit(app.test_client().post, "/webhooks/portone", **message) for _ in range(200)]
    assert {sent.result().status_code for sent in send} == {200}
    assert [(log.webhook_id, log.deliveries) for log in logs()] == [("w-1", 200)]


def test_a_forged_message_is_kept_without_its_id(client: Any) -> None:
    answer = client.post(
        "/webhooks/portone", **signed(about_payment(), webhook_id="w-1", secret=OTHER_SECRET)
    )
    (log,) = logs()
    assert answer.status_code == 400
    assert (log.status, log.webhook_id, log.response_status) == ("rejected", None, 400)
    assert log.error_message == inbox.REJECTIONS["NO_MATCHING_SIGNATURE"]
    assert client.post("/webhooks/portone", **signed(about_payment(), webhook_id="w-1")).status_code == 200


def test_a_message_signed_long_ago_is_refused(client: Any) -> None:
    with clock.fixed_at(clock.now().replace(year=2024)):
        message = signed(about_payment())
    assert client.post("/webhooks/portone", **message).status_code == 400


def test_only_the_newest_rejected_messages_are_kept(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "REJECTED_KEPT", 3)
    for number in range(6):
        client.post("/webhooks/portone", data=f"forged {number}")
    assert [log.request_body for log in logs()] == ["forged 3", "forged 4", "forged 5"]


def test_of_a_flood_few_messages_are_written_and_all_are_counted(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [0.0]
    monkeypatch.setitem(client.application.extensions, "webhook_door", inbox.Door(lambda: moment[0]))
    monkeypatch.setattr(inbox, "REJECTED_AT_ONCE", 3)
    for number in range(40):
        moment[0] += 0.01  # a hundred a second
        assert client.post("/webhooks/portone", data=f"forged {number}").status_code == 400
    assert [log.deliveries for log in logs()][:3] == [1, 1, 1]
    assert len(logs()) <= 5
    moment[0] += 60
    client.post("/webhooks/portone", data="the last")
    assert sum(log.deliveries for log in logs()) == 41


def test_a_rejected_message_is_small_whatever_was_sent(client: Any) -> None:
    headers = {f"X-Filler-{number}": "x" * 1_000 for number in range(60)}
    client.post("/webhooks/portone", data=b"\xff" * 100_000, headers=headers)
    (log,) = logs()
    assert len(json.dumps(log.request_headers)) + len(log.request_body) < 16 * 1024


def test_a_rejected_body_is_kept_in_part_and_without_billing_keys(client: Any) -> None:
    client.post("/webhooks/portone", data=json.dumps(about_billing_key(KEY)) + "x" * 20_000)
    (log,) = logs()
    assert KEY not in log.request_body
    assert "billing-key-****9e77" in log.request_body
    assert len(log.request_body) <= contents.BEGINNING_BYTES


def test_credentials_in_headers_are_not_stored(client: Any) -> None:
    message = signed(about_payment())
    message["headers"] |= {"Authorization": "Bearer secret", "Cookie": "portico=secret"}
    client.post("/webhooks/portone", **message)
    (log,) = logs()
    assert "secret" not in json.dumps(log.request_headers)
    assert {name.lower() for name in log.request_headers} >= {"webhook-id", "webhook-timestamp"}


def test_a_billing_key_is_sealed_hashed_and_masked(client: Any) -> None:
    client.post("/webhooks/portone", **signed(about_billing_key(KEY)))
    (log,) = logs()
    assert log.request_body["data"]["billingKey"] == "billing-key-****9e77"
    assert vault().open(log.billing_key_sealed) == KEY
    assert log.billing_key_hash == vault().fingerprint(KEY)


def test_more_than_one_mebibyte_is_refused_unread(client: Any) -> None:
    assert client.post("/webhooks/portone", data=b"x" * (2**20 + 1)).status_code == 413
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    body = io.BytesIO(b"x" * (2**20 + 1))
    assert client.post("/webhooks/portone", input_stream=body, environ_overrides=chunked).status_code == 413
    assert logs() == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"Transaction.Paid","data":' + b"[" * 400 + b"]" * 400 + b"}",
        b'{"type":"X","\\u0000":"\\u0000 \\ud800","data":{"storeId":"\\u0000"}}',
        json.dumps(about_payment("가" * 100_000)).encode(),
        json.dumps(about_payment() | {"timestamp": "0001-01-01T00:00:00Z"}).encode(),
        b'{"type":"X","data":{"amount":' + b"9" * 4000 + b"}}",
        b'{"type":[1],"data":null,"timestamp":12}',
    ],
    ids=["deep", "NUL and half a pair", "a long id", "year 1", "a long number", "of other types"],
)
def test_an_odd_but_signed_message_is_stored_all_the_same(client: Any, body: bytes) -> None:
    assert client.post("/webhooks/portone", **signed(body)).status_code == 200
    (log,) = logs()
    assert log.status == "received"


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"X","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"type":"X\\u0000","data":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"type":"X","data":{"amount":' + b"9" * 5000 + b"}}",
        b"[]",
        b"null",
        b"",
    ],
    ids=["bottomless", "deep with NUL", "too long a number", "a list", "null", "nothing"],
)
def test_what_nobody_can_read_is_refused_though_it_is_signed(client: Any, body: bytes) -> None:
    assert client.post("/webhooks/portone", **signed(body)).status_code in {200, 400}
    assert len(logs()) == 1


@in_one_database
@given(body=st.binary(max_size=300), headers=st.dictionaries(
    st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "content-type"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60),
))  # fmt: skip
def test_whatever_a_stranger_sends_is_a_400(client: Any, body: bytes, headers: dict[str, str]) -> None:
    assert client.post("/webhooks/portone", data=body, headers=headers).status_code == 400


@in_one_database
@given(content=st.text(st.characters(codec="utf-8"), max_size=300))
def test_whatever_text_is_signed_is_stored_or_refused(client: Any, content: str) -> None:
    assert client.post("/webhooks/portone", **signed(content.encode())).status_code in {200, 400}


@in_one_database
@given(
    name=st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]),
    value=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=400),
)
def test_whatever_header_is_put_on_a_signed_message_is_a_400(client: Any, name: str, value: str) -> None:
    message = signed(about_payment())
    if message["headers"][name] != value:
        message["headers"][name] = value
        assert client.post("/webhooks/portone", **message).status_code == 400


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@in_one_database
@given(about=json_values, event=st.sampled_from(["Transaction.Paid", "BillingKey.Issued", "X"]) | json_values)
def test_whatever_is_signed_is_stored_and_processed_without_an_error(
    client: Any, about: Any, event: Any
) -> None:
    body = json.dumps({"type": event, "timestamp": about, "data": about}).encode()
    assert client.post("/webhooks/portone", **signed(body)).status_code == 200
    claiming.claim_batches("worker-a")


def test_a_webhook_is_known_by_the_signature_vectors(app: Flask, client: Any) -> None:
    found = [folder / VECTORS for folder in Path(__file__).parents if (folder / VECTORS).exists()]
    if not found:
        pytest.skip("the signature vectors lie beside the repository, in shared/data")
    for case in json.loads(found[0].read_text())["cases"]:
        secrets = ",".join(f"whsec_{secret.removeprefix('whsec_')}" for secret in case["secrets"])
        if any(len(secret) < 12 for secret in case["secrets"]):
            continue  # such a secret stops the start
        app.config["SETTINGS"], kept = make_settings(PORTONE_WEBHOOK_SECRETS=secrets), app.config["SETTINGS"]
        with clock.fixed_at(clock.datetime.fromtimestamp(case["now"], clock.UTC)):
            answer = client.post("/webhooks/portone", data=case["body"].encode(), headers=case["headers"])
        app.config["SETTINGS"] = kept
        assert answer.status_code == (200 if case["valid"] else 400), case["name"]


def test_nothing_is_lost_when_a_message_comes_with_no_worker_running(client: Any) -> None:
    for number in range(5):
        client.post("/webhooks/portone", **signed(about_payment(f"order-{number}")))
    waiting = db.session.scalar(select(func.count()).where(WebhookLog.status == "received"))
    assert waiting == 5


def test_a_payment_is_not_stopped_because_a_question_cannot_be_stored(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("the disk is full"))

    monkeypatch.setattr(inbox.Intake, "_write", fail)
    question = about_payment(event="Transaction.Confirm", totalAmount=12_000)
    assert client.post("/webhooks/portone", **signed(question)).status_code == 200
    old_question = {"payment_id": "order-1", "tx_id": "tx-1", "total_amount": 12_000}
    assert client.post("/webhooks/portone", **signed(old_question)).status_code == 200


def test_what_could_not_be_stored_is_not_acknowledged(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("the disk is full"))

    with monkeypatch.context() as broken:
        broken.setattr(inbox.Intake, "_write", fail)
        assert client.post("/webhooks/portone", **signed(about_payment())).status_code >= 500
    assert client.post("/webhooks/portone", **signed(about_payment())).status_code == 200
    assert len(logs()) == 1
