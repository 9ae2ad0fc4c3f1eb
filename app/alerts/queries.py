"""Alerts to show."""

from collections.abc import Sequence

from sqlalchemy import select

from app.alerts.models import Alert, AlertMessage
from app.extensions import db


def lasting_alerts() -> dict[str, Alert]:
    """What is amiss now, by the name of what is watched."""
    return {alert.name: alert for alert in db.session.scalars(select(Alert))}


def latest_messages(*, limit: int = 50) -> Sequence[AlertMessage]:
    """The messages that told of alerts, the last first."""
    newest_first = AlertMessage.created_at.desc(), AlertMessage.id.desc()
    return db.session.scalars(select(AlertMessage).order_by(*newest_first).limit(limit)).all()
