"""The erasures that were carried out."""

from app.erasure.models import Erasure
from app.extensions import db
from app.web.pagination import Page, list_page


def list_erasures(*, after: str | None) -> Page[Erasure]:
    """A page of them, newest first."""
    return list_page(db.select(Erasure), clock=Erasure.at, key=Erasure.id, after=after)
