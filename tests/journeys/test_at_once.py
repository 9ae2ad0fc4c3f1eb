"""Many presses at the same moment, over HTTP against a server of many threads."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from flask import Flask
from werkzeug.serving import make_server

from app.accounts.models import User
from app.columns import new_id
from app.demo.checking import hidden_fields
from app.extensions import db
from tests.factories import PASSWORD, make_payment, make_user


@pytest.fixture
def url(app: Flask, simulator: Any) -> Iterator[str]:
    """The dashboard, listening."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def payment_id(simulator: Any) -> str:
    made: str = make_payment(simulator, total=10_000).payment_id
    db.session.commit()
    return made


class Admin:
    """Somebody at a browser, with the refund form of a payment open."""

    def __init__(self, url: str, payment_id: str, user: User) -> None:
        self.cookies = requests.Session()
        self.address = f"{url}/payments/{payment_id}/refunds/new"
        email = user.email
        db.session.commit()  # no transaction of ours is in the way
        sign_in = hidden_fields(self.cookies.get(f"{url}/login", timeout=30).text)
        self.cookies.post(f"{url}/login", data={**sign_in, "email": email, "password": PASSWORD}, timeout=30)
        self.form = hidden_fields(self.cookies.get(self.address, timeout=30).text)

    def submit(self, **typed: str) -> int:
        """Press the button of the review page; the status of what came back."""
        form = {"reason_code": "customer_request", "reason": "교환", "confirmed": "1", **self.form, **typed}
        answer = requests.post(
            self.address, data=form, cookies=self.cookies.cookies, timeout=60, allow_redirects=False
        )
        return answer.status_code


def at_once(presses: list[Any]) -> list[int]:
    """Do all of it in the same moment; the statuses, sorted."""
    start, statuses = threading.Barrier(len(presses)), []

    def press(act: Any) -> None:
        start.wait()
        statuses.append(act())

    threads = [threading.Thread(target=press, args=(act,)) for act in presses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(statuses)


def given_back(simulator: Any, payment_id: str) -> list[int]:
    return [each["totalAmount"] for each in simulator.payment(payment_id).get("cancellations", [])]


def test_thirty_identical_presses_are_one_cancel(
    simulator: Any, url: str, payment_id: str, admin: User
) -> None:
    visitor = Admin(url, payment_id, admin)
    assert at_once([lambda: visitor.submit(kind="partial", amount="3,000")] * 30) == [303] * 30
    assert given_back(simulator, payment_id) == [3_000]
    assert len(simulator.calls("cancel")) == 1


def test_two_people_who_refund_all_at_once_refund_it_once(
    simulator: Any, url: str, payment_id: str, admin: User
) -> None:
    people = [Admin(url, payment_id, each) for each in (admin, make_user(email="second@example.com"))]
    statuses = at_once([lambda each=each: each.submit(kind="full") for each in people])
    assert statuses == [303, 409]
    assert given_back(simulator, payment_id) == [10_000]


def test_ten_forms_for_a_part_and_for_all_give_back_what_there_is_at_most(
    simulator: Any, url: str, payment_id: str, admin: User
) -> None:
    visitor = Admin(url, payment_id, admin)
    wishes = [{"kind": "full"}, {"kind": "partial", "amount": "6,000"}] * 5
    presses = [lambda wish=wish: visitor.submit(intent=str(new_id()), **wish) for wish in wishes]
    assert set(at_once(presses)) <= {303, 409, 422}
    back = given_back(simulator, payment_id)
    assert 0 < sum(back) <= 10_000
    assert len(simulator.calls("cancel")) == len(back)
