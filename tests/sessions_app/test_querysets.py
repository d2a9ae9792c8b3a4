"""The words by which pages and the API filter sessions."""

from typing import Any

import pytest

from sessions_app.models import Session
from sessions_app.words import State
from tests.sessions_app import world


@pytest.mark.django_db
def test_lists_are_filtered_by_one_set_of_words() -> None:
    lab = world.make_lab(("developer", "colleague"), session_limit=5)
    waiting, over = world.open_row(lab), world.open_row(lab)
    other = world.open_row(lab, "colleague", service=world.add_service(lab, "second"))
    world.finish(over)
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {waiting, over, other}),
        ({"states": [], "kinds": [], "user": "", "service": ""}, {waiting, over, other}),
        ({"states": ["over"]}, {over}),
        ({"states": ["over", State.REQUESTED]}, {waiting, over, other}),
        ({"states": [State.FAILED]}, {over}),
        ({"states": ["nothing"]}, set()),
        ({"kinds": ["shell"]}, {waiting, over, other}),
        ({"kinds": ["console"]}, set()),
        ({"user": lab.names["colleague"]}, {other}),
        ({"service": lab.service}, {waiting, over}),
        ({"service": 0}, set()),
        ({"service": "second"}, {other}),
        ({"service": "second", "user": lab.names["developer"]}, set()),
    ]
    for words, found in cases:
        assert set(Session.objects.matching(**words).values_list("uid", flat=True)) == found, words
