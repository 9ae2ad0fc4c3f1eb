"""An example of a store's own server: it announces an order, lets the buyer pay, and checks what came back.

It knows nothing of Portico but the JSON API, as a real store would.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests
from flask import Flask, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.simulator.shop import GOODS, Item

#: Longer than Portico waits for PortOne.
_TIMEOUT = (3, 70)


def create_shop(*, portico: str, token: str, window: str, folder: Path) -> Flask:
    """The shop. `portico` is the dashboard's address, `window` that of the payment window."""
    shop = Flask("portico-demo-shop", template_folder=str(folder / "templates"), static_folder=None)

    def ask(operation: str, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        answer = requests.post(
            f"{portico}/api/portone/{operation}",
            json=document,
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT,
        )
        return answer.status_code, answer.json()

    @shop.get("/")
    def index() -> str:
        """What is for sale."""
        return render_template("demo_shop/index.html", items=GOODS)

    def show_outcome(status: int, payment: dict[str, Any]) -> tuple[str, int]:
        words = {"payment": payment, "is_checked": status == 200}
        return render_template("demo_shop/done.html", portico=portico, **words), status

    @shop.post("/orders")
    def order() -> Response | tuple[str, int]:
        """Announce the order, then send the buyer to pay; the price is ours, not the form's."""
        item = _find(request.form.get("code", ""))
        wanted = {"orderName": item.name, "amount": item.price, "currency": "KRW"}
        status, announced = ask("initialize", wanted)
        if status != 200:
            return show_outcome(status, announced)
        asked = {
            "paymentId": announced["paymentId"],
            "orderName": announced["orderName"],
            "totalAmount": announced["totalAmount"],
            "currency": announced["currency"],
            "customerName": "데모 구매자",
            "redirectUrl": url_for("done", _external=True),
        }
        return redirect(f"{window}?{urlencode(asked)}", 303)

    @shop.get("/orders/done")
    def done() -> tuple[str, int]:
        """What the buyer's browser says is no proof: the server asks Portico what became of it."""
        return show_outcome(*ask("verify", {"paymentId": request.args.get("paymentId", "")}))

    return shop


def _find(code: str) -> Item:
    return next((item for item in GOODS if item.code == code), GOODS[0])
