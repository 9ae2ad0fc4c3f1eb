"""What an alert could never be sent to is told when it is typed, not when it is needed."""

import pytest

from app.errors import DomainError
from app.settings import service as settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alert_webhook_url", "javascript:alert(1)"),
        ("alert_webhook_url", "http://169.254.169.254/"),
        ("alert_webhook_url", "https://["),
        ("alert_email_to", "a@b\r\nBcc: c@d"),
        ("alert_email_to", "ops@example.com, nobody"),
        ("alert_email_from", "nobody"),
        ("alert_language", "xx"),
        ("alert_smtp_security", "evil"),
    ],
)
def test_what_can_never_work_is_refused(super_admin, name, value):
    with pytest.raises(DomainError):
        settings.change({name: value}, by=super_admin)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alert_webhook_url", "https://hooks.example.com/T0/x"),
        ("alert_email_to", "ops@example.com, 김서연 <finance@example.com>"),
        ("alert_email_to", ""),
        ("alert_smtp_security", "tls"),
        ("alert_language", "en"),
    ],
)
def test_what_can_work_is_kept(super_admin, name, value):
    settings.change({name: value}, by=super_admin)
    assert settings.value_of(name) == value
