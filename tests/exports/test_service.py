"""A file holds what its list shows: each row once, whatever happens while it is written."""

import io
from datetime import timedelta

import pytest
from openpyxl import load_workbook
from sqlalchemy import func, select, update

from app import clock
from app.audit.models import AuditEntry
from app.errors import DomainError
from app.exports import building, service
from app.exports.models import ExportChunk, Format
from app.extensions import db
from app.jobs import service as jobs
from app.jobs.models import Job, JobStatus
from app.payments.models import Payment
from tests.exports.conftest import HOLDER, NOON, add_payments, ask, content_of, lines_of, work


class Killed(BaseException):
    """What kill -9 looks like from inside: nothing is caught, nothing is tidied up."""


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(building, "ROWS_OF_A_PIECE", 10)


def ids_in(export) -> list[str]:
    return [line["고객사 거래번호"] for line in lines_of(export)]


def kill_after(monkeypatch, steps: int) -> None:
    """Let the worker die once it has committed so many steps; its claim runs out."""
    advance, left = building.advance, iter(range(steps - 1))

    def advance_or_die(*arguments, **figures):
        goes_on = advance(*arguments, **figures)
        if next(left, None) is None:
            monkeypatch.setattr(building, "advance", advance)
            raise Killed
        return goes_on

    monkeypatch.setattr(building, "advance", advance_or_die)
    with pytest.raises(Killed):
        work()
    db.session.rollback()
    db.session.execute(update(Job).values(claimed_until=NOON - timedelta(seconds=1)))
    db.session.commit()


def test_a_file_holds_every_row_once_the_newest_first(admin, small_pieces):
    add_payments(25)
    export = ask(admin)
    work()
    assert ids_in(export) == [f"order-{number:05}" for number in range(1, 26)]
    assert (export.rows, export.job.status, export.job.done, export.job.total) == (25, "done", 25, 25)
    assert export.size == len(content_of(export))


def test_both_kinds_of_file_say_the_same(admin):
    add_payments(3, currency="USD", amount=2999, cancellable_amount=2999, order_name='=HYPERLINK("x")')
    export, twin = ask(admin), ask(admin, format=Format.XLSX)
    work()
    headings, first, *_ = load_workbook(io.BytesIO(content_of(twin))).active.iter_rows(values_only=True)
    shown = dict(zip(headings, first, strict=True))
    line = lines_of(export)[0]
    assert (shown["결제액"], line["결제액"], line["통화"]) == (29.99, "29.99", "USD")
    assert shown["주문명"] == line["주문명"] == '\'=HYPERLINK("x")'
    assert str(shown["요청 시각"]) == line["요청 시각"] == "2026-03-29 11:59:59"
    assert twin.rows == export.rows == 3


def test_an_empty_list_is_a_file_with_headings(admin):
    export, twin = ask(admin), ask(admin, format=Format.XLSX)
    work()
    assert content_of(export).decode().startswith("\ufeff고객사 거래번호,")
    assert load_workbook(io.BytesIO(content_of(twin))).active.max_row == 1


def test_rows_that_arrive_or_change_meanwhile_are_neither_lost_nor_doubled(admin, small_pieces, monkeypatch):
    add_payments(30)
    export, read = ask(admin), building.list_rows

    def read_and_disturb(*arguments, **options):
        rows = read(*arguments, **options)
        db.session.rollback()
        moment = NOON + timedelta(seconds=5)
        changed = Payment.payment_id.in_(["order-00003", "order-00017", "order-00029"])
        db.session.execute(
            update(Payment).where(changed).values(status_changed_at=moment, status="CANCELLED")
        )
        if not db.session.scalar(select(Payment.id).where(Payment.payment_id == "new")):
            db.session.add(Payment(payment_id="new", status="PAID", requested_at=moment))
        db.session.commit()
        return rows

    monkeypatch.setattr(building, "list_rows", read_and_disturb)
    work()
    assert ids_in(export) == [f"order-{number:05}" for number in range(1, 31)]


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 6])
def test_a_csv_whose_worker_was_killed_goes_on_from_its_last_piece(admin, small_pieces, monkeypatch, steps):
    add_payments(35)
    export = ask(admin)
    kill_after(monkeypatch, steps)
    before = db.session.scalar(select(func.count(ExportChunk.number)))
    assert before == steps - 1
    work("worker-2")
    assert ids_in(export) == [f"order-{number:05}" for number in range(1, 36)]
    assert db.session.scalar(select(func.count(ExportChunk.number))) == 5


@pytest.mark.parametrize("steps", [1, 3, 6, 7])
def test_an_xlsx_whose_worker_was_killed_begins_again(admin, small_pieces, monkeypatch, steps):
    monkeypatch.setattr(building, "BYTES_OF_A_PIECE", 2_000)
    add_payments(25)
    export = ask(admin, format=Format.XLSX)
    kill_after(monkeypatch, steps)
    work("worker-2")
    assert load_workbook(io.BytesIO(content_of(export))).active.max_row == 26


def test_a_worker_that_lost_its_claim_adds_nothing(admin, small_pieces, monkeypatch):
    add_payments(25)
    export, read = ask(admin), building.list_rows

    def read_and_lose(*arguments, **options):
        rows = read(*arguments, **options)
        db.session.rollback()
        db.session.execute(update(Job).values(claimed_by="worker-2"))
        db.session.commit()
        return rows

    monkeypatch.setattr(building, "list_rows", read_and_lose)
    work()
    assert (export.pieces, export.rows, export.finished_at) == (1, 0, None)


def test_a_cancelled_export_stops_and_leaves_nothing(admin, small_pieces, monkeypatch):
    add_payments(25)
    export = ask(admin)
    kill_after(monkeypatch, 3)
    jobs.stop(export.job_id, by=admin)
    work()
    assert service.erase_expired(HOLDER) == 1
    assert (export.job.status, export.is_ready) == (JobStatus.STOPPED, False)
    assert db.session.scalar(select(func.count(ExportChunk.number))) == 0


def test_a_paused_export_goes_on_when_it_is_resumed(admin, small_pieces, monkeypatch):
    add_payments(25)
    export = ask(admin)
    kill_after(monkeypatch, 3)
    jobs.pause(export.job_id, by=admin)
    work()
    assert export.finished_at is None
    jobs.resume(export.job_id, by=admin)
    work()
    assert len(ids_in(export)) == 25


def test_a_file_is_erased_when_its_days_are_over_and_its_row_stays(admin):
    add_payments(2)
    export = ask(admin)
    work()
    with clock.fixed_at(NOON + timedelta(days=7)):
        with pytest.raises(DomainError):
            service.note_download(export.id, by=admin)
        assert service.erase_expired(HOLDER) == 1
        assert service.erase_expired(HOLDER) == 0
    assert (export.rows, export.reason, export.has_expired) == (2, "정산 대사", True)
    assert db.session.scalar(select(func.count(ExportChunk.number))) == 0


def test_personal_data_is_masked_unless_it_is_asked_for(super_admin):
    add_payments(1)
    export, open_one = ask(super_admin), ask(super_admin, is_unmasked=True)
    work()
    names = ("고객명", "고객 이메일", "고객 전화번호")
    assert [lines_of(export)[0][name] for name in names] == ["홍*동", "h***@example.com", "010****5678"]
    assert [lines_of(open_one)[0][name] for name in names] == ["홍길동", "hong@example.com", "010-1234-5678"]


def test_the_trail_says_what_was_asked_why_and_each_download(admin):
    add_payments(2)
    export = ask(admin, "status=PAID")
    work()
    service.note_download(export.id, by=admin)
    service.note_download(export.id, by=admin)
    entries = db.session.scalars(
        select(AuditEntry).where(AuditEntry.subject_type == "export").order_by(AuditEntry.sequence)
    ).all()
    assert [entry.action for entry in entries] == ["export.requested", *["export.downloaded"] * 2]
    for entry in entries:
        facts = entry.facts
        assert (facts["reason"], facts["filters"], facts["rows"]) == ("정산 대사", "status=PAID", 2)
        assert len(facts["columns"]) == 20


def test_filters_that_cannot_be_used_any_more_are_told(admin):
    export = ask(admin)
    export.query = "amount_min=many"
    db.session.commit()
    work()
    assert (export.job.status, export.job.problem) == ("failed", building.UNUSABLE)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_file_speaks_the_language_of_who_asked(admin, language):
    add_payments(1)
    export = ask(admin, language=language)
    work()
    text = content_of(export).decode("utf-8-sig")
    assert {"ko": "결제완료", "en": "Paid"}[language] in text.splitlines()[1]
