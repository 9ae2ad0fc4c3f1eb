import pytest
from flask import Flask

from app import create_app
from tests.conftest import make_settings


@pytest.fixture(scope="session")
def plain_app(tmp_path_factory) -> Flask:
    """The app for what asks no database, and so need not run once for each."""
    return create_app(make_settings(DATABASE_URL=f"sqlite:///{tmp_path_factory.mktemp('app')}/app.sqlite3"))
