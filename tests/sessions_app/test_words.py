"""A session's uid."""

import re
import time

import pytest

from sessions_app.words import LIVE, OVER, Kind, State, Via, new_uid


@pytest.mark.parametrize(
    ("kind", "via", "prefix"),
    [
        (Kind.SHELL, Via.WEB, "ws"),
        (Kind.SHELL, Via.CLI, "sh"),
        (Kind.SHELL, Via.API, "sh"),
        (Kind.CONSOLE, Via.WEB, "ws"),
        (Kind.EXEC, Via.CLI, "ex"),
        (Kind.PORT_FORWARD, Via.CLI, "pf"),
        (Kind.UNIX_SOCKET, Via.CLI, "ux"),
        (Kind.REVERSE_PROXY, Via.WEB, "rp"),
    ],
)
def test_a_uid_begins_with_what_the_session_is(kind: Kind, via: Via, prefix: str) -> None:
    assert re.fullmatch(prefix + "-[0-9a-hjkmnp-tv-z]{26}", new_uid(kind, via))


def test_uids_sort_by_the_time_they_were_made() -> None:
    made = []
    for _ in range(20):
        made.append(new_uid(Kind.SHELL, Via.WEB))
        before = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 == before:
            pass
    assert made == sorted(made)


def test_ten_thousand_uids_of_the_same_moment_differ() -> None:
    assert len({new_uid(Kind.SHELL, Via.WEB) for _ in range(10_000)}) == 10_000


def test_a_session_lives_or_is_over_and_nothing_else() -> None:
    assert set(State) == LIVE | OVER
    assert not LIVE & OVER
