"""A shell from the token to the sealed recording, over the public contract, on SQLite without Redis."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.integration.client import Api, Json, Terminal, counted
from tests.integration.conftest import SignIn, add_service_to
from tests.integration.installation import Installation
from tests.integration.places import Place
from tests.integration.polling import until

ON_BOTH_ENGINES = pytest.mark.parametrize(
    "place",
    [pytest.param("container", marks=pytest.mark.docker), pytest.param("pod", marks=pytest.mark.kubernetes)],
    indirect=True,
)


@dataclass
class Stay:
    """One whole session, and what is left of it."""

    terminal: Terminal
    session: Json
    api: Api

    async def recording(self) -> Json:
        return await self.api.recording(self.terminal.uid)


@pytest.fixture
async def api(embedded: Installation, sign_in: SignIn) -> Api:
    return await sign_in(embedded)


@pytest.fixture
async def service(embedded: Installation, place: Place) -> int:
    return await add_service_to(embedded, place.kind)


@pytest.fixture
async def stay(api: Api, service: int, place: Place) -> AsyncIterator[Stay]:
    """Types, resizes, loses its connection while output comes, resumes, exits."""
    terminal = await Terminal.opened(api, service, cols=101, rows=37, **place.target)
    assert (await terminal.run("stty size")).strip() == "37 101"
    await terminal.send(type="resize", cols=140, rows=50)
    assert (await terminal.run("until [ \"$(stty size)\" = '50 140' ]; do sleep 0.1; done; stty size")) == "50 140\n"
    await terminal.type("for i in $(seq 1000); do echo line-$i; [ $((i % 100)) = 0 ] && sleep 0.1; done\r")
    await terminal.shown("line-300")
    await terminal.lose()
    await terminal.connect(cols=140, rows=50)
    await until(lambda: counted(terminal.received)[-1] == 1000, "the counter is through", within=20)
    await terminal.type("printf '\\303\\274\\377\\000\\033[31m'; exit 7\r")
    await terminal.closed()
    yield Stay(terminal, await api.ended(terminal.uid), api)
    await terminal.leave()


@ON_BOTH_ENGINES
async def test_a_session_is_used_resumed_and_leaves_an_exact_recording(stay: Stay, place: Place) -> None:
    terminal, session = stay.terminal, stay.session
    ended = await terminal.frame("ended")
    assert (ended["reason"], ended["exit_code"], terminal.close_code) == ("exited", 7, 1000)
    assert (session["state"], session["end_reason"], session["exit_code"]) == ("stopped", "exited", 7)
    assert counted(terminal.received) == list(range(1, 1001))
    assert place.running == []

    recording = await stay.recording()
    received = bytes(terminal.received)
    assert recording["health"] == "complete"
    assert await stay.api.recorded(terminal.uid) == received
    assert recording["output_bytes"] == session["bytes_out"] == len(received)
    assert recording["output_sha256"] == hashlib.sha256(received).hexdigest()

    cast = (await stay.api.call("GET", f"sessions/{terminal.uid}/recording.cast")).text.splitlines()
    assert (json.loads(cast[0])["width"], json.loads(cast[0])["height"]) == (101, 37)
    events = [json.loads(line) for line in cast[1:]]
    shown = "".join(event[2] for event in events if event[1] == "o")
    assert shown == received.decode(errors="replace")
    assert [event[2] for event in events if event[1] == "r"] == ["140x50"]
    transcript = (await stay.api.call("GET", f"sessions/{terminal.uid}/transcript.txt")).text
    lines = [line for line in transcript.splitlines() if line.startswith("line-")]
    assert lines == [f"line-{n}" for n in range(1, 1001)]


@ON_BOTH_ENGINES
async def test_the_container_is_listed_live_and_chosen_by_name(api: Api, service: int, place: Place) -> None:
    listed = await api.get(f"services/{service}/containers/")
    mine = [entry for entry in listed if place.name in (entry["pod_name"], entry["container_name"])]
    assert [entry["state"] for entry in mine] == ["running"]
    terminal = await Terminal.opened(api, service, **place.target)
    await terminal.type("exit\r")
    session = await api.ended(terminal.uid)
    assert place.name in (session["pod_name"], session["container_name"])


@pytest.mark.docker
@pytest.mark.parametrize("place", ["container"], indirect=True)
async def test_a_command_is_run_as_the_argument_vector_that_was_asked_for(api: Api, service: int, place: Place) -> None:
    argv = ["printf", "<%s>\\n", "a b", "$(id)", "; ls", "-n", "new\nline", "'quote'", '"']
    terminal = await Terminal.opened(api, service, command=argv, **place.target)
    await terminal.closed()
    shown = bytes(terminal.received).replace(b"\r\n", b"\n").decode()
    assert shown == "".join(f"<{word}>\n" for word in argv[2:])


@pytest.mark.docker
@pytest.mark.parametrize("place", ["container"], indirect=True)
async def test_a_session_takes_a_place_and_gives_it_back(embedded: Installation, api: Api, place: Place) -> None:
    service = await add_service_to(embedded, "docker", session_limit=1)
    terminal = await Terminal.opened(api, service, **place.target)
    refused = await api.call("POST", "sessions/", json={"service": service, **place.target}, expect=409)
    assert refused.json()["code"] == "session_limit"
    await api.terminate(terminal.uid)
    assert (await terminal.frame("ended"))["reason"] == "closed_by_user"
    await api.ended(terminal.uid)
    again = await Terminal.opened(api, service, **place.target)
    await again.type("exit\r")
    await api.ended(again.uid)
    assert await until(lambda: place.running == [], "nothing runs")
