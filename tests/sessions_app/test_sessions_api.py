"""The API of sessions: what it answers to whom, and how it says no."""

import socket as sockets
import time
from collections.abc import Iterator
from typing import Any

import pytest

from portal.permissions import Permission
from tests.sessions_app import world
from tests.sessions_app.conftest import MakeLab, SignIn
from tests.sessions_app.portal_process import Portal
from tests.sessions_app.terminal import eventually
from tests.sessions_app.world import Lab

FIELDS = {
    "uid", "kind", "via", "state", "title", "command", "user", "organization", "service", "service_name", "namespace",
    "deployment_name", "pod_name", "container_name", "created_at", "bytes_in", "bytes_out", "end_reason", "exit_code",
}  # fmt: skip


async def test_an_opened_session_says_what_it_is_and_how_to_connect(lab: Lab, sign_in: SignIn) -> None:
    session = await sign_in(lab).open(title="Looking around", command=["cat"], cols=100, rows=30)
    assert set(session) > FIELDS
    assert (session["state"], session["kind"], session["via"], session["title"]) == (
        "requested", "shell", "api", "Looking around",
    )  # fmt: skip
    assert (session["service"], session["container_name"], session["command"]) == (lab.service, "local", ["cat"])
    assert (session["cols"], session["rows"]) == (100, 30)
    assert session["user"] == lab.names["developer"]


async def test_a_command_line_is_split_into_words_and_run_by_no_shell(lab: Lab, sign_in: SignIn) -> None:
    session = await sign_in(lab).open(command="echo 'two words' $(id)")
    assert session["command"] == ["echo", "two words", "$(id)"]


async def test_the_services_default_command_is_used_where_none_is_named(portal: Portal, sign_in: SignIn) -> None:
    lab = portal.office.call(world.make_lab, default_command=["cat", "-A"])
    assert (await sign_in(lab).open())["command"] == ["cat", "-A"]


async def test_the_command_line_names_itself_in_a_header(lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab)
    client.http.headers["X-Porthole-Client"] = "cli"
    assert (await client.open())["via"] == "cli"


BAD_BODIES: dict[str, tuple[dict[str, Any], str]] = {
    "no service": ({"service": None}, "service"),
    "a service that is a word": ({"service": "shell"}, "service"),
    "a pod outside": ({"pod_name": "../etc"}, "pod_name"),
    "a pod with a slash": ({"pod_name": "a/b"}, "pod_name"),
    "a pod with an encoded slash": ({"pod_name": "a%2fb"}, "pod_name"),
    "a pod with a question mark": ({"pod_name": "a?b"}, "pod_name"),
    "a pod with a line break": ({"pod_name": "lo\ncal"}, "pod_name"),
    "a container outside": ({"container_name": "../../etc/passwd"}, "container_name"),
    "a container with an encoded slash": ({"container_name": "..%2f"}, "container_name"),
    "a container with a question mark": ({"container_name": "local?x=1"}, "container_name"),
    "a container with NUL": ({"container_name": "local\0"}, "container_name"),
    "a container of spaces": ({"container_name": "a b"}, "container_name"),
    "a very long container": ({"container_name": "a" * 300}, "container_name"),
    "no columns": ({"cols": 0}, "cols"),
    "too many columns": ({"cols": 10**9}, "cols"),
    "columns that are a word": ({"cols": "wide"}, "cols"),
    "a command with NUL": ({"command": ["echo", "a\0b"]}, "command"),
    "a command that is a number": ({"command": 7}, "command"),
    "a command that is a mapping": ({"command": {"a": 1}}, "command"),
    "a command of nothing": ({"command": [""]}, "command"),
    "a command with an open quote": ({"command": "echo 'open"}, "command"),
    "a command of far too many words": ({"command": ["x"] * 300}, "command"),
    "a command of one far too long word": ({"command": ["x" * 10_000]}, "command"),
    "a command that is too long in all": ({"command": ["echo", *["x" * 8000] * 5]}, "command"),
    "a command that begins with an option": ({"command": ["-rf"]}, "command"),
    "a very long title": ({"title": "x" * 300}, "title"),
    "an exec of nothing": ({"kind": "exec"}, "command"),
    "an exec of no word": ({"kind": "exec", "command": []}, "command"),
    "a kind that nobody opens": ({"kind": "port_forward"}, "kind"),
    "a kind that is none": ({"kind": "party"}, "kind"),
}


@pytest.mark.parametrize(("body", "field"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_a_bad_request_names_the_field_and_writes_nothing(
    lab: Lab, sign_in: SignIn, portal: Portal, body: dict[str, Any], field: str
) -> None:
    answer = await sign_in(lab).post("sessions/", **({"service": lab.service} | body))
    assert answer.status_code == 400, answer.text
    error = answer.json()
    assert error["code"] == "invalid"
    assert error["detail"]
    assert field in error["fields"]
    assert portal.office.call(world.sessions_of, lab) == 0


@pytest.mark.parametrize("raw", [b"", b"[]", b'"x"', b"{", b"[" * 5000, b'{"service":NaN}', b"\xff\xfe", b"null"])
async def test_a_body_that_is_no_json_object_is_a_400(lab: Lab, sign_in: SignIn, raw: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await sign_in(lab).http.post("sessions/", content=raw, headers=headers)
    assert answer.status_code == 400, answer.text
    assert {"code", "detail"} <= set(answer.json())


async def test_a_container_that_the_service_does_not_have_cannot_be_named(lab: Lab, sign_in: SignIn) -> None:
    answer = await sign_in(lab).post("sessions/", service=lab.service, container_name="database")
    assert answer.status_code in (404, 409, 502), answer.text
    assert answer.json()["code"] == "container_not_found"
    assert "database" in answer.json()["detail"]


async def test_who_is_not_signed_in_is_told_so_everywhere(lab: Lab, sign_in: SignIn) -> None:
    nobody = sign_in(lab, login="")
    for path in ("sessions/", "sessions/sh-" + "0" * 26 + "/", "streams/", f"services/{lab.service}/containers/"):
        assert (await nobody.get(path)).status_code == 401
    assert (await nobody.post("sessions/", service=lab.service)).status_code == 401


@pytest.mark.parametrize(
    ("who", "status", "code"),
    [
        ("developer", 201, None),
        ("owner", 201, None),
        ("viewer", 403, "permission_denied"),
        ("watcher", 403, "permission_denied"),
        ("auditor", 403, "permission_denied"),
        ("newcomer", 404, "not_found"),
        ("outsider", 404, "not_found"),
        ("root", 404, "not_found"),
    ],
)
async def test_opening_takes_the_permission(
    make_lab: MakeLab, sign_in: SignIn, who: str, status: int, code: str | None
) -> None:
    lab = make_lab(who)
    answer = await sign_in(lab, who).post("sessions/", service=lab.service)
    assert (answer.status_code, answer.json().get("code")) == (status, code)


async def test_a_service_of_another_tenant_is_answered_like_one_that_does_not_exist(
    make_lab: MakeLab, sign_in: SignIn
) -> None:
    lab = make_lab("outsider")
    client = sign_in(lab, "outsider")
    answers = [await client.post("sessions/", service=pk) for pk in (lab.service, 10**9)]
    assert answers[0].json() == answers[1].json()
    assert {answer.status_code for answer in answers} == {404}


@pytest.mark.parametrize("who", ["colleague", "auditor", "outsider", "root", "viewer", "newcomer"])
async def test_somebody_elses_session_is_out_of_reach(
    make_lab: MakeLab, sign_in: SignIn, portal: Portal, who: str
) -> None:
    lab = make_lab("developer", who)
    uid, terminal = await sign_in(lab).shell("cat")
    before = portal.office.call(world.events_of, uid)
    status = 403 if who == "auditor" else 404
    intruder = sign_in(lab, who)
    for act in ("ticket", "resize", "detach", "terminate"):
        answer = await intruder.post(f"sessions/{uid}/{act}/", cols=10, rows=10)
        assert answer.status_code == status, act
        assert answer.json()["code"] == ("permission_denied" if who == "auditor" else "not_found")
    await terminal.type("untouched\n")
    await terminal.until(b"untouched\r\nuntouched")
    events = portal.office.call(world.events_of, uid)
    assert [event for event in events if event not in before] in ([], ["session.attached"])
    assert portal.office.call(world.row, uid)["cols"] == 80


async def test_who_may_watch_gets_a_ticket_and_may_do_nothing_else(make_lab: MakeLab, sign_in: SignIn) -> None:
    lab = make_lab("developer", "watcher")
    uid, _ = await sign_in(lab).shell("cat")
    watcher = sign_in(lab, "watcher")
    assert (await watcher.post(f"sessions/{uid}/ticket/")).status_code == 200
    for act in ("resize", "detach", "terminate"):
        assert (await watcher.post(f"sessions/{uid}/{act}/", cols=10, rows=10)).status_code == 403


async def test_ending_ones_own_session_is_closed_by_user(lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab)
    uid, terminal = await client.shell("cat")
    answer = await client.post(f"sessions/{uid}/terminate/")
    assert answer.status_code == 200
    assert (await terminal.frame("ended"))["reason"] == "closed_by_user"
    assert await terminal.closed() == 1000
    assert (await client.ended(uid))["end_reason"] == "closed_by_user"


async def test_ending_somebody_elses_session_is_terminated_with_the_reason_given(
    make_lab: MakeLab, sign_in: SignIn, portal: Portal
) -> None:
    lab = make_lab("developer", "stopper")
    uid, terminal = await sign_in(lab).shell("bash", "-c", "nohup sleep 600 & printf ready; cat")
    await terminal.until(b"ready")
    answer = await sign_in(lab, "stopper").post(f"sessions/{uid}/terminate/", reason="maintenance")
    assert answer.status_code == 200
    ended = await terminal.frame("ended")
    assert (ended["reason"], ended["detail"]) == ("terminated", "maintenance")
    session = await sign_in(lab).ended(uid)
    assert session["end_reason"] == "terminated"
    outcomes = {process["outcome"] for process in session["cleanup"]["processes"]}
    assert outcomes <= {"ended", "killed"}, "what nohup protects is killed, too"
    assert "session.end_requested" in portal.office.call(world.events_of, uid)


async def test_a_normal_end_leaves_what_nohup_protects_and_says_so(lab: Lab, sign_in: SignIn, portal: Portal) -> None:
    client = sign_in(lab)
    uid, terminal = await client.shell("bash", "-c", "nohup sleep 4 >/dev/null 2>&1 & printf ready; cat")
    await terminal.until(b"ready")
    await client.post(f"sessions/{uid}/terminate/")
    session = await client.ended(uid)
    assert "left" in {process["outcome"] for process in session["cleanup"]["processes"]}


async def test_ending_a_session_that_nobody_connected_to_ends_it_at_once(
    lab: Lab, sign_in: SignIn, portal: Portal
) -> None:
    client = sign_in(lab)
    session = await client.open()
    answer = await client.post(f"sessions/{session['uid']}/terminate/")
    assert (answer.json()["state"], answer.json()["end_reason"]) == ("failed", "closed_by_user")
    assert portal.office.call(world.slots, lab) == 0


async def test_a_second_end_changes_nothing(lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab)
    uid, _ = await client.shell("cat")
    for _ in range(3):
        assert (await client.post(f"sessions/{uid}/terminate/")).status_code == 200
    first = await client.ended(uid)
    assert (await client.post(f"sessions/{uid}/terminate/")).json()["ended_at"] == first["ended_at"]


async def test_a_full_service_is_a_409_that_says_who_holds_it_and_what_to_do(
    make_lab: MakeLab, sign_in: SignIn, portal: Portal
) -> None:
    lab = make_lab("developer", "colleague", session_limit=2)
    await sign_in(lab).open()
    await sign_in(lab, "colleague").open()
    answer = await sign_in(lab).post("sessions/", service=lab.service)
    assert (answer.status_code, answer.json()["code"]) == (409, "session_limit")
    detail = answer.json()["detail"]
    for word in ("2 sessions", "Shell", lab.names["developer"], lab.names["colleague"], "End one"):
        assert word in detail


@pytest.mark.parametrize("path", ["", "ticket/", "resize/", "detach/", "terminate/"])
@pytest.mark.parametrize("uid", ["sh-" + "0" * 26, "..%2f..%2fetc", "sh-x", "sh-" + "0" * 26 + "%00"])
async def test_a_session_that_does_not_exist_is_a_404(lab: Lab, sign_in: SignIn, uid: str, path: str) -> None:
    client = sign_in(lab)
    address = f"sessions/{uid}/{path}"
    answer = await (client.post(address, cols=80, rows=24) if path else client.get(address))
    assert answer.status_code == 404


async def test_a_bad_size_is_a_400(lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab)
    uid = (await client.open())["uid"]
    for body in ({}, {"cols": 0, "rows": 1}, {"cols": 1.5, "rows": 1}, {"cols": 80}, {"cols": "NaN", "rows": 1}):
        answer = await client.post(f"sessions/{uid}/resize/", **body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), body


@pytest.fixture
def silence() -> Iterator[str]:
    """The address of something that takes connections and never says a word."""
    with sockets.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("what", ["nothing listens", "it never answers"])
async def test_a_provider_that_does_not_answer_is_a_502_in_a_sentence_within_ten_seconds(
    lab: Lab, sign_in: SignIn, portal: Portal, silence: str, what: str
) -> None:
    address = "tcp://127.0.0.1:1" if what == "nothing listens" else silence
    service = portal.office.call(world.add_unreachable_service, lab, address)
    portal.office.call(world.allow_everything, lab)
    client = sign_in(lab)
    for asked in (client.post("sessions/", service=service), client.get(f"services/{service}/containers/")):
        began = time.monotonic()
        answer = await asked
        assert time.monotonic() - began < 10
        assert (answer.status_code, answer.json()["code"]) == (502, "provider_unreachable")
        assert answer.json()["detail"].endswith(".")
    assert portal.office.call(world.sessions_of, lab) == 0


async def test_the_containers_of_a_service_are_listed_live(lab: Lab, sign_in: SignIn) -> None:
    answer = await sign_in(lab).get(f"services/{lab.service}/containers/")
    assert [container["container_name"] for container in answer.json()] == ["local"]


# --- lists -----------------------------------------------------------------------------------------------------------


async def test_the_list_shows_ones_own_sessions_newest_first(make_lab: MakeLab, sign_in: SignIn) -> None:
    lab = make_lab("developer", "colleague", "auditor")
    own = [(await sign_in(lab).open())["uid"] for _ in range(3)]
    other = (await sign_in(lab, "colleague").open())["uid"]
    listed = (await sign_in(lab).get("sessions/")).json()
    assert [session["uid"] for session in listed["results"]] == own[::-1]
    seen = (await sign_in(lab, "auditor").get("sessions/")).json()
    assert [session["uid"] for session in seen["results"]] == [other, *own[::-1]]
    assert "ticket" not in listed["results"][0]


async def test_the_list_can_be_filtered(make_lab: MakeLab, sign_in: SignIn, portal: Portal) -> None:
    lab = make_lab("developer", "colleague", "auditor")
    requested = (await sign_in(lab).open())["uid"]
    active, _ = await sign_in(lab, "colleague").shell("cat")
    over, terminal = await sign_in(lab).shell("true")
    await terminal.closed()
    await sign_in(lab).ended(over)
    auditor = sign_in(lab, "auditor")

    async def found(**filters: Any) -> set[str]:
        answer = await auditor.get("sessions/", **filters)
        assert answer.status_code == 200, answer.text
        return {session["uid"] for session in answer.json()["results"]}

    assert await found(state="requested") == {requested}
    assert await found(state="active,stopped") == {active, over}
    assert await found(user=lab.names["colleague"]) == {active}
    assert await found(kind="shell", service=lab.service) == {requested, active, over}
    assert await found(kind="exec") == set()
    assert await found(service=10**9) == set()
    assert await found(user="' OR 1=1 --") == set()


@pytest.mark.parametrize(
    "query", [{"state": "sleeping"}, {"kind": "x"}, {"service": "x"}, {"service": "-1"}, {"service": "9" * 30}]
)
async def test_a_filter_that_means_nothing_is_a_400(lab: Lab, sign_in: SignIn, query: dict[str, str]) -> None:
    answer = await sign_in(lab).get("sessions/", **query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


async def test_streams_are_the_live_table(lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab)
    first, _ = await client.shell("sh", "-c", "printf 12345; cat")
    second = (await client.open())["uid"]
    third, terminal = await client.shell("cat")
    await terminal.send(type="detach", ttl=500)
    await terminal.closed()

    async def rows() -> dict[str, Any] | None:
        streams = (await client.get("streams/")).json()
        by_id = {stream["id"]: stream for stream in streams}
        there = by_id[first]["bytes_out"] == 5 and by_id[third]["status"] == "DETACHED"
        return {"all": streams, **by_id} if there else None

    found = await eventually(rows)
    assert [stream["id"] for stream in found["all"]] == [third, second, first]
    assert set(found[first]) == {"id", "created", "duration", "status", "bytes_in", "bytes_out", "params"}
    assert [found[uid]["status"] for uid in (first, second, third)] == ["ACTIVE", "ACTIVE", "DETACHED"]
    assert [found[uid]["params"] for uid in (first, second)] == [{}, {"state": "requested"}]
    assert 480 < found[third]["params"]["ttl"] <= 500


async def test_streams_sort_by_any_field_both_ways(lab: Lab, sign_in: SignIn) -> None:
    client = sign_in(lab)
    uids = [(await client.open())["uid"] for _ in range(3)]

    async def order(sort: str) -> list[str]:
        return [stream["id"] for stream in (await client.get("streams/", sort=sort)).json()]

    assert await order("created") == uids
    assert await order("-created") == uids[::-1]
    assert await order("status,-id") == sorted(uids, reverse=True)
    assert await order("") == uids[::-1]
    for field in ("id", "duration", "bytes_in", "bytes_out"):
        assert set(await order(field)) == set(uids)
    for sort in ("password", "-user__password", "--created", "created;"):
        assert (await client.get("streams/", sort=sort)).status_code == 400


async def test_streams_of_others_are_not_shown(make_lab: MakeLab, sign_in: SignIn) -> None:
    lab = make_lab("developer", "colleague", "outsider", "root")
    await sign_in(lab).open()
    for who in ("colleague", "outsider", "root"):
        assert (await sign_in(lab, who).get("streams/")).json() == []


async def test_a_personal_token_can_do_what_its_scopes_say(lab: Lab, sign_in: SignIn, portal: Portal) -> None:
    _, shell = portal.office.call(world.api_token, lab, Permission.SHELL, Permission.VIEW)
    _, look = portal.office.call(world.api_token, lab, Permission.VIEW)
    assert (await sign_in(lab, login=shell).post("sessions/", service=lab.service)).status_code == 201
    answer = await sign_in(lab, login=look).post("sessions/", service=lab.service)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert (await sign_in(lab, login=look).get("sessions/")).status_code == 200
