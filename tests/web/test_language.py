from pathlib import Path

import pytest
from flask import Flask
from flask_babel import force_locale, gettext, lazy_gettext

from app.web.language import choose_language, compile_catalogues


@pytest.mark.parametrize(
    ("wish", "language"),
    [("en-US,en;q=0.9,ko;q=0.8", "en"), ("ko-KR", "ko"), ("fr", "ko"), ("", "ko"), ("fr, en;q=0.1", "en")],
)
def test_the_browser_is_listened_to_and_korean_is_the_rest(plain_app: Flask, wish: str, language: str):
    with plain_app.test_request_context(headers={"Accept-Language": wish}):
        assert choose_language() == language


def test_work_outside_a_request_is_done_in_korean(plain_app: Flask):
    with plain_app.app_context():
        assert choose_language() == "ko"


def test_ones_own_choice_outweighs_the_browser(signed_in):
    signed_in.submit("/account/language", {"language": "en"})
    page = signed_in.get("/account", headers={"Accept-Language": "ko"}).text
    assert '<html lang="en"' in page


def compiled(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.mo"))


@pytest.fixture
def small_app(tmp_path: Path) -> Flask:
    app = Flask("small")
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(tmp_path / "translations")
    return app


def test_catalogues_are_compiled_once(small_app: Flask, tmp_path: Path):
    compile_catalogues(small_app)
    (first,) = compiled(tmp_path)
    written = first.stat().st_mtime_ns
    small_app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(tmp_path / "translations")
    compile_catalogues(small_app)
    assert [path.stat().st_mtime_ns for path in compiled(tmp_path)] == [written]
    assert first.is_relative_to(small_app.config["BABEL_TRANSLATION_DIRECTORIES"])


def test_an_instance_folder_that_cannot_be_written_stops_nothing(small_app: Flask, tmp_path: Path):
    (tmp_path / "translations").write_text("a file stands in the way")
    compile_catalogues(small_app)
    assert len(compiled(Path(small_app.config["BABEL_TRANSLATION_DIRECTORIES"]))) == 1


def test_templates_speak_the_language_that_holds_at_the_moment(plain_app: Flask):
    template = plain_app.jinja_env.from_string(
        '{{ _("Payments") }} {{ _("%(count)s payments", count="<3>") }}'
        '{{ ngettext("%(num)d", "%(num)d", 5) }}'
    )
    with plain_app.test_request_context(headers={"Accept-Language": "en"}):
        assert template.render() == "Payments &lt;3&gt; payments5"
        with force_locale("ko"):
            assert template.render() == "결제 &lt;3&gt;건5"
            assert (gettext("Payments"), str(lazy_gettext("Payments"))) == ("결제", "결제")
        assert template.render() == "Payments &lt;3&gt; payments5"
        assert (gettext("Payments"), str(lazy_gettext("Payments"))) == ("Payments", "Payments")
