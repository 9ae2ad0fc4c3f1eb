"""The page of the audit trail: filters, links, and who may see it."""

import re
from pathlib import Path

import pytest

from app.audit import service as audit
from app.audit.words import ACTIONS
from app.extensions import db
from tests.conftest import on_both_databases, pages_on_one_database

pytestmark = pages_on_one_database


@pytest.fixture
def owner(client, super_admin):
    return client.sign_in(super_admin)


def record(action: str = "refund.requested", subject: str = "refund", key: str = "order-1", **values) -> None:
    audit.record(action, subject, key, **values)
    db.session.commit()


def test_who_did_what_can_be_read(owner, admin):
    record("payment.annotated", "payment", "주문/1", by=admin, after={"note": "<b>"})
    page = owner.get("/audit").text
    assert "김서연" in page
    assert 'href="/payments/%EC%A3%BC%EB%AC%B8%2F1"' in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


@on_both_databases
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("action=refund.requested", 1),
        ("action=unheard.of", 0),
        ("subject_id=order-1", 1),
        ("subject_id=order", 0),
        ("subject_type=payment", 1),
        ("actor=%EC%84%9C%EC%97%B0", 1),
        ("actor=%25", 0),
        ("address=192.0.2.1", 0),
        ("session=0199a3f0-0000-7000-8000-000000000000", 0),
        ("session=mine", None),
        ("from=2999-01-01", None),
        ("from=2100-01-01", 0),
    ],
)
def test_the_trail_is_narrowed(owner, admin, query, found):
    record(by=admin)
    record("payment.annotated", "payment", "order-2")
    page = owner.get(f"/audit?{query}")
    if found is None:
        assert page.status_code == 422
    else:
        assert page.text.count("data-audit-sequence=") == found


@on_both_databases
def test_long_trails_come_in_pages(owner):
    for number in range(60):
        audit.record("payment.annotated", "payment", f"order-{number}")
    db.session.commit()
    page = owner.get("/audit?subject_type=payment").text
    onward = page.split('rel="next"')[1].split('href="')[1].split('"')[0].replace("&amp;", "&")
    assert page.count("data-audit-sequence=") == 50
    assert owner.get(onward).text.count("data-audit-sequence=") == 10


def test_an_admin_does_not_read_the_trail(signed_in):
    assert signed_in.get("/audit").status_code == 403


def test_what_one_session_did_from_where_is_one_click_away(owner):
    owner.submit("/admins", {"email": "new@example.com", "role": "admin"})
    page = owner.get("/audit?action=account.invited").text
    session = page.split('href="/audit?session=')[1].split('"')[0]
    assert "127.0.0.1" in page
    assert 'data-audit-sequence="' in owner.get(f"/audit?session={session}").text


def test_the_page_says_where_the_trail_stands(owner):
    record()
    assert str(audit.newest_anchor()) in owner.get("/audit").text


def test_every_action_that_is_recorded_has_words():
    code = "\n".join(path.read_text("utf-8") for path in Path("app").rglob("*.py"))
    recorded = set(re.findall(r'record\(\s*"([a-z_]+\.[a-z_]+)"', code))
    assert len(recorded) > 30
    assert recorded - set(ACTIONS) == set()
