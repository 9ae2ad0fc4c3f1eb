"""Sends signed webhooks as fast as they are taken, or so many a second, and tells how that went as JSON.

    python -m tests.bench.sender http://127.0.0.1:8000/webhooks/portone --rate 500 --seconds 10

With a rate the time to an answer counts from when the message should have been sent, so that a server that
stalls cannot hide the messages it kept waiting. `--accepted FILE` lists the ids that were answered 200.
"""

import argparse
import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.webhooks.messages import about_payment, signed

CONNECTIONS = 32


@dataclass
class Tally:
    answers: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Message:
    webhook_id: str
    due: float  # seconds after the start
    request: bytes


def messages(address: str, *, count: int, rate: float) -> Iterator[Message]:
    """So many messages about as many payments, each with an id of its own."""
    target = urlsplit(address)
    run = uuid.uuid4().hex[:8]
    for number in range(count):
        webhook_id = f"{run}-{number}"
        message = signed(about_payment(f"order-{run}-{number}"), webhook_id=webhook_id)
        fields = message["headers"] | {
            "Host": target.netloc,
            "Content-Type": "application/json",
            "Content-Length": len(message["data"]),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        request = f"POST {target.path} HTTP/1.1\r\n{head}\r\n".encode() + message["data"]
        yield Message(webhook_id, number / rate if rate else 0.0, request)


async def send(address: str, waiting: Iterator[Message], start: float, until: float, tally: Tally) -> None:
    """Over one connection, opened again when it breaks, send what nobody else has taken yet."""
    target, connection = urlsplit(address), None
    for message in waiting:
        planned = start + message.due
        await asyncio.sleep(max(planned - time.monotonic(), 0))
        begun = planned if message.due else time.monotonic()
        if begun > until:
            return
        try:
            if connection is None:
                connection = await asyncio.open_connection(target.hostname, target.port)
            status, keeps_open = await asyncio.wait_for(_exchange(*connection, message.request), 30)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as problem:
            status, keeps_open = type(problem).__name__, False
            await asyncio.sleep(0.05)
        tally.answers[status] += 1
        tally.seconds.append(time.monotonic() - begun)
        if status == "200":
            tally.accepted.append(message.webhook_id)
        if connection and not keeps_open:
            connection[1].close()
            connection = None


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[str, bool]:
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.partition("content-length:")[2].partition("\r\n")[0])
    await reader.readexactly(length)
    return head.split(" ", 2)[1], "connection: close" not in head


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--accepted", type=Path)
    wanted = parser.parse_args()
    count = int(wanted.rate * wanted.seconds) if wanted.rate else int(6_000 * wanted.seconds)
    prepared, tally = list(messages(wanted.address, count=count, rate=wanted.rate)), Tally()
    waiting, start = iter(prepared), time.monotonic()
    until = start + wanted.seconds
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(send(wanted.address, waiting, start, until, tally))
    took, ordered = time.monotonic() - start, sorted(tally.seconds)
    if wanted.accepted:
        wanted.accepted.write_text("\n".join(tally.accepted))
    print(
        json.dumps(
            {
                "answers": dict(tally.answers),
                "accepted": len(tally.accepted),
                "accepted_per_second": len(tally.accepted) / took,
                "p50_ms": 1000 * ordered[len(ordered) // 2],
                "p99_ms": 1000 * ordered[int(len(ordered) * 0.99)],
                "worst_ms": 1000 * ordered[-1],
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
