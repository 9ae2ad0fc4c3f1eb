"""Jinja filters and globals: how money, time and codes are written."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlencode

from babel.dates import format_timedelta
from flask import Flask, current_app, request, url_for
from flask_babel import gettext as _
from flask_wtf.csrf import generate_csrf
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from app import clock
from app.money import Money, decimals
from app.web.assets import asset_url
from app.web.labels import label_of
from app.web.language import page_language, speed_up_gettext

_NOTHING = "–"

THEMES = ("light", "dark", "auto")

_SECONDS = {"day": 86_400, "hour": 3_600, "minute": 60}

#: "27 hours ago" is more use than "1 day ago".
_MORE_THAN_ONE = 1.2


def money(amount: int | None, currency: str) -> str:
    """An amount in minor units, as people of the page's language write it."""
    return _NOTHING if amount is None else _money_in(page_language(), amount, currency)


@lru_cache(maxsize=4096)
def _money_in(language: str, amount: int, currency: str) -> str:
    return Money(amount, currency).format(language)


def amounts_in_words(amounts: Mapping[str, int]) -> str:
    """Amounts by currency in a row: `500,000원, $1,000.00`; empty where there is none."""
    return ", ".join(money(amount, currency) for currency, amount in sorted(amounts.items()))


def local_time(moment: datetime | None) -> str:
    """A moment in Asia/Seoul: `2026-03-29 20:22:08`."""
    return _NOTHING if moment is None else moment.astimezone(clock.SEOUL).isoformat(" ", "seconds")[:-6]


def relative_time(moment: datetime | None) -> str:
    """How long ago a moment was, or how far away it is: `3분 전`."""
    if moment is None:
        return _NOTHING
    seconds = (moment - clock.now()).total_seconds()
    if abs(seconds) < _SECONDS["minute"]:
        return str(_("just now"))
    is_more_than = abs(seconds) / _MORE_THAN_ONE
    unit = next((unit for unit in ("day", "hour") if is_more_than >= _SECONDS[unit]), "minute")
    return _age_in_words(round(seconds / _SECONDS[unit]), unit, page_language())


def moment(value: datetime | None, *, relative: bool = True) -> Markup:
    """A moment in Asia/Seoul, machine-readable in UTC, with its age beside it; a list has fifty and more."""
    if value is None:
        return Markup('<span class="faint">–</span>')
    age = f' <span class="age">{escape(relative_time(value))}</span>' if relative else ""
    return Markup(f'<time datetime="{value.isoformat()}">{local_time(value)}</time>{age}')  # noqa: S704


@lru_cache(maxsize=1024)
def _age_in_words(count: int, unit: Literal["day", "hour", "minute"], language: str) -> str:
    age = timedelta(seconds=count * _SECONDS[unit])
    return format_timedelta(
        age, granularity=unit, threshold=_MORE_THAN_ONE, add_direction=True, locale=language
    )


def label(code: str | None, kind: str) -> str:
    """The words for a code, such as 결제완료 for PAID; the code itself where it is not known."""
    return str(label_of(kind, code).text)


class OnceEach(dict[Any, Any]):
    """What a macro or function makes of a kind and a code, made once for each code, for one page.

    A list asks the same few codes for every row: `{% set badges = once_each(badge, "payment_status") %}`
    and then `{{ badges[payment.status] }}`.
    """

    def __init__(self, make: Callable[[str, Any], Any], kind: str) -> None:
        super().__init__()
        self._make = make
        self._kind = kind

    def __missing__(self, code: Any) -> Any:
        self[code] = made = self._make(self._kind, code)
        return made


def translated(msgid: str | None) -> str:
    """A sentence that is kept as its msgid, in the language of the page; any other text as it is."""
    return str(_(msgid)) if msgid else ""


@pass_context
def _label_now(_context: Context, code: str | None, kind: str) -> str:
    """`label` in templates: without the context Jinja would fold a constant code into its first language."""
    return label(code, kind)


def mask_ending(text: str | None, shown: int = 4) -> str:
    """All but the last characters hidden: `****1234`."""
    return f"****{text[-shown:]}" if text else ""


def in_groups(digits: str | None) -> str:
    """A long number in groups of four, for reading aloud: `1234 5678 9012`."""
    digits = digits or ""
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))


def readable_json(document: Any) -> str:
    """A document laid out for people; what JSON does not know is written as text."""
    return json.dumps(document, ensure_ascii=False, indent=2, default=str)


def chosen_theme() -> str:
    """The theme this browser has chosen: `light`, `dark`, or `auto` for the system's."""
    theme = request.cookies.get(current_app.config["THEME_COOKIE_NAME"], "")
    return theme if theme in THEMES else "auto"


def here() -> str:
    """This page's own address, to come back to after a small change such as the language."""
    query = request.query_string.decode("latin-1")
    return f"{request.path}?{query}" if query and request.method == "GET" else request.path


def url_for_page(**changes: Any) -> str:
    """This page's address with some of its query changed; None takes a name out.

    The cursor `after` is left behind, because it belongs to the question that was asked before.
    """
    query = {name: values for name, values in request.args.lists() if name not in changes and name != "after"}
    query |= {name: _as_list(value) for name, value in changes.items() if value is not None}
    text = urlencode(query, doseq=True)
    return f"{request.path}?{text}" if text else request.path


def urls_to(endpoint: str) -> Callable[..., str]:
    """What makes addresses of one page with different queries, as `url_for` does: a list leads to dozens."""
    path = url_for(endpoint)

    def url(**query: Any) -> str:
        given = {name: value for name, value in query.items() if value is not None}
        text = urlencode(given, doseq=True, safe="!$'()*,/:;?@")
        return f"{path}?{text}" if text else path

    return url


def _as_list(value: Any) -> list[Any]:
    is_many = isinstance(value, Iterable) and not isinstance(value, str)
    return list(value) if is_many else [value]


def init_app(app: Flask) -> None:
    """Give the templates their filters and globals."""
    for function in (
        money,
        amounts_in_words,
        decimals,
        local_time,
        moment,
        relative_time,
        mask_ending,
        in_groups,
        readable_json,
        translated,
    ):
        app.jinja_env.filters[function.__name__] = function
    app.jinja_env.filters["label"] = _label_now
    app.jinja_env.globals.update(
        asset_url=asset_url,
        chosen_theme=chosen_theme,
        here=here,
        csrf_token=generate_csrf,
        label_of=label_of,
        once_each=OnceEach,
        url_for_page=url_for_page,
        urls_to=urls_to,
        page_language=page_language,
    )
    speed_up_gettext(app)
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
