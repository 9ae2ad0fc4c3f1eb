"""Where the demo lives on disk, its made-up secrets, and the two people who can sign in."""

import base64
import json
import secrets
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.fernet import Fernet

from app.config import Settings
from app.simulator import SimulatorApp, create_simulator


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in to the demo."""

    email: str
    name: str
    role: str
    password: str


PEOPLE = (
    Person("owner@portico.example", "이준호", "super_admin", "portico demo owner"),
    Person("support@portico.example", "김서연", "admin", "portico demo support"),
)


class World:
    """One demo: a folder with two databases and the secrets that tie them together.

    `database_url` puts the dashboard's database elsewhere.
    """

    def __init__(self, folder: Path, *, port: int = 8000, database_url: str | None = None) -> None:
        self.folder = folder
        self.port = port
        self.database_url = database_url or f"sqlite:///{folder / 'portico.sqlite3'}"

    @property
    def public_url(self) -> str:
        """Where the dashboard is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_prepared(self) -> bool:
        """Whether the store was filled to its end."""
        return (self.folder / "prepared").exists()

    def note_prepared(self) -> None:
        """Remember that the store is whole."""
        (self.folder / "prepared").touch()

    def remove(self) -> None:
        """Forget the store."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def secrets(self) -> dict[str, str]:
        """Secrets made up once: whoever reads this code knows none of them."""
        file = self.folder / "secrets.json"
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(json.dumps(_make_secrets()))
        kept: dict[str, str] = json.loads(file.read_text())
        return kept

    @property
    def shop_token(self) -> str:
        """What the example shop signs in with at the API."""
        return self.secrets["SHOP_TOKEN"]

    def settings(self, simulator_url: str) -> Settings:
        """The dashboard's settings, as the environment would give them."""
        return Settings.from_environment(
            {
                **self.secrets,
                "DATABASE_URL": self.database_url,
                "PORTONE_API_BASE": simulator_url,
                "PUBLIC_URL": self.public_url,
                "API_TOKENS": f"demo-shop:{self.shop_token}",
            }
        )

    def make_simulator(self) -> SimulatorApp:
        """PortOne's double, which sends its webhooks to this dashboard; its minutes last two seconds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return create_simulator(
            self.folder / "simulator.sqlite3",
            api_secret=self.secrets["PORTONE_API_SECRET"],
            store_id=self.secrets["PORTONE_STORE_ID"],
            webhook_url=f"{self.public_url}/webhooks/portone",
            webhook_secret=self.secrets["PORTONE_WEBHOOK_SECRETS"],
            time_scale=1 / 30,
        )


def _make_secrets() -> dict[str, str]:
    return {
        "SECRET_KEY": secrets.token_urlsafe(32),
        "SHOP_TOKEN": secrets.token_urlsafe(32),
        "PORTONE_API_SECRET": secrets.token_urlsafe(48),
        "PORTONE_STORE_ID": "store-5f0c9a1e-2d44-4a7b-9b61-3c8e7d2f6a10",
        "PORTONE_WEBHOOK_SECRETS": "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "DATA_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }
