"""The API of the record: who may read what, and what each reading leaves."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connections
from django.test import AsyncClient
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from audit.actions import mark_lost, record, seal_recording
from audit.api.streaming import download
from audit.events import PORTAL, Action, Actor
from audit.journal import JournalWriter
from audit.models import Event
from audit.recordings import folder_of
from portal.permissions import Permission, Role
from sessions_app.models import Session
from tests.audit.world import begin_recording, make_session
from tests.portal.world import Tenant, api, api_token

pytestmark = pytest.mark.django_db

EXPORTS = ["recording.cast", "transcript.txt", "recording.bin"]


@pytest.fixture
def session(acme: Tenant) -> Session:
    """A stopped session of acme's developer whose recording is sealed."""
    session = make_session(acme)
    _, writer = begin_recording(session)
    writer.output("$ whoami\r\n<b>r\u00f6\u00f6t</b>\r\n".encode())
    writer.close()
    seal_recording(session_uid=session.uid)
    return session


def address(session: Session, what: str) -> str:
    return f"/api/v1/sessions/{session.uid}/{what}"


def content(answer: Any) -> bytes:
    """The whole of a streamed answer."""
    return b"".join(answer.streaming_content)


def events_of(user: User, **query: Any) -> list[dict[str, Any]]:
    answer = api(user).get("/api/v1/audit/events/", query)
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


# --- recordings ---


@pytest.mark.parametrize("what", ["recording/", *EXPORTS])
@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.AUDITOR, Role.OWNER])
def test_a_recording_is_for_its_own_user_and_those_who_audit(
    acme: Tenant, session: Session, what: str, role: Role
) -> None:
    assert api(acme.users[role]).get(address(session, what)).status_code == 200


@pytest.mark.parametrize("what", ["recording/", *EXPORTS])
def test_a_recording_is_not_there_for_anybody_else(acme: Tenant, globex: Tenant, session: Session, what: str) -> None:
    session.user = acme.users[Role.OWNER]
    session.save()
    about_recordings = Event.objects.filter(action__startswith="recording.")
    before = about_recordings.count()
    for user in (acme.users[Role.DEVELOPER], globex.users[Role.OWNER], globex.users[Role.AUDITOR]):
        answer = api(user).get(address(session, what))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert api().get(address(session, what)).status_code == 401
    assert about_recordings.count() == before


@pytest.mark.parametrize("uid", ["..", "ws-..%2f..%2f..%2f..%2f..%2f..%2fetc", "ws-" + "x" * 26, "x" * 300])
def test_a_name_that_is_no_session_is_a_404(acme: Tenant, uid: str) -> None:
    for what in ("recording/", *EXPORTS):
        assert api(acme.users[Role.OWNER]).get(f"/api/v1/sessions/{uid}/{what}").status_code == 404


def test_the_recordings_page_holds_health_hashes_and_links(acme: Tenant, session: Session) -> None:
    client = api(acme.users[Role.AUDITOR])
    body = client.get(address(session, "recording/")).json()
    assert (body["session"], body["health"], body["output_bytes"]) == (session.uid, "complete", 25)
    assert len(body["output_sha256"]) == len(body["timeline_sha256"]) == 64
    assert {client.get(link).status_code for link in body["links"].values()} == {200}


def test_the_exports_hold_what_was_on_the_screen(acme: Tenant, session: Session) -> None:
    client = api(acme.users[Role.DEVELOPER])
    cast, text, raw = (content(client.get(address(session, what))) for what in EXPORTS)
    assert raw == "$ whoami\r\n<b>r\u00f6\u00f6t</b>\r\n".encode()
    assert text == "$ whoami\n<b>r\u00f6\u00f6t</b>\n".encode()
    assert json.loads(cast.splitlines()[0])["version"] == 2


@pytest.mark.parametrize("what", EXPORTS)
def test_a_browser_saves_an_export_and_runs_nothing_of_it(acme: Tenant, session: Session, what: str) -> None:
    answer = api(acme.users[Role.DEVELOPER]).get(address(session, what))
    assert answer["Content-Disposition"].startswith(f'attachment; filename="{session.uid}.')
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer["Cache-Control"]
    assert "html" not in answer["Content-Type"]


@pytest.mark.parametrize("what", EXPORTS)
def test_every_export_leaves_an_event(acme: Tenant, session: Session, what: str) -> None:
    api(acme.users[Role.AUDITOR]).get(address(session, what), HTTP_USER_AGENT="curl/8")
    event = Event.objects.get(action=Action.RECORDING_EXPORTED)
    assert (event.actor_name, event.session_uid, event.client_agent) == ("acme-auditor", session.uid, "curl/8")
    assert event.organization_id == acme.organization.pk


def test_playing_in_a_page_is_on_record_as_a_view(acme: Tenant, session: Session) -> None:
    answer = api(acme.users[Role.AUDITOR]).get(address(session, "recording.cast"), {"play": 1})
    assert answer["Content-Disposition"].startswith("inline")
    assert Event.objects.filter(action=Action.RECORDING_VIEWED, session_uid=session.uid).count() == 1
    assert not Event.objects.filter(action=Action.RECORDING_EXPORTED).exists()


def test_a_client_that_asks_for_text_gets_the_transcript(acme: Tenant, session: Session) -> None:
    client = api(acme.users[Role.DEVELOPER])
    assert client.get(address(session, "transcript.txt"), HTTP_ACCEPT="text/plain").status_code == 200


def test_a_live_session_can_be_exported_so_far(acme: Tenant) -> None:
    session = make_session(acme, state="active", end_reason="")
    _, writer = begin_recording(session)
    writer.output(b"so far")
    answer = api(acme.users[Role.DEVELOPER]).get(address(session, "transcript.txt"))
    assert content(answer) == b"so far\n"
    writer.close()


def test_a_lost_recording_says_why(acme: Tenant) -> None:
    session = make_session(acme)
    begin_recording(session)[1].close()
    mark_lost(session_uid=session.uid, detail="The disk broke.")
    answer = api(acme.users[Role.DEVELOPER]).get(address(session, "recording.cast"))
    assert (answer.status_code, answer.json()) == (410, {"code": "recording_lost", "detail": "The disk broke."})


def test_files_that_are_gone_are_told_as_lost(acme: Tenant, session: Session) -> None:
    recording, writer = begin_recording(other := make_session(acme))
    writer.close()
    (folder_of(recording) / "timeline").unlink()
    answer = api(acme.users[Role.DEVELOPER]).get(address(other, "recording.cast"))
    assert (answer.status_code, answer.json()["code"]) == (410, "recording_lost")


def test_a_recording_on_another_machine_is_told_as_such(acme: Tenant) -> None:
    recording, writer = begin_recording(session := make_session(acme))
    writer.close()
    recording.node = "elsewhere"
    recording.save()
    answer = api(acme.users[Role.DEVELOPER]).get(address(session, "recording.cast"))
    assert (answer.status_code, answer.json()["code"]) == (503, "recording_unavailable")


def test_a_session_without_a_recording_is_a_404(acme: Tenant) -> None:
    session = make_session(acme)
    answer = api(acme.users[Role.DEVELOPER]).get(address(session, "recording/"))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_token_reads_others_recordings_only_with_the_scope_audit(acme: Tenant, session: Session) -> None:
    auditor = acme.users[Role.AUDITOR]
    for scope, status in ((Permission.VIEW, 403), (Permission.AUDIT, 200)):
        client = api(token=api_token(auditor, scope))
        assert client.get(address(session, "recording.cast")).status_code == status


# --- streaming ---


@pytest.mark.django_db(transaction=True)
async def test_under_asgi_an_export_is_streamed_and_not_collected(acme: Tenant) -> None:
    session = await sync_to_async(make_session)(acme)
    _, writer = await sync_to_async(begin_recording)(session)
    for _ in range(100):
        writer.output(b"x" * 65536)
    client = AsyncClient()
    await client.aforce_login(acme.users[Role.DEVELOPER])
    answer: Any = await client.get(address(session, "recording.bin"))
    assert answer.is_async
    sizes = [len(part) async for part in answer.streaming_content]
    assert (sum(sizes), max(sizes)) == (6_553_600, 65536)
    writer.close()
    await sync_to_async(connections.close_all)()


async def test_a_reader_that_leaves_ends_the_stream(writer: JournalWriter) -> None:
    from django.test import AsyncRequestFactory

    given = 0

    def chunks() -> Iterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b"x" * 65536

    answer = download(AsyncRequestFactory().get("/"), chunks(), name="x.bin", content_type="text/plain")
    parts: Any = aiter(answer)
    await anext(parts)
    await parts.aclose()
    assert given <= 2


# --- events ---


@pytest.fixture
def happened(acme: Tenant, globex: Tenant) -> None:
    """One event of each tenant and one of none, besides those of making them."""
    for tenant in (acme, globex):
        record(
            action=Action.SESSION_OPENED,
            actor=Actor(name="ann"),
            organization=tenant.organization,
            session_uid="ws-" + "x" * 26,
        )
    record(action=Action.SIGN_IN_FAILED, actor=PORTAL, organization=None)


@pytest.mark.usefixtures("happened")
def test_events_are_those_of_the_organizations_one_audits(acme: Tenant) -> None:
    for role in (Role.OWNER, Role.AUDITOR):
        found = events_of(acme.users[role])
        assert {event["organization"] for event in found} == {acme.organization.pk}
        ids = [event["id"] for event in found]
        assert ids == sorted(ids, reverse=True)


@pytest.mark.usefixtures("happened")
def test_a_member_without_audit_is_refused(acme: Tenant) -> None:
    answer = api(acme.users[Role.DEVELOPER]).get("/api/v1/audit/events/")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    query = {"organization": acme.organization.pk}
    assert api(acme.users[Role.DEVELOPER]).get("/api/v1/audit/events/", query).status_code == 403
    assert api().get("/api/v1/audit/events/").status_code == 401


@pytest.mark.usefixtures("happened")
def test_another_tenants_organization_in_the_filter_is_a_404(acme: Tenant, globex: Tenant) -> None:
    query = {"organization": globex.organization.pk}
    assert api(acme.users[Role.OWNER]).get("/api/v1/audit/events/", query).status_code == 404
    assert api(acme.users[Role.OWNER]).get("/api/v1/audit/events/", {"organization": 10**6}).status_code == 404


@pytest.mark.usefixtures("happened")
def test_events_are_narrowed_by_each_filter(acme: Tenant) -> None:
    auditor = acme.users[Role.AUDITOR]
    opened: list[dict[str, Any]] = [
        {"action": "session.opened"},
        {"actor": "ann"},
        {"session": "ws-" + "x" * 26},
        {"action": "session.opened,session.ended", "organization": acme.organization.pk},
    ]
    for query in opened:
        assert [event["action"] for event in events_of(auditor, **query)] == ["session.opened"]
    now = timezone.now()
    assert events_of(auditor, since=(now + timedelta(hours=1)).isoformat()) == []
    assert events_of(auditor, until=(now - timedelta(hours=1)).isoformat()) == []
    assert events_of(auditor, since=(now - timedelta(hours=1)).isoformat(), until=now.isoformat())


@pytest.mark.parametrize(
    "query",
    [
        {"organization": "x"},
        {"organization": "-1"},
        {"organization": "9" * 40},
        {"action": "forged"},
        {"since": "yesterday"},
        {"actor": "a\x00b"},
        {"actor": "x" * 200},
    ],
)
def test_a_filter_that_makes_no_sense_names_the_field(acme: Tenant, query: dict[str, str]) -> None:
    answer = api(acme.users[Role.AUDITOR]).get("/api/v1/audit/events/", query)
    assert answer.status_code == 400
    assert set(answer.json()["fields"]) == set(query)


def test_pages_hold_while_new_events_come(acme: Tenant) -> None:
    auditor = acme.users[Role.AUDITOR]
    for number in range(10):
        record(action=Action.CHANGED, actor=PORTAL, organization=acme.organization, detail={"number": number})
    first = api(auditor).get("/api/v1/audit/events/", {"limit": "4", "action": "object.changed"}).json()
    record(action=Action.CHANGED, actor=PORTAL, organization=acme.organization, detail={"number": 99})
    second = api(auditor).get(first["next"]).json()
    assert [event["detail"]["number"] for event in first["results"] + second["results"]] == [9, 8, 7, 6, 5, 4, 3, 2]


def test_a_page_of_events_takes_the_same_queries_however_many_there_are(
    acme: Tenant, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(40):
        record(action=Action.CHANGED, actor=PORTAL, organization=acme.organization)
    client = api(acme.users[Role.AUDITOR])
    with django_assert_max_num_queries(6):
        client.get("/api/v1/audit/events/")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_the_log_takes_no_writes(acme: Tenant, method: str) -> None:
    assert getattr(api(acme.users[Role.OWNER]), method)("/api/v1/audit/events/").status_code == 405


def test_a_token_needs_the_scope_audit(acme: Tenant) -> None:
    auditor = acme.users[Role.AUDITOR]
    for scope, status in ((Permission.VIEW, 403), (Permission.AUDIT, 200)):
        assert api(token=api_token(auditor, scope)).get("/api/v1/audit/events/").status_code == status
