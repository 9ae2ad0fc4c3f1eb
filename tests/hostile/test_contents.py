"""What strangers write: names that are scripts or formulas, and fields that nobody asked for."""

import csv
import io
import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest
from sqlalchemy import select

from app.accounts import people
from app.accounts.models import User
from app.audit import service as audit
from app.billing_keys.models import BillingKey
from app.exports import queries as exports
from app.exports.models import Export
from app.extensions import db
from app.jobs import service as jobs
from app.payments.service import add_note
from app.refunds.models import Refund
from app.refunds.service import request_refund
from app.settings import service as settings
from app.web.lists import _listings
from app.webhooks.models import WebhookLog
from tests.conftest import Browser, pages_on_one_database
from tests.factories import PASSWORD, make_payment, make_wish

pytestmark = pages_on_one_database

SCRIPT = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}"
FORMULA = "=cmd|' /C calc'!A0"

#: Pages of one kind that are looked at.
_OF_A_KIND = 2
_FILES = {"static", "bootstrap.static", "api_pages.openapi"}


@pytest.fixture
def written_by_strangers(simulator, admin, super_admin, request) -> str:
    """A store in which every text that others choose is hostile."""
    text = request.param
    settings.change({"refund_approval_threshold": {}}, by=super_admin)
    names = {"order_name": text, "customer_name": text, "customer_email": text, "customer_phone": text}
    payment = make_payment(simulator, payment_id=f"order {text}", total=10_000, **names)
    for other in ("VIRTUAL_ACCOUNT_ISSUED", "FAILED"):
        make_payment(simulator, status=other, method="virtual_account", **names)
    add_note(payment.payment_id, text, by=admin)
    request_refund(payment.payment_id, make_wish(payment, 1_000, reason=text), by=admin)
    simulator.console_cancel(payment.payment_id, 1_000)
    db.session.add(BillingKey(billing_key="a" * 64, customer_name=text, card_name=text, card_company=text))
    headers = {"webhook-id": text, "user-agent": text}
    for status in ("received", "failed", "rejected"):
        log = WebhookLog(
            webhook_id=None if status == "rejected" else f"{text}{status}",
            webhook_type=text[:80],
            status=status,
            named_payment_id=text,
            request_body=text,
            request_headers=headers,
            error_message=text,
        )
        db.session.add(log)
    audit.record("payment.annotated", "payment", text, by=admin, after={text: text})
    people.invite("new@example.com", text, people.Role.ADMIN, by=super_admin)
    db.session.commit()
    return text


class Page(HTMLParser):
    """The elements of a page: links to follow, and whatever could run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.dangers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        named = dict(attributes)
        if tag == "a" and (named.get("href") or "").startswith("/"):
            self.links.append(named["href"].partition("#")[0])
        runs = [name for name in named if name.startswith("on") or name == "style"]
        is_inline = tag == "style" or (tag == "script" and not named.get("src"))
        leads = [(named.get(name) or "").strip().lower() for name in ("href", "src")]
        if runs or is_inline or "x" in leads or any(each.startswith("javascript:") for each in leads):
            self.dangers.append(f"<{tag} {named}>")


def crawl(browser: Browser, app: Any) -> dict[str, str]:
    """Pages by address, some of each kind, found by following links from the home page."""
    addresses, pages, kinds = ["/"], {}, Counter()
    router = app.url_map.bind("localhost")
    while addresses:
        address = addresses.pop()
        try:
            kind = router.match(address.partition("?")[0])[0]
        except Exception:  # noqa: BLE001 - nothing of ours, or a redirect
            continue
        if (
            address in pages
            or kinds[kind] >= _OF_A_KIND
            or kind.startswith(("static", "assets", "bootstrap"))
        ):
            continue
        answer = browser.get(address)
        kinds[kind] += 1
        pages[address] = answer.text if answer.mimetype == "text/html" else ""
        assert answer.status_code < 500, address
        addresses += reversed(Page(pages[address]).links)
    return pages


@pytest.mark.parametrize("written_by_strangers", [SCRIPT], indirect=True, ids=["script"])
def test_no_name_becomes_a_script_on_any_page(app, owner, written_by_strangers):
    pages = crawl(owner, app)
    shown = [address for address, text in pages.items() if "&lt;script&gt;alert(1)" in text]
    assert len(pages) > 30
    assert len(shown) > 8, shown
    for address, text in pages.items():
        assert Page(text).dangers == [], address
        assert "<script>alert(1)" not in text, address
        assert "49}}" not in text.replace("{{7*7}}", ""), address


@pytest.mark.parametrize("written_by_strangers", [FORMULA, "@SUM(1)", "\t=1+1"], indirect=True)
def test_no_name_becomes_a_formula_in_any_file(app, owner, written_by_strangers):
    for name in sorted(_listings):
        asked = {"format": "csv", "reason": "점검", "unmasked": "y"}
        assert owner.submit(f"/exports/new?list={name}", asked).status_code == 303, name
    for job_id in jobs.claim_waiting(holder="worker-1", limit=50):
        jobs.run(job_id, "worker-1")
    files = db.session.scalars(select(Export)).all()
    assert len(files) == len(_listings)
    for export in files:
        content = b"".join(exports.read_file(exports.get_export(export.id, of=None)))
        for line in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")):
            for cell in line:
                assert not cell.startswith(tuple("=+@\t\r")), (export.list_name, cell)
                assert not cell.startswith("-") or re.fullmatch(r"-[0-9.]+", cell), (export.list_name, cell)


def test_no_further_field_makes_an_invited_person_more_than_they_are(app, owner):
    fields = {"email": "new@example.com", "name": "박새로", "role": "admin"}
    more = {"id": "1", "is_active": "1", "password_hash": "x", "invited_by": "", "grants": "refund:approve"}
    page = owner.submit("/admins", fields | more)
    link = re.search(r"/invitations/[\w-]+", page.text)[0]
    typed = {"new_password": PASSWORD, "new_password_again": PASSWORD}
    more = {
        "role": "super_admin",
        "email": "evil@example.com",
        "grants": "refund:approve",
        "customer_id": "c",
    }
    app.test_client().submit(link, typed | more)
    made = db.session.scalars(select(User).where(User.name == "박새로")).one()
    assert (made.role, made.email, made.grants, made.customer_id) == ("admin", "new@example.com", None, None)


def test_no_further_field_of_ones_account_gives_a_right(signed_in, admin):
    more = {"role": "super_admin", "grants": "refund:approve", "is_active": "1", "limits": "{}"}
    for address, fields in (
        ("/account/language", {"language": "en"}),
        ("/account/theme", {"theme": "dark"}),
        (
            "/account/password",
            {
                "current_password": PASSWORD,
                "new_password": "another long password",
                "new_password_again": "another long password",
            },
        ),
    ):
        assert signed_in.submit(address, fields | more).status_code == 303, address
    db.session.refresh(admin)
    assert (admin.role, admin.grants, admin.limits) == ("admin", None, None)


def test_no_further_field_of_a_refund_decides_about_it(signed_in, simulator, admin, super_admin):
    people.change_limits(admin.id, {"refund_limit": {"KRW": 1_000}}, by=super_admin)
    payment = make_payment(simulator, total=10_000)
    page = signed_in.get(f"/payments/{payment.payment_id}/refunds/new").text
    hidden = dict(re.findall(r'<input[^>]*name="(intent|expected_refundable)"[^>]*value="([^"]*)"', page))
    fields = hidden | {"kind": "partial", "amount": "900", "reason_code": "customer_request"}
    more = {"status": "succeeded", "approved_by": str(super_admin.id), "requested_by": str(super_admin.id)}
    more |= {"currency": "USD", "cancellation_id": "x", "balance_before": "1", "payment_id": "another"}
    address = f"/payments/{payment.payment_id}/refunds/new"
    answer = signed_in.submit(address, fields | more | {"confirmed": "1"})
    assert answer.status_code == 303, answer.text
    made = db.session.scalars(select(Refund)).one()
    assert (made.amount, made.requested_by, made.approved_by) == (900, admin.id, None)
    assert (made.payment_id, made.cancellation_id == "x", made.balance_before) == (payment.id, False, 10_000)
