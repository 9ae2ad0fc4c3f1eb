"""The words payments are searched by, and the filters that a query means.

Domains above add words of theirs (`add_word`, `add_flag`): whether a payment has a refund, what became of its
webhooks.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any

from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy import ColumnElement, select

from app.clock import SEOUL, start_of_day
from app.payments.filters import CLOCK_WORDS, CONDITIONS, FLAGS, USUAL_CLOCK, Condition, PaymentFilters
from app.payments.models import Cancellation, Note
from app.payments.search import normalised
from app.payments.text_query import Bound, TextQuery, as_number
from app.portone.labels import PG_PROVIDERS
from app.web.labels import choices_of, label_of
from app.web.language import LANGUAGES
from app.web.query_language import Complaint, Language, Phrase, Query, Term, Word
from app.web.query_values import Amounts, Choice, Days, Span, Switch, Texts

Names = Mapping[str, tuple[str, ...]]

_MORE_STATUSES = {
    "PAID": ("완료",),
    "CANCELLED": ("취소",),
    "PARTIAL_CANCELLED": ("취소", "partial"),
    "FAILED": ("실패",),
    "VIRTUAL_ACCOUNT_ISSUED": ("대기",),
}

_MORE_METHODS = {
    "TRANSFER": ("계좌이체",),
    "MOBILE": ("휴대폰", "소액결제"),
    "GIFT_CERTIFICATE": ("상품권",),
    "CONVENIENCE_STORE": ("편의점",),
}

#: What `has:` asks for, besides the flags of the filter row.
_HAS: dict[str, tuple[tuple[str, ...], Condition]] = {
    "cancellation": (
        ("취소",),
        lambda on, _value: on.id.in_(select(Cancellation.payment_id)),
    ),
    "note": (("메모", "노트"), lambda on, _value: on.id.in_(select(Note.payment_id))),
    "billing_key": (("빌링키",), lambda on, _value: on.billing_key_hash.is_not(None)),
}

_FLAG_NAMES = {
    "pending_cancellation": ("취소진행", "pending"),
    "open_dispute": ("분쟁", "dispute"),
    "mismatched": ("불일치",),
    "account_refund_failed": ("이체실패",),
    "account_refund_pending": ("이체중",),
    "drift": ("어긋남", "차이"),
}

#: The words that are looked for in the searchable text, and the lines they are bound to.
_LINES = {
    "id": ("payment_id", "transaction_id", "pg_tx_id"),
    "order": ("order_name",),
    "customer": ("customer_name", "customer_id"),
    "email": ("customer_email",),
    "phone": ("customer_phone_digits",),
    "card": ("card_number",),
    "approval": ("approval_number",),
    "account": ("account_number_digits",),
    "reason": ("reasons",),
}


_CLOCK_NAMES = {
    "status_changed": ("변경", "상태변경"),
    "requested": ("요청",),
    "paid": ("승인", "결제"),
    "cancelled": ("취소",),
}

#: So many digits are a whole card number rather than a part of one.
_WHOLE_CARD = 12


def _digits(typed: str) -> str:
    digits = re.sub(r"[^0-9]", "", as_number(typed) or typed)
    if not digits:
        raise Complaint(_("“%(value)s” holds no digits to look for.", value=typed[:40]))
    return digits


def _card(typed: str) -> str:
    number = re.sub(r"[\s-]", "", typed)
    if not re.fullmatch(r"[0-9*]*[0-9][0-9*]*", number):
        raise Complaint(_("Type the digits of the card number that you know, such as its last four."))
    return number


def _some(typed: str) -> str:
    text = normalised(typed)
    if not text:
        raise Complaint(_("Say what to look for after the colon."))
    return text


def _labels(kind: str, more: Names | None = None) -> Callable[[], Names]:
    """The codes of a kind with their names in each language, and what else people call them."""

    @lru_cache
    def names() -> Names:
        found: dict[str, tuple[str, ...]] = {}
        codes = PG_PROVIDERS if kind == "pg" else [str(choice.value) for choice in choices_of(kind)]
        for language in LANGUAGES:
            with force_locale(language):
                for code in codes:
                    found[code] = (*found.get(code, ()), str(label_of(kind, code).text))
        return {code: (*known, *(more or {}).get(code, ())) for code, known in found.items()}

    return names


def label_choice(
    kind: str, more: Names | None = None, *, is_wide: bool = False, is_open: bool = False
) -> Choice:
    """The kind of values of a word that takes codes which have labels, and `more` names."""
    return Choice(_labels(kind, more), is_wide=is_wide, is_open=is_open)


def _has_names() -> Names:
    return _FLAG_NAMES | {code: names for code, (names, _) in _HAS.items()}


LANGUAGE = Language(
    (
        Word("status", ("상태",), label_choice("payment_status", _MORE_STATUSES, is_open=True)),
        Word("method", ("결제수단", "수단"), label_choice("method", _MORE_METHODS, is_open=True)),
        Word("pg", ("결제대행사", "PG사"), label_choice("pg", is_wide=True, is_open=True)),
        Word("amount", ("금액", "결제금액", "결제액"), Amounts()),
        Word("date", ("날짜", "기간", "일자"), Days()),
        Word("approved", ("승인일", "결제일", "paid"), Days()),
        Word("requested", ("요청일",), Days()),
        Word("cancelled-on", ("취소일",), Days()),
        Word("clock", ("기준",), Choice(lambda: _CLOCK_NAMES)),
        Word("currency", ("통화",), Choice(dict, is_open=True)),
        Word("test", ("테스트",), Switch()),
        Word("real", ("실결제",), Switch()),
        Word("drift", ("어긋남", "차이", "대사"), Switch()),
        Word("has", ("있음", "is"), Choice(_has_names)),
        Word("id", ("거래번호", "번호", "아이디"), Texts(_some)),
        Word("order", ("주문", "주문명", "상품"), Texts(_some)),
        Word("customer", ("고객", "이름", "name"), Texts(_some)),
        Word("email", ("이메일", "메일"), Texts(_some)),
        Word("phone", ("전화", "전화번호", "휴대폰", "연락처"), Texts(_digits)),
        Word("card", ("카드", "카드번호"), Texts(_card)),
        Word("approval", ("승인번호",), Texts(_digits)),
        Word("account", ("계좌", "가상계좌", "계좌번호"), Texts(_digits)),
        Word("reason", ("사유", "취소사유"), Texts(_some)),
    )
)

#: What a word may take several values of by being typed several times: `status:paid status:failed`.
_UNITED = frozenset({"status", "method", "pg", "currency"})

CONDITIONS["has"] = lambda on, value: FLAGS[value](on) if value in FLAGS else _HAS[value][1](on, value)

_PLAIN_FIELDS = {"currency": "currency", "clock": "clock", "real": "is_real_only", "has": "flag"}
#: Words that are said in the field of another.
_SAME_FIELD = {"drift": "has"}
_FIELDS = {"status": "statuses", "method": "methods", "pg": "pg_providers"}


@dataclass(frozen=True, slots=True)
class Settled:
    """What a query means, and what of it the fields of the filter row cannot say."""

    filters: PaymentFilters
    rest: Query

    @property
    def typed(self) -> str:
        """What the fields cannot say, as it was typed."""
        parts: tuple[Term | Phrase, ...] = (*self.rest.terms, *self.rest.phrases)
        return " ".join(part.typed for part in parts)


def add_word(word: Word, condition: Condition) -> None:
    """Learn a word of a domain above: `condition` holds for a payment that has one of its values."""
    LANGUAGE.add(word)
    CONDITIONS[word.name] = condition


def add_flag(code: str, names: tuple[str, ...], condition: Callable[[Any], ColumnElement[bool]]) -> None:
    """Learn something a payment may have, of a domain above, for `has:`."""
    _HAS[code] = (names, lambda on, _value: condition(on))


def settle(query: Query, onto: PaymentFilters | None = None) -> Settled:
    """What a query means, over filters that were chosen otherwise: what is typed wins over its field."""
    filters, kept, taken = onto or PaymentFilters(), [], set()
    for term in _united(query.terms):
        field = "date" if term.word in CLOCK_WORDS else _SAME_FIELD.get(term.word, term.word)
        changed = None if field in taken or term.is_negated else _in_fields(term, filters)
        if changed is None:
            kept.append(term)
        else:
            filters = changed
            taken.add(field)
    text = _text(query.phrases, [term for term in kept if term.word in _LINES])
    terms = tuple(term for term in kept if term.word not in _LINES)
    return Settled(replace(filters, text=text, terms=terms), Query(tuple(kept), query.phrases))


def query_of(filters: PaymentFilters) -> Query:
    """The query that means these filters, but for a billing key, which no text may hold."""
    values: dict[str, tuple[Any, ...]] = {
        "status": filters.statuses,
        "method": filters.methods,
        "pg": filters.pg_providers,
        "currency": (filters.currency,) if filters.currency else (),
        "drift": (True,) if filters.flag == "drift" else (),
        "has": (filters.flag,) if filters.flag and filters.flag != "drift" else (),
        "real": (True,) if filters.is_real_only else (),
        "clock": (filters.clock,) if filters.clock != USUAL_CLOCK else (),
    }
    if filters.least is not None or filters.most is not None:
        values["amount"] = (Span(filters.least, filters.most),)
    if filters.since or filters.until:
        values["date"] = (days_of(filters),)
    terms = [Term(word, told) for word, told in values.items() if told]
    bound = [
        Term(each.word, tuple(map(_typed_text, each.texts)), each.is_negated) for each in filters.text.bound
    ]
    phrases = [Phrase(word) for word in filters.text.words]
    without = [Phrase(word, is_negated=True) for word in filters.text.without]
    return Query((*terms, *filters.terms, *bound), (*phrases, *without))


def days_of(filters: PaymentFilters) -> Span:
    """The first and the last day of the period in Asia/Seoul, both included."""
    last = filters.until and filters.until.astimezone(SEOUL) - timedelta(days=1)
    return Span(filters.since and filters.since.astimezone(SEOUL).date(), last and last.date())


def _united(terms: Sequence[Term]) -> list[Term]:
    found: dict[Any, Term] = {}
    for number, term in enumerate(terms):
        key = term.word if term.word in _UNITED and not term.is_negated else number
        other = found.get(key)
        if other is not None:
            values = tuple(dict.fromkeys((*other.values, *term.values)))
            term = replace(other, values=values, typed=f"{other.typed} {term.typed}")  # noqa: PLW2901
        found[key] = term
    return list(found.values())


def _in_fields(term: Term, filters: PaymentFilters) -> PaymentFilters | None:
    """The filters with a term in their fields; None for one that no field can say."""
    value = term.values[0]
    if term.word in _FIELDS:
        return _with(filters, _FIELDS[term.word], term.values)
    if term.word in CLOCK_WORDS:
        return _in_period(value, filters, CLOCK_WORDS[term.word] or filters.clock)
    if term.word == "amount":
        is_exact = not (value.is_low_open or value.is_high_open)
        return replace(filters, least=value.low, most=value.high) if is_exact else None
    if term.word == "drift":
        return _with(filters, "flag", "drift") if value else None
    is_plain = len(term.values) == 1 and (value in FLAGS if term.word == "has" else bool(value))
    field = _PLAIN_FIELDS.get(term.word) if is_plain else None
    return _with(filters, field, value) if field else None


def _with(filters: PaymentFilters, field: str, value: Any) -> PaymentFilters:
    changes: dict[str, Any] = {field: value}
    return replace(filters, **changes)


def _in_period(days: Span, filters: PaymentFilters, clock: str) -> PaymentFilters:
    since = start_of_day(days.low) if days.low else None
    until = start_of_day(days.high + timedelta(days=1)) if days.high else None
    return replace(filters, since=since, until=until, clock=clock)


def _text(phrases: Sequence[Phrase], terms: Sequence[Term]) -> TextQuery:
    wanted = [phrase.text for phrase in phrases if not phrase.is_negated]
    number = as_number(" ".join(wanted))
    words = [number] if number else [normalised(text) for text in wanted]
    without = (normalised(phrase.text) for phrase in phrases if phrase.is_negated)
    return TextQuery(tuple(filter(None, words)), tuple(filter(None, without)), tuple(map(_bound, terms)))


def _bound(term: Term) -> Bound:
    read = _card_text if term.word == "card" else str
    return Bound(term.word, _LINES[term.word], tuple(map(read, term.values)), term.is_negated)


def _card_text(number: str) -> str | tuple[str, str]:
    """PGs mask the middle of a card number each in its own way: of a longer one both ends are compared."""
    if "*" not in number and len(number) < _WHOLE_CARD:
        return number
    head, tail = re.match("[0-9]{0,4}", number), re.search("[0-9]{0,4}$", number)
    return (head[0] if head else "", tail[0] if tail else "")


def _typed_text(text: str | tuple[str, str]) -> str:
    return text if isinstance(text, str) else "*".join(text)
