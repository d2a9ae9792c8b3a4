"""When a session's time is up."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sessions_app.deadlines import overdue
from sessions_app.models import Session
from sessions_app.words import Detachment, EndReason, Kind, State

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
A_SECOND = timedelta(seconds=1)


def session(state: State, **fields: Any) -> Session:
    """Nothing of it is due at NOW unless a field says so."""
    usual: dict[str, Any] = {
        "attach_by": NOW + A_SECOND,
        "started_at": NOW - timedelta(hours=1),
        "last_activity_at": NOW,
        "idle_timeout": 1800,
        "max_duration": None,
        "kind": Kind.SHELL,
    }
    return Session(state=state, **(usual | fields))


def reason(row: Session, now: datetime = NOW) -> EndReason | None:
    verdict = overdue(row, now)
    return verdict and verdict[0]


@pytest.mark.parametrize("state", list(State))
def test_a_session_within_its_times_may_go_on(state: State) -> None:
    assert overdue(session(state, detach_expires_at=NOW + A_SECOND, max_duration=7200), NOW) is None


def test_nobody_connected_in_time() -> None:
    row = session(State.REQUESTED, started_at=None, attach_by=NOW)
    assert reason(row) is None
    assert reason(row, NOW + A_SECOND) is EndReason.NEVER_ATTACHED


def test_an_idle_session_ends_after_its_timeout_and_not_at_it() -> None:
    row = session(State.ACTIVE, last_activity_at=NOW - timedelta(seconds=1800))
    assert reason(row) is None
    assert reason(row, NOW + A_SECOND) is EndReason.IDLE_TIMEOUT


def test_the_sentence_of_an_idle_end_names_the_minutes() -> None:
    row = session(State.ACTIVE, last_activity_at=NOW - timedelta(hours=1), idle_timeout=90)
    assert overdue(row, NOW) == (EndReason.IDLE_TIMEOUT, "Nothing was typed for 1.5 minutes.")


def test_a_detached_session_is_not_idle() -> None:
    row = session(State.DETACHED, last_activity_at=NOW - timedelta(hours=9), detach_expires_at=NOW + timedelta(hours=1))
    assert reason(row) is None


@pytest.mark.parametrize(
    ("cause", "end"),
    [
        (Detachment.LOST, EndReason.DISCONNECTED),
        (Detachment.ASKED, EndReason.DETACH_EXPIRED),
        (Detachment.CLOSED, EndReason.CLOSED_BY_USER),
    ],
)
def test_a_detached_session_ends_as_what_its_detach_was(cause: Detachment, end: EndReason) -> None:
    row = session(State.DETACHED, detach_expires_at=NOW, detach_cause=cause)
    assert reason(row) is None
    assert reason(row, NOW + A_SECOND) is end


def test_a_session_that_is_detached_without_end_has_none() -> None:
    assert reason(session(State.DETACHED, detach_cause=Detachment.ASKED), NOW + timedelta(days=400)) is None


def test_a_session_ends_at_its_longest_duration_also_while_it_is_used_or_detached() -> None:
    for state in (State.ACTIVE, State.DETACHED):
        row = session(state, max_duration=3600, detach_expires_at=NOW + timedelta(hours=1))
        assert reason(row) is None
        assert reason(row, NOW + A_SECOND) is EndReason.MAX_DURATION


def test_without_a_longest_duration_26_hours_are_fine() -> None:
    assert reason(session(State.ACTIVE, started_at=NOW - timedelta(hours=26))) is None


def test_a_clock_that_was_set_back_ends_nothing() -> None:
    row = session(State.ACTIVE, max_duration=3600, last_activity_at=NOW + timedelta(hours=1), started_at=NOW)
    assert reason(row, NOW - timedelta(days=1)) is None


def test_a_session_that_is_ending_is_not_ended_for_idleness_again() -> None:
    assert reason(session(State.ENDING, last_activity_at=NOW - timedelta(days=1))) is None
