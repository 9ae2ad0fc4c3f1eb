"""The page about the security standard names tests that exist, and leaves no chapter out."""

from pathlib import Path

import pytest

from app.api.asvs import CHAPTERS, SECTIONS
from app.api.asvs.model import State

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.number)
def test_every_test_that_is_named_exists(section):
    for named in section.tests:
        path, _colons, name = named.partition("::")
        assert f"def {name}(" in (TESTS / path).read_text("utf-8"), named


def test_what_is_met_is_shown_by_a_test_and_what_does_not_apply_by_none():
    for section in SECTIONS:
        assert bool(section.tests) or section.state != State.MET, section.number
        assert not section.tests or section.state != State.NOT_APPLICABLE, section.number


def test_every_chapter_is_on_the_page_in_both_languages(signed_in):
    for language, word in (("ko", "일부"), ("en", "Partly")):
        page = signed_in.get("/admin-docs/security", headers={"Accept-Language": language}).text
        assert page.count("data-asvs=") == len(SECTIONS)
        assert word in page
    assert (
        {section.chapter for section in SECTIONS}
        == set(CHAPTERS)
        == {f"V{number}" for number in range(1, 18)}
    )
