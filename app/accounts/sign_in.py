"""The sign-in page, and signing out."""

from datetime import timedelta
from uuid import UUID

from flask import Blueprint, Response, current_app, redirect, request, session, url_for
from flask_login import current_user, login_user, logout_user
from werkzeug.wrappers import Response as BaseResponse

from app import clock
from app.access.guards import public, require
from app.access.permissions import Permission
from app.accounts import devices, service
from app.accounts.forms import CodeForm, SignInForm, local_path
from app.accounts.models import User
from app.web.htmx import render, see_other

#: How long a right password waits for its code.
PENDING_FOR = timedelta(minutes=5)

_PENDING = "pending_sign_in"

#: How long a browser is known after the last sign-in with it.
_HALF_A_YEAR = 182 * 24 * 60 * 60

sign_in = Blueprint("sign_in", __name__)


@sign_in.get("/login")
@public
def new() -> BaseResponse:
    """The form; whoever is signed in already goes on."""
    onward = local_path(request.args.get("next"))
    if current_user.is_authenticated:
        return redirect(onward or url_for("overview.index"))
    return render("sign_in/new.html", form=SignInForm(data={"next": onward}))


@sign_in.post("/login")
@public
def create() -> BaseResponse:
    """Sign in, into a session that nobody knew before."""
    pending = _pending()
    if pending is not None and "code" in request.form and "password" not in request.form:
        return _finish(pending)
    form = SignInForm(request.form)
    if not form.validate():
        return render("sign_in/new.html", form=form, status=422)
    try:
        user = service.sign_in(form.email.data, form.password.data, form.code.data or "", browser=_browser())
    except service.CodeNeeded as needed:
        return _ask_for_code(needed.pending, form.next.data)
    except service.SignInRefused as refusal:
        return _refused("sign_in/new.html", form, refusal)
    return _welcome(user, form.next.data)


def _finish(pending: service.PendingSignIn) -> BaseResponse:
    """The second step: the code alone."""
    form = CodeForm(request.form)
    if not form.validate():
        return render("sign_in/code.html", form=form, status=422)
    try:
        user = service.sign_in_with_code(pending, form.code.data, browser=_browser())
    except service.SignInRefused as refusal:
        return _refused("sign_in/code.html", form, refusal)
    return _welcome(user, form.next.data)


def _ask_for_code(pending: service.PendingSignIn, onward: str | None) -> BaseResponse:
    """Remember for a few minutes, in the signed cookie, whose password was right."""
    ends_at = int((clock.now() + PENDING_FOR).timestamp())
    session[_PENDING] = {"user_id": str(pending.user_id), "proof": pending.proof, "ends_at": ends_at}
    return render("sign_in/code.html", form=CodeForm(data={"next": onward}))


def _pending() -> service.PendingSignIn | None:
    kept = session.get(_PENDING)
    if not kept or kept["ends_at"] < clock.now().timestamp():
        return None
    return service.PendingSignIn(UUID(kept["user_id"]), kept["proof"])


def _welcome(user: User, onward: str | None) -> BaseResponse:
    session.clear()
    login_user(user)
    response = see_other(onward or url_for("overview.index"))
    response.set_cookie(
        current_app.config["DEVICE_COOKIE_NAME"],
        devices.remember(_device_cookie(), user.email or ""),
        max_age=_HALF_A_YEAR,
        httponly=True,
        samesite="Lax",
        secure=current_app.config["SESSION_COOKIE_SECURE"],
    )
    return response


def _browser() -> service.Browser:
    return service.Browser(
        address=(request.remote_addr or "")[:45],
        user_agent=request.user_agent.string,
        replacing=_sign_in_id(),
        device_cookie=_device_cookie(),
    )


def _device_cookie() -> str:
    return request.cookies.get(current_app.config["DEVICE_COOKIE_NAME"], "")


@sign_in.post("/logout")
@require(Permission.ACCOUNT_MANAGE)
def delete() -> BaseResponse:
    """Sign out; a copy of the cookie is worth nothing afterwards."""
    service.sign_out(by=current_user)
    logout_user()
    session.clear()
    response = see_other(url_for("sign_in.new"))
    response.headers["Clear-Site-Data"] = '"cache", "storage"'  # not the cookies: the browser stays known
    return response


def _sign_in_id() -> UUID | None:
    sign_in_id: UUID | None = current_user.sign_in.id if current_user.is_authenticated else None
    return sign_in_id


def _refused(template: str, form: SignInForm | CodeForm, refusal: service.SignInRefused) -> Response:
    response = render(template, form=form, problem=refusal.message, status=refusal.status)
    if isinstance(refusal, service.SignInThrottled):
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response
