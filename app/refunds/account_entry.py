"""The link by which a buyer enters a refund account: made by staff, used by anybody who has it."""

from typing import Any

from flask import Blueprint, current_app, flash, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from app.access.guards import public, require
from app.access.permissions import Permission
from app.connections import SYSTEM, act_as
from app.errors import DomainError
from app.extensions import db
from app.payments.actions import action
from app.payments.queries import get_payment
from app.refunds import account_links
from app.refunds.account_form import AccountForm
from app.web.htmx import render, see_other

account_entry = Blueprint("account_entry", __name__)


@account_entry.get("/refund-account/<token>")
@public
def new(token: str) -> Any:
    """The form for the buyer: the order, the amount, and where the money should go."""
    act_as(SYSTEM)
    payment = account_links.get_open_link(token).payment
    return _form_page(token, AccountForm(payment=payment, is_required=True))


@account_entry.post("/refund-account/<token>")
@public
def create(token: str) -> Any:
    """Keep the account; after that the link is used up."""
    act_as(SYSTEM)
    account_links.count_try(token)
    form = AccountForm(request.form, payment=account_links.get_open_link(token).payment, is_required=True)
    account = form.account() if form.validate() else None
    if account is None:
        return _form_page(token, form, status=422)
    account_links.enter_account(token, account)
    return render("account_entry/done.html", account=account)


@action("make_account_link")
@require(Permission.REFUND_CREATE)
def make(payment_id: str) -> Any:
    """Make a link and show it this once."""
    token = account_links.make_link(payment_id, by=current_user)
    link = current_app.config["SETTINGS"].public_url + url_for("account_entry.new", token=token)
    return render("account_entry/made.html", payment=get_payment(payment_id), link=link)


@action("revoke_account_link")
@require(Permission.REFUND_CREATE)
def revoke(payment_id: str) -> Any:
    """Make a link worth nothing."""
    account_links.revoke_links(payment_id, by=current_user)
    flash(_("The link no longer works, and the account that came by it is forgotten."), "success")
    return see_other(url_for("refunds.new", payment_id=payment_id))


@account_entry.errorhandler(DomainError)
def refuse(error: DomainError) -> Any:
    """Say so without a way into the dashboard: whoever is here is no colleague."""
    db.session.rollback()
    return render("account_entry/gone.html", status=error.status, message=error.message)


def _form_page(token: str, form: AccountForm, *, status: int = 200) -> Any:
    return render("account_entry/new.html", status=status, token=token, form=form, payment=form.payment)
