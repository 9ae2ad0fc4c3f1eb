"""Every setting there is, in one table that a person can read. Each has a default that works."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flask_babel import lazy_gettext as _l


class Kind(StrEnum):
    """What a setting holds.

    `AMOUNTS`: an amount in minor units for each currency that has one, `{"KRW": 500000}`. `NUMBER`: a whole
    number. `SWITCH`: true or false. `TEXT`: a text. `SECRET`: a text that is kept sealed and never shown.
    """

    AMOUNTS = "amounts"
    NUMBER = "number"
    SWITCH = "switch"
    TEXT = "text"
    SECRET = "secret"  # noqa: S105 - the name of a kind


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting; `least` and `most` bound a number, `most` the length of a text."""

    name: str
    section: str
    kind: Kind
    label: Any
    hint: Any
    default: Any
    least: int = 0
    most: int = 1_000_000


#: The sections of the settings page, in its order.
SECTIONS: dict[str, Any] = {
    "refunds": _l("Refunds"),
    "charges": _l("Charges"),
    "plans": _l("Recurring plans"),
    "access": _l("Signing in"),
    "api": _l("API of the store's servers"),
    "exports": _l("Exports"),
    "webhooks": _l("Webhooks"),
    "drift": _l("Comparison with PortOne"),
    "alerts": _l("Alerts"),
}

_ALL = (
    Setting(
        "refund_approval_threshold",
        "refunds",
        Kind.AMOUNTS,
        _l("A second person approves refunds above"),
        _l("A refund of more than this waits for somebody else; parts of a payment count together."),
        {},
    ),
    Setting(
        "refund_limit_admin",
        "refunds",
        Kind.AMOUNTS,
        _l("The most an admin may refund at once"),
        _l("Empty: no limit."),
        {},
    ),
    Setting(
        "refund_limit_super_admin",
        "refunds",
        Kind.AMOUNTS,
        _l("The most a super admin may refund at once"),
        _l("Empty: no limit."),
        {},
    ),
    Setting(
        "refund_daily_limit_admin",
        "refunds",
        Kind.AMOUNTS,
        _l("The most an admin may refund in a day"),
        _l("All refunds of a day (Korean time) count together. Empty: no limit."),
        {},
    ),
    Setting(
        "refund_daily_limit_super_admin",
        "refunds",
        Kind.AMOUNTS,
        _l("The most a super admin may refund in a day"),
        _l("All refunds of a day (Korean time) count together. Empty: no limit."),
        {},
    ),
    Setting(
        "refund_step_up_threshold",
        "refunds",
        Kind.AMOUNTS,
        _l("The password is asked again for refunds above"),
        _l("Whoever asks for more than this types their own password once more. Empty: it is never asked."),
        {},
    ),
    Setting(
        "refund_approval_hours",
        "refunds",
        Kind.NUMBER,
        _l("A refund waits for approval for so many hours"),
        _l("After that it is rejected by itself, and its amount is free again."),
        72,
        least=1,
        most=24 * 60,
    ),
    Setting(
        "refund_account_days",
        "refunds",
        Kind.NUMBER,
        _l("Refund account numbers are kept for so many days"),
        _l("Counted from when the refund is final. Then the number is erased; bank and last digits stay."),
        30,
        least=1,
        most=3_650,
    ),
    Setting(
        "charge_approval_threshold",
        "charges",
        Kind.AMOUNTS,
        _l("A second person approves charges above"),
        _l(
            "A charge of more than this waits for somebody else; those of a day to one key count together. "
            "Once an amount is set, charges in currencies that are not named here wait as well."
        ),
        {},
    ),
    Setting(
        "charge_limit_admin",
        "charges",
        Kind.AMOUNTS,
        _l("The most an admin may charge at once"),
        _l("Empty: no limit. Once one is set, currencies that are not named here may not be charged."),
        {},
    ),
    Setting(
        "charge_limit_super_admin",
        "charges",
        Kind.AMOUNTS,
        _l("The most a super admin may charge at once"),
        _l("Empty: no limit. Once one is set, currencies that are not named here may not be charged."),
        {},
    ),
    Setting(
        "charge_step_up_threshold",
        "charges",
        Kind.AMOUNTS,
        _l("The password is asked again for charges above"),
        _l(
            "Whoever charges more than this types their own password once more. Empty: it is never asked. "
            "Once an amount is set, it is asked for currencies that are not named here as well."
        ),
        {},
    ),
    Setting(
        "charge_approval_hours",
        "charges",
        Kind.NUMBER,
        _l("A charge waits for approval for so many hours"),
        _l("After that it is rejected by itself, and nothing is charged."),
        72,
        least=1,
        most=24 * 60,
    ),
    Setting(
        "plan_tries",
        "plans",
        Kind.NUMBER,
        _l("A charge is tried so many times in all"),
        _l("After the last failure the plan is paused, and the home page says so."),
        3,
        least=1,
        most=10,
    ),
    Setting(
        "plan_retry_days",
        "plans",
        Kind.NUMBER,
        _l("Days between a failed charge and the next try"),
        _l("A try that would reach into the next period is not made; the plan is paused instead."),
        3,
        least=1,
        most=30,
    ),
    Setting(
        "session_idle_minutes",
        "access",
        Kind.NUMBER,
        _l("A session nobody uses ends after so many minutes"),
        _l("480 is a working day. Sessions that are open already are bound too."),
        480,
        least=5,
        most=7 * 24 * 60,
    ),
    Setting(
        "session_hours",
        "access",
        Kind.NUMBER,
        _l("A session ends after so many hours, however busy it is"),
        _l("168 is a week. Sessions that are open already are bound too."),
        168,
        least=1,
        most=30 * 24,
    ),
    Setting(
        "sign_in_tries_of_network",
        "access",
        Kind.NUMBER,
        _l("Wrong passwords from one IP address within 15 minutes"),
        _l(
            "After so many, for whichever accounts, that address waits. Browsers that have signed in before "
            "go on."
        ),
        100,
        least=10,
        most=100_000,
    ),
    Setting(
        "second_factor_admin",
        "access",
        Kind.SWITCH,
        _l("Admins need a second factor"),
        _l("Whoever has none sets one before they see anything else."),
        False,
    ),
    Setting(
        "second_factor_super_admin",
        "access",
        Kind.SWITCH,
        _l("Super admins need a second factor"),
        _l("Whoever has none sets one before they see anything else."),
        False,
    ),
    Setting(
        "api_requests_per_minute",
        "api",
        Kind.NUMBER,
        _l("Requests a minute for each token"),
        _l("More than this are answered with 429 until the minute is over."),
        600,
        least=1,
        most=100_000,
    ),
    Setting(
        "export_days",
        "exports",
        Kind.NUMBER,
        _l("Exported files are kept for so many days"),
        _l("After that the file is erased. Who exported what, and why, stays."),
        7,
        least=1,
        most=90,
    ),
    Setting(
        "webhook_late_minutes",
        "webhooks",
        Kind.NUMBER,
        _l("A webhook is late after so many minutes"),
        _l("Counted from when PortOne triggered it to when it first came."),
        10,
        least=1,
        most=24 * 60,
    ),
    Setting(
        "drift_grace_minutes",
        "drift",
        Kind.NUMBER,
        _l("A change at PortOne may take so many minutes to reach us"),
        _l("What arrives within them is ordinary lateness, and no difference is recorded."),
        10,
        least=1,
        most=24 * 60,
    ),
    Setting(
        "drift_window_days",
        "drift",
        Kind.NUMBER,
        _l("Payments made within so many days are compared"),
        _l("Four times a day each, besides those that are open and those whose money moved."),
        7,
        least=1,
        most=90,
    ),
    Setting(
        "alert_mismatches",
        "alerts",
        Kind.NUMBER,
        _l("Alert when so many payments are not what the store initialized"),
        _l("It ends when they were given back or never paid. 0: no such alert."),
        1,
        most=10_000,
    ),
    Setting(
        "alert_failures",
        "alerts",
        Kind.NUMBER,
        _l("Alert when so many webhooks of the last 24 hours stand as failed"),
        _l("It ends when no more than half as many do. 0: no such alert."),
        1,
        most=10_000,
    ),
    Setting(
        "alert_backlog_minutes",
        "alerts",
        Kind.NUMBER,
        _l("Alert when a webhook has waited for so many minutes"),
        _l("It ends when none has waited for more than half as long. 0: no such alert."),
        10,
        most=24 * 60,
    ),
    Setting(
        "alert_silence_minutes",
        "alerts",
        Kind.NUMBER,
        _l("Alert when no webhook has come for so many minutes"),
        _l("For stores that always sell. It ends with the next webhook. 0: no such alert."),
        0,
        most=30 * 24 * 60,
    ),
    Setting(
        "alert_drifts",
        "alerts",
        Kind.NUMBER,
        _l("Alert when so many differences from PortOne wait for a person"),
        _l("It ends when no more than half as many do. 0: no such alert."),
        1,
        most=10_000,
    ),
    Setting(
        "alert_stopped_plans",
        "alerts",
        Kind.NUMBER,
        _l("Alert when so many recurring plans stand still because of trouble"),
        _l("It ends when no more than half as many do. 0: no such alert."),
        1,
        most=10_000,
    ),
    Setting(
        "alert_reminder_hours",
        "alerts",
        Kind.NUMBER,
        _l("Remind every so many hours while an alert lasts"),
        _l("0: it is told once when it begins and once when it ends."),
        4,
        most=7 * 24,
    ),
    Setting(
        "alert_language",
        "alerts",
        Kind.TEXT,
        _l("Language of alerts"),
        _l("ko or en."),
        "ko",
        most=2,
    ),
    Setting(
        "alert_webhook_url",
        "alerts",
        Kind.SECRET,
        _l("Address of a Slack-compatible webhook"),
        _l("Slack, Mattermost, Google Chat and others give one: it begins with https://. Empty: none."),
        "",
        most=1_000,
    ),
    Setting(
        "alert_email_to",
        "alerts",
        Kind.TEXT,
        _l("E-mail addresses that alerts go to"),
        _l("Separated by commas. Empty: no e-mail."),
        "",
        most=1_000,
    ),
    Setting(
        "alert_email_from",
        "alerts",
        Kind.TEXT,
        _l("Sender of alert e-mails"),
        _l("An address that the mail server lets you send from."),
        "",
        most=254,
    ),
    Setting(
        "alert_smtp_host",
        "alerts",
        Kind.TEXT,
        _l("Mail server (SMTP)"),
        _l("Its name, such as smtp.example.com."),
        "",
        most=253,
    ),
    Setting(
        "alert_smtp_port",
        "alerts",
        Kind.NUMBER,
        _l("Port of the mail server"),
        _l("Usually 587 with starttls and 465 with tls."),
        587,
        least=1,
        most=65_535,
    ),
    Setting(
        "alert_smtp_security",
        "alerts",
        Kind.TEXT,
        _l("Encryption of the mail server"),
        _l("starttls, tls or none. A password is never sent with none."),
        "starttls",
        most=8,
    ),
    Setting(
        "alert_smtp_user",
        "alerts",
        Kind.TEXT,
        _l("User at the mail server"),
        _l("Empty: no sign-in."),
        "",
        most=254,
    ),
    Setting(
        "alert_smtp_password",
        "alerts",
        Kind.SECRET,
        _l("Password at the mail server"),
        _l("Kept sealed, and never shown again."),
        "",
        most=500,
    ),
    Setting(
        "webhook_body_days",
        "webhooks",
        Kind.NUMBER,
        _l("Contents of webhooks are kept for so many days"),
        _l("Then headers and bodies are erased; when each came and what became of it stays. 0: for ever."),
        90,
        most=3_650,
    ),
)

CATALOGUE: dict[str, Setting] = {setting.name: setting for setting in _ALL}
