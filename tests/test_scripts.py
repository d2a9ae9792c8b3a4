"""scripts/run, as the README promises it: in a fresh copy of the tree, with an empty home folder, nothing installed."""

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

ROOT = Path(__file__).parent.parent
FIRST_START = 400.0
PASSWORD = "the-operators-own-password"
START = 120.0
STOP = 90.0
OURS = re.compile(r"PORTHOLE_|TESTBED_|DJANGO_|(SECRET_KEY|DATABASE_URL|REDIS_URL|DOCKER_HOST|KUBECONFIG|PORT)$")
"""Variables that a fresh machine does not have."""

pytestmark = pytest.mark.timeout(600)


def until(condition: Callable[[], Any], seconds: float) -> Any:
    """Poll until the condition holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.05)
    return value


def commands() -> Iterator[tuple[int, str]]:
    """Process id and command line of every process."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Tree:
    """A copy of the repository's files, with a home folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a path with spaces"
        self.home = folder / "home"
        self.home.mkdir()
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.root / name)

    def processes(self) -> list[str]:
        """Command lines of the processes that run from this tree."""
        return [command for _, command in commands() if str(self.root) in command]

    def start(self, **variables: str) -> "Run":
        environment = {name: value for name, value in os.environ.items() if not OURS.match(name)}
        return Run(self, environment | {"HOME": str(self.home), "PORT": str(free_port())} | variables)


class Run:
    """One `scripts/run`, started from another folder."""

    def __init__(self, tree: Tree, environment: dict[str, str]) -> None:
        self.tree = tree
        self.address = f"http://127.0.0.1:{environment['PORT']}"
        self.output = tree.home.parent / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [tree.root / "scripts" / "run"], cwd="/", env=environment, stdout=output, stderr=output,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    @property
    def text(self) -> str:
        return self.output.read_text()

    def await_ready(self, seconds: float = START) -> None:
        """Wait for the line `ready: …`."""
        until(lambda: self.process.poll() is not None or "ready: " in self.text, seconds)
        assert self.process.poll() is None, self.text

    def stop(self, number: int = signal.SIGINT) -> int:
        """Signal the script and wait for its exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return Tree(tmp_path_factory.mktemp("scripts"))


@dataclass(frozen=True)
class Stay:
    """One start that reached `ready:`, and its end."""

    text: str
    page: httpx.Response
    exit_code: int
    left: list[str]


def stay(tree: Tree, seconds: float, number: int) -> Stay:
    run = tree.start()
    try:
        run.await_ready(seconds)
        page = httpx.get(run.address, follow_redirects=True)
    finally:
        code = run.stop(number)
    return Stay(run.text, page, code, tree.processes())


@pytest.fixture(scope="module")
def first(tree: Tree) -> Stay:
    """The very first start, which installs everything, until Ctrl-C."""
    return stay(tree, FIRST_START, signal.SIGINT)


@pytest.fixture(scope="module")
def second(tree: Tree, first: Stay) -> Stay:
    """The next one, until SIGTERM."""
    return stay(tree, START, signal.SIGTERM)


@pytest.fixture
def run(tree: Tree, first: Stay) -> Iterator[Run]:
    """One more, with a password that the tests know."""
    run = tree.start(PORTHOLE_DEMO_PASSWORD=PASSWORD, PORTHOLE_DATA_DIR=str(tree.home.parent / "other data"))
    try:
        run.await_ready()
        yield run
    finally:
        if run.process.poll() is None:
            run.stop()


def password_in(text: str) -> str:
    found = re.search(r"^Password: +(\S+)$", text, re.MULTILINE)
    assert found, text
    return found[1]


def test_first_start_serves_pages(first: Stay) -> None:
    assert first.page.status_code == 200


def test_first_start_prints_accounts_and_one_ready_line_last(first: Stay) -> None:
    lines = first.text.split("\nStopping")[0].strip().splitlines()
    for name in ("owner", "developer", "auditor", "acme", "outsider", "globex"):
        assert name in first.text
    assert re.fullmatch(r"ready: http://127\.0\.0\.1:\d+", lines[-1])
    assert [line for line in lines if "ready:" in line] == lines[-1:]


def test_second_start_installs_nothing_and_keeps_the_password(first: Stay, second: Stay) -> None:
    assert "Installing" not in second.text
    assert password_in(second.text) == password_in(first.text)


@pytest.mark.parametrize("way", ["first", "second"], ids=["ctrl-c", "sigterm"])
def test_a_signal_stops_everything(way: str, request: pytest.FixtureRequest) -> None:
    ended: Stay = request.getfixturevalue(way)
    assert (ended.exit_code, ended.left) == (0, [])


def test_nothing_is_left_when_the_script_itself_is_killed(run: Run, tree: Tree) -> None:
    run.process.kill()
    run.process.wait()
    until(lambda: not tree.processes(), STOP)


def test_a_dead_process_is_named_and_ends_the_rest(run: Run, tree: Tree) -> None:
    workers = [pid for pid, command in commands() if str(tree.root) in command and " celery " in command]
    os.kill(workers[0], signal.SIGKILL)
    assert run.process.wait(STOP) == 1
    assert re.search("The (worker|beat) process ended", run.text)
    assert tree.processes() == []


def test_a_taken_port_is_told_in_one_sentence(tree: Tree, first: Stay) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = tree.start(PORT=port)
        assert run.process.wait(START) == 1
    assert run.text.count("\n") == 1
    assert f"Port {port} of 127.0.0.1 cannot be used" in run.text


def test_ctrl_c_ends_live_shells_and_seals_their_recordings(run: Run) -> None:
    assert PASSWORD not in run.text, "the operator's own password is not printed"
    uid, url, ticket = open_shell(run)
    with connect(url, subprotocols=[Subprotocol("porthole.v1"), Subprotocol(f"ticket.{ticket}")]) as viewer:
        viewer.send('{"type":"hello","cols":80,"rows":24,"offset":null,"mode":"control"}')
        viewer.send(b"echo the-$((40+2))\n")
        seen = b""
        while b"the-42" not in seen:
            message = viewer.recv(timeout=START)
            seen += message if isinstance(message, bytes) else b""
        assert run.stop() == 0
    assert not [entry for entry in Path("/proc").iterdir() if uid.encode() in _environment(entry)]
    with closing(sqlite3.connect(run.tree.home.parent / "other data" / "porthole.sqlite3")) as database:
        query = "SELECT health, length(output_sha256) FROM audit_recording WHERE session_uid = ?"
        assert database.execute(query, (uid,)).fetchone() == ("complete", 64)


def open_shell(run: Run) -> tuple[str, str, str]:
    """A shell on the local provider, as the demo's developer: uid, WebSocket address, ticket."""
    with httpx.Client(base_url=f"{run.address}/api/v1/") as api:
        signed_in = api.post("auth/token/", json={"username": "developer", "password": PASSWORD})
        api.headers["Authorization"] = f"Bearer {signed_in.json()['access']}"
        service = api.get("services/").json()["results"][0]["id"]
        opened = api.post("sessions/", json={"service": service}).json()
    address = f"ws://{run.address.removeprefix('http://')}/ws/sessions/{opened['uid']}/"
    return opened["uid"], address, opened["ticket"]


def _environment(entry: Path) -> bytes:
    try:
        return (entry / "environ").read_bytes()
    except OSError:
        return b""
