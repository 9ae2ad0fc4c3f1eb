"""The job pages: found again after leaving, watched by who may, and managed with three buttons."""

import pytest

from app.access.permissions import Permission
from app.columns import new_id
from app.extensions import db
from app.jobs import kinds
from app.jobs import service as jobs
from app.jobs.kinds import Kind
from tests.conftest import pages_on_one_database

pytestmark = pages_on_one_database

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def counting(monkeypatch):
    monkeypatch.setitem(
        kinds._KINDS, "count", Kind("Counting", lambda job: "/refunds", Permission.REFUND_READ)
    )


def start(by, kind="count", **values):
    job = jobs.start(kind, by=by, **values)
    db.session.commit()
    return job


def put(job, status, **values):
    for name, value in {"status": status, **values}.items():
        setattr(job, name, value)
    db.session.commit()


def test_a_job_is_found_again_with_its_progress_and_its_subject(signed_in, super_admin):
    job = start(super_admin, total=200, params={"name": "March.csv"})
    put(job, "running", done=50, failed=3)
    page = signed_in.get("/jobs").text
    for shown in (
        "Counting",
        "March.csv",
        'href="/refunds"',
        super_admin.name,
        'value="25"',
        "3",
        f'data-job-id="{job.id}"',
    ):
        assert shown in page


@pytest.mark.parametrize(
    ("status", "asks_again"),
    [
        ("waiting", True),
        ("running", True),
        ("paused", False),
        ("done", False),
        ("failed", False),
        ("stopped", False),
    ],
)
def test_only_a_job_under_way_asks_for_itself_again(signed_in, admin, status, asks_again):
    job = start(admin, total=10)
    put(job, status)
    fragment = signed_in.get(f"/jobs/{job.id}", headers=HTMX).text
    assert "<html" not in fragment
    assert ("hx-trigger" in fragment) == asks_again


def test_pause_resume_and_stop_lead_back_to_what_the_job_is_about(signed_in, admin):
    job = start(admin)
    for step, status in (("pause", "paused"), ("resume", "waiting"), ("stop", "stopped")):
        assert signed_in.submit(f"/jobs/{job.id}/{step}").location == "/refunds"
        db.session.refresh(job)
        assert job.status == status
    assert signed_in.submit(f"/jobs/{job.id}/resume").status_code == 409


def test_a_button_pressed_with_htmx_answers_the_fragment(signed_in, admin):
    answer = signed_in.submit(f"/jobs/{start(admin).id}/pause", headers=HTMX)
    assert (answer.status_code, 'data-status="paused"' in answer.text) == (200, True)


def test_a_job_without_a_permission_is_its_requesters_alone(client, admin, super_admin):
    job = start(admin, kind="secret")
    client.sign_in(super_admin)
    assert str(job.id) not in client.get("/jobs").text
    assert client.get(f"/jobs/{job.id}").status_code == 403
    assert client.submit(f"/jobs/{job.id}/stop").status_code == 403
    db.session.refresh(job)
    assert job.status == "waiting"


def test_whoever_lost_the_permission_watches_not_even_their_own(signed_in, admin, monkeypatch):
    job = start(admin)
    monkeypatch.setattr("app.jobs.kinds.is_permitted", lambda role, permission: False)
    assert str(job.id) not in signed_in.get("/jobs").text
    assert signed_in.get(f"/jobs/{job.id}").status_code == 403


def test_what_a_job_waits_for_is_told(signed_in, admin):
    job = start(admin)
    put(job, "failed", problem=jobs.BROKEN)
    page = signed_in.get(f"/jobs/{job.id}").text
    assert "Portico" in page
    assert f"/jobs/{job.id}/resume" in page


def test_a_job_nobody_knows_is_not_found(signed_in):
    assert signed_in.get(f"/jobs/{new_id()}").status_code == 404
    assert signed_in.get("/jobs").status_code == 200
