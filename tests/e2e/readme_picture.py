"""Take the picture of the README: `python -m tests.e2e.readme_picture`."""

import shutil
import tempfile
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import sync_playwright

from app.demo.seeding import fill_dashboard, fill_simulator
from app.demo.serving import Demo
from app.demo.world import World
from tests.e2e.conftest import CHROMIUM_FLAGS, sign_in

PICTURE = Path(__file__).parents[2] / ".github" / "portico.png"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Demo(World(Path(folder), port=0)) as demo:
        fill_simulator(demo.simulator, payments=400)
        fill_dashboard(demo.app, demo.simulator)
        demo.open_doors()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS
            )
            page = browser.new_page(
                base_url=demo.world.public_url, locale="ko-KR", viewport={"width": 1280, "height": 860}
            )
            sign_in(page)
            page.goto(f"/payments/{quote(_partly_refunded(demo), safe='')}")
            PICTURE.parent.mkdir(exist_ok=True)
            page.screenshot(path=PICTURE)
            browser.close()


def _partly_refunded(demo: Demo) -> str:
    return next(
        str(payment["id"])
        for payment in demo.simulator.payments()
        if payment["status"] == "PARTIAL_CANCELLED" and payment["currency"] == "KRW"
    )


if __name__ == "__main__":
    main()
