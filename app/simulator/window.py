"""The payment window that the browser SDK would open: the buyer chooses how to pay, or gives up."""

from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from app.simulator.checkout import check_preregistration, choose_page_labels, protect, written_amount
from app.simulator.controls import refuse_other_sites
from app.simulator.documents import USUAL_PG, Document
from app.simulator.gate import current_simulator
from app.simulator.problems import Problem
from app.simulator.reading import Fields

window = Blueprint("window", __name__, url_prefix="/window")
window.before_request(refuse_other_sites)

#: What the buyer may choose.
METHODS = ("CARD", "EASY_PAY", "VIRTUAL_ACCOUNT", "TRANSFER", "MOBILE")

_ASKED = ("paymentId", "orderName", "totalAmount", "currency", "redirectUrl", "customerName")


@window.after_request
def protect_and_lead_back(response: Response) -> Response:
    """As the other page, but its form may end at a shop, which listens on another port."""
    protected = protect(response)
    policy = protected.headers["Content-Security-Policy"]
    shops = "form-action 'self' http://127.0.0.1:* http://localhost:*"
    protected.headers["Content-Security-Policy"] = policy.replace("form-action 'self'", shops)
    return protected


@window.errorhandler(Problem)
def show_problem(problem: Problem) -> tuple[str, int]:
    """What is wrong with what the shop's page asked for."""
    return _page(problem), problem.status


@window.get("")
def show() -> str:
    """What is to be paid, and how."""
    _read(Fields(dict(request.args)))
    return _page()


@window.post("")
def decide() -> AnyResponse:
    """The buyer pays or gives up, and is sent back to the shop as the SDK would do it."""
    asked = _read(Fields(dict(request.form)))
    method = Fields(dict(request.form)).required_text("method", choices=(*METHODS, "GIVE_UP"))
    payment = _pay(asked, "CARD" if method == "GIVE_UP" else method, gives_up=method == "GIVE_UP")
    result = {"paymentId": payment["id"], "txId": payment["transactionId"]}
    if payment["status"] == "FAILED":
        result |= {"code": "FAILURE_TYPE_PG", "message": payment["failure"]["reason"]}
    return redirect(f"{asked['redirectUrl']}?{urlencode(result)}", 303)


def _pay(asked: Document, method: str, *, gives_up: bool) -> Document:
    simulator = current_simulator()
    opened = simulator.make_payment(
        status="READY",
        payment_id=asked["paymentId"],
        method=method,
        pg_provider=USUAL_PG[method],
        currency=asked["currency"],
        total=asked["totalAmount"],
        order_name=asked["orderName"],
        customer_name=asked["customerName"],
        customer_email=None,
        customer_phone=None,
        notify=True,
    )
    return simulator.fail(opened["id"]) if gives_up else simulator.pay(opened["id"])


def _read(fields: Fields) -> Document:
    """What the shop's page asked for. Raises INVALID_REQUEST, and what the SDK says of another amount."""
    total = fields.required_text("totalAmount")
    if not total.isdecimal() or not 0 < int(total) <= 10**12:
        raise Problem("INVALID_REQUEST", "totalAmount")
    asked: Document = {
        "paymentId": fields.required_text("paymentId"),
        "orderName": fields.required_text("orderName"),
        "totalAmount": int(total),
        "currency": fields.text("currency") or "KRW",
        "redirectUrl": _local_address(fields.required_text("redirectUrl")),
        "customerName": fields.text("customerName"),
    }
    check_preregistration(asked["paymentId"], asked["totalAmount"], asked["currency"])
    return asked


def _local_address(address: str) -> str:
    """Only shops on this machine exist here."""
    parts = urlsplit(address)
    if parts.scheme != "http" or parts.hostname not in {"127.0.0.1", "localhost"} or parts.query:
        raise Problem("INVALID_REQUEST", "redirectUrl")
    return address


def _page(problem: Problem | None = None) -> str:
    asked = {name: request.values.get(name, "") for name in _ASKED}
    total = asked["totalAmount"]
    return render_template(
        "simulator/window.html",
        labels=choose_page_labels(),
        problem=problem,
        asked=asked,
        amount=written_amount(int(total), asked["currency"] or "KRW") if total.isdecimal() else total,
        methods=METHODS,
    )
