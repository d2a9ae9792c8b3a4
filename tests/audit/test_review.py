"""Review, flags and legal holds: who may decide what, what it leaves, and who hears of it."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.actions import mark_lost, seal_recording
from audit.events import Action
from audit.models import Event, Recording
from portal.permissions import Permission, Role
from tests.audit.world import begin_recording, make_session
from tests.portal.world import Tenant, api, api_token

pytestmark = pytest.mark.django_db

WORDS = ["review", "flag", "unflag", "hold", "release"]
ACTIONS = [action.value for action in Action if action.value.startswith("recording.")]


def sealed(tenant: Tenant, role: Role = Role.DEVELOPER, **session: Any) -> Recording:
    recording, writer = begin_recording(make_session(tenant, role, **session))
    writer.output(b"$ ")
    writer.close()
    return seal_recording(session_uid=recording.session_uid)


@pytest.fixture
def recording(acme: Tenant) -> Recording:
    return sealed(acme)


def post(user: User, recording: Recording, word: str, note: str | None = "because") -> Any:
    body = {} if note is None else {"note": note}
    return api(user).post(f"/api/v1/sessions/{recording.session_uid}/recording/{word}/", body, format="json")


def last_event() -> Event:
    return Event.objects.filter(action__in=ACTIONS).latest("id")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def queue(user: User, **query: str) -> list[str]:
    answer = api(user).get("/api/v1/recordings/", query)
    assert answer.status_code == 200, answer.content
    return [row["session"] for row in answer.json()["results"]]


def test_a_review_says_who_and_when_and_what_they_noted(acme: Tenant, recording: Recording) -> None:
    auditor = acme.users[Role.AUDITOR]
    body = post(auditor, recording, "review", "Nothing unusual.").json()
    assert (body["review"]["by"], body["review"]["note"]) == ("acme-auditor", "Nothing unusual.")
    event = last_event()
    assert (event.action, event.actor_name) == ("recording.reviewed", "acme-auditor")
    assert event.detail == {"note": "Nothing unusual.", "own_session": False}
    html = signed_in(auditor).get(f"/sessions/{recording.session_uid}/").content.decode()
    assert "by acme-auditor" in html
    assert "Nothing unusual." in html


def test_the_queue_holds_what_nobody_has_reviewed(acme: Tenant, recording: Recording) -> None:
    auditor = acme.users[Role.AUDITOR]
    lost = sealed(acme, Role.OWNER)
    running, writer = begin_recording(make_session(acme))
    assert queue(auditor, show="unreviewed") == [lost.session_uid, recording.session_uid]
    post(auditor, recording, "review", None)
    assert queue(auditor, show="unreviewed") == [lost.session_uid]
    assert queue(auditor, show="reviewed") == [recording.session_uid]
    assert len(queue(auditor)) == 3
    writer.close()
    mark_lost(session_uid=running.session_uid, detail="gone")
    assert queue(auditor, show="unreviewed", service="Web") == [running.session_uid, lost.session_uid]
    assert queue(auditor, show="unreviewed", service="Db") == []


def test_what_still_runs_cannot_be_reviewed_yet(acme: Tenant) -> None:
    running, writer = begin_recording(make_session(acme))
    answer = post(acme.users[Role.AUDITOR], running, "review")
    writer.close()
    assert (answer.status_code, answer.json()["code"]) == (409, "recording_live")


def test_a_flag_is_set_listed_and_taken_away_with_its_events(acme: Tenant, recording: Recording) -> None:
    auditor, owner = acme.users[Role.AUDITOR], acme.users[Role.OWNER]
    assert post(auditor, recording, "flag", "Reads /etc/shadow").json()["flag"]["note"] == "Reads /etc/shadow"
    assert queue(owner, show="flagged") == [recording.session_uid]
    assert post(owner, recording, "unflag", "Was asked to").json()["flag"] is None
    event = last_event()
    assert (event.action, event.detail["note"]) == ("recording.unflagged", "Was asked to")
    assert event.detail["was"]["by"] == "acme-auditor"
    assert post(owner, recording, "unflag").status_code == 409


def test_a_hold_says_who_when_and_why_and_lifting_it_too(acme: Tenant, recording: Recording) -> None:
    auditor, owner = acme.users[Role.AUDITOR], acme.users[Role.OWNER]
    body = post(auditor, recording, "hold", "Case 7").json()
    assert (body["hold"]["by"], body["hold"]["note"]) == ("acme-auditor", "Case 7")
    assert (last_event().action, last_event().detail) == ("recording.held", {"reason": "Case 7"})
    assert queue(auditor, show="held") == [recording.session_uid]
    again = post(owner, recording, "hold", "Case 8")
    assert (again.status_code, again.json()["code"]) == (409, "recording_held")
    assert post(owner, recording, "release", "Closed").json()["hold"] is None
    event = last_event()
    assert (event.action, event.detail["reason"], event.detail["was"]["why"]) == (
        "recording.released", "Closed", "Case 7",
    )  # fmt: skip
    assert post(owner, recording, "release").json()["code"] == "recording_not_held"


@pytest.mark.parametrize("word", ["flag", "hold", "release"])
def test_some_decisions_need_a_reason(acme: Tenant, recording: Recording, word: str) -> None:
    for note in (None, "", "  "):
        assert post(acme.users[Role.AUDITOR], recording, word, note).status_code == 400
    client, before = signed_in(acme.users[Role.AUDITOR]), Event.objects.count()
    answer = client.post(f"/recordings/{recording.session_uid}/{word}/", {"note": " "}, follow=True)
    assert "Say why" in answer.content.decode()
    assert Event.objects.count() == before


@pytest.mark.parametrize("word", WORDS)
def test_it_takes_the_permission_audit_on_ones_own_recording_too(acme: Tenant, recording: Recording, word: str) -> None:
    developer = acme.users[Role.DEVELOPER]
    acme.grant(Permission.SHELL, Permission.WATCH, role=Role.DEVELOPER)
    before = Recording.objects.values().get(pk=recording.pk)
    assert post(developer, recording, word).status_code == 403
    page = signed_in(developer).post(f"/recordings/{recording.session_uid}/{word}/", {"note": "because"})
    assert page.status_code == 403
    assert Recording.objects.values().get(pk=recording.pk) == before
    refused = Event.objects.filter(action=Action.PERMISSION_REFUSED).latest("id")
    assert refused.detail["permission"] == "audit"


@pytest.mark.parametrize("word", WORDS)
def test_a_token_needs_the_scope_audit(acme: Tenant, recording: Recording, word: str) -> None:
    address = f"/api/v1/sessions/{recording.session_uid}/recording/{word}/"
    token = api_token(acme.users[Role.OWNER], Permission.MANAGE, Permission.SHELL)
    assert api(token=token).post(address, {"note": "x"}, format="json").status_code == 403
    assert api(token=token).get("/api/v1/recordings/").status_code == 403


@pytest.mark.parametrize("word", WORDS)
def test_another_tenants_recording_is_not_there(acme: Tenant, globex: Tenant, recording: Recording, word: str) -> None:
    outsider = globex.users[Role.OWNER]
    assert post(outsider, recording, word).status_code == 404
    assert signed_in(outsider).post(f"/recordings/{recording.session_uid}/{word}/").status_code == 404
    assert queue(outsider) == []


def test_who_audits_one_service_reviews_that_one_alone(acme: Tenant, recording: Recording) -> None:
    other = sealed(acme, service=acme.other_service)
    developer = acme.users[Role.DEVELOPER]
    acme.grant(Permission.AUDIT, role=Role.DEVELOPER, service=acme.service)
    assert queue(developer, show="unreviewed") == [recording.session_uid]
    assert post(developer, recording, "review").status_code == 200
    assert post(developer, other, "review").status_code == 403
    assert last_event().detail["own_session"] is True


def test_whose_recording_it_is_does_not_hear_what_was_decided(acme: Tenant, recording: Recording) -> None:
    for word in ("hold", "flag", "review"):
        post(acme.users[Role.AUDITOR], recording, word, "secret inquiry")
    developer = acme.users[Role.DEVELOPER]
    answer = api(developer).get(f"/api/v1/sessions/{recording.session_uid}/recording/")
    assert answer.status_code == 200
    assert not {"hold", "flag", "review", "kept_until"} & set(answer.json())
    page = signed_in(developer).get(f"/sessions/{recording.session_uid}/").content.decode()
    for text in (answer.content.decode(), page):
        assert "secret inquiry" not in text
        assert "acme-auditor" not in text
    token = api_token(acme.users[Role.AUDITOR], Permission.AUDIT)
    heard = api(token=token).get(f"/api/v1/sessions/{recording.session_uid}/recording/").json()
    assert heard["hold"]["note"] == "secret inquiry"


# --- pages ---


def test_the_page_of_a_session_decides_and_says_what_was_done(acme: Tenant, recording: Recording) -> None:
    client = signed_in(acme.users[Role.AUDITOR])
    steps = {"flag": "is flagged", "hold": "is on legal hold", "review": "is marked as reviewed",
             "release": "is lifted", "unflag": "is taken away"}  # fmt: skip
    for word, said in steps.items():
        answer = client.post(f"/recordings/{recording.session_uid}/{word}/", {"note": "Case 7"}, follow=True)
        assert answer.redirect_chain == [(f"/sessions/{recording.session_uid}/", 302)]
        assert said in answer.content.decode()


def test_the_list_shows_the_queue_and_links_to_the_player(acme: Tenant, recording: Recording) -> None:
    client = signed_in(acme.users[Role.AUDITOR])
    assert f"/sessions/{recording.session_uid}/" in client.get("/recordings/").content.decode()
    assert "/recordings/" in client.get("/sessions/").content.decode()
    client.post(f"/recordings/{recording.session_uid}/review/")
    assert "Nothing to review" in client.get("/recordings/?show=nonsense").content.decode()
    assert "by acme-auditor" in client.get(f"/sessions/{recording.session_uid}/").content.decode()


def test_who_audits_nothing_sees_an_empty_list_and_no_button(acme: Tenant, recording: Recording) -> None:
    client = signed_in(acme.users[Role.DEVELOPER])
    assert recording.session_uid not in client.get("/recordings/?show=any").content.decode()
    assert "Review recordings" not in client.get("/sessions/").content.decode()


def test_markup_in_a_note_is_inert(acme: Tenant, recording: Recording) -> None:
    auditor = acme.users[Role.AUDITOR]
    post(auditor, recording, "flag", "<script>x</script>")
    for address in ("/recordings/?show=flagged", f"/sessions/{recording.session_uid}/"):
        html = signed_in(auditor).get(address).content.decode()
        assert "<script>x" not in html
        assert "&lt;script&gt;x" in html


@pytest.mark.parametrize("address", ["/recordings/", "/api/v1/recordings/"])
def test_a_list_takes_the_same_queries_however_long_it_is(acme: Tenant, address: str) -> None:
    client = signed_in(acme.users[Role.AUDITOR])
    counts: list[int] = []
    for _ in range(2):
        for _ in range(5):
            sealed(acme)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_admin_shows_decisions_and_changes_none(acme: Tenant, recording: Recording) -> None:
    auditor = acme.users[Role.AUDITOR]
    post(auditor, recording, "hold", "Case 7")
    auditor.is_staff = True
    auditor.save()
    client = signed_in(auditor)
    assert "acme-auditor" in client.get("/admin/audit/recording/?held_at__isempty=0").content.decode()
    page = client.get(f"/admin/audit/recording/{recording.pk}/change/").content.decode()
    assert "Case 7" in page
    assert client.post(f"/admin/audit/recording/{recording.pk}/change/", {"hold_reason": "x"}).status_code == 403
