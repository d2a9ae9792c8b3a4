"""The live table: one row for each session, as lists and the command line show it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sessions_app.models import Session
from sessions_app.words import OVER, State

SORT_FIELDS = ("id", "created", "duration", "status", "bytes_in", "bytes_out")


def rows_of(sessions: Iterable[Session], now: datetime, sort: Sequence[str]) -> list[dict[str, Any]]:
    """The rows, sorted by the fields in order; a `-` before a field turns it around."""
    rows = [_row(session, now) for session in sessions]
    for field in reversed(sort):  # sorting is stable, so the first field is sorted by last
        rows.sort(key=lambda row: row[field.removeprefix("-")], reverse=field.startswith("-"))
    return rows


def _row(session: Session, now: datetime) -> dict[str, Any]:
    params: dict[str, Any] = {}
    if session.state == State.DETACHED and session.detach_expires_at is not None:
        params["ttl"] = max(0, round((session.detach_expires_at - now).total_seconds()))
    return {
        "id": session.uid,
        "created": session.created_at,
        "duration": round(((session.ended_at or now) - session.created_at).total_seconds()),
        "status": status_of(session),
        "bytes_in": session.bytes_in,
        "bytes_out": session.bytes_out,
        "params": params,
    }


def status_of(session: Session) -> str:
    """One of four words for eight states."""
    if session.state in OVER:
        return "STOPPED"
    if session.state in (State.REQUESTED, State.PROVISIONING):
        return "PENDING"
    return "DETACHED" if session.state == State.DETACHED else "ACTIVE"
