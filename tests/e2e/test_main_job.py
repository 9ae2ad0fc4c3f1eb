"""The main job in a browser: sign in, find a payment, give money back, see the webhook arrive."""

from typing import Any

from playwright.sync_api import Page, expect

from app.demo.serving import Demo
from tests.e2e.conftest import NARROW


def make_paid(demo: Demo, **wishes: Any) -> dict[str, Any]:
    """A payment that the dashboard hears of by webhook alone."""
    document: dict[str, Any] = demo.simulator.make_payment(notify=True, **wishes)
    return document


def find(page: Page, text: str, payment_id: str) -> None:
    """Search with `/` and the keyboard, as one does all day; the webhook may still be on its way.

    A whole id leads straight to its payment.
    """
    row = page.locator(f'[data-payment-id="{payment_id}"]')
    for _ in range(20):
        page.goto("/")
        page.keyboard.press("/")
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        page.wait_for_url("**/payments**")
        if page.url.endswith(f"/payments/{payment_id}"):
            return
        if row.count():
            row.first.locator("a").first.click()
            return
        page.wait_for_timeout(300)
    raise AssertionError(f"{text} was not found")


def confirm_refund(page: Page) -> None:
    page.locator(".refund-form button.btn-primary").click()
    page.locator('button[name="confirmed"]').click()
    expect(page.locator('[data-refund-id][data-status="succeeded"]')).to_be_visible(timeout=20_000)


def test_a_card_payment_is_found_refunded_and_its_webhook_seen(page: Page, demo: Demo, language: str) -> None:
    payment = make_paid(demo, customer_name="남궁솔", order_name=f"봄 원피스 {language}", total=39_000)
    find(page, f"원피스 {language}", payment["id"])
    page.locator('a[href$="/refunds/new"]').first.click()
    confirm_refund(page)
    see_cancelled_webhook(page, payment["id"])


def test_a_virtual_account_is_refunded_to_a_bank_account(page: Page, demo: Demo) -> None:
    payment = make_paid(
        demo,
        method="VIRTUAL_ACCOUNT",
        pg_provider="SMARTRO_V2",
        customer_name="이솔",
        total=120_000,
    )
    find(page, payment["id"], payment["id"])
    page.locator('a[href$="/refunds/new"]').first.click()
    page.locator('input[name="kind"][value="partial"]').check()
    page.locator('input[name="amount"]').fill("20,000원")
    page.locator("#bank").press_sequentially("kakao")
    page.keyboard.press("Enter")
    for name in ("account_number", "account_number_again"):
        page.locator(f'input[name="{name}"]').fill("3333-01-0000001")
    page.locator('input[name="holder_name"]').fill("이솔")
    page.locator('input[name="holder_phone"]').fill("010-1234-5678")
    confirm_refund(page)
    cancelled = demo.simulator.payment(payment["id"])["amount"]["cancelled"]
    assert cancelled == 20_000


def see_cancelled_webhook(page: Page, payment_id: str) -> None:
    row = page.locator('[data-webhook-id][data-status="processed"]', has_text="Cancelled")
    for _ in range(20):
        page.goto(f"/webhooks?q={payment_id}")
        if row.count():
            break
        page.wait_for_timeout(500)
    expect(row.first).to_be_visible()


def test_the_form_keeps_what_was_typed_and_says_what_is_wrong(page: Page, demo: Demo, language: str) -> None:
    payment = make_paid(demo, total=10_000)
    find(page, payment["id"], payment["id"])
    page.locator('a[href$="/refunds/new"]').first.click()
    page.locator('input[name="kind"][value="partial"]').check()
    page.locator('input[name="amount"]').fill("10,001")
    page.locator(".refund-form button.btn-primary").click()
    wrong = page.locator('input[name="amount"][aria-invalid="true"]')
    expect(wrong).to_have_value("10,001")
    expect(wrong).to_be_focused()


def test_a_phone_can_refund_too(page: Page, demo: Demo) -> None:
    page.set_viewport_size(NARROW)
    payment = make_paid(demo, total=15_000)
    find(page, payment["id"], payment["id"])
    page.locator('a[href$="/refunds/new"]').first.click()
    confirm_refund(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
