"""What pages do about a proof: read the password that was sent along, and say what is wrong with it."""

from typing import Any

from flask import request
from flask_babel import gettext as _
from flask_login import current_user

from app.accounts.service import SignInRefused, SignInThrottled
from app.approvals import queries
from app.approvals.queries import Kind
from app.approvals.service import Proof, confirm_identity
from app.errors import DomainError


def prove(amount: int, currency: str, kind: Kind = Kind.REFUND) -> Proof | None:
    """The proof that an amount asks for, by the password sent along; it goes no further than here.

    Raises `ProofMissing` and `SignInRefused`.
    """
    if not queries.needs_proof(amount, currency, kind):
        return None
    address = (request.remote_addr or "")[:45]
    return confirm_identity(current_user, request.form.get("password", ""), address=address)


def words_about(unproven: DomainError | None) -> str | None:
    """What is wrong with a password; which e-mail it belongs to is no question here."""
    if isinstance(unproven, SignInRefused) and not isinstance(unproven, SignInThrottled):
        return str(_("This is not your password."))
    return unproven.message if unproven else None


def asking_to_wait(response: Any, unproven: DomainError | None) -> Any:
    """The answer, with how long to wait where too many passwords were wrong."""
    if isinstance(unproven, SignInThrottled):
        response.headers["Retry-After"] = str(unproven.retry_after)
    return response
