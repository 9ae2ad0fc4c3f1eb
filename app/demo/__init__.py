"""`flask demo` and `flask simulator`: Portico over a believable store, with nothing else needed.

Both are entry points of the group `flask.commands`, so that they run before any app asks for settings.
"""

import sys
import tempfile
from pathlib import Path

import click

from app import instance_folder
from app.demo.checking import check_main_job
from app.demo.seeding import fill_dashboard, fill_simulator
from app.demo.serving import Demo
from app.demo.world import PEOPLE, World
from app.simulator import SimulatorServer


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Where the dashboard listens, on 127.0.0.1 [8000]."
)
@click.option("--payments", default=400, show_default=True, type=click.IntRange(20, 200_000))
@click.option("--reset", is_flag=True, help="Begin with a new store.")
@click.option("--check", is_flag=True, help="Start everything, do the main job over HTTP, say what was seen.")
def demo(port: int | None, payments: int, reset: bool, check: bool) -> None:
    """Run Portico over a believable store, with a PortOne simulator beside it."""
    free_port = 0
    chosen = port if port is not None else (free_port if check else 8000)
    sys.exit(_run_demo(port=chosen, payments=payments, reset=reset, check=check))


@click.command()
@click.option("--port", default=8001, show_default=True, help="Where the simulator listens, on 127.0.0.1.")
def simulator(port: int) -> None:
    """Run a PortOne simulator for development, with a page to pay, fail and deposit by hand."""
    _run_simulator(port=port)


def _run_demo(*, port: int, payments: int, reset: bool, check: bool) -> int:
    """Serve the demo until Ctrl-C, or check it once; answers the exit code.

    A check works in a folder of its own, so that a demo somebody plays with stays as it is.
    """
    if not check:
        return _serve(World(instance_folder() / "demo", port=port), payments=payments, reset=reset)
    with tempfile.TemporaryDirectory(prefix="portico-check-") as folder:
        return _check(World(Path(folder), port=port), payments=payments)


def _run_simulator(*, port: int) -> None:
    """Serve the demo's simulator alone, for a dashboard that runs elsewhere."""
    world = World(instance_folder() / "simulator")
    double = world.make_simulator()
    server = SimulatorServer(double, port=port)
    click.echo(f"PortOne simulator on {server.url} (Ctrl-C ends it)")
    click.echo(f"PORTONE_API_BASE={server.url}\nPORTONE_API_SECRET={world.secrets['PORTONE_API_SECRET']}")
    click.echo(f"PORTONE_STORE_ID={world.secrets['PORTONE_STORE_ID']}")
    click.echo(f"PORTONE_WEBHOOK_SECRETS={world.secrets['PORTONE_WEBHOOK_SECRETS']}")
    server.serve()


def _serve(world: World, *, payments: int, reset: bool) -> int:
    with Demo(world, reset=reset) as demo:
        _prepare(demo, payments)
        demo.open_doors()
        click.echo(f"\nPortico    {world.public_url}")
        click.echo(f"Simulator  {demo.simulator_url}   (pay, fail, deposit, break things)")
        click.echo(f"Shop       {demo.shop_url}   (buy something through the JSON API)\n")
        for person in PEOPLE:
            click.echo(f"  {person.role:<12} {person.email:<24} {person.password}")
        click.echo("\nCtrl-C ends it; --reset begins with a new store.")
        demo.wait()
    return 0


def _check(world: World, *, payments: int) -> int:
    with Demo(world) as demo:
        _prepare(demo, payments)
        demo.open_doors()
        is_well = check_main_job(world.public_url, customer=_some_customer(demo))
    return 0 if is_well else 1


def _some_customer(demo: Demo) -> str:
    names = (payment["customer"].get("name") for payment in demo.simulator.payments())
    return str(next(filter(None, names)))


def _prepare(demo: Demo, payments: int) -> None:
    if demo.world.is_prepared:
        return
    click.echo(f"Making a store of {payments} payments …")
    fill_simulator(demo.simulator, payments=payments)
    fill_dashboard(demo.app, demo.simulator)
    demo.world.note_prepared()
