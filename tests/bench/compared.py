"""The three servers that `tests.bench.search` compares over one database, each a WSGI app for gunicorn.

`portico()` is the dashboard. `bare()` is as little as a page can be: it sends the statements that Portico
sends for a list, as they are, and puts 50 rows into a table. `flask_admin()` is Flask-Admin's list.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask, g, render_template_string, request
from flask_babel import Babel
from sqlalchemy import create_engine

from app import create_app
from app.config import Settings
from app.extensions import db
from app.payments.models import Payment
from tests.conftest import ENVIRONMENT

TABLE = """<!doctype html><title>{{ name }}</title><table>
{% for row in rows %}<tr><td>{{ row[3] }}</td><th>{{ row[1] }}<br>{{ row[4] }}</th><td>{{ row[11] }}</td>
<td>{{ row[8] }} {{ row[9] }}</td>
<td>{{ "{:,}".format(row[6] or 0) }} {{ row[5] }}</td><td>{{ row[14] }}</td></tr>
{% endfor %}</table><p>{{ total }}</p>"""


def settings() -> Settings:
    """Portico's settings for the database in BENCH_DATABASE."""
    return Settings.from_environment(ENVIRONMENT | {"DATABASE_URL": os.environ["BENCH_DATABASE"]})


def portico() -> Flask:
    """The dashboard as it is."""
    return create_app(settings())


def bare() -> Flask:
    """A page that replays the statements recorded in BENCH_STATEMENTS, in plain DB-API."""
    app = Flask("bare")
    engine = create_engine(os.environ["BENCH_DATABASE"])
    recorded = json.loads(Path(os.environ["BENCH_STATEMENTS"]).read_text("utf-8"))

    @app.get("/<name>")
    def page(name: str) -> str:
        connection = engine.raw_connection()
        cursor = connection.cursor()
        rows: list[Any] = []
        total = None
        for statement, parameters in recorded[name]:
            cursor.execute(statement, parameters)
            found = cursor.fetchall() if cursor.description else []
            if found and len(found[0]) > 10:
                rows = found[:50]
            elif found:
                total = found[0][0]
        connection.rollback()
        connection.close()
        return render_template_string(TABLE, name=name, rows=rows, total=total)

    return app


def flask_admin() -> Flask:
    """Flask-Admin's list of the same payments, searching the fields that people search."""
    from flask_admin import Admin
    from flask_admin.contrib.sqla import ModelView
    from flask_admin.contrib.sqla.filters import DateTimeBetweenFilter

    class Between(DateTimeBetweenFilter):
        def clean(self, value: str) -> list[datetime]:
            return [moment.replace(tzinfo=UTC) for moment in super().clean(value)]

    class Payments(ModelView):
        can_create = can_edit = can_delete = False
        page_size = 50
        column_list = (
            "status", "order_name", "payment_id", "customer_name", "method", "pg_provider", "amount",
            "changed_clock",
        )  # fmt: skip
        column_default_sort = ("changed_clock", True)
        column_searchable_list = (
            "payment_id", "transaction_id", "order_name", "customer_name", "customer_email", "customer_phone",
        )  # fmt: skip
        named_filter_urls = True
        column_filters = ("status", "method", "amount", Between(Payment.changed_clock, "Changed"))

    app = Flask("flask_admin")
    app.config.update(SECRET_KEY="bench", SQLALCHEMY_DATABASE_URI=os.environ["BENCH_DATABASE"])
    db.init_app(app)
    Babel(app)

    @app.before_request
    def only_read() -> None:
        g.reads_only = request.method == "GET"

    Admin(app).add_view(Payments(Payment, db.session, endpoint="payments"))
    return app
