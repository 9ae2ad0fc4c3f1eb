"""What goes over the wire, what is tried again, and what each failure means."""

import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
import responses
from urllib3.exceptions import ReadTimeoutError

from app import clock
from app.portone.client import PortOneClient
from app.portone.errors import PortOneRefused, PortOneUncertain
from app.portone.transport import ATTEMPTS, MAX_WAIT_SECONDS, Call, Transport
from tests.portone.conftest import BASE, SECRET

KEY = "0198b1f0-0000-7000-8000-000000000001"
READ = Call("GET", ("payments", "bread-0001"))
CHANGE = Call("POST", ("payments", "bread-0001", "cancel"), body=b"{}", idempotency_key=KEY)
UNKEYED = Call("POST", ("payments", "bread-0001", "cancel"), body=b"{}")


@pytest.fixture
def transport(waits):
    return Transport(api_secret=SECRET, base=BASE, sleep=waits.append)


@pytest.fixture
def answers(portone_http):
    """Queue answers to every call, in order."""

    def queue(*given):
        for call in (READ, CHANGE):
            url = BASE + "/" + "/".join(call.path)
            for answer in given:
                portone_http.add(call.method, url, **answer)
        return portone_http

    return queue


OK = {"json": {"fine": True}}
OUTSTANDING = {"status": 409, "json": {"type": "IDEMPOTENCY_OUTSTANDING_REQUEST"}}


def test_a_change_carries_secret_quoted_key_and_exact_bytes(transport, answers):
    http = answers(OK)
    body = '{"reason":"단순 변심","amount":1}'.encode()
    assert transport.send(Call("POST", CHANGE.path, body=body, idempotency_key=KEY)) == {"fine": True}
    sent = http.calls[0].request
    assert sent.headers["Authorization"] == f"PortOne {SECRET}"
    assert sent.headers["Idempotency-Key"] == f'"{KEY}"'
    assert (sent.headers["Content-Type"], sent.body) == ("application/json", body)


def test_redirects_are_not_followed(transport, answers):
    http = answers({"status": 307, "headers": {"Location": "https://elsewhere.test/"}})
    with pytest.raises(PortOneUncertain) as caught:
        transport.send(CHANGE)
    assert caught.value.reason == "unreadable"
    assert len(http.calls) == 1


@pytest.mark.parametrize(("call", "seconds"), [(READ, 15.0), (CHANGE, 65.0)], ids=["look-up", "change"])
def test_a_change_is_waited_for_longer_than_a_look_up(transport, answers, call, seconds):
    http = answers(OK)
    transport.send(call)
    assert http.calls[0].request.req_kwargs["timeout"] == (5.0, seconds)


@pytest.mark.parametrize("call", [READ, CHANGE], ids=["read", "change"])
@pytest.mark.parametrize(
    "passing",
    [
        {"status": 429},
        {"status": 503, "body": "<html>"},
        {"body": requests.ConnectTimeout()},
        {"body": requests.ConnectionError()},
    ],
    ids=["throttled", "unavailable", "no connection", "connection lost"],
)
def test_a_passing_trouble_is_tried_again(transport, answers, waits, call, passing):
    answers(passing, OK)
    assert transport.send(call) == {"fine": True}
    assert len(waits) == 1


def test_tries_are_used_up_with_growing_waits(transport, answers, waits):
    http = answers({"status": 503})
    with pytest.raises(PortOneUncertain) as caught:
        transport.send(CHANGE)
    assert caught.value.reason == "server_error"
    assert len(http.calls) == ATTEMPTS
    assert {call.request.headers["Idempotency-Key"] for call in http.calls} == {f'"{KEY}"'}
    assert 0 < waits[0] < waits[1] <= MAX_WAIT_SECONDS


def test_a_change_without_a_key_is_never_sent_twice(transport, answers, waits):
    http = answers({"status": 503}, OK)
    with pytest.raises(PortOneUncertain):
        transport.send(UNKEYED)
    assert (len(http.calls), waits) == (1, [])


@pytest.mark.parametrize(
    "silence", [requests.ReadTimeout(), requests.ConnectionError(ReadTimeoutError(None, "/", "slow"))]
)
def test_a_change_that_was_sent_and_not_answered_is_uncertain_at_once(transport, answers, waits, silence):
    http = answers({"body": silence}, OK)
    with pytest.raises(PortOneUncertain) as caught:
        transport.send(CHANGE)
    assert (caught.value.reason, len(http.calls), waits) == ("timeout", 1, [])


def test_no_attempt_starts_when_the_budget_is_spent(answers):
    http = answers({"status": 503}, OK)
    moments = iter([0.0, 66.0])
    transport = Transport(api_secret=SECRET, base=BASE, sleep=pytest.fail, monotonic=lambda: next(moments))
    with pytest.raises(PortOneUncertain):
        transport.send(READ)
    assert len(http.calls) == 1


@pytest.mark.parametrize(
    ("header", "wait"),
    [("2", 2.0), ("3600", MAX_WAIT_SECONDS), ("Tue, 01 Sep 2026 01:00:03 GMT", 3.0), ("99 Foo 2026", None)],
)
def test_retry_after_is_honoured_up_to_a_limit(transport, answers, waits, header, wait):
    answers({"status": 429, "headers": {"Retry-After": header}}, OK)
    with clock.fixed_at(datetime(2026, 9, 1, 1, 0, tzinfo=UTC)):
        transport.send(CHANGE)
    assert waits[0] == wait if wait else waits[0] <= 0.5


def test_what_portone_wishes_to_wait_is_told(transport, answers):
    answers({"status": 429, "json": {"type": "TOO_MANY"}, "headers": {"Retry-After": "30"}})
    with pytest.raises(PortOneUncertain) as caught:
        transport.send(CHANGE)
    assert (caught.value.reason, caught.value.retry_after) == ("throttled", 30.0)


def test_an_outstanding_request_is_uncertain_at_once(transport, answers, waits):
    http = answers(OUTSTANDING)
    with pytest.raises(PortOneUncertain) as caught:
        transport.send(CHANGE)
    assert (caught.value.reason, len(http.calls), waits) == ("outstanding", 1, [])


@pytest.mark.parametrize("body", ["", "<html>", '{"cancellation": ', "[1]", "null"])
def test_an_unreadable_success_is_uncertain(transport, answers, body):
    answers({"status": 200, "body": body})
    with pytest.raises(PortOneUncertain) as caught:
        transport.send(CHANGE)
    assert caught.value.reason == "unreadable"


@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize("body", ["<html>", '{"type": "INTERNAL"}', '{"type": 7}'])
def test_a_server_error_is_uncertain_whatever_it_says(transport, answers, status, body):
    answers({"status": status, "body": body})
    with pytest.raises(PortOneUncertain) as caught:
        transport.send(CHANGE)
    assert caught.value.reason == "server_error"


def test_a_refusal_by_the_pg_is_final_and_says_why(transport, answers):
    body = {"type": "PG_PROVIDER", "message": "PG사 오류", "pgCode": "E01", "pgMessage": "한도 초과"}
    http = answers({"status": 502, "json": body})
    with pytest.raises(PortOneRefused) as caught:
        transport.send(CHANGE)
    refused = caught.value
    assert (refused.type, refused.status, refused.message) == ("PG_PROVIDER", 502, "PG사 오류")
    assert (refused.pg_code, refused.pg_message, refused.raw) == ("E01", "한도 초과", body)
    assert len(http.calls) == 1


def test_each_channel_that_refused_is_told(transport, answers):
    failure = {"type": "PG_PROVIDER", "channel": {"name": "카드", "pgProvider": "KCP_V2"}, "pgCode": "8112"}
    answers({"status": 502, "json": {"type": "CHANNEL_SPECIFIC", "failures": [failure, "?"]}})
    with pytest.raises(PortOneRefused) as caught:
        transport.send(CHANGE)
    (told,) = caught.value.failures
    assert (told.pg_provider, told.channel_name, told.pg_code) == ("KCP_V2", "카드", "8112")


@pytest.mark.parametrize(
    ("status", "body", "error_type"),
    [
        (404, '{"type": "PAYMENT_NOT_FOUND"}', "PAYMENT_NOT_FOUND"),
        (409, '{"type": "BRAND_NEW"}', "BRAND_NEW"),
        (404, "<html>", "HTTP_404"),
        (403, "", "HTTP_403"),
        (400, '{"message": "?"}', "HTTP_400"),
    ],
)
def test_a_4xx_is_a_refusal_by_its_type(transport, answers, status, body, error_type):
    answers({"status": status, "body": body})
    with pytest.raises(PortOneRefused) as caught:
        transport.send(CHANGE)
    assert (caught.value.type, caught.value.status) == (error_type, status)


@pytest.mark.parametrize("payment_id", ["", ".", "..", "\ud800"])
def test_an_id_that_no_address_can_hold_is_not_found_without_asking(portone, portone_http, payment_id):
    with pytest.raises(PortOneRefused) as caught:
        portone.get_payment(payment_id)
    assert (caught.value.type, caught.value.status) == ("PAYMENT_NOT_FOUND", 404)
    assert len(portone_http.calls) == 0


@pytest.mark.parametrize(
    "key", ["short", "x" * 257, 'with-"quotes"-inside', "열쇠" * 10, "line\nbreak-line-break"]
)
def test_a_key_portone_cannot_take_is_a_mistake_of_the_caller(transport, key):
    with pytest.raises(ValueError, match="idempotency key"):
        transport.send(Call("POST", CHANGE.path, idempotency_key=key))


def test_a_secret_no_header_can_carry_is_refused_without_showing_it():
    with pytest.raises(ValueError, match="API secret") as caught:
        Transport(api_secret="비밀-secret", base=BASE)
    assert "비밀" not in str(caught.value)


def test_secrets_and_ids_stand_in_no_exception_log_or_repr(transport, portone_http, caplog):
    caplog.set_level("INFO")
    call = Call("GET", ("billing-keys", "billing-key-dawn-1"))
    with pytest.raises(PortOneUncertain) as caught:
        transport.send(call)  # nothing is registered: the connection fails
    told = [caught.value, caught.value.detail, caught.value.__cause__, transport, call]
    seen = f"{told!r} {caplog.text}"
    assert caught.value.__suppress_context__
    assert SECRET not in seen
    assert "billing-key-dawn-1" not in seen


def test_each_thread_has_a_session_of_its_own(transport):
    sessions = [transport._session(), transport._session()]
    other = threading.Thread(target=lambda: sessions.append(transport._session()))
    other.start()
    other.join()
    assert sessions[0] is sessions[1] is not sessions[2]


@pytest.fixture
def listening():
    """A real server that notes each request line and answers an empty list."""
    heard = []

    class Listener(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            heard.append((self.path, self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "12")
            self.send_header("Set-Cookie", "crumb=1; Path=/")
            self.end_headers()
            self.wfile.write(b'{"items":[]}')

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", heard
        server.shutdown()


@pytest.mark.parametrize(
    ("payment_id", "encoded"),
    [
        ("a/../b c", "a%2F..%2Fb%20c"),
        ("한글?#", "%ED%95%9C%EA%B8%80%3F%23"),
        ("%2e%2e", "%252e%252e"),
        ("😀&+;", "%F0%9F%98%80%26%2B%3B"),
        ("\\..\\", "%5C..%5C"),
        ("...", "..."),
    ],
)
def test_any_other_id_reaches_its_own_endpoint(listening, payment_id, encoded):
    base, heard = listening
    client = PortOneClient(api_secret=SECRET, store_id="store/dawn", base=base)
    assert client.list_transactions(payment_id) == ()
    assert heard[0][0] == f"/payments/{encoded}/transactions?storeId=store%2Fdawn"


def test_neither_cookies_nor_netrc_nor_a_proxy_come_between(listening, monkeypatch, tmp_path):
    base, heard = listening
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login eve password wrong\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    client = PortOneClient(api_secret=SECRET, store_id="store-dawn", base=base)
    for _ in range(2):
        client.list_transactions("bread-0001")
    assert heard[1][1]["Authorization"] == f"PortOne {SECRET}"
    assert heard[1][1]["Cookie"] is None


def test_the_problem_document_of_a_proxy_holds_no_word_of_portones(transport, answers):
    answers({"status": 403, "json": {"type": "https://proxy.test/blocked", "title": "Blocked"}})
    with pytest.raises(PortOneRefused) as caught:
        transport.send(CHANGE)
    assert (caught.value.type, caught.value.is_wordless) == ("HTTP_403", True)


def test_a_refused_connection_is_unreachable(waits):
    transport = Transport(api_secret=SECRET, base="http://127.0.0.1:9", sleep=waits.append)
    with pytest.raises(PortOneUncertain) as caught:
        transport.send(CHANGE)
    assert (caught.value.reason, len(waits)) == ("unreachable", ATTEMPTS - 1)


@responses.activate
def test_a_base_may_end_with_a_slash():
    responses.get(f"{BASE}/payments/bread-0001", json={})
    assert Transport(api_secret=SECRET, base=BASE + "/").send(READ) == {}
