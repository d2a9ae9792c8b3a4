"""Consoles: fresh containers for single sessions, of which nothing is left, whatever ends them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from docker.errors import NotFound

from tests.integration.client import Api, Json, Terminal
from tests.integration.conftest import RUN, Install, SignIn, add_service_to
from tests.integration.installation import Installation
from tests.integration.places import DEBIAN, Cluster, DockerEngine, Place
from tests.integration.polling import until
from tests.integration.proxy import proxy_to

START = 60.0
"""Seconds a console may take to start on a machine that is busy with other tests."""

GONE = 60.0
"""Seconds after which nothing of a console may be left, whatever happened."""

SMALL = {"kind": "console", "memory": 0.2, "cpu": 0.2, "cols": 101, "rows": 31}

EACH_PLACE = pytest.mark.parametrize(
    "place",
    [pytest.param("container", marks=pytest.mark.docker), pytest.param("pod", marks=pytest.mark.kubernetes)],
    indirect=True,
)

Exists = Callable[[str], bool]


@pytest.fixture
def exists(request: pytest.FixtureRequest) -> Exists:
    """Whether the console of a session is anywhere, as the engines' own tools see it."""
    engine: DockerEngine = request.getfixturevalue("docker_engine")
    cluster: Cluster = request.getfixturevalue("cluster")

    def exists(uid: str) -> bool:
        with suppress(NotFound):
            engine.client.containers.get(f"porthole-{uid}")
            return True
        listed = cluster.call("-n", cluster.namespace, "get", "pods", "-o", "name")
        return f"pod/porthole-{uid}" in listed.splitlines()

    return exists


async def _gone(exists: Exists, uid: str) -> None:
    await until(lambda: not exists(uid), f"the console of {uid} is gone", within=GONE)


async def _console(api: Api, service: int, place: Place, **wanted: Any) -> Terminal:
    """An attached console made like the place."""
    session = await api.open(service, **SMALL, **place.target, **wanted)
    terminal = Terminal(api, session["uid"])
    frame = await terminal.connect(session["ticket"], cols=101, rows=31, offset=None, within=START)
    assert frame["type"] == "attached", frame
    return terminal


def _details(terminal: Terminal) -> list[str]:
    """What the person at the terminal was told while the console started."""
    return [frame["detail"] for frame in terminal.frames if frame.get("state") == "provisioning" and "detail" in frame]


async def _console_events(auditor: Api, uid: str) -> dict[str, Json]:
    return {event["action"]: event for event in await auditor.events(uid) if event["action"].startswith("console.")}


@EACH_PLACE
async def test_a_console_is_a_session_in_a_container_of_its_own_that_goes_when_it_exits(
    embedded: Installation, sign_in: SignIn, place: Place, exists: Exists
) -> None:
    api = await sign_in(embedded)
    terminal = await _console(api, await add_service_to(embedded, place.kind), place, max_hours=0.5, title="Look")
    assert [detail for detail in _details(terminal) if detail.startswith("Pending: ")]
    assert (await terminal.run("stty size")).endswith("31 101\n")
    session = await api.session(terminal.uid)
    name = f"porthole-{terminal.uid}"
    assert (session["kind"], session["state"], session["title"]) == ("console", "active", "Look")
    assert name in (session["pod_name"], session["container_name"])
    assert (session["console"]["memory"], session["console"]["cpu"], session["max_duration"]) == (0.2, 0.2, 1800)
    assert place.running == [], "the service's container knows nothing of it"

    await terminal.run("nohup sleep 4321 >/dev/null 2>&1 & :")
    await terminal.type("exit 3\r")
    ended = await terminal.frame("ended", within=30)
    assert (ended["reason"], ended["exit_code"]) == ("exited", 3)
    over = await api.ended(terminal.uid, within=30)
    await _gone(exists, terminal.uid)
    assert over["exit_code"] == 3
    events = await _console_events(await sign_in(embedded, user="auditor"), terminal.uid)
    assert (events["console.created"]["detail"]["image"], events["console.created"]["target_id"]) == (DEBIAN, name)
    removed = events["console.removed"]["detail"]
    assert removed["why"] == "exited"
    assert removed["outcome"] in ("removed", "under way")
    assert over["cleanup"]["container_removed"] is (removed["outcome"] == "removed")
    assert (await api.recording(terminal.uid))["health"] == "complete"


@pytest.mark.docker
async def test_others_may_watch_a_console_and_end_it_and_never_type_into_it(
    embedded: Installation, sign_in: SignIn, container: Place, exists: Exists
) -> None:
    api, owner = await sign_in(embedded), await sign_in(embedded, user="owner")
    terminal = await _console(api, await add_service_to(embedded, "docker"), container)
    await terminal.run("nohup sleep 4321 >/dev/null 2>&1 & :")
    watcher = Terminal(owner, terminal.uid)
    assert (await watcher.connect(mode="watch", offset=None))["type"] == "attached"
    intruder = Terminal(owner, terminal.uid)
    assert (await intruder.connect(offset=None))["code"] == 4403
    await owner.terminate(terminal.uid, reason="enough")
    assert (await terminal.frame("ended"))["reason"] == "terminated"
    await watcher.closed()
    await _gone(exists, terminal.uid)


@pytest.mark.docker
async def test_an_image_that_cannot_be_had_fails_in_words_and_leaves_nothing(
    embedded: Installation, sign_in: SignIn, container: Place, exists: Exists
) -> None:
    api = await sign_in(embedded)
    service = await add_service_to(embedded, "docker", session_limit=1)
    session = await api.open(service, **SMALL, **container.target, docker_tag="there-is-none")
    terminal = Terminal(api, session["uid"])
    ended = await terminal.connect(session["ticket"], offset=None, within=START)
    assert (ended["reason"], ended["code"]) == ("provider_error", "image_unavailable")
    assert f"The image {DEBIAN.partition(':')[0]}:there-is-none is not there: " in ended["detail"]
    over = await api.ended(terminal.uid, within=30)
    assert (over["state"], over["end_detail"]) == ("failed", ended["detail"])
    await _gone(exists, terminal.uid)
    again = await api.open(service, **container.target)  # its place is free
    await api.terminate(again["uid"])


@pytest.mark.kubernetes
async def test_a_console_that_waits_says_why_and_can_be_called_off(
    embedded: Installation, sign_in: SignIn, pod: Place, exists: Exists
) -> None:
    api = await sign_in(embedded)
    service = await add_service_to(embedded, "kubernetes", console_memory_max=1000)
    session = await api.open(service, **SMALL | {"memory": 900}, **pod.target)
    terminal = Terminal(api, session["uid"])
    connecting = asyncio.create_task(terminal.connect(session["ticket"], offset=None, within=START))
    await until(
        lambda: any("no node of the cluster can take it now" in detail for detail in _details(terminal)),
        "it says what it waits for",
        within=START,
    )
    await api.terminate(terminal.uid)
    assert (await connecting)["reason"] == "closed_by_user"
    assert (await api.ended(terminal.uid, within=30))["state"] == "failed"
    await _gone(exists, terminal.uid)


@pytest.mark.docker
async def test_a_console_whose_container_is_killed_is_over(
    embedded: Installation, sign_in: SignIn, container: Place, docker_engine: DockerEngine, exists: Exists
) -> None:
    api = await sign_in(embedded)
    terminal = await _console(api, await add_service_to(embedded, "docker"), container)
    docker_engine.client.containers.get(f"porthole-{terminal.uid}").kill()
    assert (await terminal.frame("ended", within=30))["reason"] == "target_gone"
    assert (await api.ended(terminal.uid))["end_reason"] == "target_gone"
    await _gone(exists, terminal.uid)


_BEGUN_EARLIER = """
import sys
from datetime import timedelta
import django
django.setup()
from django.utils import timezone
from tests.sessions_app.world import change_row
change_row(sys.argv[1], started_at=timezone.now() - timedelta(minutes=1))
"""
"""What the clock does to a console that was opened for less than a minute."""


@pytest.mark.docker
async def test_a_console_ends_when_its_hours_are_over(
    embedded: Installation, sign_in: SignIn, container: Place, exists: Exists
) -> None:
    api = await sign_in(embedded)
    terminal = await _console(api, await add_service_to(embedded, "docker"), container, max_hours=0.01)
    await asyncio.to_thread(embedded.run, ["-c", _BEGUN_EARLIER, terminal.uid])
    await asyncio.to_thread(embedded.reap)
    ended = await terminal.frame("ended", within=30)
    assert (ended["reason"], ended["detail"]) == ("max_duration", "The console was opened for 0.01 hours.")
    await _gone(exists, terminal.uid)


@pytest.mark.docker
@pytest.mark.kubernetes
@pytest.mark.timeout(240)
async def test_after_kill_9_the_next_start_removes_every_console(
    install: Install, sign_in: SignIn, container: Place, pod: Place, exists: Exists
) -> None:
    installation = install()
    web = installation.start_web()
    api = await sign_in(installation, web)
    terminals = [
        await _console(api, await add_service_to(installation, place.kind), place) for place in (container, pod)
    ]
    # And one that has begun to start, and that the row does not name yet.
    session = await api.open(
        await add_service_to(installation, "kubernetes", console_memory_max=1000),
        **SMALL | {"memory": 900},
        **pod.target,
    )
    waiting = Terminal(api, session["uid"])
    connecting = asyncio.create_task(waiting.connect(session["ticket"], offset=None, within=START))
    await until(lambda: exists(waiting.uid), "its pod is there", within=START)
    web.kill()
    connecting.cancel()
    installation.start_web(port=int(web.url.rpartition(":")[2]))
    for terminal in (*terminals, waiting):
        over = await api.ended(terminal.uid, within=GONE)
        assert (over["state"], over["end_reason"]) == ("failed" if terminal is waiting else "stopped", "host_lost")
        await _gone(exists, terminal.uid)


@pytest.mark.kubernetes
async def test_a_console_that_does_not_start_in_time_is_given_up_with_what_it_waited_for(
    install: Install, sign_in: SignIn, pod: Place, exists: Exists
) -> None:
    installation = install(PORTHOLE_CONSOLE_TIMEOUT="3")
    api = await sign_in(installation, installation.start_web())
    service = await add_service_to(installation, "kubernetes", console_memory_max=1000)
    session = await api.open(service, **SMALL | {"memory": 900}, **pod.target)
    terminal = Terminal(api, session["uid"])
    ended = await terminal.connect(session["ticket"], offset=None, within=START)
    assert (ended["reason"], ended["code"]) == ("provider_error", "console_not_started")
    assert ended["detail"].startswith("The console did not start within 3 seconds: no node of the cluster can take it")
    await _gone(exists, terminal.uid)


@pytest.mark.docker
async def test_a_restart_on_purpose_removes_every_console(
    install: Install, sign_in: SignIn, container: Place, exists: Exists
) -> None:
    installation = install()
    web = installation.start_web()
    api = await sign_in(installation, web)
    terminal = await _console(api, await add_service_to(installation, "docker"), container)
    await asyncio.to_thread(web.terminate)
    assert not exists(terminal.uid)


@pytest.mark.docker
async def test_the_sweep_removes_what_a_crash_left_and_nothing_of_another_portals(
    embedded: Installation, sign_in: SignIn, container: Place, docker_engine: DockerEngine, exists: Exists
) -> None:
    api = await sign_in(embedded)
    live = await _console(api, await add_service_to(embedded, "docker"), container)
    labels = docker_engine.client.containers.get(f"porthole-{live.uid}").labels

    def leave(uid: str, **changed: str) -> str:
        """A console whose session nobody knows of, or is over."""
        made = labels | {"porthole/session": uid} | {f"porthole/{name}": value for name, value in changed.items()}
        docker_engine.client.containers.run(
            DEBIAN, ["sleep", "infinity"], name=f"porthole-{uid}", labels=made, detach=True, network_mode="none"
        )
        return uid

    lost, strange = leave(f"ws-{RUN}lost"), leave(f"ws-{RUN}strange", installation="somebody-else")
    try:
        command = "import django; django.setup(); from sessions_app.tasks import sweep_consoles; sweep_consoles()"
        await asyncio.to_thread(embedded.run, ["-c", command])
        await _gone(exists, lost)
        assert exists(strange)
        assert exists(live.uid)
        assert await live.run("echo still here") == "still here\n"
        events = await _console_events(await sign_in(embedded, user="auditor"), lost)
        assert events["console.removed"]["detail"] == {"why": "left behind", "outcome": "removed"}
    finally:
        docker_engine.client.containers.get(f"porthole-{strange}").remove(force=True)
    await api.terminate(live.uid)
    await _gone(exists, live.uid)


@pytest.mark.docker
async def test_a_console_behind_an_engine_that_does_not_answer_goes_once_it_answers(
    embedded: Installation, sign_in: SignIn, container: Place, docker_host: str, exists: Exists
) -> None:
    api, owner = await sign_in(embedded), await sign_in(embedded, user="owner")
    async with proxy_to(docker_host) as engine:
        provider = {
            "organization": (await owner.get("organizations/"))["results"][0]["id"], "kind": "docker",
            "slug": "frozen", "name": "frozen", "options": {"host": f"tcp://127.0.0.1:{engine.port}"},
        }  # fmt: skip
        made = (await owner.call("POST", "providers/", json=provider, expect=201)).json()
        stack = {"provider": made["id"], "slug": "frozen", "name": "frozen"}
        stack_id = (await owner.call("POST", "stacks/", json=stack, expect=201)).json()["id"]
        terminal = await _console(api, await add_service_to(embedded, "docker", stack=stack_id), container)
        engine.freeze()
        await owner.terminate(terminal.uid)
        over = await api.ended(terminal.uid, within=40)
        assert exists(terminal.uid)
        assert over["cleanup"]["note"]
        engine.thaw()
        await _gone(exists, terminal.uid)


async def test_the_local_provider_has_no_consoles_and_says_so(embedded: Installation, sign_in: SignIn) -> None:
    api = await sign_in(embedded)
    body = {"service": await add_service_to(embedded, "local"), "kind": "console"}
    answer = await api.call("POST", "sessions/", json=body, expect=422)
    assert answer.json()["code"] == "no_consoles"
    assert "Open a shell instead" in answer.json()["detail"]
