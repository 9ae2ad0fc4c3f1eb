"""Filters kept under a name: whose they are, who sees them, and what a list opens with."""

import re

import pytest
from sqlalchemy import select

from app.access import permissions
from app.access.permissions import Permission, Role
from app.audit.models import AuditEntry
from app.extensions import db
from app.saved_views.models import SavedView
from tests.conftest import Browser, on_both_databases, pages_on_one_database
from tests.factories import make_payment, make_user

pytestmark = pages_on_one_database

QUERY = "amount_min=10000&status=PAID"


@pytest.fixture
def colleague(app) -> Browser:
    browser = app.test_client()
    assert isinstance(browser, Browser)
    return browser.sign_in(make_user(email="colleague@example.com", name="정다은"))


def save(
    browser, name: str = "큰 결제", query: str = QUERY, list_name: str = "payments", **fields: str
) -> SavedView:
    answer = browser.submit(f"/views/new?list={list_name}&{query}", {"name": name, **fields})
    assert answer.status_code == 303, answer.text
    return db.session.scalars(select(SavedView).where(SavedView.name == name)).one()


def chips(browser, address: str) -> dict[str, str]:
    """The views above a list by name, with their addresses."""
    navigation = browser.get(address).text.partition('aria-label="저장한 보기"')[2].partition("</nav>")[0]
    found = re.findall(r'<a href="([^"]*)"[^>]*>(.*?)</a>', navigation, re.DOTALL)
    words = {re.sub(r"<[^>]*>", "", text).strip(): url.replace("&amp;", "&") for url, text in found}
    return {name.rpartition(": ")[2]: url for name, url in words.items()}


@pytest.mark.parametrize(
    ("list_name", "address", "query"),
    [
        ("payments", "/payments", "status=PAID&q=홍&after=x&view=all&amount_min="),
        ("refunds", "/refunds", "status=failed&clock=settled"),
        ("cancellations-elsewhere", "/refunds/elsewhere", "currency=USD"),
        ("webhooks", "/webhooks", "status=failed&repeated=1"),
        ("billing-keys", "/billing-keys", "status=ISSUED"),
    ],
)
def test_every_list_keeps_its_filters_under_a_name(signed_in, list_name, address, query):
    view = save(signed_in, query=query, list_name=list_name)
    assert "after" not in view.query
    assert "amount_min" not in view.query
    url = chips(signed_in, address)["큰 결제"]
    assert url == f"{address}?{view.query}"
    assert f'<a href="{url.replace("&", "&amp;")}" aria-current="true">' in signed_in.get(url).text


def test_a_view_is_ones_own_until_it_is_shared(signed_in, colleague):
    view = save(signed_in)
    assert "큰 결제" not in chips(colleague, "/payments")
    assert colleague.submit(f"/views/{view.id}/default").status_code == 404
    signed_in.submit(f"/views/{view.id}", {"name": "큰 결제", "shared": "1"})
    assert "큰 결제" in chips(colleague, "/payments")


def test_only_its_owner_and_a_super_admin_may_change_a_shared_view(app, signed_in, colleague, super_admin):
    view = save(signed_in, shared="1")
    for address in (f"/views/{view.id}", f"/views/{view.id}/delete"):
        assert colleague.submit(address, {"name": "mine now"}).status_code == 403
    assert "Delete" not in colleague.get("/views").text
    owner = app.test_client().sign_in(super_admin)
    assert owner.submit(f"/views/{view.id}", {"name": "새 이름", "shared": "1"}).status_code == 303
    assert owner.submit(f"/views/{view.id}/delete").status_code == 303
    assert chips(signed_in, "/payments") == {}


def test_sharing_needs_its_permission(signed_in, monkeypatch):
    view = save(signed_in)
    held = permissions.HELD_BY[Role.ADMIN] - {Permission.VIEW_SHARE}
    monkeypatch.setitem(permissions.HELD_BY, Role.ADMIN, held)
    assert signed_in.submit(f"/views/{view.id}", {"name": "x", "shared": "1"}).status_code == 403
    assert signed_in.submit("/views/new?list=payments", {"name": "y", "shared": "1"}).status_code == 403
    assert 'name="shared"' not in signed_in.get("/views/new?list=payments").text
    assert signed_in.submit(f"/views/{view.id}", {"name": "x"}).status_code == 303


@on_both_databases
def test_a_shared_view_outlives_the_one_who_made_it(signed_in, colleague, admin):
    save(signed_in, shared="1")
    admin.is_active = False
    assert "큰 결제" in chips(colleague, "/payments")
    db.session.delete(db.session.merge(admin))
    assert "큰 결제" in chips(colleague, "/payments")
    assert "퇴사" in colleague.get("/views").text or "떠난" in colleague.get("/views").text


def test_the_bare_list_opens_with_the_default_visibly_and_all_is_one_press_away(signed_in):
    view = save(signed_in, default="1")
    answer = signed_in.get("/payments")
    assert (answer.status_code, answer.location) == (302, f"/payments?{view.query}")
    everything = chips(signed_in, answer.location)["전체"]
    assert signed_in.get(everything).status_code == 200
    assert signed_in.get("/payments?q=").status_code == 200
    assert signed_in.get("/refunds").status_code == 200


@on_both_databases
def test_there_is_one_default_for_each_list_and_person(signed_in, colleague):
    first, second = save(signed_in, default="1", shared="1"), save(signed_in, "환불된 것", "status=CANCELLED")
    signed_in.submit(f"/views/{second.id}/default")
    colleague.submit(f"/views/{first.id}/default")
    assert signed_in.get("/payments").location.endswith("status=CANCELLED")
    assert colleague.get("/payments").location.endswith("status=PAID")
    colleague.submit(f"/views/{first.id}/default", {"chosen": "0"})
    assert colleague.get("/payments").status_code == 200


@pytest.mark.parametrize("end", ["delete", "unshare"])
def test_a_default_that_is_gone_leaves_the_list_bare(signed_in, colleague, end):
    view = save(signed_in, shared="1")
    colleague.submit(f"/views/{view.id}/default")
    if end == "delete":
        signed_in.submit(f"/views/{view.id}/delete")
    else:
        signed_in.submit(f"/views/{view.id}", {"name": view.name})
    assert colleague.get("/payments").status_code == 200


@pytest.mark.parametrize("name", ["", "   ", "가" * 61, "a\x00b", "큰 결제"])
def test_a_name_that_cannot_be_used_is_told_beside_its_field(signed_in, name):
    save(signed_in)
    other = save(signed_in, "다른 이름")
    for address in (f"/views/new?list=payments&{QUERY}", f"/views/{other.id}"):
        answer = signed_in.submit(address, {"name": name})
        assert answer.status_code == 422
        assert "field-error" in answer.text


def test_filters_that_cannot_be_used_are_not_kept(signed_in):
    assert signed_in.get("/views/new?list=payments&amount_min=x").status_code == 422
    assert signed_in.submit("/views/new?list=payments&amount_min=x", {"name": "x"}).status_code == 422
    assert signed_in.get("/views/new?list=nothing").status_code == 404


def test_a_name_is_shown_as_it_was_typed(signed_in):
    save(signed_in, '<b>"큰"</b> 👩‍👧')
    assert "&lt;b&gt;&#34;큰&#34;&lt;/b&gt; 👩‍👧" in signed_in.get("/payments").text


def test_what_was_done_with_a_view_is_in_the_trail(signed_in, admin):
    view = save(signed_in)
    signed_in.submit(f"/views/{view.id}", {"name": "큰 것", "shared": "1"})
    signed_in.submit(f"/views/{view.id}/delete")
    about_views = select(AuditEntry).where(AuditEntry.subject_type == "saved_view")
    entries = db.session.scalars(about_views.order_by(AuditEntry.sequence))
    assert [(entry.action, entry.actor_id) for entry in entries] == [
        (f"view.{step}", admin.id) for step in ("saved", "changed", "deleted")
    ]


def test_chosen_columns_are_remembered_for_the_person(signed_in, simulator):
    make_payment(simulator)
    columns = "/views/columns?list=payments&status=PAID"
    answer = signed_in.submit(columns, {"column": ["requested", "approved"]})
    assert (answer.status_code, answer.location) == (
        303,
        "/payments?column=approved&column=requested&status=PAID",
    )
    page = signed_in.get("/payments?view=all").text
    assert 'data-label="요청 시각"' in page
    assert 'data-label="고객"' not in page
    assert 'data-label="고객"' in signed_in.get("/payments?column=customer").text


def test_columns_there_are_none_of_are_refused(signed_in):
    assert signed_in.submit("/views/columns?list=payments", {"column": "nothing"}).status_code == 422
    assert signed_in.submit("/views/columns?list=refunds", {"column": "x"}).status_code == 404
