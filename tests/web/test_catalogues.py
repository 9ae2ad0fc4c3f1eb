import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from app.web.catalogues import extract_messages, missing_korean, read_catalogue, update_catalogue

CHECKOUT = Path(__file__).parents[2]

PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]")


@pytest.fixture(scope="module")
def korean() -> Catalog:
    return read_catalogue(CHECKOUT)


@pytest.fixture(scope="module")
def used() -> Catalog:
    """Reading all code and templates takes seconds."""
    return extract_messages(CHECKOUT)


def texts(of: object) -> tuple[str, ...]:
    return tuple(of) if isinstance(of, tuple | list) else (str(of),)


def test_every_message_of_code_and_templates_is_in_the_korean_catalogue(korean: Catalog, used: Catalog):
    wanted = [message.id for message in used if message.id]
    assert [message for message in wanted if message not in korean] == []


def test_no_message_lacks_its_korean(korean: Catalog):
    assert missing_korean(korean) == []


def test_the_catalogue_holds_no_message_that_the_code_has_lost(korean: Catalog, used: Catalog):
    assert [message.id for message in korean if message.id and message.id not in used] == []


def test_translations_fill_in_what_the_messages_do(korean: Catalog):
    for message in korean:
        for text in texts(message.string):
            wanted = set(PLACEHOLDER.findall(texts(message.id)[-1]))
            assert set(PLACEHOLDER.findall(text)) == wanted, message.id


def test_an_update_keeps_what_is_known_adds_what_is_new_and_names_what_is_missing(tmp_path: Path):
    (tmp_path / "app").mkdir()
    (tmp_path / "templates").mkdir()
    code = tmp_path / "app" / "words.py"
    code.write_text('_("Paid"); _("Failed"); ngettext("%(num)s row", "%(num)s rows", 2)')
    assert update_catalogue(tmp_path, {"Paid": "결제완료", "%(num)s row": "%(num)s건"}) == ["Failed"]
    code.write_text('_("Paid"); _("Gone")')
    assert update_catalogue(tmp_path, {"Gone": "없음"}) == []
    assert {message.id: message.string for message in read_catalogue(tmp_path) if message.id} == {
        "Gone": "없음",
        "Paid": "결제완료",
    }
