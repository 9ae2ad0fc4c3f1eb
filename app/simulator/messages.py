"""Webhook messages: their bodies in both versions, the signature by Standard Webhooks, the way out."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import requests
from standardwebhooks import Webhook

from app import clock
from app.simulator.documents import Document, timestamp

CONNECT_SECONDS = 30
READ_SECONDS = 30


@dataclass(frozen=True)
class SignedRequest:
    """One HTTP POST as the merchant's server will see it."""

    url: str
    headers: dict[str, str]
    body: bytes


class WebhookAnswer(Protocol):
    """What a sender gives back; answers of requests and of Flask's test client both fit."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def text(self) -> str: ...


Sender = Callable[[SignedRequest], WebhookAnswer]


def post(request: SignedRequest) -> WebhookAnswer:
    """Send over HTTP. A redirect counts as an answer, not as a way to go."""
    return requests.post(
        request.url,
        data=request.body,
        headers=request.headers,
        timeout=(CONNECT_SECONDS, READ_SECONDS),
        allow_redirects=False,
    )


def write_body(kind: str, data: Document, at: datetime, version: str) -> str | None:
    """The body of a message; None for what version 2024-01-01 has no message for."""
    if version == "2024-04-25":
        body = {"type": kind, "timestamp": timestamp(at), "data": data}
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    family, status = kind.split(".")
    if family != "Transaction" or status.startswith("Dispute"):
        return None
    old = {"payment_id": data["paymentId"], "tx_id": data["transactionId"], "status": status}
    return json.dumps(old, ensure_ascii=False, separators=(",", ":"))


def sign(signer: Webhook, webhook_id: str, url: str, body: str) -> SignedRequest:
    """A message signed for this very moment."""
    now = clock.now()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "PortOne-Webhook-Simulator",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signer.sign(webhook_id, now, body),
    }
    return SignedRequest(url, headers, body.encode())


def logged(request: SignedRequest) -> Document:
    """The `request` of a delivery log entry; the signature is not for showing."""
    shown = ("Content-Type", "webhook-id", "webhook-timestamp")
    return {
        "header": "\n".join(f"{name.lower()}: {request.headers[name]}" for name in shown),
        "body": request.body.decode(),
        "requestedAt": timestamp(clock.now()),
    }
