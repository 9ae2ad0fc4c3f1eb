"""The two ways out: a Slack-compatible webhook, and e-mail by SMTP. Both are quick to give up."""

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from typing import Protocol
from urllib.parse import urlsplit

import requests

from app.config import LOOPBACK
from app.portone.meanings import N_
from app.settings.service import value_of

CONNECT_SECONDS, READ_SECONDS = 5.0, 10.0
#: As much of an answer as is read and kept.
ANSWER_BYTES = 500

NOT_HTTPS = N_("The address must begin with https://, so that nobody on the way can read along.")
UNREACHABLE = N_("The other side could not be reached.")
NO_SENDER = N_("No valid sender address is set.")
NO_RECIPIENT = N_("No valid recipient address is set.")
PASSWORD_IN_THE_CLEAR = N_("A password is never sent without encryption. Choose starttls or tls.")
UNKNOWN_SECURITY = N_("The encryption of the mail server must be starttls, tls or none.")
MAIL_REFUSED = N_("The mail server refused the message.")
SIGN_IN_REFUSED = N_("The mail server refused user and password.")


class NotDelivered(Exception):
    """A message did not go out; `problem` is a sentence (msgid) or the words of the other side."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class Channel(Protocol):
    """A way out."""

    @property
    def name(self) -> str:
        """The code it is kept under."""

    def send(self, title: str, text: str) -> None:
        """Send one message; raises `NotDelivered`."""


@dataclass(frozen=True, slots=True)
class SlackChannel:
    """An incoming webhook as Slack, Mattermost and others offer it: the address is a secret."""

    url: str = field(repr=False)
    allows_loopback: bool = False
    name: str = "slack"

    def send(self, title: str, text: str) -> None:
        """POST `{"text": …}`; no redirect is followed, and little of the answer is read."""
        self._refuse_unsafe()
        try:
            with requests.post(
                self.url,
                json={"text": f"*{title}*\n{text}"},
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as answer:
                said = next(answer.iter_content(ANSWER_BYTES), b"").decode(errors="replace")
                status = answer.status_code
        except (requests.RequestException, OSError, ValueError):
            raise NotDelivered(UNREACHABLE) from None  # the exception holds the address
        if not 200 <= status < 300:
            raise NotDelivered(f"HTTP {status} {said}".strip())

    def _refuse_unsafe(self) -> None:
        try:
            parts = urlsplit(self.url)
        except ValueError:
            raise NotDelivered(NOT_HTTPS) from None
        is_loopback = self.allows_loopback and parts.scheme == "http" and parts.hostname in LOOPBACK
        if not (parts.scheme == "https" and parts.hostname) and not is_loopback:
            raise NotDelivered(NOT_HTTPS)


@dataclass(frozen=True, slots=True)
class EmailChannel:
    """A mail server: `security` is `starttls`, `tls` or `none`."""

    host: str
    port: int
    security: str
    user: str
    password: str = field(repr=False)
    sender: str
    recipients: Sequence[str]
    name: str = "email"

    def send(self, title: str, text: str) -> None:
        """Hand one message to the mail server, for all recipients."""
        self._refuse_unusable()
        try:
            with self._connect() as server:
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(self._message(title, text))
        except smtplib.SMTPAuthenticationError:
            raise NotDelivered(SIGN_IN_REFUSED) from None
        except (smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError):
            raise NotDelivered(UNREACHABLE) from None
        except smtplib.SMTPException:
            raise NotDelivered(MAIL_REFUSED) from None
        except (OSError, ValueError):
            raise NotDelivered(UNREACHABLE) from None

    def _refuse_unusable(self) -> None:
        if self.security not in {"starttls", "tls", "none"}:
            raise NotDelivered(UNKNOWN_SECURITY)
        if self.user and self.security == "none":
            raise NotDelivered(PASSWORD_IN_THE_CLEAR)
        if not is_address(self.sender):
            raise NotDelivered(NO_SENDER)
        if not self.recipients or not all(map(is_address, self.recipients)):
            raise NotDelivered(NO_RECIPIENT)

    def _connect(self) -> smtplib.SMTP:
        if self.security == "tls":
            return smtplib.SMTP_SSL(
                self.host, self.port, timeout=READ_SECONDS, context=ssl.create_default_context()
            )
        server = smtplib.SMTP(self.host, self.port, timeout=READ_SECONDS)
        if self.security == "starttls":
            try:
                server.starttls(context=ssl.create_default_context())
            except BaseException:
                server.close()
                raise
        return server

    def _message(self, title: str, text: str) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = f"[Portico] {title}"
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain="portico.invalid")
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        return message


def is_address(text: str) -> bool:
    """Whether a text is one plain e-mail address, without a name and without anything else."""
    return parseaddr(text)[1] == text and "@" in text[1:-1] and text.isprintable() and " " not in text


def channels(*, allows_loopback: bool) -> list[Channel]:
    """The channels that are set up, as the settings are now."""
    found: list[Channel] = []
    if url := value_of("alert_webhook_url"):
        found.append(SlackChannel(url, allows_loopback))
    recipients = [address.strip() for address in value_of("alert_email_to").split(",") if address.strip()]
    if recipients and value_of("alert_smtp_host"):
        found.append(
            EmailChannel(
                host=value_of("alert_smtp_host"),
                port=int(value_of("alert_smtp_port")),
                security=value_of("alert_smtp_security").strip().lower(),
                user=value_of("alert_smtp_user"),
                password=value_of("alert_smtp_password"),
                sender=value_of("alert_email_from"),
                recipients=recipients,
            )
        )
    return found
