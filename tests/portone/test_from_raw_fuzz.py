"""Whatever is changed in a document, reading it gives a value or says that it is unreadable."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.portone.payloads import BillingKeyInfo, PaymentSnapshot, UnreadableDocument
from app.portone.values import parse_document

_PAYLOADS = Path(__file__).parent / "payloads"
_PAYMENTS = [
    json.loads((_PAYLOADS / f"{name}.json").read_text())
    for name in ("paid_card", "paid_virtual_account", "partial_cancelled", "unknown_status_and_method")
]
_BILLING_KEY = json.loads((_PAYLOADS / "billing_key_card.json").read_text())

_ODD_VALUES = [None, True, 0, -1, 7, 2**63, 10**400, 1.5, "", "x", "\x00", "\ud800", "2026-13-01"]
_ODD_VALUES += ["9999-12-31T23:59:59-23:59", [], [None], [[]], [{}, 3], {}, {"type": 7}, {"id": {}}]
_ODD_VALUES += [{"type": "New", "easyPayMethod": {"type": "New", "easyPayMethod": {"type": "New"}}}]


def _places(value, path=()):
    """The path to every value inside a document."""
    children = list(value.items()) if isinstance(value, dict) else []
    children += enumerate(value) if isinstance(value, list) else []
    for key, child in children:
        yield (*path, key)
        yield from _places(child, (*path, key))


@st.composite
def _mutated(draw, documents):
    document = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(list(_places(document))))
        parent = document
        for key in path:
            parent = parent[key]
        if draw(st.booleans()):
            parent[last] = copy.deepcopy(draw(st.sampled_from(_ODD_VALUES)))
        else:
            del parent[last]
    return document


@given(_mutated(_PAYMENTS))
def test_a_mutated_payment_is_read_or_unreadable(document):
    for read in (PaymentSnapshot.from_raw, PaymentSnapshot.from_attempt):
        try:
            snapshot = read(document)
        except UnreadableDocument:
            continue
        assert 0 <= snapshot.amount.cancellable <= snapshot.amount.total
        assert 0 <= snapshot.amount.cancellable_tax_free <= snapshot.amount.cancellable


@given(_mutated([_BILLING_KEY]))
def test_a_mutated_billing_key_is_read_or_unreadable(document):
    try:
        info = BillingKeyInfo.from_raw(document)
    except UnreadableDocument:
        return
    assert info.billing_key
    assert info.first_card is None or info.methods


@given(st.binary(max_size=60))
def test_any_bytes_are_a_document_or_unreadable(body):
    try:
        assert isinstance(parse_document(body), dict)
    except UnreadableDocument:
        return


def test_text_no_database_can_store_is_replaced():
    document = parse_document(b'{"orderName": "a\\u0000b\\ud800c \\ud83d\\ude00"}')
    assert document == {"orderName": "a\ufffdb\ufffdc 😀"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[1]",
    ],
    ids=["NaN", "Infinity", "1e999", "deep", "long", "list"],
)
def test_what_is_no_plain_json_object_is_unreadable(body):
    with pytest.raises(UnreadableDocument):
        parse_document(body)
