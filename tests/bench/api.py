"""How fast initialize and verify are, beside a bare Flask endpoint that reads JSON and inserts one row.

    python -m tests.bench.api [--databases sqlite postgresql] [--delays 0 0.1] [--seconds 4]

All take turns in one run, under the README's gunicorn, and the best turn of each counts: other work on the
machine hits all alike. The time to an answer is that of one caller who waits for each; requests a second are
those of 16 at once. `--delays` is after how many seconds PortOne answers.
"""

import argparse
import asyncio
import json
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from tests.bench.sender import Message, Tally, send
from tests.bench.servers import Servers, database, free_port, kill

TOKEN = "bench-token-of-32-characters-0000"
CALLERS, ROUNDS = 16, 2
#: More than are verified in one turn, so that none is asked for by two callers at once.
ANNOUNCED = 600
UNLIMITED = "INSERT INTO settings (name, document) VALUES ('api_requests_per_minute', '{\"value\": 100000}')"


def order(payment_id: str) -> dict[str, Any]:
    return {"paymentId": payment_id, "orderName": "봄 셔츠", "amount": 12_000, "currency": "KRW"}


def requests_to(address: str, run: str) -> Iterator[Message]:
    """Without end: new orders to announce or to keep, or announced ones to verify, round and round."""
    target, number = urlsplit(address), 0
    while True:
        is_verify = target.path.endswith("verify")
        payment_id = f"bench-{number % ANNOUNCED}" if is_verify else f"{run}-{number}"
        document = {"paymentId": payment_id} if is_verify else order(payment_id)
        yield Message(payment_id, 0.0, request(target.netloc, target.path, document))
        number += 1


def request(host: str, path: str, document: dict[str, Any]) -> bytes:
    body = json.dumps(document).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n"
    fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + fields).encode() + body


async def ask(address: str, waiting: Iterator[Message], callers: int, seconds: float) -> dict[str, Any]:
    tally, start = Tally(), time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(send(address, waiting, start, start + seconds, tally))
    took, ordered = time.monotonic() - start, sorted(tally.seconds)
    return {
        "answers": dict(tally.answers),
        "per_second": len(tally.accepted) / took,
        "p50_ms": 1000 * ordered[len(ordered) // 2],
    }


async def take_turns(addresses: dict[str, str], seconds: float) -> dict[str, dict[str, Any]]:
    """The best of each: the most requests a second, the shortest usual time to an answer."""
    best: dict[str, dict[str, Any]] = {}
    for _round in range(ROUNDS):
        for name, address in addresses.items():
            told = await ask(address, requests_to(address, uuid.uuid4().hex[:12]), CALLERS, seconds)
            alone = await ask(address, requests_to(address, uuid.uuid4().hex[:12]), 1, seconds / 2)
            answers = {*told["answers"], *alone["answers"]}
            assert answers == {"200"}, f"{name} answered {answers}"
            known = best.setdefault(name, {"per_second": 0.0, "p50_ms": float("inf")})
            known["per_second"] = max(known["per_second"], told["per_second"])
            known["p50_ms"] = min(known["p50_ms"], alone["p50_ms"])
    return best


async def announce(address: str) -> None:
    target = urlsplit(address)
    orders = [
        Message(name, 0.0, request(target.netloc, target.path, order(name)))
        for name in (f"bench-{number}" for number in range(ANNOUNCED))
    ]
    told = await ask(address, iter(orders), CALLERS, 600)
    assert told["answers"] == {"200": ANNOUNCED}, told["answers"]


def measure(kind: str, delays: Sequence[float], seconds: float) -> None:
    with database(kind) as url:
        servers = Servers(url, free_port(), {"API_TOKENS": f"bench:{TOKEN}", "LOG_FORMAT": "text"})
        try:
            servers.migrate()
            servers.execute(UNLIMITED)
            servers.execute("CREATE TABLE limits_inbox (webhook_id TEXT PRIMARY KEY, request_body JSON)")
            port, bare_port = free_port(), free_port()
            servers.start_web("wsgi:app", port)
            servers.start_web("tests.bench.limits:app", bare_port)
            api = f"http://127.0.0.1:{port}/api/portone"
            addresses = {
                "bare": f"http://127.0.0.1:{bare_port}/kept",
                "initialize": f"{api}/initialize",
                "verify": f"{api}/verify",
            }
            for delay in delays:
                portone = servers.start_portone(delay)
                asyncio.run(announce(addresses["initialize"]))
                report(
                    f"{kind}, PortOne after {1000 * delay:.0f} ms",
                    asyncio.run(take_turns(addresses, seconds)),
                )
                kill(portone)
        finally:
            servers.end()


def report(title: str, figures: dict[str, dict[str, Any]]) -> None:
    bare = figures["bare"]
    print(f"\n{title}\n  {'':10} {'p50 ms':>8} {'× bare':>7} {'per s':>8} {'÷ bare':>7}")
    for name, told in figures.items():
        slower = told["p50_ms"] / bare["p50_ms"]
        share = told["per_second"] / bare["per_second"]
        print(f"  {name:10} {told['p50_ms']:8.1f} {slower:7.1f} {told['per_second']:8.0f} {share:7.2f}")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--delays", nargs="+", type=float, default=[0.0, 0.1])
    parser.add_argument("--seconds", type=float, default=4.0)
    wanted = parser.parse_args()
    for each in wanted.databases:
        measure(each, wanted.delays, wanted.seconds)
