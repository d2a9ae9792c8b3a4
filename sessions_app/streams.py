"""The live table: one row for each session, as lists and the command line show it, and what it is sorted by."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Case, DurationField, ExpressionWrapper, F, Value, When
from django.db.models.expressions import OrderBy
from django.db.models.functions import Coalesce

from sessions_app.models import Session
from sessions_app.words import OVER, State

if TYPE_CHECKING:
    from sessions_app.querysets import SessionQuerySet

SORTS = {
    "id": "uid",
    "created": "pk",
    "duration": "duration",
    "status": "status",
    "bytes_in": "bytes_in",
    "bytes_out": "bytes_out",
    "params": "detach_expires_at",
    "user": "user_name",
    "service": "service_name",
    "activity": "last_activity_at",
}
"""What a table of sessions sorts by, and the column behind it."""

NULLABLE = frozenset({"detach_expires_at", "last_activity_at"})

STATUS = dict.fromkeys(State, "ACTIVE") | {State.DETACHED: "DETACHED"} | dict.fromkeys(OVER, "STOPPED")
"""One of three words for each state."""

STREAM_FIELDS = ("id", "created", "duration", "status", "bytes_in", "bytes_out", "params")
"""The fields of a row of `GET streams/`."""


def parse_sort(text: str, known: Collection[str]) -> list[str]:
    """The fields to sort by, `-` before one that descends; each once. Raises `ValueError` for one that is not known."""
    words: dict[str, str] = {}
    for word in filter(None, text.split(",")):
        field = word.removeprefix("-")
        if field not in known:
            raise ValueError(f"{word[:40]!r} is no field to sort by. Known: {', '.join(known)}.")
        words.setdefault(field, word)
    return list(words.values())


def sorted_by(sessions: "SessionQuerySet", sort: Iterable[str], now: datetime) -> "SessionQuerySet":
    """Sorted by the fields in order, then newest first. What has no value comes last, whichever way it is sorted."""
    lasted = ExpressionWrapper(Coalesce("ended_at", Value(now)) - F("created_at"), DurationField())
    status = Case(*(When(state=state, then=Value(word)) for state, word in STATUS.items()))
    return sessions.annotate(duration=lasted, status=status).order_by(*(_order(word) for word in sort), "-pk")


def _order(word: str) -> OrderBy:
    descends = word.startswith("-")
    column = SORTS[word.removeprefix("-")]
    # Only where it matters: no index serves a column that is sorted with its nulls out of their natural place.
    return OrderBy(F(column), descending=descends, nulls_last=True if column in NULLABLE else None)


def rows_of(sessions: Iterable[Session], now: datetime) -> list[dict[str, Any]]:
    """The rows of sessions."""
    return [_row(session, now) for session in sessions]


def _row(session: Session, now: datetime) -> dict[str, Any]:
    return {
        "id": session.uid,
        "created": session.created_at,
        "duration": round(((session.ended_at or now) - session.created_at).total_seconds()),
        "status": STATUS[State(session.state)],
        "bytes_in": session.bytes_in,
        "bytes_out": session.bytes_out,
        "params": _params(session, now),
    }


def _params(session: Session, now: datetime) -> dict[str, Any]:
    """What else there is to say: how long a detached session still has, and of a live one what it waits for."""
    if session.state == State.DETACHED:
        until = session.detach_expires_at
        return {"ttl": None if until is None else max(0, round((until - now).total_seconds()))}
    return {} if session.state in OVER | {State.ACTIVE} else {"state": session.state}
