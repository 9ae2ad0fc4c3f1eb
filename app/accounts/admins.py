"""The page about who may sign in, and the one an invited person comes to."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, current_app, flash, request, session, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user, logout_user
from werkzeug.wrappers import Response as BaseResponse

from app.access.guards import public, require
from app.access.matrix import list_rights
from app.access.permissions import Permission, Role
from app.accounts import people, queries
from app.accounts.browsers import browser_of
from app.accounts.forms import FirstPasswordForm, InvitationForm, LimitsForm
from app.accounts.limits import LIMITS, limits_of
from app.accounts.models import User
from app.errors import DomainError
from app.web.htmx import render, see_other

admins = Blueprint("admins", __name__)


@admins.get("/admins")
@require(Permission.ADMIN_MANAGE)
def index() -> Response:
    """Everybody who may sign in, and who is invited."""
    return _page(InvitationForm())


@admins.post("/admins")
@require(Permission.ADMIN_MANAGE)
def invite() -> Response:
    """Invite somebody; this page is the only one that ever shows the link."""
    form = InvitationForm(request.form)
    if not form.validate():
        return _page(form, status=422)
    try:
        token = people.invite(form.email.data, form.name.data or "", Role(form.role.data), by=current_user)
    except DomainError as refusal:
        form.email.errors = [refusal.message]
        return _page(form, status=refusal.status)
    return _page(InvitationForm(), invited=form.email.data, link=_address_of(token))


@admins.post("/admins/invitations/<uuid:invitation_id>/revoke")
@require(Permission.ADMIN_MANAGE)
def revoke(invitation_id: UUID) -> BaseResponse:
    """Take an invitation back."""
    people.revoke_invitation(invitation_id, by=current_user)
    return see_other(url_for("admins.index"))


@admins.get("/admins/permissions")
@require(Permission.ADMIN_MANAGE)
def permissions() -> Response:
    """What each role may do, and which addresses that opens."""
    return render("admins/permissions.html", rights=list_rights(), roles=(Role.ADMIN, Role.SUPER_ADMIN))


@admins.get("/admins/<uuid:user_id>")
@require(Permission.ADMIN_MANAGE)
def show(user_id: UUID) -> Response:
    """One person: access, limits, and the browsers they are signed in with."""
    return _person_page(people.get_admin(user_id))


@admins.post("/admins/<uuid:user_id>/limits")
@require(Permission.ADMIN_MANAGE)
def update_limits(user_id: UUID) -> BaseResponse:
    """Give a person limits of their own, or let the role's hold again."""
    person = people.get_admin(user_id)
    form = LimitsForm(request.form, person=person)
    if not form.validate():
        return _person_page(person, form, status=422)
    try:
        has_changed = people.change_limits(user_id, form.wanted(), by=current_user, seen=form.seen.data)
    except people.LimitsMoved as refusal:
        person = people.get_admin(user_id)
        form.seen.data = people.mark_of_limits(person)
        return _person_page(person, form, status=refusal.status, refusal=refusal)
    flash(_("Saved.") if has_changed else _("Nothing was different."), "success")
    return see_other(url_for("admins.show", user_id=user_id))


@admins.post("/admins/<uuid:user_id>/password-link")
@require(Permission.ADMIN_MANAGE)
def make_password_link(user_id: UUID) -> Response:
    """Let a person choose a new password; this page is the only one that ever shows the link."""
    link = _address_of(people.make_reset_link(user_id, by=current_user))
    return _person_page(people.get_admin(user_id), link=link)


@admins.post("/admins/<uuid:user_id>/sign-ins/<uuid:sign_in_id>/end")
@require(Permission.ADMIN_MANAGE)
def end_sign_in(user_id: UUID, sign_in_id: UUID) -> BaseResponse:
    """Sign a person out of one browser."""
    people.end_session(user_id, sign_in_id, by=current_user)
    flash(_("The session has been signed out."), "success")
    return see_other(url_for("admins.show", user_id=user_id))


@admins.post("/admins/<uuid:user_id>/<action>")
@require(Permission.ADMIN_MANAGE)
def act(user_id: UUID, action: str) -> BaseResponse:
    """Change a role, take access away or give it back, end sessions."""
    if action not in _ACTIONS:
        abort(404)
    carry_out, said = _ACTIONS[action]
    carry_out(user_id)
    flash(str(said), "success")
    return see_other(url_for("admins.show", user_id=user_id))


@admins.get("/invitations/<token>")
@public
def accept_form(token: str) -> Response:
    """What the invited person sees: who they will be, and a password to choose."""
    return render(
        "admins/accept.html", invitation=people.get_open_invitation(token), form=FirstPasswordForm()
    )


@admins.post("/invitations/<token>")
@public
def accept(token: str) -> BaseResponse:
    """Make the account; whoever else was signed in with this browser is signed out."""
    invitation = people.get_open_invitation(token)
    form = FirstPasswordForm(request.form)
    if not form.validate():
        return render("admins/accept.html", invitation=invitation, form=form, status=422)
    people.accept_invitation(token, form.new_password.data)
    logout_user()
    session.clear()
    flash(_("Your account is ready. Sign in with your new password."), "success")
    return see_other(url_for("sign_in.new"))


def _change_role(user_id: UUID) -> None:
    role = request.form.get("role", "")
    if role not in {Role.ADMIN, Role.SUPER_ADMIN}:
        raise DomainError(_("Only an admin or a super admin can sign in."), status=422)
    people.change_role(user_id, Role(role), by=current_user)


#: What a button does, and what is said afterwards.
_ACTIONS: dict[str, tuple[Callable[[UUID], None], Any]] = {
    "role": (_change_role, _l("The role is changed. The person signs in anew.")),
    "deactivate": (
        lambda user_id: people.deactivate(user_id, by=current_user),
        _l("Access is taken away, and every session ended."),
    ),
    "reactivate": (
        lambda user_id: people.reactivate(user_id, by=current_user),
        _l("Access is given back."),
    ),
    "take-away-second-factor": (
        lambda user_id: people.take_away_second_factor(user_id, by=current_user),
        _l("The second factor is taken away, and every session ended."),
    ),
    "sign-out": (
        lambda user_id: people.end_sessions(user_id, by=current_user),
        _l("The person is signed out everywhere."),
    ),
}


def _page(form: InvitationForm, *, status: int = 200, **shown: Any) -> Response:
    return render(
        "admins/index.html",
        status=status,
        form=form,
        people=people.list_admins(),
        machines=people.list_machines(),
        invitations=people.list_open_invitations(),
        **shown,
    )


def _address_of(token: str) -> str:
    return str(current_app.config["SETTINGS"].public_url + url_for("admins.accept_form", token=token))


def _person_page(
    person: User, form: LimitsForm | None = None, *, status: int = 200, **shown: Any
) -> Response:
    return render(
        "admins/show.html",
        status=status,
        person=person,
        form=form or LimitsForm(person=person),
        limits={name: limits_of(person, name) for name in LIMITS},
        sign_ins=queries.list_live_sign_ins(person.id),
        browser_of=browser_of,
        **shown,
    )
