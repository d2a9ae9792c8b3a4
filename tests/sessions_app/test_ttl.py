"""How long a session may stay detached: as it is written, and what a service allows."""

import pytest
from pytest_django.fixtures import Settings

from sessions_app.detaching import CLOSE_GRACE, Departure, DetachRefused, detach_ttl, window_closed
from sessions_app.models import Session
from sessions_app.ttl import parse_ttl
from sessions_app.words import Detachment


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0), ("0", 0), (90, 90), ("90", 90), ("90s", 90), ("30m", 1800), ("1h", 3600), ("1H", 3600), (" 1h ", 3600),
        ("1d", 86_400), (10**30, 10**30),
    ],
)  # fmt: skip
def test_a_time_is_a_number_of_seconds_or_has_a_unit(written: object, seconds: int) -> None:
    assert parse_ttl(written) == seconds


@pytest.mark.parametrize(
    "written", ["", "forever", "-1", -1, "1.5h", 1.5, True, None, "1h30m", "m", "1w", "٣m", [60], "9" * 10, "0x10"]
)
def test_anything_else_is_refused_with_an_example(written: object) -> None:
    with pytest.raises(ValueError, match="30m, 1h"):
        parse_ttl(written)


def session(**fields: object) -> Session:
    return Session(**({"detach_ttl_max": 7200, "reconnect_grace": 60} | fields))


def test_the_default_is_an_hour_and_never_more_than_the_service_allows(settings: Settings) -> None:
    assert detach_ttl(session(), None) == settings.PORTHOLE_DETACH_TTL == 3600
    assert detach_ttl(session(detach_ttl_max=600), None) == 600
    assert detach_ttl(session(), 7200) == 7200


@pytest.mark.parametrize("asked", [7201, 0])
def test_more_than_the_maximum_is_refused_with_the_maximum_named(asked: int) -> None:
    with pytest.raises(DetachRefused, match=r"2 h \(7200 seconds\)"):
        detach_ttl(session(), asked)


def test_no_end_is_for_services_that_allow_it() -> None:
    assert detach_ttl(session(detach_without_end=True), 0) is None
    with pytest.raises(DetachRefused):
        detach_ttl(session(detach_without_end=True), 7201)


def test_a_closed_window_means_what_its_user_prefers() -> None:
    assert window_closed(session(), auto_close=False, typed=True) == Departure(Detachment.ASKED, 3600)
    assert window_closed(session(), auto_close=True, typed=True) == Departure(Detachment.CLOSED, CLOSE_GRACE)
    assert window_closed(session(reconnect_grace=5), auto_close=True, typed=True).ttl == 5


def test_a_closed_window_in_which_nobody_typed_ends_its_shell_but_no_command_that_was_asked_for() -> None:
    assert window_closed(session(), auto_close=False, typed=False) == Departure(Detachment.CLOSED, CLOSE_GRACE)
    assert window_closed(session(command=["make"]), auto_close=False, typed=False).cause == Detachment.ASKED
