"""Settings: each required one is demanded, each malformed one named, before anything starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import InvalidSettings, Settings
from tests.conftest import ENVIRONMENT

REQUIRED = [
    "SECRET_KEY",
    "PORTONE_API_SECRET",
    "PORTONE_STORE_ID",
    "PORTONE_WEBHOOK_SECRETS",
    "DATA_ENCRYPTION_KEYS",
]


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [None, "", "   "])
def test_a_missing_setting_is_named(name: str, value: str | None) -> None:
    environment = {key: text for key, text in ENVIRONMENT.items() if key != name}
    if value is not None:
        environment[name] = value
    with pytest.raises(InvalidSettings, match=name):
        Settings.from_environment(environment)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "short"),
        ("PORTONE_API_SECRET", "two words"),
        ("PORTONE_API_SECRET", "비밀"),
        ("PORTONE_STORE_ID", "store\n1"),
        ("PORTONE_WEBHOOK_SECRETS", "c2VjcmV0"),
        ("PORTONE_WEBHOOK_SECRETS", "whsec_not base64"),
        ("PORTONE_WEBHOOK_SECRETS", "whsec_c2VjcmV0,whsec_"),
        ("PORTONE_WEBHOOK_SECRETS", ","),
        ("DATA_ENCRYPTION_KEYS", "c2VjcmV0"),
        ("DATA_ENCRYPTION_KEYS", ","),
        ("DATABASE_URL", "mysql://localhost/portico"),
        ("DATABASE_URL", "postgresql://h:abc/x"),
        ("DATABASE_URL", "postgresql://"),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_URL", "sqlite:////no/such/folder/portico.sqlite3"),
        ("PUBLIC_URL", "portico.example"),
        ("PUBLIC_URL", "http://[half"),
        ("PORTONE_API_BASE", "http://api.portone.example"),
        ("PORTONE_MODE", "sandbox"),
        ("API_TOKENS", "no-colon"),
        ("TRUSTED_PROXIES", "all"),
        ("TRUSTED_HOSTS", "https://portico.example"),
    ],
)
def test_a_malformed_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=name) as refusal:
        Settings.from_environment(ENVIRONMENT | {name: value})
    assert "\n" not in str(refusal.value)


def test_what_is_not_required_has_a_default_that_works() -> None:
    settings = Settings.from_environment(ENVIRONMENT)
    assert (settings.portone_mode, settings.real_channel_type) == ("live", "LIVE")
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.api_tokens == ()
    assert not settings.is_https


def test_several_secrets_keys_and_tokens_are_read() -> None:
    key = ENVIRONMENT["DATA_ENCRYPTION_KEYS"]
    more = {
        "PORTONE_WEBHOOK_SECRETS": "whsec_b2xk, whsec_bmV3",
        "DATA_ENCRYPTION_KEYS": f"{key},{key}",
        "API_TOKENS": "shop:one,batch:two",
        "DATABASE_URL": "postgres://db/portico",
    }
    settings = Settings.from_environment(ENVIRONMENT | more)
    assert settings.portone_webhook_secrets == ("whsec_b2xk", "whsec_bmV3")
    assert len(settings.data_encryption_keys) == 2
    assert settings.api_tokens == (("shop", "one"), ("batch", "two"))
    assert settings.database_url == "postgresql://db/portico"


def test_no_secret_shows_in_a_repr() -> None:
    text = repr(Settings.from_environment(ENVIRONMENT))
    assert not any(ENVIRONMENT[name] in text for name in REQUIRED if name != "PORTONE_STORE_ID")


def test_the_start_stops_with_one_line() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PORTONE_")}
    environment |= ENVIRONMENT | {"PORTONE_MODE": "sandbox"}
    started = subprocess.run(
        [sys.executable, "-c", "import wsgi"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[1],
        check=False,
    )
    assert started.returncode == 3
    assert started.stderr == "Portico: PORTONE_MODE must be one of: live, test.\n"
