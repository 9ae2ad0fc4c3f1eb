"""How long lists and searches take over HTTP, beside a bare page with the same SQL and Flask-Admin's list.

    python -m tests.bench.million sqlite:////tmp/million.sqlite3
    python -m tests.bench.search sqlite:////tmp/million.sqlite3

Needs the extra `bench`. The three servers run beside each other under gunicorn as in production, and each
scenario asks them in turns, so that a busy machine is busy for all of them: compare the ratios of one run.
What waits for a busy machine is in the milliseconds (`ms`); the processor time (`cpu`, of the server alone,
without PostgreSQL's) is hardly touched by it. The verdict is by the aims that `AIMS` names.
"""

import argparse
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import event, select

from app.connections import act_as
from app.extensions import db
from app.payments.forms import PaymentFilterForm
from app.payments.listing import list_payments
from app.payments.models import Payment
from tests.bench import compared
from tests.bench.million import EMAIL, OLD_ONLY, RARE
from tests.factories import PASSWORD

PORTS = {"portico": 8771, "bare": 8772, "flask_admin": 8773}

#: Milliseconds after which a server is asked no more in a scenario: Flask-Admin may take ten seconds a time.
PATIENCE = 15_000.0

#: At most so many times a bare page and so many milliseconds; at least so many times ahead of Flask-Admin.
AIMS = {
    "times": 3.0,
    "milliseconds": 20.0,
    "frequent on PostgreSQL": 60.0,
    "list ahead": 4.0,
    "text ahead": 100.0,
}


@dataclass(frozen=True)
class Scenario:
    """One thing to look for: its address in Portico, and what Flask-Admin is asked for the same."""

    name: str
    address: dict[str, Any]
    flask_admin: dict[str, Any] | None = None


def scenarios() -> list[Scenario]:
    """What performance.md measures; the ids and cursors are taken from the data."""
    middle = db.session.execute(
        select(Payment.payment_id, Payment.customer_phone, Payment.customer_email)
        .order_by(Payment.changed_clock)
        .offset(db.session.query(Payment).count() // 2)
        .limit(1)
    ).one()
    month = {
        "flt0_status_equals": "PAID",
        "flt1_changed_between": "2025-02-28 15:00:00 to 2025-03-31 15:00:00",
    }
    return [
        Scenario("first page", {}, {}),
        Scenario("status + month", {"status": "PAID", "from": "2025-03-01", "to": "2025-03-31"}, month),
        Scenario("rare Korean", {"q": RARE[:2]}, {"search": RARE[:2]}),
        Scenario("two-syllable name", {"q": "길동"}, {"search": "길동"}),
        Scenario("rare syllable", {"q": "랑"}, {"search": "랑"}),
        Scenario("frequent, everywhere", {"q": "속눈썹"}, {"search": "속눈썹"}),
        Scenario("frequent, only old", {"q": OLD_ONLY[:3]}, {"search": OLD_ONLY[:3]}),
        Scenario("frequent + status", {"q": "속눈썹", "status": "FAILED"}),
        Scenario("most common", {"q": "com"}, {"search": "com"}),
        Scenario("amount range", {"amount_min": "100000", "amount_max": "101000"}),
        Scenario("one amount", {"amount_min": "123400", "amount_max": "123400"}),
        Scenario("phone", {"q": middle.customer_phone[4:]}, {"search": middle.customer_phone}),
        Scenario("phone in its field", {"q": f"전화:{middle.customer_phone}"}),
        Scenario("part of an id", {"q": middle.payment_id[-7:]}, {"search": middle.payment_id[-7:]}),
        Scenario("e-mail", {"q": middle.customer_email}, {"search": middle.customer_email}),
        Scenario("deep page", {"after": _deep_cursor()}, {"page": 10_000}),
    ]


def _deep_cursor() -> str:
    from app.web.pagination import cursor_of

    clock, key = Payment.changed_clock.label("page_clock"), Payment.id.label("page_key")
    row = db.session.execute(
        select(clock, key).order_by(clock.desc(), key.desc()).offset(500_000).limit(1)
    ).first()
    return cursor_of(row) if row else ""


def record(scenario: Scenario) -> list[tuple[str, Any]]:
    """The statements that Portico sends for the list alone."""
    from werkzeug.datastructures import MultiDict

    told: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        told.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    form = PaymentFilterForm(MultiDict(scenario.address))
    assert form.validate(), form.errors
    list_payments(form.filters(), after=scenario.address.get("after"))
    event.remove(db.engine, "before_cursor_execute", note)
    db.session.rollback()
    return told


class Asker:
    """Asks one server over a connection that stays open, and counts what it takes of time."""

    def __init__(self, port: int, process: subprocess.Popen[bytes] | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._process = process
        self.cookie = ""

    def processor_time(self) -> float:
        """The milliseconds of processor time that the server has taken so far, its workers together."""
        if self._process is None:
            return 0.0
        parent = self._process.pid
        workers = Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split()
        tasks = [task for worker in workers for task in Path(f"/proc/{worker}/task").iterdir()]
        return sum(int((task / "schedstat").read_text("ascii").split()[0]) for task in tasks) / 1e6

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, str, float]:
        headers = {"Cookie": self.cookie, "Accept-Language": "ko"}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        started = time.perf_counter()
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):  # idle for too long while others were asked
            self._connection.close()
            started = time.perf_counter()
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
        text = response.read().decode()
        taken = time.perf_counter() - started
        for cookie in response.headers.get_all("Set-Cookie") or ():
            self.cookie = cookie.partition(";")[0]
        return response.status, text, taken * 1000

    def close(self) -> None:
        """Let go of the connection, for which the server would wait at its end."""
        self._connection.close()

    def sign_in(self) -> None:
        """Sign in to Portico."""
        page = self.ask("GET", "/login")[1]
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        fields = {"csrf_token": token[1] if token else "", "email": EMAIL, "password": PASSWORD}
        assert self.ask("POST", "/login", urlencode(fields))[0] == 303


def serve(name: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a server as README.md does, and wait for it."""
    command = [
        sys.executable, "-m", "gunicorn", f"tests.bench.compared:{name}()", "--worker-class", "gthread",
        "--workers", "2", "--threads", "8", "--no-control-socket", "--log-level", "error",
        "--bind", f"127.0.0.1:{PORTS[name]}",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(200):
        try:
            Asker(PORTS[name]).ask("GET", "/login" if name == "portico" else "/")
        except OSError:
            time.sleep(0.1)
        else:
            return process
    _end(process)
    raise SystemExit(f"{name} does not start")


def measure(ask: Callable[[], tuple[int, str, float]], rounds: int) -> list[float]:
    """The milliseconds of each round, until there was enough of it."""
    taken: list[float] = []
    while len(taken) < rounds and sum(taken) < PATIENCE / 2:
        status, text, milliseconds = ask()
        if status != 200:
            raise SystemExit(f"answered {status}: {text[:300]}")
        taken.append(milliseconds)
    return taken


def p(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--without-flask-admin", action="store_true")
    parser.add_argument("--only", default="")
    wanted = parser.parse_args()
    os.environ["BENCH_DATABASE"] = wanted.database
    app = compared.portico()
    with app.test_request_context("/payments"), tempfile.TemporaryDirectory() as folder:
        from flask import g

        g.reads_only = True
        act_as("system")
        chosen = [each for each in scenarios() if wanted.only in each.name]
        statements = Path(folder) / "statements.json"
        recorded = {each.name: record(each) for each in chosen}
        statements.write_text(json.dumps(recorded, default=str), "utf-8")
        db.session.remove()
        db.engine.dispose()
        _compare(chosen, {"BENCH_STATEMENTS": str(statements)}, wanted)


def _compare(chosen: list[Scenario], environment: dict[str, str], wanted: argparse.Namespace) -> None:
    names = [name for name in PORTS if name != "flask_admin" or not wanted.without_flask_admin]
    processes: dict[str, subprocess.Popen[bytes]] = {}
    askers: dict[str, Asker] = {}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        for name in names:
            processes[name] = serve(name, environment)
            askers[name] = Asker(PORTS[name], processes[name])
        askers["portico"].sign_in()
        dialect = wanted.database.partition(":")[0]
        print(f"{dialect}, load {os.getloadavg()[0]:.1f} at the start\n{_HEAD}")
        for scenario in chosen:
            _report(scenario, askers, wanted.rounds, is_postgresql=dialect.startswith("postgresql"))
        if not wanted.only:
            _report_rest(askers["portico"], wanted.rounds)
        print(f"load {os.getloadavg()[0]:.1f} at the end")
    finally:
        for asker in askers.values():
            asker.close()
        for process in processes.values():
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server; it is not waited for in vain, since others may wait for this run."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


_HEAD = (
    f"{'':22}{'Portico':>8}{'p95':>7}{'cpu':>6} |{'bare':>6}{'p95':>7}{'cpu':>6} |{'times':>6}{'in cpu':>7} |"
    f"{'F-Admin':>8}{'p95':>8}{'ahead':>7} | load  verdict"
)


def _report(scenario: Scenario, askers: dict[str, Asker], rounds: int, *, is_postgresql: bool) -> None:
    paths = {
        "portico": "/payments?" + urlencode(scenario.address),
        "bare": "/" + scenario.name.replace(" ", "%20"),
        "flask_admin": "/admin/payments/?" + urlencode(scenario.flask_admin or {}),
    }
    asked = {
        name: asker
        for name, asker in askers.items()
        if name != "flask_admin" or scenario.flask_admin is not None
    }
    taken: dict[str, list[float]] = {name: [] for name in asked}
    worked = dict.fromkeys(asked, 0.0)
    for name, asker in asked.items():
        asker.ask("GET", paths[name])  # to warm up
    for _ in range(5):  # in turns
        for name, asker in asked.items():
            if sum(taken[name]) > PATIENCE:
                continue
            part = rounds // 5 if name != "flask_admin" else min(rounds // 5, 2)
            before = asker.processor_time()
            taken[name] += measure(lambda asker=asker, path=paths[name]: asker.ask("GET", path), part)  # type: ignore[misc]
            worked[name] += asker.processor_time() - before
    print(_line(scenario, taken, worked, is_postgresql=is_postgresql), flush=True)


def _line(
    scenario: Scenario, taken: dict[str, list[float]], worked: dict[str, float], *, is_postgresql: bool
) -> str:
    """A scenario's figures in a row, and what became of the aims."""
    half = {name: statistics.median(values) for name, values in taken.items()}
    cpu = {name: worked[name] / len(values) for name, values in taken.items()}
    times = half["portico"] / half["bare"]
    line = f"{scenario.name:22}"
    for name in ("portico", "bare"):
        line += (
            f"{half[name]:{8 if name == 'portico' else 6}.1f}{p(taken[name], 0.95):7.1f}{cpu[name]:6.1f} |"
        )
    line += f"{times:6.1f}{cpu['portico'] / (cpu['bare'] or 1):7.1f} |"
    ahead = half["flask_admin"] / half["portico"] if "flask_admin" in half else None
    line += (
        f"{half['flask_admin']:8.1f}{p(taken['flask_admin'], 0.95):8.1f}{ahead:7.1f} |"
        if ahead
        else f"{'':23} |"
    )
    missed = _missed(scenario, half["portico"], times, ahead, is_postgresql=is_postgresql)
    return f"{line}{os.getloadavg()[0]:5.1f}  " + ("missed: " + ", ".join(missed) if missed else "reached")


def _missed(
    scenario: Scenario, milliseconds: float, times: float, ahead: float | None, *, is_postgresql: bool
) -> list[str]:
    is_frequent = scenario.name.startswith(("frequent", "most"))
    most = AIMS["frequent on PostgreSQL" if is_postgresql and is_frequent else "milliseconds"]
    missed = [f"> {AIMS['times']:g} times"] if times > AIMS["times"] else []
    missed += [f"> {most:g} ms"] if milliseconds > most else []
    least = AIMS["text ahead" if "q" in scenario.address else "list ahead"]
    is_aimed = "q" in scenario.address or scenario.name == "first page"
    return missed + ([f"< {least:g} ahead"] if ahead and is_aimed and ahead < least else [])


def _report_rest(asker: Asker, rounds: int) -> None:
    """What has no twin: the jump by an id (a redirect), the tabs' counts and the totals, first and kept."""
    page = asker.ask("GET", "/payments")[1]
    payment_id = re.findall(r'data-payment-id="([^"]+)"', page)[25]
    taken = [asker.ask("GET", "/payments?" + urlencode({"q": payment_id}))[2] for _ in range(rounds)]
    print(f"{'id jump':24}{statistics.median(taken):12.1f}{p(taken, 0.95):8.1f}")
    for name, address in {
        "totals of all": {},
        "totals of a month": {"from": "2025-03-01", "to": "2025-03-31"},
        "totals of a word": {"q": "속눈썹"},
        "tab counts": None,
    }.items():
        part = {"part": "counts"} if address is None else {"part": "totals"} | address
        query = urlencode(part)
        first = asker.ask("GET", f"/payments?{query}")[2]
        kept = min(asker.ask("GET", f"/payments?{query}")[2] for _ in range(6))
        print(f"{name:24}{first:12.1f}  first, {kept:.1f} once kept")


if __name__ == "__main__":
    main()
