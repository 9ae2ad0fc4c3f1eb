"""Every page: readable for all (axe, WCAG 2.2 AA), in both widths and themes, and photographed."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page

from app.demo.serving import Demo
from tests.e2e.conftest import NARROW, SCREENSHOTS, WIDE

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


def payment_of(demo: Demo, *, status: str, method: str | None = None) -> str:
    """The address of the newest real payment of a kind in the store."""
    for payment in demo.simulator.payments():
        kind = payment.get("method", {}).get("type", "")
        is_live = payment.get("channel", {}).get("type", "LIVE") == "LIVE"
        if is_live and payment["status"] == status and (method is None or kind == f"PaymentMethod{method}"):
            return f"/payments/{quote(payment['id'], safe='')}"
    raise LookupError(f"the store has no {status} payment by {method}")


def first_link(page: Page, address: str, pattern: str) -> str:
    """The first link on a page that fits."""
    page.goto(address)
    for link in page.locator("main a").all():
        target = link.get_attribute("href") or ""
        if re.fullmatch(pattern, target):
            return target
    raise LookupError(f"{address} has no link like {pattern}")


def billing_addresses(page: Page) -> Iterator[tuple[str, str]]:
    """The same of billing keys, and of what is charged by them."""
    yield "billing-keys", "/billing-keys"
    yield "billing-key", first_link(page, "/billing-keys", r"/billing-keys/[0-9a-f-]{36}")
    default = first_link(page, "/billing-keys?use=default", r"/billing-keys/[0-9a-f-]{36}")
    yield "billing-key-default", default
    yield "billing-key-delete", f"{default}/delete"
    yield "charges", "/charges"
    for status in ("uncertain", "awaiting_approval", "failed"):
        charge = first_link(page, f"/charges?status={status}", r"/charges/[0-9a-f-]{36}")
        yield f"charge-{status}", charge
    charged = first_link(page, "/charges?status=succeeded", r"/billing-keys/[0-9a-f-]{36}")
    yield "billing-key-charged", charged
    yield "charge-new", f"{charged}/charges/new"
    yield "schedules", "/schedules"
    yield "schedules-calendar", "/schedules/calendar"
    yield "schedules-missing", "/schedules/missing"
    yield "schedule", first_link(page, "/schedules", r"/schedules/[0-9a-f-]{36}")
    yield "plans", "/plans"
    yield "plan", first_link(page, "/plans", r"/plans/[0-9a-f-]{36}")
    yield "plan-paused", first_link(page, "/plans?stop=trouble", r"/plans/[0-9a-f-]{36}")
    yield "plan-edit", first_link(page, "/plans?status=active", r"/plans/[0-9a-f-]{36}") + "/edit"
    key = first_link(page, "/schedules/missing", r"/billing-keys/[0-9a-f-]{36}")
    yield "schedule-new", key + "/schedules/new"
    yield "plan-new", key + "/plans/new"


def addresses(page: Page, demo: Demo) -> Iterator[tuple[str, str]]:
    """A name for the picture, and the address, of every kind of page."""
    yield "home", "/"
    yield "payments", "/payments"
    yield "payments-search", "/payments?q=김&status=PAID"
    yield "payments-none", "/payments?q=없는이름"
    yield "payments-wrong", "/payments?from=2026-02-30&amount_min=1e9"
    yield "payment-card", payment_of(demo, status="PARTIAL_CANCELLED")
    yield "payment-account", payment_of(demo, status="PAID", method="VirtualAccount")
    yield "payment-waiting", payment_of(demo, status="VIRTUAL_ACCOUNT_ISSUED")
    yield "payment-failed", payment_of(demo, status="FAILED")
    yield "payment-unknown", "/payments/no-such-payment"
    yield "refund-card", payment_of(demo, status="PAID", method="Card") + "/refunds/new"
    yield "refund-account", payment_of(demo, status="PAID", method="VirtualAccount") + "/refunds/new"
    yield "refund-impossible", payment_of(demo, status="FAILED") + "/refunds/new"
    yield "refunds", "/refunds"
    yield "refund", first_link(page, "/refunds", r"/refunds/[0-9a-f-]{36}")
    yield "refund-failed", first_link(page, "/refunds?status=failed", r"/refunds/[0-9a-f-]{36}")
    yield "bulk-refunds", "/refunds/bulk"
    yield "bulk-refund-new", "/refunds/bulk/new"
    yield "bulk-refund", first_link(page, "/refunds/bulk", r"/refunds/bulk/[0-9a-f-]{36}")
    yield "jobs", "/jobs"
    waiting = "/refunds?status=awaiting_approval"
    yield "refund-waiting", first_link(page, waiting, r"/refunds/[0-9a-f-]{36}")
    yield "settings", "/settings"
    yield "webhooks", "/webhooks"
    yield "webhook", first_link(page, "/webhooks", r"/webhooks/[0-9a-f-]{36}")
    yield "webhook-failed", first_link(page, "/webhooks?status=failed", r"/webhooks/[0-9a-f-]{36}")
    yield "webhooks-missing", "/webhooks/missing"
    yield "webhooks-bulk", "/webhooks/bulk/replay?type=Transaction.Paid"
    yield "drifts", "/drift"
    yield "drift", first_link(page, "/drift", r"/drift/[0-9a-f-]{36}")
    yield "pg-refund", first_link(page, "/drift?kind=refunded_at_pg", r"/drift/[0-9a-f-]{36}")
    yield "alerts", "/alerts"
    yield "checks", "/checks"
    yield from billing_addresses(page)
    yield "account", "/account"
    yield "not-found", "/nowhere"


#: Language, colour scheme, size of the screen: each of them with each other at least once.
VIEWS = [
    ("ko", "light", WIDE),
    ("ko", "dark", NARROW),
    ("en", "light", NARROW),
    ("en", "dark", WIDE),
]


@pytest.mark.parametrize("demo", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("language", "theme", "size"), VIEWS)
def test_every_page_can_be_read_by_all(page: Page, demo: Demo, language: str, theme: Any, size: Any) -> None:
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size(size)
    SCREENSHOTS.mkdir(exist_ok=True)
    complaints = []
    for name, address in addresses(page, demo):
        page.goto(address)
        complaints += [f"{name}: {complaint}" for complaint in complaints_about(page)]
        page.screenshot(path=SCREENSHOTS / f"{name}-{language}-{theme}-{size['width']}.png", full_page=True)
    open_review(page, demo)
    complaints += [f"review: {complaint}" for complaint in complaints_about(page)]
    page.screenshot(path=SCREENSHOTS / f"review-{language}-{theme}-{size['width']}.png", full_page=True)
    assert complaints == []


def open_review(page: Page, demo: Demo) -> None:
    """The one page that only a form leads to."""
    page.goto(payment_of(demo, status="PAID", method="Card") + "/refunds/new")
    page.locator(".refund-form button.btn-primary").click()
    page.locator('button[name="confirmed"]').wait_for()


def complaints_about(page: Page) -> list[str]:
    """What keeps somebody from reading the page that is open."""
    found = Axe().run(page, options=RULES).response
    assert found["passes"], "axe has not looked"
    complaints = [f"{item['id']} {item['nodes'][0]['html']}" for item in found["violations"]]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        complaints.append("wider than the screen")
    return complaints


@pytest.mark.parametrize("demo", ["sqlite"], indirect=True)
def test_the_sign_in_page_can_be_read_by_all(context: BrowserContext, language: str) -> None:
    page = context.new_page()
    page.goto("/login")
    assert complaints_about(page) == []
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"login-{language}.png")
