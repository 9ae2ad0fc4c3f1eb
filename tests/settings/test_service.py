"""What a super admin decides is kept, is in the trail, and secrets are not readable anywhere."""

import json

import pytest
from sqlalchemy import text

from app.audit.queries import list_entries_of
from app.extensions import db
from app.settings import service as settings
from app.settings.catalogue import CATALOGUE, Kind, Setting


def test_a_fresh_install_has_the_defaults(app):
    assert {name: settings.value_of(name) for name in CATALOGUE} == {
        name: setting.default for name, setting in CATALOGUE.items()
    }
    assert settings.amount_of("refund_approval_threshold", "KRW") is None


def test_a_change_is_kept_and_in_the_audit_trail(super_admin):
    settings.change({"refund_limit_admin": {"KRW": 500_000}}, by=super_admin)
    assert settings.amount_of("refund_limit_admin", "KRW") == 500_000
    assert settings.amount_of("refund_limit_admin", "USD") is None
    entry = list_entries_of("settings", "settings")[0]
    assert entry.before == {"refund_limit_admin": {}}
    assert entry.after == {"refund_limit_admin": {"KRW": 500_000}}


def test_what_does_not_differ_is_no_change(super_admin):
    assert settings.change({"refund_approval_hours": 72}, by=super_admin) == []
    assert list_entries_of("settings", "settings") == []


def test_a_setting_nobody_knows_is_refused(super_admin):
    with pytest.raises(KeyError):
        settings.change({"unheard_of": 1}, by=super_admin)


def test_a_secret_is_readable_neither_in_the_table_nor_in_the_trail(super_admin, monkeypatch):
    monkeypatch.setitem(CATALOGUE, "hook", Setting("hook", "refunds", Kind.SECRET, "Hook", "", ""))
    settings.change({"hook": "https://hooks.example.com/T0/secret"}, by=super_admin)
    assert settings.value_of("hook") == "https://hooks.example.com/T0/secret"
    assert settings.values()["hook"] is True
    stored = db.session.execute(text("SELECT document FROM settings")).scalar_one()
    told = [entry.after for entry in list_entries_of("settings", "settings")]
    assert "example.com" not in json.dumps([stored, told])
