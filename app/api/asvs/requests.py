"""What comes in and goes out: chapters V1 to V5."""

from flask_babel import lazy_gettext as _l

from app.api.asvs.model import Section, State

SECTIONS = (
    Section(
        "V1.1",
        State.MET,
        _l("Text is kept as it was typed, decoded once where it enters and escaped where it leaves."),
        ("web/test_requests.py::test_a_payment_id_of_any_characters_comes_back_as_it_was",),
    ),
    Section(
        "V1.2",
        State.MET,
        _l(
            "Templates escape by themselves and only words of our own count as safe; SQL has parameters; no "
            "shell is called; cells of files are no formulas."
        ),
        (
            "hostile/test_contents.py::test_no_name_becomes_a_script_on_any_page",
            "hostile/test_contents.py::test_no_name_becomes_a_formula_in_any_file",
            "test_templates.py::test_only_words_of_our_own_are_asked_for_in_another_language",
        ),
    ),
    Section(
        "V1.3",
        State.MET,
        _l(
            "No HTML, Markdown or SVG comes from people, and nothing is evaluated. Requests go out to "
            "PortOne and to the alert address that a super admin set, over https and without redirects."
        ),
        (
            "alerts/test_channels.py::test_only_https_is_spoken",
            "alerts/test_channels.py::test_no_redirect_is_followed",
        ),
    ),
    Section(
        "V1.4",
        State.MET,
        _l("Python manages memory; amounts are bounded before they reach the 64 bits of the database."),
        ("web/test_forms.py::test_an_amount_that_cannot_be_read_gets_a_sentence_and_stays_in_its_box",),
    ),
    Section(
        "V1.5",
        State.MET,
        _l(
            "Only JSON is read into plain values; spreadsheets are read without entities and with a bound "
            "on what they unpack to."
        ),
        (
            "bulk_refunds/test_files.py::test_entities_in_a_workbook_are_not_expanded",
            "bulk_refunds/test_files.py::test_a_small_file_that_unpacks_to_a_huge_one_is_refused",
        ),
    ),
    Section(
        "V2.1",
        State.PARTLY,
        _l(
            "Rules of money stand under Settings, in the rules panel of a refund and in the API document; "
            "there is no separate document of every field."
        ),
    ),
    Section(
        "V2.2",
        State.MET,
        _l("Every form and message is validated on the server; what the browser checks is comfort only."),
        (
            "web/test_forms.py::test_control_characters_are_refused_in_a_sentence",
            "api/test_tokens.py::test_a_body_that_cannot_be_read_is_told_so",
        ),
    ),
    Section(
        "V2.3",
        State.MET,
        _l(
            "A refund is decided under a lock, once for an intent, within limits for a person and a day, "
            "and with a second person above a threshold."
        ),
        (
            "journeys/test_at_once.py::test_thirty_identical_presses_are_one_cancel",
            "accounts/test_limits.py::test_two_refunds_at_once_do_not_both_take_what_is_left_of_the_day",
            "approvals/test_service.py::test_a_threshold_needs_two_who_may_approve",
        ),
    ),
    Section(
        "V2.4",
        State.PARTLY,
        _l(
            "Signing in, the API and webhooks are throttled and long work runs in the background; pages of "
            "signed-in staff are not."
        ),
        (
            "api/test_tokens.py::test_who_asks_too_often_waits",
            "webhooks/test_endpoint.py::test_of_a_flood_few_messages_are_written_and_all_are_counted",
        ),
    ),
    Section(
        "V3.2",
        State.MET,
        _l("Every answer says nosniff, files come as attachments, and scripts write text only."),
        ("hostile/test_requests.py::test_every_answer_forbids_frames_scripts_and_keeping",),
    ),
    Section(
        "V3.3",
        State.MET,
        _l(
            "Over https every cookie is Secure, HttpOnly where it is secret, SameSite=Lax and bound to this "
            "host by __Host-. Over http, for trying out, it cannot be."
        ),
        (
            "hostile/test_sessions.py::test_over_https_every_cookie_is_bound_to_this_host_and_kept_from_scripts",
        ),
    ),
    Section(
        "V3.4",
        State.PARTLY,
        _l(
            "All headers are on every answer. HSTS lasts a year but leaves subdomains out: other hosts of "
            "the merchant may not speak https yet."
        ),
        ("hostile/test_requests.py::test_every_answer_forbids_frames_scripts_and_keeping",),
    ),
    Section(
        "V3.5",
        State.MET,
        _l(
            "Every form carries the token of its own session, nothing changes by GET, and the API takes "
            "JSON with a bearer token only."
        ),
        (
            "hostile/test_requests.py::test_every_form_needs_the_token_of_its_own_session",
            "hostile/test_requests.py::test_a_signed_in_session_opens_nothing_of_the_api",
        ),
    ),
    Section(
        "V3.7",
        State.MET,
        _l("No plug-ins; no way on leads to another site."),
        ("hostile/test_requests.py::test_no_way_on_leads_to_another_site_or_into_a_header",),
    ),
    Section(
        "V4.1",
        State.MET,
        _l(
            "Answers name their type and charset; one proxy's headers are believed, and only over https; "
            "hosts that are not ours are refused."
        ),
        (
            "hostile/test_requests.py::test_another_hosts_name_is_refused_where_ours_is_known",
            "hostile/test_requests.py::test_what_people_name_does_not_split_a_header",
        ),
    ),
    Section(
        "V4.2",
        State.MET,
        _l("gunicorn decides where a message ends; bodies and forms are bounded."),
        (
            "hostile/test_requests.py::test_a_form_of_too_many_parts_or_too_much_text_is_refused",
            "webhooks/test_endpoint.py::test_more_than_one_mebibyte_is_refused_unread",
        ),
    ),
    Section(
        "V4.3, V4.4",
        State.NOT_APPLICABLE,
        _l("No GraphQL, no WebSocket."),
    ),
    Section(
        "V5.1",
        State.MET,
        _l("The page that takes a file says which kinds it takes, how large, and with how many rows."),
        ("bulk_refunds/test_views.py::test_a_file_that_cannot_be_used_is_told_beside_its_field",),
    ),
    Section(
        "V5.2",
        State.PARTLY,
        _l(
            "Only lists of refunds are uploaded: bounded in size, rows and unpacked size, read by content. "
            "They are not scanned for viruses, and never served again as they came."
        ),
        (
            "bulk_refunds/test_files.py::test_a_file_that_cannot_be_used_is_told_why",
            "bulk_refunds/test_files.py::test_a_hundred_thousand_rows_are_refused_without_reading_them_all",
        ),
    ),
    Section(
        "V5.3, V5.4",
        State.MET,
        _l(
            "Files lie in the database under ids of our own, and leave under names of our own, to whom they "
            "belong."
        ),
        ("exports/test_views.py::test_nobody_else_finds_the_file_but_a_super_admin",),
    ),
)
