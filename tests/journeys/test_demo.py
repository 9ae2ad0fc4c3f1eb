"""The store that `flask demo` fills: nothing of its past is left to happen to whoever plays with it."""

from pathlib import Path

from sqlalchemy import select

from app.bulk_refunds.models import BatchStatus, RefundBatch
from app.demo.seeding import fill_dashboard, fill_simulator
from app.demo.serving import Demo
from app.demo.world import World
from app.extensions import db


def test_what_the_past_lets_go_wrong_is_over_before_the_doors_open(tmp_path: Path) -> None:
    with Demo(World(tmp_path, port=0)) as demo:
        fill_simulator(demo.simulator, payments=150)
        fill_dashboard(demo.app, demo.simulator)
        with demo.app.app_context():
            batches = db.session.scalars(select(RefundBatch.status)).all()
    assert demo.simulator.faults.waiting() == []
    assert set(batches) == {BatchStatus.FINISHED, BatchStatus.CHECKED}
