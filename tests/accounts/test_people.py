"""Who may sign in: invited once, never without a super admin, and out at once when access is taken away."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import text

from app import clock
from app.access.permissions import Role
from app.accounts import people, service
from app.accounts.models import Invitation, User
from app.audit.models import AuditEntry
from app.errors import DomainError, NotFound
from app.extensions import db
from tests.factories import PASSWORD, make_user

NEW = "new@example.com"


def invite(by: User, email: str = NEW, role: Role = Role.ADMIN) -> str:
    return people.invite(email, "박새로", role, by=by)


def actions() -> set[str]:
    return set(db.session.scalars(db.select(AuditEntry.action)))


def test_an_invited_person_chooses_a_password_and_signs_in(super_admin):
    user = people.accept_invitation(invite(super_admin), PASSWORD)
    assert (user.email, user.name, user.role) == (NEW, "박새로", "admin")
    assert service.sign_in(NEW, PASSWORD).id == user.id
    assert {"account.invited", "account.invitation_accepted"} <= actions()


def test_a_link_works_once(super_admin):
    token = invite(super_admin)
    people.accept_invitation(token, PASSWORD)
    with pytest.raises(NotFound):
        people.accept_invitation(token, PASSWORD)
    assert db.session.query(User).filter_by(email=NEW).count() == 1


def test_a_link_ends_with_its_time_and_with_the_next_one(super_admin):
    first, second = invite(super_admin), invite(super_admin)
    with pytest.raises(NotFound):
        people.get_open_invitation(first)
    with clock.fixed_at(clock.now() + people.INVITED_FOR + timedelta(seconds=1)), pytest.raises(NotFound):
        people.get_open_invitation(second)


def test_an_invitation_can_be_taken_back(super_admin):
    token = invite(super_admin)
    invitation = people.get_open_invitation(token)
    people.revoke_invitation(invitation.id, by=super_admin)
    people.revoke_invitation(invitation.id, by=super_admin)
    with pytest.raises(NotFound):
        people.accept_invitation(token, PASSWORD)


def test_the_secret_of_a_link_is_not_kept(super_admin):
    token = invite(super_admin)
    kept = db.session.execute(text("SELECT * FROM invitations")).mappings().one()
    assert token not in str(dict(kept))


def test_nobody_is_invited_twice_or_to_nowhere(super_admin, admin):
    for email in (admin.email, "Owner@Example.com", "no address", "a b@example.com"):
        with pytest.raises(DomainError):
            invite(super_admin, email)
    assert db.session.query(Invitation).count() == 0


def test_a_short_password_leaves_the_link_as_it_was(super_admin):
    token = invite(super_admin)
    with pytest.raises(DomainError):
        people.accept_invitation(token, "short")
    assert people.get_open_invitation(token).email == NEW


def test_the_last_super_admin_stays(super_admin):
    with pytest.raises(DomainError):
        people.deactivate(super_admin.id, by=super_admin)
    with pytest.raises(DomainError):
        people.change_role(super_admin.id, Role.ADMIN, by=super_admin)
    assert db.session.get(User, super_admin.id).role == "super_admin"


def test_two_super_admins_who_demote_each_other_leave_one(app, super_admin):
    other = make_user(role="super_admin", email="other@example.com")
    start = threading.Barrier(2)

    def demote(user_id, by_id):
        with app.app_context():
            start.wait()
            try:
                people.change_role(user_id, Role.ADMIN, by=db.session.get(User, by_id))
            except DomainError:
                db.session.rollback()

    pairs = [(super_admin.id, other.id), (other.id, super_admin.id)]
    db.session.commit()
    threads = [threading.Thread(target=demote, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert db.session.query(User).filter_by(role="super_admin", is_active=True).count() == 1


def test_who_loses_access_is_out_at_once(app, super_admin, admin, client):
    client.sign_in(admin)
    people.deactivate(admin.id, by=super_admin)
    assert client.get("/payments").location.startswith("/login")
    with pytest.raises(service.SignInRefused):
        service.sign_in(admin.email, PASSWORD)
    people.reactivate(admin.id, by=super_admin)
    assert service.sign_in(admin.email, PASSWORD).id == admin.id


def test_a_new_role_needs_a_new_sign_in(app, super_admin, admin, client):
    client.sign_in(admin)
    people.change_role(admin.id, Role.SUPER_ADMIN, by=super_admin)
    people.change_role(admin.id, Role.SUPER_ADMIN, by=super_admin)  # pressed twice
    assert client.get("/").location.startswith("/login")
    assert app.test_client().sign_in(admin).get("/admins").status_code == 200


def test_a_customer_is_no_admin(super_admin, customer):
    for change in (people.deactivate, people.end_sessions, people.reactivate):
        with pytest.raises(NotFound):
            change(customer.id, by=super_admin)


def test_who_forgot_the_password_chooses_a_new_one_by_a_link(client, super_admin, admin):
    client.sign_in(admin)
    token = people.make_reset_link(admin.id, by=super_admin)
    assert service.sign_in(admin.email, PASSWORD).id == admin.id
    people.accept_invitation(token, "another long password")
    assert client.get("/").status_code == 302
    with pytest.raises(service.SignInRefused):
        service.sign_in(admin.email, PASSWORD)
    assert service.sign_in(admin.email, "another long password").id == admin.id
    with pytest.raises(NotFound):
        people.accept_invitation(token, PASSWORD)
    assert {"account.reset_link_made", "account.password_reset"} <= actions()


def test_a_new_password_does_not_go_round_the_second_factor(super_admin, admin):
    admin.totp_sealed, admin.totp_confirmed_at = "sealed", clock.now()
    people.accept_invitation(people.make_reset_link(admin.id, by=super_admin), "another long password")
    with pytest.raises(service.CodeNeeded):
        service.sign_in(admin.email, "another long password")


def test_a_link_for_a_new_password_gives_no_access_back_and_ends_after_a_day(super_admin, admin):
    token = people.make_reset_link(admin.id, by=super_admin)
    people.deactivate(admin.id, by=super_admin)
    with pytest.raises(NotFound):
        people.accept_invitation(token, "another long password")
    people.reactivate(admin.id, by=super_admin)
    with clock.fixed_at(clock.now() + people.RESET_FOR), pytest.raises(NotFound):
        people.accept_invitation(token, "another long password")
