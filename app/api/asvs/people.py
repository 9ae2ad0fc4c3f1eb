"""Who one is, and what one may do: chapters V6 to V10."""

from flask_babel import lazy_gettext as _l

from app.api.asvs.model import Section, State

SECTIONS = (
    Section(
        "V6.1",
        State.MET,
        _l(
            "After 10 wrong passwords within 15 minutes an account waits 15 minutes, for strangers; a "
            "browser that signed in before, and a signed-in session, count their own. After 100 from one "
            "address (a setting) that address waits. Ways in: password and code here, bearer tokens at the "
            "API."
        ),
        (
            "accounts/test_throttling.py::test_a_stranger_who_guesses_for_ever_does_not_shut_the_owner_out",
            "accounts/test_throttling.py::test_one_address_does_not_try_every_account",
        ),
    ),
    Section(
        "V6.2",
        State.MET,
        _l(
            "12 to 200 characters of any kind; what is guessed first is refused: common passwords, rows of "
            "keys, Korean words typed on English keys, the product's words, one's own name. No rotation is "
            "asked for."
        ),
        (
            "accounts/test_passwords.py::test_a_password_that_is_guessed_first_is_refused",
            "accounts/test_passwords.py::test_ones_own_name_and_address_are_guessed_first_too",
        ),
    ),
    Section(
        "V6.3",
        State.PARTLY,
        _l(
            "A second factor is there for everybody and can be required for each role; a fresh install "
            "requires none. Unknown and wrong are answered alike."
        ),
        (
            "accounts/test_second_factor_pages.py::test_whose_role_needs_one_sets_it_before_anything_else",
            "accounts/test_service.py::test_a_wrong_password_and_an_unknown_email_get_the_same_answer",
        ),
    ),
    Section(
        "V6.4",
        State.MET,
        _l(
            "Links for a first or a new password are random, work once and end; a new password leaves the "
            "second factor in place. Who lost phone and codes is let in by a super admin, whose "
            "organisation has to know who asks."
        ),
        (
            "accounts/test_people.py::test_a_link_works_once",
            "accounts/test_people.py::test_a_new_password_does_not_go_round_the_second_factor",
        ),
    ),
    Section(
        "V6.5",
        State.PARTLY,
        _l(
            "Codes and recovery codes work once; recovery codes have 118 bits and are kept as hashes. A "
            "code is taken for half a minute more on either side, as phones' clocks are off."
        ),
        (
            "accounts/test_second_factor.py::test_the_right_code_opens_once",
            "accounts/test_second_factor.py::test_one_that_is_further_off_is_not",
            "accounts/test_second_factor.py::test_the_secret_and_the_codes_are_not_readable_in_the_database",
        ),
    ),
    Section(
        "V6.6, V6.8",
        State.NOT_APPLICABLE,
        _l("No SMS, push or e-mail codes; no other identity provider."),
    ),
    Section(
        "V7.1",
        State.MET,
        _l(
            "A session ends after 8 hours without use and after 7 days in any case; both are settings. That "
            "is longer than NIST advises: staff work in it all day, and what moves much money can ask for "
            "the password again. There is no bound on sessions at once; each is listed and can be ended."
        ),
        ("accounts/test_person_page.py::test_shorter_sessions_hold_for_those_that_are_open_already",),
    ),
    Section(
        "V7.2",
        State.MET,
        _l(
            "The cookie holds a random reference of 256 bits, of which the database keeps a hash; signing "
            "in makes a new one and ends the one before."
        ),
        (
            "hostile/test_sessions.py::test_a_session_fixed_before_the_sign_in_is_another_one_after_it",
            "hostile/test_sessions.py::test_signing_in_again_makes_a_new_secret_and_ends_the_old_one",
            "hostile/test_sessions.py::test_the_database_alone_opens_no_session",
        ),
    ),
    Section(
        "V7.3",
        State.MET,
        _l("Both ends are looked at on every request."),
        (
            "accounts/test_service.py::test_a_session_nobody_uses_ends_after_eight_hours",
            "accounts/test_service.py::test_a_session_in_use_ends_after_seven_days",
        ),
    ),
    Section(
        "V7.4",
        State.MET,
        _l(
            "Signing out, losing access or role, and a new password end sessions on the server; a super "
            "admin ends one or all of anybody's."
        ),
        (
            "hostile/test_sessions.py::test_a_captured_cookie_is_worth_nothing_once_the_session_is_over",
            "accounts/test_person_page.py::test_the_sessions_of_a_person_are_listed_and_one_is_ended",
        ),
    ),
    Section(
        "V7.5",
        State.PARTLY,
        _l(
            "The password is asked again for a new password, the second factor, and refunds above a "
            "threshold; not for ending a session."
        ),
        (
            "accounts/test_second_factor_pages.py::test_an_unattended_session_sets_none",
            "approvals/test_service.py::test_a_proof_is_of_ones_own_password",
        ),
    ),
    Section(
        "V7.6",
        State.NOT_APPLICABLE,
        _l("No federated sign-in."),
    ),
    Section(
        "V8.1",
        State.MET,
        _l(
            "One table says which role holds which permission; the pages Permissions and Addresses are made "
            "from it."
        ),
        ("test_routes.py::test_the_matrix_that_is_shown_is_what_the_app_does",),
    ),
    Section(
        "V8.2",
        State.MET,
        _l(
            "Every route names its permission or is on a short public list; every route with an id says "
            "whose it is. On PostgreSQL row-level security shows nothing to a query that forgot to ask."
        ),
        (
            "test_routes.py::test_every_route_says_who_may_or_that_anybody_may",
            "hostile/test_ids.py::test_what_belongs_to_another_is_not_there",
            "test_row_security_roles.py::test_the_serving_role_sees_what_it_is_asked_for_and_nothing_unasked",
        ),
    ),
    Section(
        "V8.3",
        State.MET,
        _l(
            "Rights are read on the server at every request, so that a change holds at once; personal data "
            "is masked by permission."
        ),
        (
            "test_routes.py::test_who_loses_the_role_loses_every_page_at_once",
            "exports/test_views.py::test_an_admin_cannot_ask_for_unmasked_data",
        ),
    ),
    Section(
        "V8.4",
        State.NOT_APPLICABLE,
        _l("One store has one install."),
    ),
    Section(
        "V9.1, V9.2",
        State.MET,
        _l(
            "Signed values are kept in cookies for two things that open nothing alone: that a right "
            "password waits five minutes for its code, and that a browser is known."
        ),
        (
            "accounts/test_second_factor.py::test_a_right_password_waits_five_minutes_for_its_code",
            "accounts/test_throttling.py::test_a_cookie_nobody_here_made_is_a_strangers",
        ),
    ),
    Section(
        "V10",
        State.NOT_APPLICABLE,
        _l("No OAuth and no OIDC."),
    ),
)
