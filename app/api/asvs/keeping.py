"""What is kept, and how it runs: chapters V11 to V17."""

from flask_babel import lazy_gettext as _l

from app.api.asvs.model import Section, State

SECTIONS = (
    Section(
        "V11.1",
        State.PARTLY,
        _l("Keys are named in the README and can be replaced; a written policy of when is the operator's."),
        (
            "test_rotation.py::test_the_old_key_is_not_needed_any_more",
            "test_rotation.py::test_no_sealed_column_is_forgotten",
        ),
    ),
    Section(
        "V11.2, V11.3",
        State.MET,
        _l(
            "Account numbers, billing keys and second factors are sealed by Fernet of the library "
            "cryptography: AES-128-CBC, then HMAC-SHA256, newest key first."
        ),
        (
            "refunds/test_service.py::test_the_account_number_stands_nowhere_in_the_clear",
            "webhooks/test_endpoint.py::test_a_billing_key_is_sealed_hashed_and_masked",
        ),
    ),
    Section(
        "V11.4",
        State.PARTLY,
        _l(
            "Passwords by Argon2id, the audit trail by SHA-256. Flask signs its cookies by HMAC-SHA1: still "
            "unbroken, and no longer advised."
        ),
        ("accounts/test_service.py::test_a_hash_of_yesterdays_cost_is_renewed_by_the_next_sign_in",),
    ),
    Section(
        "V11.5",
        State.MET,
        _l("Sessions, links and tokens have 256 random bits of the operating system."),
        ("api/test_tokens.py::test_a_token_is_kept_as_a_hash_alone",),
    ),
    Section(
        "V11.6",
        State.NOT_APPLICABLE,
        _l("No public keys of our own."),
    ),
    Section(
        "V12.1, V12.2",
        State.PARTLY,
        _l(
            "The proxy in front speaks TLS, and its versions are the operator's; doctor warns of a "
            "PUBLIC_URL without https."
        ),
        (
            "hostile/test_sessions.py::test_over_https_every_cookie_is_bound_to_this_host_and_kept_from_scripts",
        ),
    ),
    Section(
        "V12.3",
        State.PARTLY,
        _l(
            "PortOne and alerts are reached over https with certificates checked. TLS to the database is "
            "what DATABASE_URL says (sslmode=verify-full)."
        ),
        (
            "test_config.py::test_a_malformed_setting_is_named",
            "alerts/test_channels.py::test_a_mail_server_without_encryption_is_refused_where_it_was_asked_for",
        ),
    ),
    Section(
        "V13.1, V13.2",
        State.PARTLY,
        _l(
            "It connects to the database, PortOne, and the alert address and mail server that a super admin "
            "set; the web signs in to the database as a role that owns nothing. There is no list of allowed "
            "hosts beyond that, and the API secret of PortOne does not expire by itself."
        ),
        (
            "test_row_security_roles.py::test_the_serving_role_cannot_take_the_fences_down",
            "test_row_security_roles.py::test_the_whole_app_runs_as_the_serving_role",
        ),
    ),
    Section(
        "V13.3",
        State.PARTLY,
        _l(
            "Secrets come from the environment, never from files of the project, and stand in no log; a "
            "vault is the operator's."
        ),
        (
            "test_logs.py::test_no_secret_is_written",
            "test_config.py::test_no_secret_shows_in_a_repr",
        ),
    ),
    Section(
        "V13.4",
        State.MET,
        _l("No debug mode, no listings, no TRACE; /metrics is for the machine itself or a token."),
        (
            "test_metrics.py::test_nobody_from_outside_reads_it",
            "web/test_error_pages.py::test_a_failure_tells_an_id_that_the_log_explains",
        ),
    ),
    Section(
        "V14.1, V14.2",
        State.MET,
        _l(
            "What is sealed, masked and erased after its days is marked in the code. Nothing secret stands "
            "in an address, pages are not kept, and each whole view and export leaves a reason."
        ),
        (
            "payments/test_views.py::test_a_billing_key_is_searched_by_post_and_stays_out_of_addresses",
            "refunds/test_accounts.py::test_a_super_admin_sees_the_number_once_and_leaves_a_trace",
            "refunds/test_accounts.py::test_the_number_is_erased_when_it_is_done_with",
        ),
    ),
    Section(
        "V14.3",
        State.MET,
        _l(
            "Browsers keep nothing but cookies: no-store on every page, no storage of scripts, and signing "
            "out clears what there may be."
        ),
        (
            "hostile/test_requests.py::test_every_answer_forbids_frames_scripts_and_keeping",
            "hostile/test_sessions.py::test_signing_out_clears_what_a_browser_may_have_kept",
        ),
    ),
    Section(
        "V15.1, V15.2",
        State.PARTLY,
        _l(
            "Dependencies are few and bounded; when they are updated is the operator's. Long work runs in "
            "workers, and a slow search is given up."
        ),
    ),
    Section(
        "V15.3",
        State.MET,
        _l(
            "Forms name every field they take, answers are built field by field, PortOne's redirects are "
            "not followed, and one proxy tells the address."
        ),
        (
            "hostile/test_contents.py::test_no_further_field_of_a_refund_decides_about_it",
            "hostile/test_contents.py::test_no_further_field_makes_an_invited_person_more_than_they_are",
            "portone/test_transport.py::test_redirects_are_not_followed",
        ),
    ),
    Section(
        "V16.1",
        State.PARTLY,
        _l(
            "The audit trail lies in the database for ever, logs go to standard error; how long those are "
            "kept is the operator's."
        ),
    ),
    Section(
        "V16.2",
        State.MET,
        _l(
            "Each line has a moment in UTC, a request id, and as JSON its parts by name; secrets are taken "
            "out."
        ),
        (
            "test_logs.py::test_a_json_line_is_one_object_a_line",
            "test_logs.py::test_each_answer_names_its_request",
        ),
    ),
    Section(
        "V16.3",
        State.MET,
        _l(
            "Every sign-in, right or wrong, and every decision is in the audit trail; a refused permission "
            "is in the log."
        ),
        (
            "accounts/test_service.py::test_the_audit_trail_tells_the_whole_story_and_holds",
            "refunds/test_service.py::test_every_step_of_a_refund_is_in_the_audit_trail",
            "hostile/test_ids.py::test_a_refused_permission_is_in_the_log",
        ),
    ),
    Section(
        "V16.4",
        State.PARTLY,
        _l(
            "The trail takes no change, not even by the serving role; a hash chain shows one, and anchors "
            "in the workers' log show a cut. Sending logs to another machine is the operator's."
        ),
        (
            "audit/test_service.py::test_the_database_itself_refuses_every_change",
            "audit/test_service.py::test_a_change_of_any_column_is_found",
            "audit/test_service.py::test_entries_cut_off_at_the_end_are_found_by_an_anchor_noted_before",
        ),
    ),
    Section(
        "V16.5",
        State.MET,
        _l("What breaks shows an id and no internals; a PortOne that is silent leaves the money on hold."),
        (
            "web/test_error_pages.py::test_a_failure_tells_an_id_that_the_log_explains",
            "refunds/test_service.py::test_silence_keeps_the_money_on_hold",
        ),
    ),
    Section(
        "V17",
        State.NOT_APPLICABLE,
        _l("No WebRTC."),
    ),
)
