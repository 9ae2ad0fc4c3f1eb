import re
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import meta, nodes

from app import create_app
from app.web.labels import label_of
from tests.conftest import make_settings

TEMPLATES = Path(__file__).parents[1] / "templates"
NAMES = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html"))

FORBIDDEN = {
    "an inline script": re.compile(r"<script(?![^>]*\bsrc=)", re.IGNORECASE),
    "an inline style": re.compile(r"<style\b|\sstyle=", re.IGNORECASE),
    "an event attribute": re.compile(r"\s(on[a-z]+|hx-on[:a-z-]*)=", re.IGNORECASE),
    "script in an attribute": re.compile(r"javascript:|hx-vals=.js:|hx-vars=", re.IGNORECASE),
    "a trigger filter": re.compile(r"hx-trigger=[\"'][^\"']*\["),
    "an asset from elsewhere": re.compile(r"<(?:script|link|img)[^>]*(?:src|href)=[\"']https?:"),
    "an unescaped value": re.compile(r"\|\s*safe\b"),
}


@pytest.fixture(scope="module")
def plain_app(tmp_path_factory) -> Flask:
    """The app: its templates ask no database."""
    return create_app(make_settings(DATABASE_URL=f"sqlite:///{tmp_path_factory.mktemp('app')}/app.sqlite3"))


def source(name: str) -> str:
    return (TEMPLATES / name).read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_template_parses(plain_app: Flask, name: str):
    plain_app.jinja_env.get_template(name)


def imported_names(tree: nodes.Template) -> set[str]:
    items = [item for imported in tree.find_all(nodes.FromImport) for item in imported.names]
    return {item[1] if isinstance(item, tuple) else item for item in items}


def used_names(plain_app: Flask, name: str) -> set[str]:
    """The names a template uses, and those its partials use without importing them."""
    tree = plain_app.jinja_env.parse(source(name))
    used = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "load"}
    for include in tree.find_all(nodes.Include):
        if not isinstance(include.template, nodes.Const):  # chosen by the code, and imports for itself
            continue
        partial = include.template.as_const()
        used |= used_names(plain_app, partial) - imported_names(plain_app.jinja_env.parse(source(partial)))
    return used


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_imported_in_vain(plain_app: Flask, name: str):
    assert imported_names(plain_app.jinja_env.parse(source(name))) - used_names(plain_app, name) == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_template_includes_only_what_there_is(plain_app: Flask, name: str):
    referenced = meta.find_referenced_templates(plain_app.jinja_env.parse(source(name)))
    assert {each for each in referenced if each} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_keeps_to_the_content_security_policy(name: str):
    text = re.sub(r"\{#.*?#\}", "", source(name), flags=re.DOTALL)
    found = [what for what, pattern in FORBIDDEN.items() if pattern.search(text)]
    assert found == []


def test_every_partial_is_included_somewhere():
    code = "\n".join(path.read_text("utf-8") for path in (TEMPLATES.parent / "app").rglob("*.py"))
    everything = code + "\n".join(source(name) for name in NAMES)
    partials = [name for name in NAMES if Path(name).name.startswith("_")]
    assert [name for name in partials if name not in everything] == []


def test_every_kind_of_label_that_templates_ask_for_exists(plain_app: Flask):
    kinds = set()
    for name in NAMES:
        kinds |= set(re.findall(r'\blabel(?:_of)?\("(\w+)"', source(name)))
        kinds |= set(re.findall(r'\bbadge\("(\w+)"', source(name)))
    with plain_app.test_request_context():
        for kind in kinds:
            label_of(kind, "SOMETHING_NEW")


@pytest.mark.parametrize("name", NAMES)
def test_only_words_of_our_own_are_asked_for_in_another_language(plain_app: Flask, name: str):
    """What `_()` answers counts as safe, so a text from elsewhere goes through the filter `translated`."""
    for call in plain_app.jinja_env.parse(source(name)).find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in ("_", "gettext", "ngettext"):
            assert isinstance(call.args[0], nodes.Const), (name, call.lineno)
