"""What is refused before a place of a service is taken."""

import pytest
from django.contrib.auth.models import User

from audit.events import PORTAL
from portal.models import Service
from sessions_app.backends.base import InvalidTarget
from sessions_app.models import Session
from sessions_app.opening import open_in_container
from sessions_app.words import Kind, Via
from tests.sessions_app import world


@pytest.mark.django_db
@pytest.mark.parametrize("argv", [["-rf"], ["echo", *["x" * 8000] * 5], [""]])
def test_a_default_command_that_cannot_be_sent_leaves_no_session(argv: list[str]) -> None:
    lab = world.make_lab()
    Service.objects.filter(pk=lab.service).update(default_command=argv)  # a row from before this was checked
    service = Service.objects.select_related("stack__provider", "organization").get(pk=lab.service)
    user = User.objects.get(pk=lab.users["developer"])
    with pytest.raises(InvalidTarget):
        open_in_container(user=user, service=service, kind=Kind.SHELL, via=Via.API, actor=PORTAL)
    assert not Session.objects.exists()
