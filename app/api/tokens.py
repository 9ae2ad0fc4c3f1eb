"""Who asks: bearer tokens, made on a page or named in API_TOKENS, and how often each may ask."""

import hashlib
import hmac
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import current_app
from flask_babel import gettext as _
from sqlalchemy import delete, select, update
from sqlalchemy.orm import joinedload

from app import clock
from app.accounts.models import User
from app.api.models import ApiMinute, ApiToken, Scope
from app.api.problems import TOO_MANY_REQUESTS, Problem
from app.audit import service as audit
from app.columns import new_id
from app.config import Settings
from app.database import begin_writing, insert_into, lock
from app.errors import NotFound
from app.extensions import db
from app.settings import service as settings

#: What every token begins with, so that scanners find one that was committed by mistake.
PREFIX = "portico_"

#: Windows of the rate limit are forgotten after so many minutes.
_MINUTES_KEPT = 10


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a valid token. `token_id` is None for one of API_TOKENS, which holds every scope."""

    name: str
    scopes: frozenset[str]
    token_id: UUID | None = None

    @property
    def key(self) -> str:
        """What the rate limit counts by."""
        return str(self.token_id) if self.token_id else f"env:{self.name}"[:120]


def find_caller(authorization: str | None) -> Caller | None:
    """The caller that an `Authorization: Bearer …` header names; None for any token that is not valid now."""
    scheme, _space, presented = (authorization or "").partition(" ")
    presented = presented.strip()
    if scheme.lower() != "bearer" or not presented.isascii() or not presented:
        return None
    return _find_configured(presented) or _find_made(presented)


def count_request(caller: Caller) -> None:
    """Count one request of a caller. Commits. Raises `Problem` (429) beyond what a minute allows."""
    moment = clock.now()
    minute, most = int(moment.timestamp()) // 60, settings.value_of("api_requests_per_minute")
    begin_writing()
    requests = db.session.execute(
        insert_into(ApiMinute)
        .values(caller=caller.key, minute=minute, requests=1)
        .on_conflict_do_update(
            index_elements=[ApiMinute.caller, ApiMinute.minute],
            set_={"requests": ApiMinute.requests + 1},
        )
        .returning(ApiMinute.requests)
    ).scalar_one()
    if requests == 1:
        _begin_minute(caller, minute, moment)
    db.session.commit()
    if requests > most:
        wait = math.ceil((minute + 1) * 60 - moment.timestamp())
        raise Problem(
            TOO_MANY_REQUESTS,
            _("This token may ask %(most)s times a minute. Wait and try again.", most=f"{most:,}"),
            headers={"Retry-After": str(max(wait, 1))},
        )


def list_tokens() -> Sequence[ApiToken]:
    """Every token that was made on the page, the newest first."""
    newest_first = select(ApiToken).options(joinedload(ApiToken.creator)).order_by(ApiToken.id.desc())
    return db.session.scalars(newest_first).all()


def create_token(name: str, scopes: Sequence[Scope], *, days: int | None, by: User) -> str:
    """Make a token that ends after `days` (None: never); answers it, the only time it is known. Commits."""
    token = PREFIX + secrets.token_urlsafe(32)
    row = ApiToken(
        id=new_id(),
        name=name,
        token_hash=_hash_of(token),
        hint=token[: len(PREFIX) + 4],
        scopes=sorted(scopes),
        created_by=by.id,
        expires_at=clock.now() + timedelta(days=days) if days else None,
    )
    begin_writing()
    db.session.add(row)
    made = {"name": name, "scopes": row.scopes, "expires_at": row.expires_at}
    audit.record("api_token.created", "api_token", row.id, by=by, after=made)
    db.session.commit()
    return token


def revoke_token(token_id: UUID, *, by: User) -> None:
    """End a token at once; doing it again changes nothing. Commits. Raises NotFound."""
    if db.session.get(ApiToken, token_id) is None:
        raise NotFound(_("There is no such token."))
    token = lock(ApiToken, token_id)
    if token.revoked_at is None:
        token.revoked_at = clock.now()
        audit.record("api_token.revoked", "api_token", token.id, by=by, facts={"name": token.name})
    db.session.commit()


def _find_configured(presented: str) -> Caller | None:
    configured: Settings = current_app.config["SETTINGS"]
    found = None
    for name, token in configured.api_tokens:  # all are compared, so that time tells nothing
        if hmac.compare_digest(token.encode(), presented.encode()):
            found = Caller(name, frozenset(Scope))
    return found


def _find_made(presented: str) -> Caller | None:
    if not presented.startswith(PREFIX):
        return None
    row = db.session.scalar(select(ApiToken).where(ApiToken.token_hash == _hash_of(presented)))
    moment = clock.now()
    if row is None or row.revoked_at is not None or (row.expires_at and row.expires_at <= moment):
        return None
    return Caller(row.name, frozenset(row.scopes), row.id)


def _begin_minute(caller: Caller, minute: int, moment: datetime) -> None:
    """Once a minute: note that the token is in use, and forget old counts."""
    old = ApiMinute.caller == caller.key, ApiMinute.minute < minute - _MINUTES_KEPT
    db.session.execute(delete(ApiMinute).where(*old))
    if caller.token_id is not None:
        db.session.execute(update(ApiToken).where(ApiToken.id == caller.token_id).values(last_used_at=moment))


def _hash_of(token: str) -> str:
    """Tokens are long and random, so a plain hash cannot be guessed back."""
    return hashlib.sha256(token.encode()).hexdigest()
