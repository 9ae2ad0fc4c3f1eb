"""The examples for production: they parse, and what they name is there and wide enough."""

import configparser
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from packaging.requirements import Requirement

from app.bulk_refunds.cells import MAX_BYTES
from app.config import Settings
from app.portone.transport import CONNECT_SECONDS, READ_SECONDS

CHECKOUT = Path(__file__).parents[1]
EXAMPLES = CHECKOUT / "app" / "deployment"
UNITS = sorted(EXAMPLES.glob("*.service")) + sorted(EXAMPLES.glob("*.timer"))
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
CONSTRAINTS = EXAMPLES / "constraints.txt"


def read(unit: Path) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None, strict=False)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read(unit)
    return parsed


def commands_of(unit: Path) -> list[str]:
    service = read(unit)["Service"]
    return [service[name] for name in ("ExecStart", "ExecStartPost", "ExecReload") if name in service]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_the_unit(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not here")
    for each in UNITS:  # the timer looks for its service beside itself
        text = each.read_text().replace("/opt/portico/.venv/bin/", f"{sys.prefix}/bin/")
        (tmp_path / each.name).write_text(text)
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", tmp_path / unit.name],
        capture_output=True,
        text=True,
        check=False,
    )
    about_ours = [line for line in told.stderr.splitlines() if "portico" in line]
    assert (told.returncode, about_ours) == (0, [])


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_every_command_of_a_unit_exists(unit: Path, app: Flask) -> None:
    for line in commands_of(unit):
        program, *words = line.split()
        assert Path(program.replace("/opt/portico/.venv", sys.prefix)).exists(), program
        if program.endswith("/flask"):
            command: Any = app.cli.get_command(None, words[2])  # type: ignore[arg-type]
            assert words[:2] == ["--app", "wsgi"]
            assert command is not None, line


def test_nothing_stops_a_refund_before_portone_has_answered() -> None:
    longest = CONNECT_SECONDS + READ_SECONDS
    for name in ("portico-web.service", "portico-worker.service"):
        assert float(read(EXAMPLES / name)["Service"]["TimeoutStopSec"]) > longest
    settings: dict[str, Any] = {}
    exec((EXAMPLES / "gunicorn.py").read_text(), settings)
    assert min(settings["timeout"], settings["graceful_timeout"]) > longest
    assert seconds_of(directive("proxy_read_timeout")) > longest


def directive(name: str, after: str = "") -> str:
    """A value in the example of nginx, the first one after a text."""
    text = (EXAMPLES / "nginx.conf").read_text().partition(after)[2] if after else nginx()
    found = re.search(rf"^\s*{name}\s+(.+);$", text, re.MULTILINE)
    assert found, name
    return found[1]


def nginx() -> str:
    return (EXAMPLES / "nginx.conf").read_text()


def seconds_of(value: str) -> float:
    return float(value.removesuffix("s"))


def test_nginx_lets_through_what_the_app_takes_and_no_more(app: Flask) -> None:
    in_mib = 1024 * 1024
    assert (
        int(directive("client_max_body_size").removesuffix("m")) * in_mib == app.config["MAX_CONTENT_LENGTH"]
    )
    bulk = int(directive("client_max_body_size", after="/refunds/bulk/new").removesuffix("m")) * in_mib
    assert MAX_BYTES < bulk <= MAX_BYTES + in_mib


def test_nginx_reads_the_example() -> None:
    lines = [line.strip() for line in nginx().splitlines()]
    sentences = [line for line in lines if line and not line.startswith("#")]
    assert all(line.endswith((";", "{", "}")) for line in sentences)
    assert nginx().count("{") == nginx().count("}")
    addresses = {line.split()[-2] for line in sentences if line.startswith("location = ")}
    assert addresses == {"/login", "/refunds/bulk/new", "/metrics"}


def test_the_settings_become_usable_once_they_are_filled_in() -> None:
    lines = [
        line for line in (EXAMPLES / "portico.env").read_text().splitlines() if line[:1] not in {"#", ""}
    ]
    settings = dict(line.split("=", 1) for line in lines)
    settings["DATA_ENCRYPTION_KEYS"] = Fernet.generate_key().decode()
    assert Settings.from_environment(settings).is_https
    documented = re.findall(r"`([A-Z_]+)`", (CHECKOUT / "README.md").read_text())
    assert set(settings) <= set(documented)


def test_the_examples_are_written_once(app: Flask, tmp_path: Path) -> None:
    folder = tmp_path / "portico"
    first = app.test_cli_runner().invoke(args=["deployment", str(folder)])
    assert first.exit_code == 0, first.output
    assert {file.name for file in folder.iterdir()} >= {"nginx.conf", "portico.env", "constraints.txt"}
    second = app.test_cli_runner().invoke(args=["deployment", str(folder)])
    assert (second.exit_code, "exists already" in second.output) == (1, True)


def wanted() -> list[Requirement]:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    extras = [text for extra in project["optional-dependencies"].values() for text in extra]
    found = [Requirement(text) for text in (*project["dependencies"], *extras)]
    return [requirement for requirement in found if requirement.name != "portico"]


def test_every_dependency_has_an_upper_bound() -> None:
    unbounded = [str(each) for each in wanted() if not any(bound.operator == "<" for bound in each.specifier)]
    assert unbounded == []


def test_the_hashed_constraints_fit_the_ranges_and_name_no_registry() -> None:
    text = CONSTRAINTS.read_text()
    pinned = dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", text, re.MULTILINE))
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    for requirement in map(Requirement, project["dependencies"]):
        assert requirement.specifier.contains(pinned[requirement.name.lower()]), requirement
    line = r"[a-z0-9-]+==[\w.+]+( ; [\w' =!<>.]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?"
    assert [each for each in text.splitlines() if not re.fullmatch(line, each)] == []
