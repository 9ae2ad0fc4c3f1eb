"""The page of alerts."""

from typing import Any

import pytest
import responses

from app.alerts import service
from app.extensions import db
from app.settings.service import change
from app.webhooks.models import WebhookLog
from tests.conftest import pages_on_one_database

pytestmark = pages_on_one_database

HOOK = "https://hooks.example.com/services/secret"


def test_the_page_says_what_is_watched_and_how_it_stands(signed_in: Any) -> None:
    db.session.add(WebhookLog(webhook_id="w-1", status="failed"))
    page = signed_in.get("/alerts").text
    assert page.count("data-alert=") == len(service.watches())
    assert 'data-alert="silence" data-status="off"' in page


@responses.activate
def test_a_test_message_is_one_press_and_its_trouble_is_shown(client: Any, super_admin: Any) -> None:
    change({"alert_webhook_url": HOOK}, by=super_admin)
    responses.post(HOOK, status=404, body="100% no_service <script>")
    client.sign_in(super_admin)
    assert client.submit("/alerts/test").location == "/alerts"
    page = client.get("/alerts").text
    assert page.count("HTTP 404 100% no_service &lt;script&gt;") == 2
    assert HOOK not in page


def test_without_a_channel_the_button_says_so(signed_in: Any) -> None:
    assert signed_in.submit("/alerts/test").status_code == 409


@pytest.mark.parametrize(("method", "permission"), [("get", "alert:read"), ("post", "alert:test")])
def test_who_lacks_the_permission_is_refused(
    signed_in: Any, monkeypatch: Any, method: str, permission: str
) -> None:
    from app.access import guards

    monkeypatch.setattr(guards, "holds", lambda person, wanted: wanted != permission)
    answer = signed_in.get("/alerts") if method == "get" else signed_in.submit("/alerts/test")
    assert answer.status_code == 403
