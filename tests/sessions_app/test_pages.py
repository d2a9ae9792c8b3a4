"""Pages that show sessions: what they say of one, and what they offer to whom."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from audit.models import Recording
from portal.models import Grant, Service
from sessions_app.backends.base import Container, ContainerGone
from sessions_app.models import Session
from sessions_app.opening import choose
from sessions_app.words import EndReason, State
from tests.sessions_app import world
from tests.sessions_app.world import Lab

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab() -> Lab:
    """A lab in the test's own database."""
    return world.make_lab(("owner", "developer", "auditor"))


def page(lab: Lab, address: str, who: str = "developer") -> str:
    client = Client()
    client.force_login(User.objects.get(pk=lab.users[who]))
    return client.get(address).content.decode()


def session_in(lab: Lab, state: State, **fields: Any) -> str:
    uid = world.open_row(lab)
    Session.objects.filter(uid=uid).update(state=state, started_at=timezone.now(), **fields)
    return uid


def over(lab: Lab, reason: EndReason, **fields: Any) -> str:
    return session_in(lab, State.STOPPED, end_reason=reason, ended_at=timezone.now(), **fields)


def record(uid: str, output_bytes: int) -> None:
    session = Session.objects.get(uid=uid)
    Recording.objects.create(
        session_uid=uid, organization=session.organization, output_bytes=output_bytes, started_at=timezone.now()
    )


@pytest.mark.parametrize("address", ["/", "/live/", "/sessions/", "/sessions/{uid}/"])
@pytest.mark.parametrize("state", [State.ENDING, State.DETACHED])
def test_no_page_offers_to_attach_what_is_about_to_end(lab: Lab, address: str, state: State) -> None:
    now = timezone.now()
    uid = session_in(lab, state, detached_at=now, detach_expires_at=now - timedelta(seconds=9))
    shown = page(lab, address.format(uid=uid))
    assert f"/terminal/{uid}/" not in shown
    assert "ending now" in shown


def test_home_offers_to_attach_a_detached_session(lab: Lab) -> None:
    now = timezone.now()
    uid = session_in(lab, State.DETACHED, detached_at=now, detach_expires_at=now + timedelta(minutes=9))
    shown = page(lab, "/live/")
    assert f"/terminal/{uid}/" in shown
    assert "ends in " in shown


def test_home_lists_only_what_has_a_recording(lab: Lab) -> None:
    unused, empty, shown = (over(lab, EndReason.EXITED) for _ in range(3))
    record(empty, 0)
    record(shown, 7)
    home = page(lab, "/")
    assert f"/sessions/{shown}/" in home
    assert f"/sessions/{unused}/" not in home
    assert f"/sessions/{empty}/" not in home


def test_a_record_that_is_being_written_has_no_length_yet(lab: Lab) -> None:
    uid = session_in(lab, State.ACTIVE)
    record(uid, 0)
    shown = page(lab, f"/sessions/{uid}/")
    assert "being written" in shown
    assert "without input while attached" in shown


def test_only_whoever_may_open_a_shell_is_offered_one(lab: Lab) -> None:
    uid = over(lab, EndReason.EXITED)
    assert "Open again" in page(lab, f"/sessions/{uid}/")
    Grant.objects.filter(pk=lab.grants["developer"]).delete()
    assert "Open again" not in page(lab, f"/sessions/{uid}/")
    assert '"mayOpen": false' in page(lab, f"/terminal/{uid}/")


def test_the_shell_tab_is_for_those_who_may_open_a_shell(lab: Lab) -> None:
    tab = f"/stacks/{lab.stack}/shell/"
    assert tab in page(lab, f"/stacks/{lab.stack}/")
    assert tab not in page(lab, f"/stacks/{lab.stack}/", "auditor")


@pytest.mark.parametrize(
    ("reason", "fields", "title"),
    [
        (EndReason.TERMINATED, {"end_requested_by": "grace"}, "Ended by grace"),
        (EndReason.TERMINATED, {}, "Ended by somebody else"),
        (EndReason.PROVIDER_ERROR, {"end_detail": "The image of web has no shell. Give a c"}, "No shell in the image"),
        (EndReason.PROVIDER_ERROR, {"end_detail": "The engine has no room."}, "The provider failed"),
    ],
)
def test_an_ending_is_told_by_what_its_row_knows(
    lab: Lab, reason: EndReason, fields: dict[str, str], title: str
) -> None:
    uid = over(lab, reason, **fields)
    assert title in page(lab, "/sessions/")
    assert title in page(lab, f"/sessions/{uid}/")


def test_the_filter_offers_only_kinds_that_can_be_opened(lab: Lab) -> None:
    shown = page(lab, "/sessions/")
    assert "<option >shell</option>" in shown
    assert "port_forward" not in shown


@pytest.mark.parametrize(
    ("name", "sentence"), [("local", "local does not run in Shell now."), ("Shell", "Shell does not run now.")]
)
def test_a_stopped_container_is_not_said_to_be_in_itself(lab: Lab, name: str, sentence: str) -> None:
    service = Service.objects.get(pk=lab.service)
    stopped = [Container(name, state="exited")]
    with pytest.raises(ContainerGone, match=f"^{sentence} Start it, or choose another container.$"):
        choose(stopped, service=service, pod_name="", container_name=name)


def on_docker(lab: Lab, **policy: Any) -> int:
    """A service of an engine that does not answer."""
    service = world.add_unreachable_service(lab, "tcp://127.0.0.1:1")
    Service.objects.filter(pk=service).update(**policy)
    return service


def test_the_console_page_fills_in_the_defaults_and_shows_the_ceilings_and_only_what_may_be_chosen(lab: Lab) -> None:
    service = on_docker(lab, console_memory=1.5, console_hours_max=2)
    shown = page(lab, f"/services/{service}/console/?container=web-1", "owner")
    assert 'name="memory" value="1.5"' in shown
    assert 'name="max_hours" value="2"' in shown
    for ceiling in ("At most 4 GB.", "At most 2 CPUs.", "At most 2 hours; then it ends"):
        assert ceiling in shown
    assert 'name="container_name" value="web-1"' in shown
    assert 'name="docker_tag"' in shown
    assert 'name="image"' not in shown
    assert 'name="user"' not in shown
    service_of_image = Service.objects.filter(pk=service)
    service_of_image.update(console_allow_image=True, console_allow_user=True, console_allow_tag=False)
    shown = page(lab, f"/services/{service}/console/", "owner")
    assert 'name="image"' in shown
    assert 'name="user"' in shown
    assert 'name="docker_tag"' not in shown


def test_who_comes_from_an_image_without_a_shell_is_not_given_it_again(lab: Lab) -> None:
    service = on_docker(lab)
    address = f"/services/{service}/console/?shell=missing"
    shown = page(lab, address, "owner")
    assert "the image as it runs now has none." in shown
    assert 'placeholder="another tag"' in shown
    client = Client()
    client.force_login(User.objects.get(pk=lab.users["owner"]))
    amounts = {"memory": "0.5", "cpu": "0.7", "max_hours": "1"}
    assert "This field is required." in client.post(address, amounts).content.decode()
    Service.objects.filter(pk=service).update(console_allow_image=True)
    refused = "This image has no shell: choose another tag, or another image."
    assert refused in client.post(address, amounts).content.decode()
    assert refused not in client.post(address, amounts | {"image": "busybox:1"}).content.decode()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"memory": "64"}, "at most 4 GB."),
        ({"memory": "a lot"}, "Enter a number."),
        ({"docker_tag": "a/b"}, "A tag has letters"),
        ({"command": "sh 'x"}, "A quote in the command is not closed."),
        ({}, "Nothing listens at the Docker Engine&#x27;s address."),
    ],
)
def test_a_console_that_cannot_be_opened_says_why_and_keeps_what_was_filled_in(
    lab: Lab, sent: dict[str, str], said: str
) -> None:
    service = on_docker(lab)
    client = Client()
    client.force_login(User.objects.get(pk=lab.users["owner"]))
    filled = {"memory": "0.5", "cpu": "0.7", "max_hours": "1", **sent}
    shown = client.post(f"/services/{service}/console/", filled).content.decode()
    assert said in shown
    assert 'name="cpu" value="0.7"' in shown
    assert not Session.objects.filter(service=service).exists()


@pytest.mark.parametrize(("who", "status"), [("owner", 200), ("developer", 403)])
def test_the_console_page_is_for_who_may_open_one(lab: Lab, who: str, status: int) -> None:
    service = on_docker(lab)
    Grant.objects.filter(pk=lab.grants["developer"]).update(service=None)
    client = Client()
    client.force_login(User.objects.get(pk=lab.users[who]))
    assert client.get(f"/services/{service}/console/").status_code == status
    assert client.get(f"/services/{lab.service}/console/").status_code == (404 if who == "owner" else 403)
    assert (
        f"/services/{service}/console/" in page(lab, f"/stacks/{Service.objects.get(pk=service).stack_id}/", who)
    ) is (who == "owner")


def test_a_console_session_says_what_it_was_and_that_its_container_is_gone(lab: Lab) -> None:
    asked = {
        "memory": 0.5, "cpu": 0.25, "max_hours": 1.5, "image": "web:2", "docker_tag": "", "user": "",
        "service": "shell", "like": {"pod_name": "web-1", "container_name": "main", "id": ""},
    }  # fmt: skip
    uid = over(
        lab, EndReason.EXITED, kind="console", console=asked, max_duration=5400, cleanup={"container_removed": True}
    )
    shown = page(lab, f"/sessions/{uid}/")
    for words in ("0.5 GB, 0.25 CPU", "web:2", "made like", "web-1", "removed with everything in it"):
        assert words in shown


def test_a_console_that_never_began_is_not_called_a_failing_provider(lab: Lab) -> None:
    uid = session_in(
        lab, State.FAILED, kind="console", end_reason=EndReason.PROVIDER_ERROR, end_detail="There is no such image."
    )
    shown = page(lab, f"/sessions/{uid}/")
    assert "The console did not start" in shown
    assert "There is no such image." in shown
