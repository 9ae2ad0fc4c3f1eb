"""A PortOne that knows every payment and answers after a while, at next to no cost.

    python -m tests.bench.portone_stub PORT [SECONDS_BEFORE_IT_ANSWERS]

Prints how often it was asked when it is told to end.
"""

import asyncio
import json
import signal
import sys
from urllib.parse import unquote

from tests.webhooks.messages import payment_document


class Stub:
    """Answers with a payment, whatever is asked about whichever id, and has nothing to list."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.asked = 0
        self.before, self.after = json.dumps(payment_document("<>")).encode().split(b"<>")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                length = int(request.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
                await reader.readexactly(length)
                path = request.split(b" ", 2)[1].decode().partition("?")[0]
                await asyncio.sleep(self.delay)
                _, _what, *named = path.split("/")
                payment_id = json.dumps(unquote(named[0]))[1:-1] if named else ""
                body = self.before + payment_id.encode() + self.after if named else b'{"items": []}'
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()


async def main(port: int, delay: float) -> None:
    stub, is_over = Stub(delay), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, is_over.set)
    await asyncio.start_server(stub.serve, "127.0.0.1", port)
    await is_over.wait()
    print(stub.asked, flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.1))
