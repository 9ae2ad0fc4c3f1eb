"""What no design can exceed here: a route of bare Flask, one that verifies, one that verifies and inserts.

And one that keeps whatever JSON it gets, for the API.

DATABASE_URL=sqlite:////tmp/limits.sqlite3 gunicorn tests.bench.limits:app
"""

import os
import uuid

from flask import Flask, request
from sqlalchemy import JSON, Column, MetaData, Table, Text, create_engine, insert

import app.connections  # its listeners set SQLite up as they do for Portico
from app.portone.webhooks import verify
from tests.conftest import WEBHOOK_SECRET

app = Flask(__name__)
engine = create_engine(os.environ["DATABASE_URL"])
inbox = Table(
    "limits_inbox", MetaData(), Column("webhook_id", Text, primary_key=True), Column("request_body", JSON)
)


@app.post("/bare")
def bare() -> tuple[str, int]:
    request.get_data()
    return "", 200


@app.post("/verified")
def verified() -> tuple[str, int]:
    verify(request.get_data(), request.headers, [WEBHOOK_SECRET])
    return "", 200


@app.post("/inserted")
def inserted() -> tuple[str, int]:
    event = verify(request.get_data(), request.headers, [WEBHOOK_SECRET])
    with engine.begin() as connection:
        connection.execute(insert(inbox), {"webhook_id": event.webhook_id, "request_body": event.body})
    return "", 200


@app.post("/kept")
def kept() -> dict[str, str]:
    row = {"webhook_id": uuid.uuid4().hex, "request_body": request.get_json()}
    with engine.begin() as connection:
        connection.execute(insert(inbox), row)
    return {"id": row["webhook_id"]}
