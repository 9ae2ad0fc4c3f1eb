"""The deletion of a key in the browser: what stops is shown, meaning it is proven, the outcome is told."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock
from app.accounts.models import User
from app.billing_keys import panels, service
from app.billing_keys.models import BillingKey, BillingKeyDeletion
from app.extensions import db
from tests.conftest import Browser, on_both_databases, pages_on_one_database

pytestmark = pages_on_one_database


@pytest.fixture
def key(simulator: Any, app: Flask) -> str:
    """A billing key at PortOne's double, mirrored; asking again does not wait."""
    app.extensions["portone"]._transport._sleep = lambda _seconds: None
    billing_key = str(simulator.make_billing_key(customer_id="customer-7")["billingKey"])
    service.sync_billing_keys()
    return billing_key


@pytest.fixture
def owner(client: Browser, super_admin: User) -> Browser:
    """A browser in which the super admin is signed in."""
    return client.sign_in(super_admin)


def address() -> str:
    row_id = db.session.scalars(select(BillingKey.id)).one()
    db.session.rollback()
    return f"/billing-keys/{row_id}"


def hidden(page: Any) -> dict[str, Any]:
    """The hidden fields of the form that deletes, as a browser would send them."""
    form = page.text[page.text.index('name="intent"') - 60 :]
    intent = re.search(r'name="intent"[^>]*value="([^"]+)"', form)
    assert intent
    return {"intent": intent[1], "schedule": re.findall(r'name="schedule" value="([^"]+)"', form)}


def filled(page: Any, **changes: Any) -> dict[str, Any]:
    """The form as a person fills it."""
    placeholder = re.search(r'name="confirmation"[^>]*placeholder="([^"]+)"', page.text)
    assert placeholder
    typed = {"reason": "고객 해지 요청", "requester": "ADMIN", "confirmation": placeholder[1]}
    return hidden(page) | typed | changes


def test_the_page_shows_what_stops_and_one_press_stops_it(owner: Browser, simulator: Any, key: str) -> None:
    far = clock.now() + timedelta(days=400)
    ids = {simulator.make_schedule(key)["id"], simulator.make_schedule(key, time_to_pay=far)["id"]}
    page = owner.get(f"{address()}/delete")
    assert set(re.findall(r'data-schedule-id="([^"]+)"', page.text)) == ids
    assert re.search(r'value="ADMIN"[^>]*checked|checked[^>]*value="ADMIN"', page.text)
    answer = owner.submit(f"{address()}/delete", filled(page))
    assert (answer.status_code, answer.headers["Location"]) == (303, address())
    assert {simulator.find_schedule(each)["status"] for each in ids} == {"REVOKED"}
    shown = owner.get(address()).text
    assert 'data-status="succeeded"' in shown
    assert f'href="{address()}/delete"' not in shown


def test_the_three_fields_of_the_contract_are_enough(owner: Browser, simulator: Any, key: str) -> None:
    fields = {"reason": "해지", "requester": "CUSTOMER", "confirmation": key[-4:].upper()}
    assert owner.submit(f"{address()}/delete", fields).status_code == 303
    assert simulator.billing_key(key)["status"] == "DELETED"


def test_schedules_that_were_not_shown_are_shown_then_and_nothing_happens(
    owner: Browser, simulator: Any, key: str
) -> None:
    page = owner.get(f"{address()}/delete")
    schedule_id = simulator.make_schedule(key)["id"]
    answer = owner.submit(f"{address()}/delete", filled(page))
    assert answer.status_code == 409
    assert f'data-schedule-id="{schedule_id}"' in answer.text
    assert 'value="고객 해지 요청"' in answer.text
    assert simulator.find_schedule(schedule_id)["status"] == "SCHEDULED"
    assert owner.submit(f"{address()}/delete", filled(answer)).status_code == 303


@pytest.mark.parametrize(
    "wrong",
    [
        {"confirmation": "no"},
        {"confirmation": ""},
        {"reason": ""},
        {"reason": "x" * 201},
        {"reason": "a\x00b"},
        {"requester": "ROBOT"},
    ],
    ids=str,
)
def test_what_is_wrong_gets_a_sentence_and_nothing_typed_is_lost(
    owner: Browser, simulator: Any, key: str, wrong: dict[str, str]
) -> None:
    page = owner.get(f"{address()}/delete")
    answer = owner.submit(f"{address()}/delete", filled(page, **wrong))
    assert answer.status_code == 422
    assert "field-error" in answer.text
    kept = {"reason": "고객 해지 요청", "confirmation": key[-4:]} | wrong
    assert f'value="{kept["confirmation"]}"' in answer.text or not kept["confirmation"]
    assert simulator.billing_key(key)["status"] == "ISSUED"


@on_both_databases
def test_a_second_press_leads_to_the_first_deletion(owner: Browser, simulator: Any, key: str) -> None:
    fields = filled(owner.get(f"{address()}/delete"))
    for _ in range(2):
        assert owner.submit(f"{address()}/delete", fields).headers["Location"] == address()
    assert len(db.session.scalars(select(BillingKeyDeletion)).all()) == 1


def test_a_no_is_told_per_channel_and_can_be_tried_again(owner: Browser, simulator: Any, key: str) -> None:
    simulator.faults.next("delete_billing_key", "channels_refuse", pg_code="8112", pg_message="유효기간 오류")
    answer = owner.submit(f"{address()}/delete", filled(owner.get(f"{address()}/delete")))
    assert answer.status_code == 409
    for told in ("KCP 일반", "나이스 일반결제", "토스페이먼츠 일반결제", "8112", "유효기간 오류"):
        assert told in answer.text
    page = owner.get(address()).text
    assert "8112" in page
    assert "이전처럼 결제할 수 있습니다" not in page
    assert owner.submit(f"{address()}/delete", filled(answer)).status_code == 303


@on_both_databases
def test_silence_is_shown_as_open_until_it_is_settled(owner: Browser, simulator: Any, key: str) -> None:
    fields = filled(owner.get(f"{address()}/delete"))
    simulator.faults.next("delete_billing_key", "proxy_error", times=9)
    assert owner.submit(f"{address()}/delete", fields).status_code == 303
    page = owner.get(address())
    assert 'data-status="uncertain"' in page.text
    assert 'hx-trigger="every 2s"' in page.text
    assert 'name="intent"' not in owner.get(f"{address()}/delete").text


def test_where_portone_does_not_answer_there_is_nothing_to_agree_to(
    owner: Browser, simulator: Any, key: str
) -> None:
    fields = filled(owner.get(f"{address()}/delete"))
    simulator.faults.next("*", "proxy_error", times=9)
    page = owner.get(f"{address()}/delete")
    assert (page.status_code, 'name="intent"' in page.text) == (503, False)
    simulator.faults.next("*", "proxy_error", times=9)
    answer = owner.submit(f"{address()}/delete", fields)
    assert answer.status_code == 503
    assert 'value="고객 해지 요청"' in answer.text
    assert simulator.billing_key(key)["status"] == "ISSUED"


def test_a_key_deleted_elsewhere_is_seen_at_once(owner: Browser, simulator: Any, key: str) -> None:
    fields = filled(owner.get(f"{address()}/delete"))
    simulator.delete_billing_key(key)
    page = owner.get(f"{address()}/delete")
    assert (page.status_code, 'name="intent"' in page.text) == (200, False)
    assert owner.submit(f"{address()}/delete", fields).headers["Location"] == address()


@on_both_databases
def test_a_charge_under_way_is_waited_for(owner: Browser, simulator: Any, key: str) -> None:
    simulator.make_schedule(key, status="STARTED")
    page = owner.get(f"{address()}/delete")
    assert (page.status_code, 'name="intent"' in page.text) == (200, False)


def test_domains_above_say_what_else_ends(
    owner: Browser, simulator: Any, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panels, "_tellers", [])
    panels.contribute_ending(lambda row: [f"Plan “<b>{row.customer_name}</b>” ends"])
    assert "Plan “&lt;b&gt;김하늘&lt;/b&gt;” ends" in owner.get(f"{address()}/delete").text


def test_the_outcome_reloads_the_page_that_waits_for_it(owner: Browser, simulator: Any, key: str) -> None:
    owner.submit(f"{address()}/delete", filled(owner.get(f"{address()}/delete")))
    answer = owner.get(address(), headers={"HX-Request": "true"})
    assert answer.headers["HX-Refresh"] == "true"


@pytest.mark.parametrize("method", ["get", "submit"])
def test_an_admin_deletes_no_key(signed_in: Browser, simulator: Any, key: str, method: str) -> None:
    assert getattr(signed_in, method)(f"{address()}/delete").status_code == 403
    assert f"{address()}/delete" not in signed_in.get(address()).text
