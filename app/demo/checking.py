"""`flask demo --check`: the main job, done over HTTP as a person would do it, and what was seen."""

import re
import time
from collections.abc import Callable, Iterator
from html import unescape
from html.parser import HTMLParser
from urllib.parse import quote

import click
import requests

from app.demo.world import PEOPLE

#: How long a step that happens in the background may take.
PATIENCE_SECONDS = 10.0


class CheckFailed(Exception):
    """Something was not as it must be; the message says what."""


class _HiddenFields(HTMLParser):
    """The hidden fields of a page's forms."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "input" and attributes.get("type") == "hidden" and attributes.get("name"):
            self.fields[attributes["name"] or ""] = attributes.get("value") or ""


def hidden_fields(page: str) -> dict[str, str]:
    """The hidden fields in `page`, by name."""
    parser = _HiddenFields()
    parser.feed(page)
    return parser.fields


def check_main_job(url: str, *, customer: str) -> bool:
    """Sign in, search, refund a card and a virtual account, see their webhooks; says what it saw."""
    try:
        visitor = _Visitor(url)
        visitor.sign_in()
        visitor.search(customer)
        visitor.refund("CARD", {})
        visitor.refund(
            "VIRTUAL_ACCOUNT",
            {
                "bank": "KOOKMIN",
                "account_number": "123-456-789012",
                "account_number_again": "123-456-789012",
                "holder_name": "홍길동",
                "holder_phone": "010-1234-5678",
            },
        )
    except (CheckFailed, requests.RequestException) as problem:
        click.echo(f"FAILED: {problem}", err=True)
        return False
    click.echo("All is well.")
    return True


class _Visitor:
    """A browser without a screen."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()

    def get(self, address: str, **query: str) -> str:
        answer = self.session.get(self.url + address, params=query, timeout=10)
        if answer.status_code != 200:
            raise CheckFailed(f"GET {address} answered {answer.status_code}")
        return answer.text

    def sign_in(self) -> None:
        owner = PEOPLE[0]
        fields = {
            **hidden_fields(self.get("/login")),
            "email": owner.email,
            "password": owner.password,
        }
        answer = self.session.post(f"{self.url}/login", data=fields, timeout=10)
        if answer.url.endswith("/login") or answer.status_code != 200:
            raise CheckFailed(f"the sign-in ended at {answer.url} with {answer.status_code}")
        click.echo(f"signed in as {owner.email}")

    def search(self, name: str) -> None:
        found = re.findall(r'data-payment-id="([^"]+)"', self.get("/payments", q=name))
        if not found:
            raise CheckFailed(f"the search for {name} found nothing")
        click.echo(f"searched for {name}: {len(found)} payments")

    def refund(self, method: str, account: dict[str, str]) -> None:
        """Refund the first refundable payment of a method, and see what PortOne tells of it."""
        payment_id, form = next(self._refund_forms(method), (None, ""))
        if payment_id is None:
            raise CheckFailed(f"no payment by {method} can be refunded")
        address = f"{self.url}/payments/{quote(payment_id, safe='')}/refunds/new"
        typed = {
            **hidden_fields(form),
            "kind": "full",
            "reason_code": "customer_request",
            "reason": "flask demo --check",
            **account,
        }
        review = self.session.post(address, data=typed, timeout=10)
        if review.status_code != 200:
            raise CheckFailed(f"the review of the refund of {payment_id} answered {review.status_code}")
        done = self.session.post(address, data={**hidden_fields(review.text), "confirmed": "1"}, timeout=70)
        self._await(lambda: self._is_refunded(done.url), f"the refund of {payment_id} did not succeed")
        click.echo(f"refunded {method} payment {payment_id}: succeeded")
        self._await(lambda: self._has_webhook(payment_id), f"no webhook about {payment_id} was processed")
        click.echo(f"webhook about {payment_id}: processed")

    def _refund_forms(self, method: str) -> Iterator[tuple[str, str]]:
        page = self.get("/payments", status="PAID", method=method)
        for payment_id in map(unescape, re.findall(r'data-payment-id="([^"]+)"', page)):
            page = self.get(f"/payments/{quote(payment_id, safe='')}/refunds/new")
            if 'name="intent"' in page:
                yield payment_id, page

    def _is_refunded(self, address: str) -> bool:
        page = self.session.get(address, timeout=10).text
        if 'data-status="failed"' in page:
            said = re.findall(r'<p class="alert-t[a-z]+">(.*?)</p>', page, re.DOTALL)
            raise CheckFailed(f"the refund at {address} failed: {' '.join(map(unescape, said))}")
        return 'data-status="succeeded"' in page

    def _has_webhook(self, payment_id: str) -> bool:
        """Whether the webhook of the cancellation has come and was processed."""
        page = self.get("/webhooks", q=payment_id, status="processed", type="Transaction.Cancelled")
        return "data-webhook-id" in page

    def _await(self, is_so: Callable[[], bool], complaint: str) -> None:
        patience_ends = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            if time.monotonic() > patience_ends:
                raise CheckFailed(complaint)
            time.sleep(0.2)
