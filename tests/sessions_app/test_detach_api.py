"""What the API says of a detach that cannot be."""

import pytest
from django.contrib.auth.models import User

from sessions_app.models import Session
from sessions_app.words import State
from tests.portal.world import api
from tests.sessions_app import world


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("state", "word"),
    [
        (State.REQUESTED, "not begun"),
        (State.PROVISIONING, "not begun"),
        (State.ENDING, "over or ending"),
        (State.STOPPED, "over or ending"),
        (State.FAILED, "over or ending"),
    ],
)
def test_what_is_not_running_cannot_be_detached_and_the_answer_says_so(state: State, word: str) -> None:
    lab = world.make_lab()
    uid = world.open_row(lab)
    if state in (State.STOPPED, State.FAILED):
        world.finish(uid)
    world.change_row(uid, state=state)
    client = api(User.objects.get(pk=lab.users["developer"]))
    answer = client.post(f"/api/v1/sessions/{uid}/detach/", {}, "json")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_detachable")
    assert word in answer.json()["detail"]
    assert Session.objects.get(uid=uid).state == state
    assert "session.detached" not in world.events_of(uid)
