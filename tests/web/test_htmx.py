import pytest
from flask import Flask

from app.web.htmx import is_htmx, render, see_other

PAGE = {"template": "errors/show.html", "fragment": "errors/_alert.html"}
WORDS = {"layout": "layouts/bare.html", "status": 200, "title": "A title", "text": "Some words"}


def answer(plain_app: Flask, headers: dict[str, str]) -> str:
    with plain_app.test_request_context(headers=headers):
        return render(PAGE["template"], fragment=PAGE["fragment"], **WORDS).get_data(as_text=True)


def test_htmx_gets_the_fragment_and_a_browser_the_page(plain_app: Flask):
    assert "<html" not in answer(plain_app, {"HX-Request": "true"})
    assert "<html" in answer(plain_app, {})


@pytest.mark.parametrize("wish", ["HX-History-Restore-Request", "HX-Boosted"])
def test_htmx_gets_the_page_when_it_wants_a_whole_one(plain_app: Flask, wish: str):
    assert "<html" in answer(plain_app, {"HX-Request": "true", wish: "true"})


def test_a_page_and_its_fragment_are_never_taken_for_each_other(plain_app: Flask):
    with plain_app.test_request_context():
        response = render(PAGE["template"], **WORDS)
    assert "HX-Request" in response.vary
    assert response.cache_control.no_store


def test_after_a_change_a_browser_is_sent_on_by_303_and_htmx_by_its_header(plain_app: Flask):
    with plain_app.test_request_context():
        assert (see_other("/refunds").status_code, see_other("/refunds").location) == (303, "/refunds")
    with plain_app.test_request_context(headers={"HX-Request": "true"}):
        assert is_htmx()
        assert see_other("/refunds").headers["HX-Redirect"] == "/refunds"
