"""What people see of each kind of job: its name, the page it is about, and who may watch and manage it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.access.permissions import Permission, is_permitted
from app.accounts.models import User
from app.jobs.models import Job


@dataclass(frozen=True, slots=True)
class Kind:
    """`title` names it, and `url` answers the address of the page that a job is about, if there is one.

    Whoever holds `permission` may watch, pause, resume and stop jobs of this kind. Without one, only whoever
    asked for a job may.
    """

    title: Any
    url: Callable[[Job], str | None] = lambda _job: None
    permission: Permission | None = None


_KINDS: dict[str, Kind] = {}


def describe(kind: str, words: Kind) -> None:
    """Say what people see of a kind of job."""
    _KINDS[kind] = words


def kind_of(job: Job) -> Kind:
    """What people see of a job; one that nobody described keeps its bare name."""
    return _KINDS.get(job.kind) or Kind(job.kind)


def may_manage(user: User, job: Job) -> bool:
    """Whether this person may watch, pause, resume and stop a job."""
    permission = kind_of(job).permission
    return is_permitted(user.role, permission) if permission else user.id == job.requested_by


def managed_by(user: User) -> tuple[list[str], list[str]]:
    """The kinds of which this person may watch every job, and those of which they may watch none."""
    guarded = {name: kind.permission for name, kind in _KINDS.items() if kind.permission}
    held = [name for name, permission in guarded.items() if is_permitted(user.role, permission)]
    return held, [name for name in guarded if name not in held]
