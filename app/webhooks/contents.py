"""What is kept of a message: all that explains it, and nothing that is a secret or cannot be stored."""

import re
from collections.abc import Mapping
from typing import Any

from app.billing_keys.service import mask_key, without_key
from app.portone.webhooks import WebhookEvent

#: How much is kept of a message nobody vouches for: of its body in bytes, of its headers in characters.
BEGINNING_BYTES, BEGINNING_HEADERS_LENGTH = 8 * 1024, 4 * 1024

_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})
_HEADERS_KEPT, _HEADER_LENGTH = 40, 500
#: A document nested deeper is kept as text: not every reader would come to its end.
_DEPTH = 64
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_KEY_IN_TEXT = re.compile(r'(?P<before>"billingKey"\s*:\s*")(?P<key>[^"]+)|(?P<bare>billing-key-[\w-]+)')


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers as they came, but for credentials."""
    kept = [(name, value) for name, value in headers.items() if name.lower() not in _SECRET_HEADERS]
    return {
        _UNSTORABLE.sub("\ufffd", name[:_HEADER_LENGTH]): _UNSTORABLE.sub("\ufffd", value[:_HEADER_LENGTH])
        for name, value in kept[:_HEADERS_KEPT]
    }


def beginning(headers: Mapping[str, str]) -> dict[str, str]:
    """As many of the headers, from the first on, as a message deserves that nobody vouches for."""
    kept: dict[str, str] = {}
    length = BEGINNING_HEADERS_LENGTH
    for name, value in headers.items():
        length -= len(name) + len(value)
        if length < 0:
            break
        kept[name] = value
    return kept


def kept_body(event: WebhookEvent) -> Any:
    """The body as it came, but for a billing key."""
    if _is_deep(event.body):
        return readable_part(event.raw_body.encode())
    return without_key(event.body, event.billing_key) if event.billing_key else event.body


def readable_part(body: bytes) -> str:
    """The beginning of a body nobody vouches for, as text; a billing key in it may be a real one."""
    text = _UNSTORABLE.sub("\ufffd", body[:BEGINNING_BYTES].decode(errors="replace"))
    return _KEY_IN_TEXT.sub(_masked_key, text)


def _masked_key(found: re.Match[str]) -> str:
    return (found["before"] or "") + mask_key(found["key"] or found["bare"])


def _is_deep(document: Any) -> bool:
    level = [document]
    for _ in range(_DEPTH):
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return False
    return True


def _inside(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []
