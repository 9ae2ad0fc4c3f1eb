"""The whole demo (simulator, dashboard, worker) for a browser: once on SQLite, once on PostgreSQL."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.demo.seeding import fill_dashboard, fill_simulator
from app.demo.serving import Demo
from app.demo.world import PEOPLE, World
from tests.conftest import PostgreSQLDatabase

#: Where the screenshots of a run are kept for a person to look at; git ignores it.
SCREENSHOTS = Path(__file__).parents[2] / ".screenshots"

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Debian's Chromium, since no browser can be downloaded."""
    return browser_type_launch_args | {
        "executable_path": shutil.which("chromium"),
        "args": CHROMIUM_FLAGS,
    }


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A running demo with a store of 150 payments."""
    database = (
        PostgreSQLDatabase(request.getfixturevalue("postgresql_server"))
        if request.param == "postgresql"
        else None
    )
    world = World(tmp_path_factory.mktemp("demo"), port=0, database_url=database.url if database else None)
    with Demo(world) as running:
        fill_simulator(running.simulator, payments=150)
        fill_dashboard(running.app, running.simulator)
        running.open_doors()
        yield running
    if database:
        database.drop()


@pytest.fixture(params=["ko", "en"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def context(browser: Browser, demo: Demo, language: str) -> Iterator[BrowserContext]:
    """A browser of a person who reads this language."""
    locale = {"ko": "ko-KR", "en": "en-US"}[language]
    opened = browser.new_context(base_url=demo.world.public_url, locale=locale, viewport=WIDE)
    opened.set_default_timeout(10_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page with somebody signed in."""
    opened = context.new_page()
    sign_in(opened)
    return opened


def sign_in(page: Page) -> None:
    owner = PEOPLE[0]
    page.goto("/login")
    page.locator("input[name=email]").fill(owner.email)
    page.locator("input[name=password]").fill(owner.password)
    page.locator("main button[type=submit], main form button").first.click()
    expect(page.locator("h1")).to_be_visible()
    assert "/login" not in page.url
