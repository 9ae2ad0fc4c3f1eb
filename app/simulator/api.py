"""PortOne's V2 API: the endpoints for payments, with its authorization, idempotency and errors.

The name of a view is the name of the call: faults are ordered and calls are counted by it.
"""

from flask import Blueprint, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from app import clock
from app.simulator import events, listing
from app.simulator.banks import BANKS
from app.simulator.billing_keys import select_billing_keys, select_schedules
from app.simulator.cancel_request import read_cancel_request
from app.simulator.charging import read_charge
from app.simulator.confirmation import read_confirmation
from app.simulator.documents import Document, public, timestamp
from app.simulator.faults import CANCEL_FAULTS
from app.simulator.gate import admit, current_simulator, dispatch, free_key
from app.simulator.problems import Problem
from app.simulator.reading import Fields, parse_object

api = Blueprint("api", __name__)
api.before_request(admit)
api.after_request(dispatch)
api.teardown_request(free_key)


@api.errorhandler(Problem)
def show_problem(problem: Problem) -> tuple[Response, int]:
    """A refusal as PortOne words it."""
    return jsonify(problem.body()), problem.status


@api.app_errorhandler(HTTPException)
def show_http_error(error: HTTPException) -> tuple[Response, int]:
    """An address or method that PortOne does not have."""
    problem = Problem("NOT_FOUND", error.name)
    return jsonify(problem.body()), error.code or 500


def _check_store(store_id: str | None) -> None:
    if store_id not in {None, current_simulator().store_id}:
        raise Problem("FORBIDDEN")


def _body() -> Fields:
    """The body of a call that changes something; its `storeId` is checked here."""
    fields = Fields(parse_object(request.get_data()))
    _check_store(fields.text("storeId"))
    return fields


def _query() -> Fields:
    """What a list was asked for: JSON in the query field `requestBody`, or a body with the GET."""
    fields = Fields(parse_object(request.args.get("requestBody") or request.get_data()))
    _check_store(fields.text("storeId"))
    _check_store((fields.part("filter") or Fields({})).text("storeId"))
    return fields


def _payment(payment_id: str) -> Document:
    _check_store(request.args.get("storeId"))
    return current_simulator().payment(payment_id)


@api.get("/payments/<id:payment_id>")
def get_payment(payment_id: str) -> Document:
    """One payment."""
    return _payment(payment_id)


@api.get("/payments/<id:payment_id>/transactions")
def get_transactions(payment_id: str) -> Document:
    """The attempts of one payment."""
    _payment(payment_id)
    return {"items": current_simulator().transactions(payment_id)}


@api.get("/payments")
def list_payments() -> Document:
    """A numbered page of the payments that meet a filter."""
    query = _query()
    page = listing.read_page(query)
    wanted = listing.read_payment_filter(query.part("filter") or Fields({}))
    found = current_simulator().state.payments_between(
        wanted.clock, *wanted.window, order_by=wanted.order_by, is_descending=wanted.is_descending
    )
    return page.cut([public(payment) for payment in found if wanted.matches(payment)])


@api.get("/payments-by-cursor")
def list_payments_by_cursor() -> Document:
    """All payments by creation time, some at a time."""
    query = _query()
    found = current_simulator().state.payments_after(
        *listing.read_window(query), listing.read_cursor(query), listing.read_cursor_size(query)
    )
    items = [{"payment": public(payment), "cursor": listing.write_cursor(place)} for payment, place in found]
    return {"items": items}


@api.get("/payment-events-by-cursor")
def list_payment_events() -> Document:
    """Money in and money back by the time it moved, some at a time."""
    query = _query()
    window, after = listing.read_window(query), listing.read_cursor(query)
    found = sorted(
        (
            event
            for payment in current_simulator().payments()
            for event in events.events_of(payment)
            if events.is_between(event, window) and events.place_of(event) > after
        ),
        key=events.place_of,
    )
    items = [
        {"paymentEvent": event, "cursor": listing.write_cursor(events.place_of(event))}
        for event in found[: listing.read_cursor_size(query)]
    ]
    return {"items": items}


@api.post("/payments/<id:payment_id>/pre-register")
def pre_register(payment_id: str) -> Document:
    """Announce what a payment to come should amount to."""
    body = _body()
    expected = {
        "totalAmount": body.integer("totalAmount"),
        "taxFreeAmount": body.integer("taxFreeAmount"),
        "currency": body.text("currency"),
    }
    current_simulator().pre_register(payment_id, expected)
    return {}


@api.post("/payments/<id:payment_id>/confirm")
def confirm(payment_id: str) -> Document:
    """Approve a payment whose channel asks the merchant first."""
    body = _body()
    payment = current_simulator().confirm(
        payment_id,
        body.required_text("paymentToken"),
        read_confirmation(body),
        skip_webhook=body.flag("skipWebhook") or False,
    )
    return {"pgTxId": payment["pgTxId"], "paidAt": payment.get("paidAt", payment["statusChangedAt"])}


@api.post("/payments/<id:payment_id>/cancel")
def cancel(payment_id: str) -> Document:
    """Give money back, all of it or a part."""
    wish = read_cancel_request(_body())
    fault = g.fault.fault if g.fault and g.fault.fault in CANCEL_FAULTS else None
    return {"cancellation": current_simulator().cancel(payment_id, wish, fault=fault)}


@api.post("/payments/<id:payment_id>/virtual-account/close")
def close_virtual_account(payment_id: str) -> Document:
    """Give up a virtual account that nobody paid into."""
    _check_store(request.args.get("storeId"))
    return {"closedAt": timestamp(current_simulator().close_virtual_account(payment_id))}


@api.post("/payments/<id:payment_id>/resend-webhook")
def resend_webhook(payment_id: str) -> Document:
    """Send a webhook of this payment again, now."""
    webhook_id = _body().text("webhookId")
    simulator = current_simulator()
    simulator.payment(payment_id)
    return {"webhook": simulator.outbox.resend(payment_id, webhook_id)}


@api.get("/billing-keys")
def list_billing_keys() -> Document:
    """A numbered page of the billing keys that meet a filter."""
    query = _query()
    page = listing.read_page(query)
    found = select_billing_keys(current_simulator().state.billing_keys(), query)
    return page.cut([public(document) for document in found])


@api.get("/billing-keys/<id:billing_key>")
def get_billing_key(billing_key: str) -> Document:
    """One billing key."""
    _check_store(request.args.get("storeId"))
    return public(current_simulator().billing_key(billing_key))


@api.delete("/billing-keys/<id:billing_key>")
def delete_billing_key(billing_key: str) -> Document:
    """Delete a billing key; everything else stands in the query."""
    given = Fields(dict(request.args))
    _check_store(given.text("storeId"))
    document = current_simulator().delete_billing_key(
        billing_key,
        reason=given.text("reason") or "",
        requester=given.text("requester", choices=("CUSTOMER", "ADMIN")) or "",
        skip_webhook=given.text("skipWebhook", choices=("true", "false")) == "true",
    )
    return {"deletedAt": document["deletedAt"]}


@api.post("/payments/<id:payment_id>/billing-key")
def pay_with_billing_key(payment_id: str) -> Document:
    """Charge a billing key now."""
    payment = current_simulator().charge(payment_id, read_charge(_body()))
    return {"payment": {"pgTxId": payment["pgTxId"], "paidAt": payment["paidAt"]}}


@api.post("/payments/<id:payment_id>/schedule")
def schedule_payment(payment_id: str) -> Document:
    """Plan a charge."""
    body = _body()
    at = body.instant("timeToPay")
    payment = body.part("payment")
    if at is None or payment is None:
        raise Problem("INVALID_REQUEST", "payment, timeToPay")
    return {"schedule": {"id": current_simulator().schedule(payment_id, read_charge(payment), at)["id"]}}


@api.get("/payment-schedules/<id:schedule_id>")
def get_schedule(schedule_id: str) -> Document:
    """One schedule."""
    return current_simulator().find_schedule(schedule_id)


@api.delete("/payment-schedules")
def revoke_schedules() -> Document:
    """Give up charges to come, all that are named or none."""
    query = Fields(parse_object(request.args.get("requestBody", "")))
    revoked = current_simulator().revoke_schedules(
        query.texts("scheduleIds"), billing_key=query.text("billingKey")
    )
    return {"revokedScheduleIds": revoked, "revokedAt": timestamp(clock.now())}


@api.get("/payment-schedules")
def list_schedules() -> Document:
    """A numbered page of the schedules that meet a filter."""
    query = _query()
    page = listing.read_page(query)
    return page.cut(select_schedules(current_simulator().state.schedules(), query))


@api.get("/banks")
def list_banks() -> Document:
    """The bank codes, for anybody."""
    return {"items": [{"bank": code, "name": {"ko": name}} for code, name in BANKS.items()]}
