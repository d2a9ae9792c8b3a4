"""The session limit, as lease rows that hold whatever several processes try at the same time."""

import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dj_database_url
import psycopg
import pytest

from portal import actions
from portal.models import Service
from sessions_app.actions import LimitReached
from tests.sessions_app import world
from tests.sessions_app.office import Office
from tests.sessions_app.portal_process import environment, migrate

LIMIT = 15
OPENS = 100
PROCESSES = 5


@contextmanager
def postgres_database(url: str) -> Iterator[str]:
    """A database of its own, by its URL."""
    name = f"porthole_slots_{os.getpid()}_{secrets.token_hex(3)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
    try:
        yield url.removesuffix("/" + dj_database_url.parse(url)["NAME"]) + f"/{name}"
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[call-overload]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def offices(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Office]]:
    """Several processes on one database."""
    folder: Path = tmp_path_factory.mktemp("slots")
    with ExitStack() as stack:
        env = environment(folder)
        if request.param == "postgres":
            env["DATABASE_URL"] = stack.enter_context(postgres_database(request.getfixturevalue("postgres_url")))
        migrate(env)
        several = [Office(env, folder / f"office{number}.log") for number in range(PROCESSES)]
        yield several
        for office in several:
            office.close()


def test_of_a_hundred_opens_at_once_from_several_processes_fifteen_succeed(offices: list[Office]) -> None:
    lab = offices[0].call(world.make_lab)
    with ThreadPoolExecutor(PROCESSES) as threads:
        attempts = [threads.submit(office.call, world.open_many, lab, OPENS // PROCESSES) for office in offices]
        outcomes = [outcome for attempt in attempts for outcome in attempt.result()]
    opened = [text for good, text in outcomes if good]
    refused = {text for good, text in outcomes if not good}
    assert (len(opened), len(outcomes)) == (LIMIT, OPENS)
    assert offices[0].call(world.slots, lab) == offices[0].call(world.live_sessions, lab) == LIMIT
    assert refused == {
        f"All 15 sessions of Shell are in use (by {lab.names['developer']}). "
        "End one of them, or ask for a higher limit."
    }


def test_opening_and_ending_from_several_processes_leaves_no_place_taken(offices: list[Office]) -> None:
    lab = offices[0].call(world.make_lab)
    with ThreadPoolExecutor(PROCESSES) as threads:
        work = [threads.submit(office.call, world.open_and_end, lab, 20) for office in offices]
        for attempt in work:
            attempt.result()
    assert offices[0].call(world.slots, lab) == 0
    assert offices[0].call(world.sessions_of, lab) == 20 * PROCESSES


@pytest.mark.django_db
def test_a_thousand_opens_and_ends_leave_no_place_taken() -> None:
    lab = world.make_lab()
    world.open_and_end(lab, 1000)
    assert (world.slots(lab), world.live_sessions(lab), world.sessions_of(lab)) == (0, 0, 1000)


@pytest.mark.django_db
def test_a_place_that_became_free_can_be_taken_again_and_no_other() -> None:
    lab = world.make_lab(session_limit=3)
    first, second, third = (world.open_row(lab) for _ in range(3))
    with pytest.raises(LimitReached):
        world.open_row(lab)
    world.finish(second)
    fourth = world.open_row(lab)
    with pytest.raises(LimitReached) as refusal:
        world.open_row(lab)
    assert [holder["uid"] for holder in refusal.value.holders] == [first, third, fourth]


@pytest.mark.django_db
def test_each_service_has_places_of_its_own() -> None:
    lab = world.make_lab(session_limit=1)
    other = world.add_service(lab, "other", session_limit=1)
    world.open_row(lab)
    world.open_row(lab, service=other)
    for service in (lab.service, other):
        with pytest.raises(LimitReached):
            world.open_row(lab, service=service)


@pytest.mark.django_db
def test_a_limit_that_was_lowered_lets_running_sessions_be_and_new_ones_wait() -> None:
    lab = world.make_lab(session_limit=3)
    uids = [world.open_row(lab) for _ in range(3)]
    actions.change_service(actor=world.PORTAL, service=Service.objects.get(pk=lab.service), session_limit=2)
    world.finish(uids[0])
    with pytest.raises(LimitReached):
        world.open_row(lab)
    world.finish(uids[1])
    world.open_row(lab)


@pytest.mark.django_db
def test_a_refused_open_is_on_record_and_leaves_no_row() -> None:
    lab = world.make_lab(session_limit=1)
    world.open_row(lab)
    with pytest.raises(LimitReached):
        world.open_row(lab)
    assert world.sessions_of(lab) == 1
    assert world.events_about(lab, "session.limit_refused") == 1
