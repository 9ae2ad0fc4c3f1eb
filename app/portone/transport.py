"""HTTP to PortOne: authorization, timeouts, idempotency, repeating what is safe, and what an error means."""

import logging
import math
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, ReadTimeoutError

from app import clock
from app.portone.errors import ChannelFailure, PortOneError, PortOneRefused, PortOneUncertain
from app.portone.values import Raw, UnreadableDocument, each, mapping, parse_document, text

CONNECT_SECONDS = 5.0
#: PortOne asks for at least 60 s, since a PG may take that long to refund.
READ_SECONDS = 65.0
#: Looking something up asks no PG. A PortOne that accepts and stays silent must not hold whoever looks.
LOOK_UP_SECONDS = 15.0
ATTEMPTS = 3
#: The longest wait between two attempts, whatever `Retry-After` says.
MAX_WAIT_SECONDS = 5.0
#: No attempt starts later than this after the first one, so that a call ends within 85 s.
RETRY_WITHIN_SECONDS = 15.0

#: Error types that are an answer of the PG although their status is a 5xx.
_BUSINESS_5XX = frozenset({"PG_PROVIDER", "CHANNEL_SPECIFIC"})
_PASSING_REASONS = frozenset({"unreachable", "throttled", "server_error"})
#: The most of an answer that is read before the clock is looked at.
_PIECE_BYTES = 65_536
_ERROR_TYPE = re.compile(r"[A-Z][A-Z0-9_]*")
#: An RFC 8941 string of the length PortOne takes, without the characters that need escaping.
_IDEMPOTENCY_KEY = re.compile(r"[ !#-\[\]-~]{16,256}")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

_log = logging.getLogger(__name__)


#: What PortOne answers about an id it does not know, by the endpoint.
_NOT_FOUND = {"payments": "PAYMENT_NOT_FOUND", "billing-keys": "BILLING_KEY_NOT_FOUND"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request: where to (path segments, unencoded), with which query, body and idempotency key."""

    method: str
    path: tuple[str, ...] = field(repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    idempotency_key: str | None = None

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it again cannot make it happen twice."""
        return self.method == "GET" or self.idempotency_key is not None


class Transport:
    """Sends calls to PortOne and answers their JSON; raises PortOneRefused or PortOneUncertain only.

    Safe to share between threads: each has its own session, and no session keeps cookies.
    """

    def __init__(
        self,
        *,
        api_secret: str,
        base: str,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
    ) -> None:
        if not (api_secret.isascii() and api_secret.isprintable()):
            raise ValueError("the PortOne API secret holds characters that no header can carry")
        self._auth = _SecretAuth(api_secret)
        self._base = base.rstrip("/")
        self._sleep = sleep
        self._monotonic = monotonic
        self._timeout = timeout
        self._own = threading.local()

    def send(self, call: Call) -> dict[str, Any]:
        """Carry the call out, repeating it where that is safe and may help."""
        url = self._base + _encoded_path(call.path)
        deadline = self._monotonic() + RETRY_WITHIN_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._attempt(call, url)
            except PortOneRefused as refusal:
                refusal.is_after_silence = attempt > 1
                raise
            except PortOneUncertain as uncertain:
                wait = _wait_before_next(attempt, uncertain)
                is_late = self._monotonic() + wait > deadline
                if attempt == ATTEMPTS or is_late or not _may_repeat(call, uncertain):
                    raise
                _log.info("%s to PortOne: %s; trying again in %.1f s", call.method, uncertain, wait)
                self._sleep(wait)
        raise AssertionError("the last attempt answers or raises")

    def read_clock(self, call: Call) -> datetime | None:
        """When the answer to a call was made, by its `Date` header; None without one."""
        try:
            response, _content = self._exchange(call, self._base + _encoded_path(call.path))
            moment = parsedate_to_datetime(response.headers.get("Date", ""))
        except (PortOneUncertain, ValueError, OverflowError):
            return None
        return moment.replace(tzinfo=moment.tzinfo or UTC)

    def _attempt(self, call: Call, url: str) -> dict[str, Any]:
        return _answer(*self._exchange(call, url))

    def _exchange(self, call: Call, url: str) -> tuple[requests.Response, bytes]:
        try:
            response = self._session().request(
                call.method,
                url,
                params=urlencode(call.query, quote_via=quote, errors="replace"),
                data=call.body,
                headers=_headers(call),
                timeout=self._timeout_of(call),
                allow_redirects=False,
                stream=True,
            )
            return response, self._read(response, self._timeout_of(call)[1])
        except (requests.RequestException, HTTPError) as problem:
            # The text of the exception holds the address, and the address may hold a billing key.
            raise _silence(problem) from None

    def _timeout_of(self, call: Call) -> tuple[float, float]:
        connect, read = self._timeout
        return connect, min(read, LOOK_UP_SECONDS) if call.method == "GET" else read

    def _read(self, response: requests.Response, seconds: float) -> bytes:
        """The body, whole. Each piece of it may come in time, and yet all of them too late."""
        with response:
            deadline = time.monotonic() + seconds
            pieces = []
            while piece := response.raw.read1(_PIECE_BYTES, decode_content=True):
                pieces.append(piece)
                if time.monotonic() > deadline:
                    raise requests.ReadTimeout
            return b"".join(pieces)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = requests.Session()
            session.auth = self._auth
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            # A proxy of the environment is for the world outside, not for a simulator on this machine.
            session.trust_env = urlsplit(self._base).hostname not in _LOOPBACK
        return session


class _SecretAuth(AuthBase):
    """Puts the API secret on a request. Being an auth object it also keeps a .netrc from replacing it."""

    def __init__(self, api_secret: str) -> None:
        self._api_secret = api_secret

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"PortOne {self._api_secret}"
        return request


def _encoded_path(segments: tuple[str, ...]) -> str:
    """The path with every segment percent-encoded, no character being safe.

    An empty segment, `.` and `..` have no safe spelling: HTTP software resolves `%2E%2E` too, and the call
    would reach another endpoint. PortOne cannot know such an id, so it is not found without asking.
    """
    for segment in segments:
        if segment in {"", ".", ".."} or not _is_encodable(segment):
            raise PortOneRefused(_NOT_FOUND.get(segments[0], "INVALID_REQUEST"), status=404)
    return "".join(f"/{quote(segment, safe='')}" for segment in segments)


def _is_encodable(segment: str) -> bool:
    try:
        segment.encode()
    except UnicodeEncodeError:
        return False
    return True


def _headers(call: Call) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    if call.body is not None:
        headers["Content-Type"] = "application/json"
    if call.idempotency_key is not None:
        if not _IDEMPOTENCY_KEY.fullmatch(call.idempotency_key):
            raise ValueError("an idempotency key has 16 to 256 plain ASCII characters")
        headers["Idempotency-Key"] = f'"{call.idempotency_key}"'
    return headers


def _silence(problem: requests.RequestException | HTTPError) -> PortOneUncertain:
    """No answer came: a read timed out (the request was sent), or the connection did not hold."""
    wrapped = problem.args[0] if problem.args else None
    is_timeout = isinstance(problem, requests.ReadTimeout | ReadTimeoutError) or isinstance(
        wrapped, ReadTimeoutError
    )
    return PortOneUncertain("timeout" if is_timeout else "unreachable", detail=type(problem).__name__)


def _answer(response: requests.Response, content: bytes) -> dict[str, Any]:
    document = _document(content)
    if 200 <= response.status_code < 300:
        if document is None:
            raise PortOneUncertain("unreadable", detail=f"HTTP {response.status_code}")
        return document
    raise _error(response, document or {})


def _document(content: bytes) -> dict[str, Any] | None:
    try:
        return parse_document(content)
    except UnreadableDocument:
        return None


def _error(response: requests.Response, raw: Raw) -> PortOneError:
    """What an answer that is not a success means."""
    status = response.status_code
    error_type = _portones_word(raw)
    reason = _uncertain_reason(status, error_type)
    if reason:
        return PortOneUncertain(
            reason,
            retry_after=_retry_after(response.headers.get("Retry-After")),
            detail=f"HTTP {status} {error_type or ''}".strip(),
        )
    return PortOneRefused(
        error_type or f"HTTP_{status}",
        status=status,
        message=text(raw, "message") or "",
        pg_code=text(raw, "pgCode"),
        pg_message=text(raw, "pgMessage"),
        failures=each(raw.get("failures"), _channel_failure),
        raw=raw,
    )


def _portones_word(raw: Raw) -> str | None:
    """PortOne's word for a reason; a proxy's problem document has a `type` too, but an address in it."""
    word = text(raw, "type")
    return word if word and _ERROR_TYPE.fullmatch(word) else None


def _uncertain_reason(status: int, error_type: str | None) -> str | None:
    """Why an error leaves the outcome open, or None if it is PortOne's no."""
    if error_type == "IDEMPOTENCY_OUTSTANDING_REQUEST":
        return "outstanding"
    if status == 429:
        return "throttled"
    if status in {408, 425}:  # not of PortOne's own making: something between gave up
        return "timeout"
    if status >= 500:
        return None if error_type in _BUSINESS_5XX else "server_error"
    return "unreadable" if status < 400 else None


def _channel_failure(raw: Raw) -> ChannelFailure:
    channel = mapping(raw, "channel") or {}
    return ChannelFailure(
        type=text(raw, "type") or "",
        pg_provider=text(channel, "pgProvider"),
        channel_name=text(channel, "name"),
        message=text(raw, "message"),
        pg_code=text(raw, "pgCode"),
        pg_message=text(raw, "pgMessage"),
    )


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait, from a number of seconds or an HTTP date; None if it is neither."""
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    wait = date.replace(tzinfo=date.tzinfo or UTC) - clock.now()
    return float(max(math.ceil(wait.total_seconds()), 0))


def _wait_before_next(attempt: int, uncertain: PortOneUncertain) -> float:
    backoff = 2.0 ** (attempt - 2) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
    return min(max(backoff, uncertain.retry_after or 0.0), MAX_WAIT_SECONDS)


def _may_repeat(call: Call, uncertain: PortOneUncertain) -> bool:
    """Whether another attempt is safe and worth it.

    Something that was sent and not answered in time may still be at work: only a read is asked again then.
    """
    is_passing = uncertain.reason in _PASSING_REASONS
    return call.is_repeatable and (is_passing or (uncertain.reason == "timeout" and call.method == "GET"))
