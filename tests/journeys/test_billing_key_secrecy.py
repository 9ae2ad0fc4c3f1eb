"""A billing key is a credential: whatever is done with it, only the answer that reveals it holds it."""

import io
import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import make_url, select, text
from werkzeug.test import TestResponse

from app.accounts.models import User
from app.billing_keys import service
from app.billing_keys.models import BillingKey
from app.extensions import db
from app.logs import Redaction, TextFormatter
from app.worker import Worker
from tests.conftest import Browser
from tests.webhooks.messages import about_billing_key, signed


class Witness:
    """A browser that keeps the text of every answer it got."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.answers: list[str] = []

    def get(self, address: str) -> TestResponse:
        return self._keep(self.browser.get(address, buffered=True))

    def submit(self, address: str, **fields: Any) -> TestResponse:
        return self._keep(self.browser.submit(address, fields))

    def _keep(self, answer: TestResponse) -> TestResponse:
        content = answer.data
        if content[:2] == b"PK":  # a workbook is a packed folder
            parts = zipfile.ZipFile(io.BytesIO(content))
            content = b"".join(parts.read(name) for name in parts.namelist())
        self.answers.append(f"{answer.headers}\n{content.decode()}")
        return answer


@pytest.fixture
def witness(client: Browser, super_admin: User) -> Witness:
    return Witness(client.sign_in(super_admin))


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    """Every log line, of every library and at every level, as the app would write it."""
    written, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(written), root.level
    handler.addFilter(Redaction(()))
    handler.setFormatter(TextFormatter())
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def everything_stored(app: Flask) -> str:
    """The bytes of SQLite's files; on PostgreSQL all rows of all tables, as a dump would hold them."""
    db.session.rollback()
    if db.engine.dialect.name == "sqlite":
        file = Path(make_url(app.config["SQLALCHEMY_DATABASE_URI"]).database or "")
        return b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*")).decode(
            errors="replace"
        )
    tables = db.session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
    rows = [db.session.scalars(text(f'SELECT t::text FROM "{table}" AS t')).all() for table in tables]
    db.session.rollback()
    return "\n".join(row for of_a_table in rows for row in of_a_table)


def work(app: Flask) -> None:
    db.session.rollback()
    Worker(app).run_once()
    db.session.rollback()


def export(witness: Witness, app: Flask, kind: str) -> None:
    page = witness.submit("/exports/new?list=billing-keys", format=kind, reason="월말 점검").headers[
        "Location"
    ]
    work(app)
    witness.get(page)
    assert witness.get(f"{page}/file.{kind}").status_code == 200


def test_only_the_answer_that_reveals_it_holds_the_key(
    app: Flask, simulator: Any, witness: Witness, logs: io.StringIO
) -> None:
    app.extensions["portone"]._transport._sleep = lambda _seconds: None
    made = simulator.make_billing_key(customer_id="customer-7")
    key = made["billingKey"]
    simulator.state.save_billing_key(made | {"customData": f"key={key}", "issueName": key})
    witness.submit("/billing-keys", billing_key=key)
    service.sync_billing_keys()
    for event in ("BillingKey.Issued", "BillingKey.Updated", "BillingKey.Failed"):
        witness.browser.post("/webhooks/portone", **signed(about_billing_key(key, event)))
    work(app)
    row_id = db.session.scalars(select(BillingKey.id)).one()
    page = f"/billing-keys/{row_id}"
    schedule_id = simulator.make_schedule(key)["id"]
    for address in ("/billing-keys", page, f"{page}/delete", "/webhooks", "/audit", f"/payments?q={row_id}"):
        witness.get(address)
    witness.submit(f"{page}/refresh")
    witness.submit(f"{page}/default", on="1")
    typed = {"requester": "ADMIN", "confirmation": key[-4:]}
    witness.submit(f"{page}/delete", reason=f"{key} 해지", **typed)  # refused: a schedule was not shown
    witness.submit(f"{page}/delete", reason=f"{key} 해지", confirmation="x")
    witness.submit(f"{page}/reveal", reason="")
    for fault in ("proxy_error", "proxy_refuses", "broken_json", "channels_refuse"):
        simulator.faults.next("*", fault, times=3)
        witness.get(f"{page}/delete")
        witness.submit(f"{page}/refresh")
        simulator.faults.clear()
    simulator.faults.next("delete_billing_key", "channels_refuse", pg_message=f"no {key}")
    witness.submit(f"{page}/delete", reason="해지", schedule=schedule_id, **typed)
    for kind in ("csv", "xlsx"):
        export(witness, app, kind)
    revealed = witness.browser.submit(f"{page}/reveal", {"reason": f"PG 문의 {key}"})
    witness.submit(f"{page}/delete", reason="해지", **typed)
    witness.get(page)
    witness.get("/audit")

    assert key in revealed.text
    assert service.mask_key(key) in everything_stored(app)
    assert [place for place in witness.answers if key in place] == []
    assert key not in everything_stored(app)
    assert "billing-key-****" in logs.getvalue()
    assert key not in logs.getvalue()
