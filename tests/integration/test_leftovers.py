"""What a user left running in the container: ended with the session, or left on purpose and named in the record."""

from dataclasses import dataclass

import pytest

from tests.integration.client import Api, Json, Terminal
from tests.integration.conftest import SignIn, add_service_to
from tests.integration.installation import Installation
from tests.integration.places import Place
from tests.integration.polling import until


@dataclass(frozen=True)
class Leftover:
    """A way to leave a process behind."""

    command: str
    protected: bool = False


LEFTOVERS = {
    "background": Leftover("sleep 1111 & :"),
    "stopped": Leftover("sleep 1111 & until grep -q sleep /proc/$!/comm; do :; done; kill -STOP $!"),
    "nohup": Leftover("nohup sleep 1111 >/dev/null 2>&1 & :", protected=True),
    "setsid": Leftover("setsid sleep 1111 & :", protected=True),
    "disowned without environment": Leftover("env -i sleep 1111 & disown"),
}
EACH_KIND = pytest.mark.parametrize(
    ("kind", "place"),
    [
        *(pytest.param(kind, "container", marks=pytest.mark.docker) for kind in LEFTOVERS),
        # The same script does it everywhere; one kind shows that it gets there.
        pytest.param("setsid", "pod", marks=pytest.mark.kubernetes),
    ],
    indirect=["place"],
)


@pytest.fixture
async def terminal(embedded: Installation, sign_in: SignIn, place: Place) -> Terminal:
    api = await sign_in(embedded)
    return await Terminal.opened(api, await add_service_to(embedded, place.kind), **place.target)


async def _leave(terminal: Terminal, place: Place, leftover: Leftover) -> None:
    await terminal.run(leftover.command)
    await until(lambda: "sleep" in [process.name for process in place.running], "the process runs")


async def _reported(auditor: Api, session: Json) -> list[tuple[str, str]]:
    """What the audit event of the end says of each `sleep`: its command line and what became of it."""
    events = [event for event in await auditor.events(session["uid"]) if event["action"] == "session.ended"]
    assert len(events) == 1
    assert events[0]["detail"]["cleanup"] == session["cleanup"]
    return [
        (process["command"], process["outcome"])
        for process in session["cleanup"]["processes"]
        if "sleep" in process["command"]
    ]


@EACH_KIND
async def test_a_normal_end_spares_only_what_the_user_protected(
    kind: str, embedded: Installation, sign_in: SignIn, terminal: Terminal, place: Place
) -> None:
    leftover = LEFTOVERS[kind]
    await _leave(terminal, place, leftover)
    # Twice: a shell with stopped jobs warns the first time.
    await terminal.type("exit\rexit\r")
    session = await terminal.api.ended(terminal.uid)
    assert session["end_reason"] == "exited"
    assert [process.name for process in place.running] == (["sleep"] if leftover.protected else [])
    reported = await _reported(await sign_in(embedded, user="auditor"), session)
    if leftover.protected:
        assert reported == [("sleep 1111", "left")]
        place.execute("kill -9 $(pidof sleep | tr ' ' '\\n' | grep -vx 1)")


@EACH_KIND
async def test_an_administrators_end_spares_nothing(
    kind: str, embedded: Installation, sign_in: SignIn, terminal: Terminal, place: Place
) -> None:
    await _leave(terminal, place, LEFTOVERS[kind])
    owner = await sign_in(embedded, user="owner")
    await owner.terminate(terminal.uid, reason="enough")
    ended = await terminal.frame("ended")
    assert (ended["reason"], ended["detail"]) == ("terminated", "enough")
    session = await owner.ended(terminal.uid)
    assert place.running == []
    reported = await _reported(owner, session)
    assert [command for command, _ in reported] == ["sleep 1111"]
    assert reported[0][1] in ("ended", "killed")
