"""The pages about the API, and that the document tells of every operation there is."""

import html
import re

import jsonschema
import pytest

from app.api.document import openapi_document
from app.api.models import ApiToken
from app.api.operations import COMMON_PROBLEMS, OPERATIONS
from app.extensions import db
from tests.api.conftest import Shop
from tests.conftest import pages_on_one_database
from tests.test_routes import SERVED_BY_FLASK

pytestmark = pages_on_one_database

CELL = re.compile(r"<t[dh][^>]*>(.*?)</t[dh]>", re.DOTALL)


@pytest.fixture
def owner(client, super_admin):
    return client.sign_in(super_admin)


def test_a_token_is_made_and_shown_once(owner):
    page = owner.submit("/api-tokens", {"name": "쇼핑몰 서버", "scopes": ["verify", "cancel"], "days": "90"})
    token = page.text.partition("portico_")[2].partition("<")[0]
    assert len(token) > 40
    assert token not in owner.get("/api-tokens").text
    assert "쇼핑몰 서버" in owner.get("/api-tokens").text


def test_a_token_needs_a_name_and_a_scope(owner):
    page = owner.submit("/api-tokens", {"name": "", "days": "7"})
    assert page.status_code == 422
    assert page.text.count("field-error") == 3
    assert db.session.query(ApiToken).count() == 0


def test_an_admin_has_no_business_with_tokens(signed_in):
    assert signed_in.get("/api-tokens").status_code == 403
    assert signed_in.submit("/api-tokens", {"name": "x", "scopes": "verify"}).status_code == 403


def test_the_document_tells_of_every_operation_and_of_no_other(app):
    served = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("api.")}
    assert set(openapi_document()["paths"]) == served == {each.path for each in OPERATIONS}


def test_the_document_can_be_read_by_anybody_and_all_its_references_lead_somewhere(client):
    document = client.get("/api/openapi.json").get_json()
    assert document["openapi"] == "3.1.0"
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    text = client.get("/api/openapi.json").text
    names = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(document["components"]["schemas"])


def test_answers_are_as_the_document_says(shop: Shop, simulator):
    document = openapi_document()
    for answer, status in ((shop.initialize(), "200"), (shop.initialize(amount=5), "409")):
        (content,) = document["paths"]["/api/portone/initialize"]["post"]["responses"][status][
            "content"
        ].items()
        assert answer.mimetype == content[0]
        jsonschema.validate(answer.get_json(), content[1]["schema"] | {"components": document["components"]})


def test_the_page_to_try_it_comes_from_here_alone(client):
    page = client.get("/api-docs")
    assert page.status_code == 200
    assert "http" not in page.text.replace("<!doctype html>", "")
    for name in ("swagger-ui.css", "swagger-ui-bundle.js"):
        assert client.get(f"/assets/swagger/{name}").status_code == 200
    assert client.get("/assets/swagger/swagger-ui.js").status_code == 404


def test_the_addresses_of_the_dashboard_are_told_as_they_are(app, signed_in):
    page = signed_in.get("/admin-docs", headers={"Accept-Language": "en"}).text
    rows = [
        tuple(html.unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in CELL.findall(row))
        for row in page.partition("<tbody>")[2].split("</tr>")
        if CELL.search(row)
    ]
    served = [rule for rule in app.url_map.iter_rules() if rule.endpoint not in SERVED_BY_FLASK]
    wanted = {
        (", ".join(sorted(rule.methods - {"HEAD", "OPTIONS"})), rule.rule, guard_of(app, rule))
        for rule in served
    }
    assert {row[:3] for row in rows} == wanted
    assert len(rows) == len(served)
    assert all(about for *_, about in rows)


def guard_of(app, rule):
    view = app.view_functions[rule.endpoint]
    scope = getattr(view, "scope", None)
    return str(getattr(view, "permission", None) or (f"{scope} API token" if scope else "Public"))


def test_no_browser_of_another_site_may_use_the_api(client):
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    for answer in (
        client.options("/api/portone/verify", headers=asked),
        client.post("/api/portone/verify", json={}, headers=asked),
        client.get("/api/openapi.json", headers=asked),
    ):
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_each_problem_is_told_by_its_type_with_what_to_do(app):
    document = openapi_document()
    for described in OPERATIONS:
        responses = document["paths"][described.path]["post"]["responses"]
        for kind in (*COMMON_PROBLEMS, *described.problems):
            content = responses[str(kind.status)]["content"]["application/problem+json"]
            assert kind.type in content["schema"]["allOf"][1]["properties"]["type"]["enum"]
            assert content["examples"][kind.name]["value"]["detail"] == kind.advice
            assert f"`{kind.name}` ({kind.status})" in document["info"]["description"]
    assert "Retry-After" in responses["429"]["headers"]
    assert "WWW-Authenticate" in responses["401"]["headers"]
