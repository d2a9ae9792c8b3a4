"""The live table: what it holds, what it says of each session, and how it is sorted; in the API and in the page."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from sessions_app.models import Session
from sessions_app.words import EndReason, State
from tests.portal.world import api
from tests.sessions_app import world
from tests.sessions_app.world import Lab

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab() -> Lab:
    return world.make_lab()


def session(lab: Lab, state: State = State.ACTIVE, **fields: Any) -> str:
    uid = world.open_row(lab)
    Session.objects.filter(uid=uid).update(state=state, started_at=timezone.now(), **fields)
    return uid


def detached(lab: Lab, minutes: int | None, **fields: Any) -> str:
    now = timezone.now()
    until = None if minutes is None else now + timedelta(minutes=minutes)
    return session(lab, State.DETACHED, detached_at=now, detach_expires_at=until, **fields)


def stopped(lab: Lab, seconds_ago: float, **fields: Any) -> str:
    ended = timezone.now() - timedelta(seconds=seconds_ago)
    return session(lab, State.STOPPED, end_reason=EndReason.EXITED, ended_at=ended, **fields)


def streams(lab: Lab, **query: str) -> list[dict[str, Any]]:
    answer = api(User.objects.get(pk=lab.users["developer"])).get("/api/v1/streams/", query)
    assert answer.status_code == 200, answer.content
    rows: list[dict[str, Any]] = answer.json()
    return rows


def page(lab: Lab, query: str = "", rows: str = "") -> str:
    client = Client()
    client.force_login(User.objects.get(pk=lab.users["developer"]))
    return client.get(f"/sessions/{rows}{query}").content.decode()


def listed(shown: str) -> list[str]:
    return re.findall(r'id="row-([^"]+)"', shown)


def test_what_stopped_is_gone_after_a_minute(lab: Lab) -> None:
    live, just, _ = session(lab), stopped(lab, 55), stopped(lab, 65)
    assert {row["id"]: row["status"] for row in streams(lab)} == {live: "ACTIVE", just: "STOPPED"}
    assert listed(page(lab)) == listed(page(lab, "?state=live")) == [just, live]
    assert len(listed(page(lab, "?state=any"))) == 3


def test_a_status_is_one_of_three_words_and_params_say_the_rest(lab: Lab) -> None:
    requested, ending, leaving = session(lab, State.REQUESTED), session(lab, State.ENDING), detached(lab, 30)
    endless = detached(lab, None)
    rows = {row["id"]: (row["status"], row["params"]) for row in streams(lab)}
    assert rows[requested] == ("ACTIVE", {"state": "requested"})
    assert rows[ending] == ("ACTIVE", {"state": "ending"})
    assert rows[leaving][0] == rows[endless][0] == "DETACHED"
    assert 1790 <= rows[leaving][1]["ttl"] <= 1800
    assert rows[endless][1] == {"ttl": None}


def test_rows_are_sorted_by_each_field_in_turn(lab: Lab) -> None:
    now = timezone.now()
    old = session(lab, bytes_in=5, bytes_out=1)
    young = session(lab, bytes_in=5, bytes_out=2)
    over = stopped(lab, 30, bytes_in=7)
    soon, late = detached(lab, 5), detached(lab, 50)
    Session.objects.filter(uid=old).update(created_at=now - timedelta(hours=1))
    for sort, order in {
        "-created": [late, soon, over, young, old],
        "created": [old, young, over, soon, late],
        "-bytes_in,-bytes_out": [over, young, old, late, soon],
        "-bytes_in,bytes_out": [over, old, young, late, soon],
        "status,created": [old, young, soon, late, over],
        "-status,-created": [over, late, soon, young, old],
        "params,created": [soon, late, old, young, over],
        "-params,created": [late, soon, old, young, over],
        "id": [old, young, over, soon, late],
        "id,-id,created": [old, young, over, soon, late],
    }.items():
        assert [row["id"] for row in streams(lab, sort=sort)] == order, sort
        assert listed(page(lab, f"?sort={sort}")) == order, sort
    assert next(row["id"] for row in streams(lab, sort="-duration")) == old
    assert streams(lab, sort="duration")[-1]["id"] == old


@pytest.mark.parametrize("sort", ["password", "-user__password", "--created", "created;", "user"])
def test_a_field_that_is_none_is_refused_with_those_that_are(lab: Lab, sort: str) -> None:
    answer = api(User.objects.get(pk=lab.users["developer"])).get("/api/v1/streams/", {"sort": sort})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert "id, created, duration, status, bytes_in, bytes_out, params" in answer.json()["fields"]["sort"][0]


def test_the_page_takes_an_unknown_order_for_none(lab: Lab) -> None:
    first, second = session(lab), session(lab)
    assert listed(page(lab, "?sort=password")) == [second, first]


@pytest.mark.parametrize("rows", ["", "rows/"])
def test_headings_sort_and_keep_the_filters(lab: Lab, rows: str) -> None:
    session(lab)
    shown = page(lab, "?service=Shell&sort=-duration", rows)
    assert 'href="?service=Shell&amp;sort=duration"' in shown
    assert 'href="?service=Shell&amp;sort=-bytes_out"' in shown
    assert 'aria-sort="descending"' in shown


def test_the_next_page_keeps_filters_and_order(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions_app.views.ROWS_A_PAGE", 1)
    session(lab)
    session(lab)
    assert 'href="?service=Shell&amp;sort=created&amp;page=2"' in page(lab, "?service=Shell&sort=created")


@pytest.mark.parametrize("address", ["", "rows/"])
def test_the_page_says_how_long_a_detached_session_has(lab: Lab, address: str) -> None:
    detached(lab, 30)
    shown = page(lab, rows=address)
    assert re.search(r"ends in (29|30) min", shown)
    assert "data-soon" not in shown
    detached(lab, 4)
    detached(lab, None)
    shown = page(lab, rows=address)
    assert "data-soon" in shown
    assert "without end" in shown
