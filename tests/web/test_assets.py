import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.web.assets import HTMX_VERSION


@pytest.fixture
def browser(plain_app: Flask) -> FlaskClient:
    return plain_app.test_client()


def test_htmx_comes_from_the_package_in_the_version_we_rely_on(browser):
    script = browser.get("/assets/htmx.min.js").text
    assert HTMX_VERSION.startswith("2.")
    assert f'version:"{HTMX_VERSION}"' in script


def test_every_asset_of_a_page_is_there_and_may_be_kept(browser):
    page = browser.get("/login").text
    addresses = re.findall(r'(?:href|src)="(/(?:static|assets|bootstrap)/[^"]+)"', page)
    assert len(addresses) == 6
    for address in addresses:
        response = browser.get(address.replace("&amp;", "&"))
        assert response.status_code == 200
        assert "immutable" in response.headers["Cache-Control"]


def test_an_address_without_a_version_is_asked_about_again(browser):
    response = browser.get("/assets/portico.css")
    assert "immutable" not in response.headers["Cache-Control"]
    again = browser.get("/assets/portico.css", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304


def test_the_style_sheet_begins_with_the_tokens(browser):
    css = browser.get("/assets/portico.css").text
    assert css.index("--canvas:") < css.index(".shell {") < css.index(".worklist {")
