"""Search: what is indexed and when, who finds what, and that a query is only ever text."""

import shutil
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from audit import indexing, querysets
from audit import search as search_module
from audit.actions import seal_recording, store_transcript
from audit.actions_retention import delete_expired_recording
from audit.api.search import SearchThrottle
from audit.events import PORTAL
from audit.indexing import index_more, index_transcripts
from audit.journal import JournalHeader, JournalWriter
from audit.models import Recording, TranscriptIndex, TranscriptLine
from audit.recordings import folder_of
from audit.rendering import Line
from audit.tasks import index_for_search
from portal.actions import change_organization
from portal.permissions import Permission, Role
from sessions_app.models import Session
from tests.audit.world import begin_recording, make_session
from tests.portal.world import Tenant, api, api_token

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def unthrottled() -> None:
    """Nobody has searched yet."""
    cache.clear()


def recorded(tenant: Tenant, *output: str, role: Role = Role.DEVELOPER, **changes: object) -> Session:
    """A session that printed this; sealed and indexed."""
    session = make_session(tenant, role, **changes)
    _, writer = begin_recording(session)
    for piece in output:
        writer.output(piece.encode())
    writer.close()
    seal_recording(session_uid=session.uid)
    index_for_search()
    return session


def ask(user: Any, query: str, **more: object) -> Any:
    return api(user).get(f"/api/v1/audit/search/?{urlencode({'q': query, **more})}")


def found(user: Any, query: str, **more: object) -> list[str]:
    answer = ask(user, query, **more)
    assert answer.status_code == 200, answer.content
    return [hit["text"] for hit in answer.json()["results"]]


def test_a_hit_says_where_when_and_what_stands_around_it(acme: Tenant) -> None:
    session = recorded(acme, "one\r\ntwo\r\n", "the needle\r\n", "four\r\nfive\r\nsix\r\n", title="a look")
    (hit,) = ask(acme.users[Role.DEVELOPER], "needle").json()["results"]
    line = TranscriptLine.objects.get(text="the needle")
    assert hit["session"] == session.uid
    assert hit["title"] == "a look"
    assert hit["at"] == line.at
    assert hit["text"] == "the needle"
    assert hit["settled"] is True
    assert [near["text"] for near in hit["before"]] == ["one", "two"]
    assert [near["text"] for near in hit["after"]] == ["four", "five"]
    assert hit["player"].endswith(f"/sessions/{session.uid}/?t={line.at:.3f}")


def test_a_live_session_is_found_by_the_next_run_and_again_by_what_it_prints_then(acme: Tenant) -> None:
    session = make_session(acme, state="active", end_reason="")
    _, writer = begin_recording(session)
    developer = acme.users[Role.DEVELOPER]
    writer.output(b"$ make wor")
    index_for_search()
    assert found(developer, "make wor") == ["$ make wor"]
    assert ask(developer, "make").json()["results"][0]["settled"] is False
    writer.output(b"\b\b\b\x1b[Kdeploy\r\n" + "日本".encode()[:4])
    index_for_search()
    writer.output("日本".encode()[4:] + b"\r\n")
    index_for_search()
    assert found(developer, "make") == ["$ make deploy"]
    assert found(developer, "日本") == ["日本"]
    writer.close()
    seal_recording(session_uid=session.uid)
    index_for_search()
    assert ask(developer, "deploy").json()["results"][0]["settled"] is True
    index = TranscriptIndex.objects.get()
    assert (index.done, index.state, index.lines) == (True, None, 2)


def test_nothing_is_read_again_while_nothing_is_new(
    acme: Tenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    session = make_session(acme, state="active", end_reason="")
    _, writer = begin_recording(session)
    writer.output(b"hello\r\n")
    index_for_search()
    with django_assert_num_queries(2):
        index_for_search()
    writer.close()


def test_a_long_transcript_is_indexed_in_steps_that_meet_exactly(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "CHUNK", 7)
    monkeypatch.setattr(indexing, "PIECE", 50)
    numbers = "".join(f"number {n}\r\n" for n in range(200))
    recorded(acme, numbers[:1000], numbers[1000:])
    lines = TranscriptLine.objects.order_by("number")
    assert [line.text for line in lines] == [f"number {n}" for n in range(200)]
    assert [line.number for line in lines] == list(range(200))


def test_a_run_ends_in_time_and_the_next_goes_on(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "PIECE", 1)
    monkeypatch.setattr(indexing, "RUN_TIME", 0.0)
    recorded(acme, "first\r\n", "second\r\n")
    assert not TranscriptLine.objects.exists()
    monkeypatch.setattr(indexing, "RUN_TIME", 60.0)
    index_transcripts()
    assert [line.text for line in TranscriptLine.objects.order_by("number")] == ["first", "second"]


def test_two_runs_at_the_same_time_write_each_line_once(acme: Tenant) -> None:
    session = make_session(acme)
    recording, writer = begin_recording(session)
    writer.output(b"once\r\n")
    arguments: dict[str, Any] = {
        "recording": recording, "since": (0, 0), "lines": [Line(0.1, "once")], "standing": [], "problem": "",
        "position": 200, "offset": 6, "rendered": 6, "at": 0.1, "state": None, "done": False,
    }  # fmt: skip
    assert store_transcript(**arguments)
    assert not store_transcript(**arguments)
    assert TranscriptLine.objects.count() == 1
    writer.close()


def test_a_session_without_end_stops_being_indexed(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "MAX_LINES", 10)
    recorded(acme, "".join(f"row {n}\r\n" for n in range(100)))
    assert TranscriptLine.objects.count() == 11
    assert TranscriptIndex.objects.get().done
    assert found(acme.users[Role.DEVELOPER], "does not look further") == [indexing.FULL]


def test_a_damaged_recording_is_indexed_up_to_the_damage(acme: Tenant) -> None:
    session = make_session(acme)
    recording, writer = begin_recording(session)
    writer.output(b"sound\r\n")
    writer.close()
    with (folder_of(recording) / "timeline").open("ab") as timeline:
        timeline.write(b"nonsense\n")
    for _ in range(2):
        index_for_search()
    developer = acme.users[Role.DEVELOPER]
    assert found(developer, "sound") == ["sound"]
    assert len(found(developer, "cannot be read further")) == 1


def test_a_missing_recording_is_given_up(acme: Tenant) -> None:
    session = recorded(acme, "x")
    TranscriptIndex.objects.all().delete()
    recording = Recording.objects.get(session_uid=session.uid)
    for file in folder_of(recording).iterdir():
        file.unlink()
    index_for_search()
    assert TranscriptIndex.objects.get().problem


def test_a_gap_is_told_and_output_without_a_terminal_is_lines(acme: Tenant) -> None:
    session = make_session(acme, kind="exec")
    recording, ready = begin_recording(session)
    ready.close()
    folder = folder_of(recording)
    shutil.rmtree(folder)
    header = JournalHeader(session_uid=session.uid, cols=80, rows=24, started_at="2026-11-20T10:00:00", tty=False)
    writer = JournalWriter.create(folder, header)
    writer.output(b"first\nsecond\n")
    writer.output(b"third\n", "stderr")
    writer.gap(5)
    writer.output(b"after\n")
    writer.close()
    seal_recording(session_uid=session.uid)
    index_for_search()
    lines = [line.text for line in TranscriptLine.objects.order_by("at", "number")]
    assert {"first", "second", "third", "after"} < set(lines)
    assert any("5 bytes of output are missing" in line for line in lines)


def test_who_finds_what(acme: Tenant, globex: Tenant) -> None:
    own = recorded(acme, "secret plan of the developer\r\n")
    other = recorded(acme, "secret plan of the admin\r\n", role=Role.ADMIN)
    recorded(globex, "secret plan of globex\r\n")
    developer, auditor = acme.users[Role.DEVELOPER], acme.users[Role.AUDITOR]
    assert found(developer, "secret plan") == ["secret plan of the developer"]
    assert set(found(auditor, "secret plan")) == {"secret plan of the developer", "secret plan of the admin"}
    assert found(auditor, "secret plan", session=own.uid) == ["secret plan of the developer"]
    assert found(developer, "secret plan", session=other.uid) == []
    assert found(globex.users[Role.AUDITOR], "secret plan") == ["secret plan of globex"]
    assert found(globex.users[Role.AUDITOR], "secret plan", session=own.uid) == []
    # What stands around a hit is of the same session.
    (hit,) = ask(developer, "secret plan").json()["results"]
    assert (hit["before"], hit["after"]) == ([], [])


def test_who_left_finds_nothing_any_more(acme: Tenant) -> None:
    recorded(acme, "still there\r\n")
    developer = acme.users[Role.DEVELOPER]
    acme.member(Role.DEVELOPER).delete()
    assert found(developer, "still") == []


def test_a_token_without_audit_finds_its_own_sessions_alone(acme: Tenant) -> None:
    recorded(acme, "words of a developer\r\n")
    recorded(acme, "words of the auditor\r\n", role=Role.AUDITOR)
    auditor = acme.users[Role.AUDITOR]
    for scope, texts in (
        (Permission.VIEW, {"words of the auditor"}),
        (Permission.AUDIT, {"words of the auditor", "words of a developer"}),
    ):
        client = Client(headers={"authorization": f"Bearer {api_token(auditor, scope)}"})
        answer = client.get("/api/v1/audit/search/?q=words")
        assert {hit["text"] for hit in answer.json()["results"]} == texts


SPECIAL = [
    "100% sure", "a*b", "NEAR(x y)", 'he said "no"', "o'neill; DROP TABLE x", "x AND NOT y", "text:column", "(open",
    "back\\slash", "under_score", "{brace} ^caret", "minus -z", "colon::cast", "$1 ${x}", "a|b&c!d", "<->", "--x",
    "%_%",
]  # fmt: skip


def test_what_is_special_to_a_database_is_only_text(acme: Tenant) -> None:
    recorded(acme, *(f"{text}\r\n" for text in SPECIAL))
    developer = acme.users[Role.DEVELOPER]
    for text in SPECIAL:
        assert text in found(developer, text), text
        if '"' not in text:
            assert found(developer, f'"{text}"') == [text]
    for query in ("%%%", "***", "zzz*", "x" * 500, "a OR zzz", '"unclosed zzz', "\\\\", "x) OR (1=1", "👍"):
        assert found(developer, query) == [], query
    for query in ('"', "'", "\\", "*", "%", "_"):
        assert all(query in text for text in found(developer, query)), query


def test_terms_are_found_in_any_case_and_inside_words_and_short_ones_as_words(acme: Tenant) -> None:
    recorded(
        acme, "systemctl Restart nginx\r\n", "ls -l /srv\r\n", "false\r\n", "GRÜSSE an alle\r\n", "日本語テキスト\r\n"
    )
    developer = acme.users[Role.DEVELOPER]
    assert found(developer, "RESTART nGin") == ["systemctl Restart nginx"]
    assert found(developer, "ls") == ["ls -l /srv"]
    assert found(developer, "ls srv") == ["ls -l /srv"]
    assert found(developer, "grüsse") == ["GRÜSSE an alle"]
    assert found(developer, "語テ") == ["日本語テキスト"]
    assert found(developer, "本語テキ") == ["日本語テキスト"]
    assert found(developer, "-l") == ["ls -l /srv"]
    assert found(developer, "nginx false") == []


def test_secrets_do_not_reach_the_index(acme: Tenant) -> None:
    actor = PORTAL
    change_organization(actor=actor, organization=acme.organization, redaction_patterns="acme-*\n")
    token = "ghp_" + "a1B2" * 9
    key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
    session = make_session(acme, state="active", end_reason="")
    _, writer = begin_recording(session)
    writer.output(f"curl -H {token}\r\nDB_PASSWORD=hunter2\r\nid ACME-4711\r\n{key}\r\n".encode())
    writer.output(b"padding of the prompt which goes on to the end of this very row of the term " + token.encode())
    index_for_search()
    kept = "\n".join(TranscriptLine.objects.values_list("text", flat=True))
    assert token[:12] not in kept
    assert token[-12:] not in kept
    assert not any(secret in kept for secret in ("hunter2", "4711", key[:20]))
    developer = acme.users[Role.DEVELOPER]
    for query in (token, "hunter2", "ACME-4711", key):
        assert found(developer, query) == []
    assert found(developer, "DB_PASSWORD") == ["DB_PASSWORD=[redacted]"]
    writer.close()


@pytest.mark.parametrize("patterns", ["ab*", "a*b*cdef", "x" * 300, "\n".join(["abcd"] * 101)])
def test_patterns_that_hide_everything_or_take_long_are_refused(acme: Tenant, patterns: str) -> None:
    with pytest.raises(ValidationError):
        change_organization(actor=PORTAL, organization=acme.organization, redaction_patterns=patterns)


def test_lines_go_with_their_recording(acme: Tenant) -> None:
    session = recorded(acme, "to be forgotten\r\n")
    Recording.objects.get(session_uid=session.uid).delete()
    assert not TranscriptLine.objects.exists()
    assert not TranscriptIndex.objects.exists()
    again = recorded(acme, "something else\r\n")
    assert found(acme.users[Role.DEVELOPER], "forgotten") == []
    assert found(acme.users[Role.DEVELOPER], "something", session=again.uid) == ["something else"]


def test_what_retention_deletes_is_not_found_any_more_and_not_indexed_again(acme: Tenant) -> None:
    change_organization(actor=PORTAL, organization=acme.organization, retention_days=1)
    session = recorded(acme, "kept for a day\r\n")
    Recording.objects.update(sealed_at=timezone.now() - timedelta(days=2))
    stale = Recording.objects.get()
    assert delete_expired_recording(session_uid=session.uid)
    index_for_search()
    index_more(stale)
    assert found(acme.users[Role.DEVELOPER], "kept") == []
    assert not TranscriptLine.objects.exists()
    assert not TranscriptIndex.objects.exists()


def test_a_deleted_recording_is_not_indexed_by_a_run_that_began_before(acme: Tenant) -> None:
    session = make_session(acme)
    recording, writer = begin_recording(session)
    writer.output(b"late\r\n")
    writer.close()
    stale = Recording.objects.get(pk=recording.pk)
    Recording.objects.filter(pk=recording.pk).delete()
    assert index_more(stale) is False
    assert not TranscriptLine.objects.exists()


def test_pages_and_errors(acme: Tenant, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    recorded(acme, "".join(f"entry {n}\r\n" for n in range(30)))
    developer = acme.users[Role.DEVELOPER]
    seen: list[str] = []
    address, client = "/api/v1/audit/search/?q=entry&limit=20", api(developer)
    while address:
        with django_assert_max_num_queries(10):
            answer = client.get(address).json()
        seen += [hit["text"] for hit in answer["results"]]
        address = answer["next"]
    assert seen == [f"entry {n}" for n in reversed(range(30))]
    for query in ("", "   ", "x" * 501, "nul\x00"):
        refusal = ask(developer, query)
        assert refusal.status_code == 400, query
        assert refusal.json()["code"] == "invalid"


def test_a_user_who_searches_too_often_waits(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SearchThrottle, "rate", "2/min", raising=False)
    developer = acme.users[Role.DEVELOPER]
    client = Client()
    client.force_login(developer)
    assert [ask(developer, "anything").status_code for _ in range(3)] == [200, 200, 429]
    page = client.get("/search/?q=anything")
    assert page.status_code == 429
    assert "Wait a little" in page.content.decode()


def test_a_search_that_takes_too_long_is_cut_off(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "MAX_SECONDS", 0.2)
    slow = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        if connection.vendor == "sqlite"
        else "SELECT pg_sleep(20)"
    )
    with pytest.raises(search_module.SearchTooLong), search_module.bounded(), connection.cursor() as cursor:
        cursor.execute(slow)


def test_the_page_shows_hits_in_context_and_links_to_their_moment(acme: Tenant) -> None:
    session = recorded(acme, "before it\r\n", "<b>needle</b> & co\r\n", "after it\r\n")
    client = Client()
    client.force_login(acme.users[Role.DEVELOPER])
    line = TranscriptLine.objects.get(text__contains="needle")
    page = client.get("/search/", {"q": "needle"}).content.decode()
    assert f"/sessions/{session.uid}/?t={line.at:.3f}" in page
    assert "&lt;b&gt;<mark>needle</mark>&lt;/b&gt; &amp; co" in page
    assert "before it" in page
    assert "after it" in page
    assert "Nothing was found" in client.get("/search/", {"q": "haystack"}).content.decode()
    assert "Find what happened" in client.get("/search/").content.decode()
    assert client.get("/search/", {"q": "needle\x00", "session": "%", "before": "9" * 40}).status_code == 200


def test_the_page_goes_back_in_time(acme: Tenant) -> None:
    recorded(acme, "".join(f"entry {n:02}\r\n" for n in range(30)))
    client = Client()
    client.force_login(acme.users[Role.DEVELOPER])
    first = client.get("/search/", {"q": "entry"})
    assert len(first.context["hits"]) == 25
    second = client.get("/search/", {"q": "entry", "before": first.context["older"]})
    assert [hit["line"].text for hit in second.context["hits"]] == [f"entry {n:02}" for n in (4, 3, 2, 1, 0)]
    assert second.context["older"] is None


def test_the_palette_leads_to_search(acme: Tenant) -> None:
    client = Client()
    client.force_login(acme.users[Role.DEVELOPER])
    matches = client.get("/palette/?q=sea").json()["matches"]
    assert [(match["label"], match["url"]) for match in matches] == [("Search", "/search/")]


def test_who_audits_many_sessions_finds_what_who_audits_few_finds(
    acme: Tenant, globex: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(querysets, "FEW_RECORDINGS", 1)
    for role in (Role.DEVELOPER, Role.ADMIN):
        recorded(acme, "common words\r\n", role=role)
    recorded(globex, "common words\r\n")
    assert len(found(acme.users[Role.AUDITOR], "common")) == 2
    assert len(found(acme.users[Role.DEVELOPER], "common")) == 1
