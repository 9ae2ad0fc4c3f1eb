"""A page to pay, fail, deposit, cancel and issue keys by hand: buyer, PG and console in one."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from app.simulator.buttons import ACTIONS, actions_of, read_whole_number
from app.simulator.controls import refuse_other_sites
from app.simulator.documents import METHOD_TYPES, USUAL_PG, Document
from app.simulator.faults import CALL_FAULTS, CANCEL_FAULTS, ENDPOINTS, WEBHOOK_FAULTS
from app.simulator.gate import current_simulator
from app.simulator.labels import Labels, choose_labels
from app.simulator.problems import Problem
from app.simulator.reading import Fields

checkout = Blueprint("checkout", __name__)
checkout.before_request(refuse_other_sites)

#: How many payments and webhooks the page shows.
SHOWN = 20

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
_PGS = sorted({*USUAL_PG.values(), "KCP_V2", "INICIS_V2", "SMARTRO_V2", "KSNET", "NAVERPAY", "PAYPAL_V2"})
_BILLING_METHODS = ["CARD", "EASY_PAY", "TRANSFER", "MOBILE", "PAYPAL"]


@dataclass(frozen=True)
class Row:
    """A payment of the list, its amounts written out, and the names of the actions it has buttons for."""

    payment: Document
    amount: str
    cancelled: str
    actions: list[str]


@checkout.after_request
def protect(response: Response) -> Response:
    """Nothing of another site may run here or show this page."""
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    return response


@checkout.errorhandler(Problem)
def show_problem(problem: Problem) -> tuple[str, int]:
    """What could not be done, above the page."""
    return _page(problem), problem.status


@checkout.get("/")
def index() -> str:
    """The page."""
    return _page()


@checkout.post("/_simulator/payments")
def create_payment() -> AnyResponse:
    """Open a payment window."""
    form = _form()
    total, currency = read_whole_number("total"), form.text("currency") or "KRW"
    payment_id = form.text("payment_id")
    check_preregistration(payment_id, total, currency)
    method = form.required_text("method", choices=METHOD_TYPES)
    current_simulator().make_payment(
        status="READY",
        payment_id=payment_id,
        method=method,
        pg_provider=form.text("pg_provider", choices=_PGS) or USUAL_PG[method],
        channel_type=form.text("channel_type", choices=("LIVE", "TEST")) or "LIVE",
        currency=currency,
        total=total,
        order_name=form.required_text("order_name"),
        customer_name=form.text("customer_name"),
        customer_email=form.text("customer_email"),
        customer_phone=form.text("customer_phone"),
        notify=True,
    )
    return _back()


@checkout.post("/_simulator/payments/<id:payment_id>/<action>")
def act(payment_id: str, action: str) -> AnyResponse:
    """Let one thing happen to a payment."""
    simulator = current_simulator()
    if action not in ACTIONS:
        raise Problem("NOT_FOUND", action)
    ACTIONS[action](simulator, simulator.payment(payment_id))
    return _back()


@checkout.post("/_simulator/billing-keys")
def create_billing_key() -> AnyResponse:
    """Issue a billing key."""
    form = _form()
    current_simulator().make_billing_key(
        method=form.required_text("method", choices=_BILLING_METHODS),
        customer_id=form.text("customer_id"),
        customer_name=form.text("customer_name"),
        customer_email=None,
        customer_phone=None,
        notify=True,
    )
    return _back()


@checkout.post("/_simulator/faults/order")
def order_fault() -> AnyResponse:
    """Let the next calls go wrong."""
    form = _form()
    try:
        current_simulator().faults.next(
            form.required_text("endpoint"),
            form.required_text("fault"),
            times=read_whole_number("times"),
            seconds=read_whole_number("seconds", least=0),
        )
    except ValueError as refusal:
        raise Problem("INVALID_REQUEST", str(refusal)) from None
    return _back()


@checkout.post("/_simulator/faults/clear")
def clear_faults() -> AnyResponse:
    """Nothing goes wrong any more."""
    current_simulator().faults.clear()
    return _back()


def _page(problem: Problem | None = None) -> str:
    simulator = current_simulator()
    wanted = request.args.get("q", "").strip()
    found = [payment for payment in simulator.payments() if _matches(payment, wanted)]
    return render_template(
        "simulator/index.html",
        labels=choose_page_labels(),
        problem=problem,
        wanted=wanted,
        store_id=simulator.store_id,
        webhook_url=simulator.outbox.url,
        rows=[_row(payment) for payment in found[:SHOWN]],
        found=len(found),
        deliveries=simulator.outbox.latest_deliveries(SHOWN),
        waiting=simulator.faults.waiting(),
        methods=list(METHOD_TYPES),
        pgs=_PGS,
        billing_methods=_BILLING_METHODS,
        endpoints=ENDPOINTS,
        faults=sorted(CALL_FAULTS | CANCEL_FAULTS) + sorted(WEBHOOK_FAULTS),
    )


def choose_page_labels() -> Labels:
    """The words of a page in the language the browser prefers."""
    return choose_labels(request.accept_languages.best_match(["ko", "en"]) or "ko")


def _matches(payment: Document, wanted: str) -> bool:
    texts = (payment["id"], payment["orderName"], payment["customer"].get("name", ""))
    return any(wanted.casefold() in text.casefold() for text in texts)


def _row(payment: Document) -> Row:
    currency = payment["currency"]
    amount = payment["amount"]
    return Row(
        payment=payment,
        amount=written_amount(amount["total"], currency),
        cancelled=written_amount(amount["cancelled"], currency) if amount["cancelled"] else "",
        actions=actions_of(payment),
    )


def written_amount(amount: int, currency: str) -> str:
    """An amount in minor units as the pages write it."""
    shown = f"{amount:,}" if currency in {"KRW", "JPY"} else f"{amount / 100:,.2f}"
    return f"{shown} {currency}"


def check_preregistration(payment_id: str | None, total: int, currency: str) -> None:
    """PortOne's window refuses an amount that the merchant's server did not announce."""
    expected = current_simulator().state.find_preregistration(payment_id) if payment_id else None
    given: dict[str, Any] = {"totalAmount": total, "currency": currency}
    if expected and any(expected[name] not in {None, value} for name, value in given.items()):
        raise Problem("INFORMATION_MISMATCH", "AmountNotEqualToPredefined")


def _form() -> Fields:
    """The form, blank fields left out."""
    return Fields({name: value.strip() for name, value in request.form.items() if value.strip()})


def _back() -> AnyResponse:
    return redirect(url_for("checkout.index"), 303)
