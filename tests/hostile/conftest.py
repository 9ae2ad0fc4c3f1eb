"""What a hostile pass needs: an owner's browser, and a browser over https."""

from collections.abc import Iterator

import pytest
from flask import Flask

from app import create_app
from app.accounts.models import User
from tests.conftest import Browser, make_settings


@pytest.fixture
def owner(app: Flask, super_admin: User) -> Browser:
    """The browser of a super admin, who may do everything."""
    browser = app.test_client()
    assert isinstance(browser, Browser)
    return browser.sign_in(super_admin)


@pytest.fixture
def secure(app: Flask) -> Iterator[Browser]:
    """A browser that reaches the same database over https, through one proxy."""
    https = create_app(
        make_settings(
            DATABASE_URL=app.config["SQLALCHEMY_DATABASE_URI"], PUBLIC_URL="https://portico.example"
        )
    )
    https.config["PASSWORD_HASHER"] = app.config["PASSWORD_HASHER"]
    https.test_client_class = Browser
    browser = https.test_client()
    assert isinstance(browser, Browser)
    browser.environ_base |= {
        "HTTP_HOST": "portico.example",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_X_FORWARDED_FOR": "192.0.2.7",
        "HTTP_REFERER": "https://portico.example/login",
        "wsgi.url_scheme": "https",
    }
    yield browser
    with https.app_context():
        from app.extensions import db

        db.engine.dispose()
