"""The settings page: each kind of setting, what is wrong told beside it, and two people at once."""

import re
from typing import Any

import pytest
from sqlalchemy import text

from app.accounts.models import User
from app.extensions import db
from app.settings import service as settings
from app.settings.catalogue import CATALOGUE, Kind, Setting
from app.settings.rules import _rules
from tests.conftest import Browser, on_both_databases, pages_on_one_database

pytestmark = pages_on_one_database

THRESHOLD = "refund_limit_admin"


@pytest.fixture
def owner(client: Browser, super_admin: User) -> Browser:
    return client.sign_in(super_admin)


def hidden(page: str, section: str = "refunds") -> dict[str, str]:
    form = page.split(f'<section class="panel" id="{section}"')[1]
    seen = re.search(r'name="seen"[^>]*value="([^"]*)"', form)
    assert seen
    return {"section": section, "seen": seen[1]}


def typed(page: str, **changes: Any) -> dict[str, Any]:
    defaults = {"refund_approval_hours": "72", "refund_account_days": "30"}
    return {**hidden(page), **defaults, **changes}


def test_only_a_super_admin_reaches_the_settings(signed_in: Browser) -> None:
    assert signed_in.get("/settings").status_code == 403
    assert 'href="/settings"' not in signed_in.get("/account").text
    assert signed_in.submit("/settings", {"section": "refunds"}).status_code == 403


def test_every_setting_of_the_catalogue_is_on_the_page(owner: Browser) -> None:
    page = owner.get("/settings").text
    assert 'href="/settings"' in page
    for setting in CATALOGUE.values():
        suffix = "-currency" if setting.kind == Kind.AMOUNTS else ""
        assert f'name="{setting.name}{suffix}"' in page, setting.name


def test_amounts_are_typed_in_major_units_a_row_each(owner: Browser) -> None:
    rows = {f"{THRESHOLD}-currency": ["krw", "USD", ""], f"{THRESHOLD}-amount": ["300,000원", "29.99", ""]}
    answer = owner.submit("/settings", typed(owner.get("/settings").text, **rows))
    assert (answer.status_code, answer.location) == (303, "/settings#refunds")
    assert settings.value_of(THRESHOLD) == {"KRW": 300_000, "USD": 2_999}
    assert 'value="29.99"' in owner.get("/settings").text


@pytest.mark.parametrize(
    ("currency", "amount", "sentence"),
    [
        ("KRW", "1.5", "소수"),
        ("KRW", "-1", "0보다 작을 수 없습니다"),
        ("USD", "１２", "숫자"),
        ("", "1000", "통화"),
        ("KWR", "1000", "KWR"),
        ("KRW", "", "금액을 입력"),
    ],
)
def test_a_row_that_cannot_be_keeps_what_was_typed(
    owner: Browser, currency: str, amount: str, sentence: str
) -> None:
    rows = {f"{THRESHOLD}-currency": ["JPY", currency], f"{THRESHOLD}-amount": ["700", amount]}
    answer = owner.submit("/settings", typed(owner.get("/settings").text, **rows))
    assert answer.status_code == 422
    assert re.search(f'class="field-error" id="{THRESHOLD}-2-error".*{sentence}', answer.text)
    assert f'value="{amount}"' in answer.text
    assert 'value="700"' in answer.text
    assert settings.value_of(THRESHOLD) == {}


def test_a_currency_stands_once(owner: Browser) -> None:
    rows = {f"{THRESHOLD}-currency": ["KRW", "krw"], f"{THRESHOLD}-amount": ["1", "2"]}
    assert owner.submit("/settings", typed(owner.get("/settings").text, **rows)).status_code == 422


@pytest.mark.parametrize("number", ["", "0", "1441", "many", "7.5", "９", "9" * 400])
def test_a_number_out_of_bounds_gets_a_sentence(owner: Browser, number: str) -> None:
    fields = typed(owner.get("/settings").text, refund_approval_hours=number)
    answer = owner.submit("/settings", fields)
    assert answer.status_code == 422
    assert 'id="refund_approval_hours-error"' in answer.text
    assert settings.value_of("refund_approval_hours") == 72


@on_both_databases
def test_a_form_somebody_overtook_is_kept_and_saved_on_the_second_press(
    owner: Browser, super_admin: User
) -> None:
    page = owner.get("/settings").text
    settings.change({"refund_account_days": 10}, by=super_admin)
    answer = owner.submit("/settings", typed(page, refund_approval_hours="5"))
    assert answer.status_code == 409
    assert 'value="5"' in answer.text
    assert settings.value_of("refund_account_days") == 10
    again = typed(answer.text, refund_approval_hours="5")
    assert owner.submit("/settings", again).status_code == 303
    assert settings.value_of("refund_approval_hours") == 5


def test_a_rule_of_another_domain_is_told_beside_the_field(
    owner: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_rules, "refund_account_days", [lambda value, values: f"{value} & no"])
    answer = owner.submit("/settings", typed(owner.get("/settings").text, refund_account_days="9"))
    assert answer.status_code == 422
    assert re.search('id="refund_account_days-error".*9 &amp; no', answer.text)
    assert settings.value_of("refund_account_days") == 30


@pytest.fixture
def other_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, default in ((Kind.SECRET, ""), (Kind.SWITCH, False), (Kind.TEXT, "")):
        name = f"a_{kind}"
        monkeypatch.setitem(CATALOGUE, name, Setting(name, "refunds", kind, kind.value, "", default, most=40))


def test_a_secret_is_set_kept_and_cleared_and_never_shown(owner: Browser, other_kinds: None) -> None:
    page = owner.get("/settings").text
    assert owner.submit("/settings", typed(page, a_secret="hush hush")).status_code == 303
    page = owner.get("/settings").text
    assert "hush" not in page
    assert owner.submit("/settings", typed(page, a_text="something")).status_code == 303
    assert (settings.value_of("a_secret"), settings.value_of("a_text")) == ("hush hush", "something")
    both = typed(owner.get("/settings").text, **{"a_secret": "x", "a_secret-clear": "1"})
    refused = owner.submit("/settings", both)
    assert refused.status_code == 422
    assert 'value="x"' not in refused.text
    assert owner.submit("/settings", {**both, "a_secret": ""}).status_code == 303
    assert settings.value_of("a_secret") == ""
    assert "hush" not in str(db.session.execute(text("SELECT before, after, facts FROM audit_entries")).all())


def test_a_switch_and_a_text(owner: Browser, other_kinds: None) -> None:
    fields = typed(owner.get("/settings").text, a_switch="y", a_text="<b>")
    assert owner.submit("/settings", fields).status_code == 303
    assert (settings.value_of("a_switch"), settings.value_of("a_text")) == (True, "<b>")
    assert owner.submit("/settings", typed(owner.get("/settings").text, a_text="x" * 41)).status_code == 422


def test_a_section_nobody_knows_is_not_found(owner: Browser) -> None:
    assert owner.submit("/settings", {"section": "secrets"}).status_code == 404


def test_who_may_approve_is_ticked_and_a_threshold_needs_two(
    owner: Browser, admin: User, super_admin: User
) -> None:
    page = owner.get("/settings").text
    assert "이준호" in page
    rows = {"refund_approval_threshold-currency": "KRW", "refund_approval_threshold-amount": "100,000"}
    refused = owner.submit("/settings", typed(page, **rows))
    assert refused.status_code == 422
    assert 'value="100,000"' in refused.text
    assert "두 명 이상" in refused.text
    ticked = {**hidden(page, "approvers"), "approvers": str(admin.id)}
    assert owner.submit("/settings", ticked).status_code == 303
    assert owner.submit("/settings", typed(page, **rows)).status_code == 303
    unticked = owner.submit("/settings", hidden(owner.get("/settings").text, "approvers"))
    assert unticked.status_code == 422
    assert f'value="{admin.id}" checked' not in unticked.text.replace('class="form-check-input" ', "")
    assert "두 명 이상" in unticked.text


@pytest.mark.parametrize("ticked", ["nonsense", "0199a3f0-0000-7000-8000-000000000000"])
def test_whoever_is_no_admin_cannot_be_ticked(owner: Browser, ticked: str) -> None:
    fields = {**hidden(owner.get("/settings").text, "approvers"), "approvers": ticked}
    assert owner.submit("/settings", fields).status_code == 422
