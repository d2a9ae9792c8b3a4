"""A whole Porthole of real processes: web, worker and beat, each one that the test can stop or kill."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "a-password-of-the-tests-alone"

START_TIMEOUT = 60.0
STOP_TIMEOUT = 40.0

CELERY = ("-m", "celery", "-A", "portal")


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Process:
    """One process of an installation, with its log."""

    name: str
    popen: "subprocess.Popen[bytes]"
    log: Path
    url: str = ""

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    @property
    def memory(self) -> int:
        """Bytes of it in memory."""
        status = Path(f"/proc/{self.popen.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))) * 1024

    def kill(self) -> None:
        """kill -9: no time for anything."""
        self.popen.kill()
        self.popen.wait()

    def terminate(self) -> float:
        """SIGTERM. Returns the seconds it took to end; a process that does not end fails the test."""
        began = time.monotonic()
        self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end on SIGTERM:\n{self.tail()}") from None
        return time.monotonic() - began

    def tail(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])


@dataclass
class Installation:
    """One data directory and one database, and the processes that serve them."""

    data: Path
    environment: Mapping[str, str]
    stacks: dict[str, int] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    """Access tokens by user name, so that a password is checked once."""

    def run(self, arguments: Sequence[str], **variables: str) -> str:
        """Run a Python program in the installation's environment, and return what it printed."""
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env={**self.environment, **variables}, capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def prepare(self) -> None:
        """Make schema, demo and the engines' stacks."""
        self.stacks = json.loads(self.run(["-m", "tests.integration.seed"]).splitlines()[-1])

    def start_web(self, *, port: int = 0, server: str = "daphne", **variables: str) -> Process:
        """A web process, and wait until it answers."""
        port = port or free_port()
        url = f"http://127.0.0.1:{port}"
        arguments = ["manage.py", "serve", "--port", str(port), "--server", server]
        web = self._start("web", arguments, url, PORT=str(port), **variables)
        self._wait_until_it_answers(web, port)
        return web

    def start_worker(self) -> Process:
        """A Celery worker."""
        return self._start("worker", [*CELERY, "worker", "--pool", "threads", "--concurrency", "2"])

    def start_beat(self) -> Process:
        """A Celery beat with a schedule of its own, so that there can be two."""
        number = sum(process.name == "beat" for process in self.processes)
        return self._start("beat", [*CELERY, "beat", "--pidfile=", "--schedule", str(self.data / f"beat-{number}")])

    def reap(self) -> None:
        """Run the reaper's task once, as a worker does, without waiting for the beat."""
        self.run(["-c", "import django; django.setup(); from sessions_app.tasks import reap; reap()"])

    def stop(self) -> None:
        """End every process."""
        for process in self.processes:
            if process.running:
                process.popen.terminate()
        for process in self.processes:
            try:
                process.popen.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()

    def _start(self, name: str, arguments: Sequence[str], url: str = "", **variables: str) -> Process:
        log = self.data / f"{name}-{len(self.processes)}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env={**self.environment, **variables},
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        process = Process(name, popen, log, url)
        self.processes.append(process)
        return process

    def _wait_until_it_answers(self, web: Process, port: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not _answers(port):
            assert web.running, f"the web process ended:\n{web.tail()}"
            assert time.monotonic() < deadline, f"the web process does not answer:\n{web.tail()}"
            time.sleep(0.1)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/api/v1/sessions/")
        return connection.getresponse().status == http.HTTPStatus.UNAUTHORIZED
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def environment_of(data: Path, **variables: str) -> dict[str, str]:
    """The environment of an installation whose files are in `data`: nothing of the test run's but the engines."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("TESTBED_")}
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "HOME": str(data),  # where no kubeconfig is, so that the demo takes over nothing of other people
        "DOCKER_HOST": f"unix://{data}/none.sock",
        "SECRET_KEY": os.environ["SECRET_KEY"],
        "PORTHOLE_DATA_DIR": str(data),
        "PORTHOLE_LOCAL_PROVIDER": "1",
        "PORTHOLE_DEMO_PASSWORD": PASSWORD,
        "PYTHONUNBUFFERED": "1",
        **variables,
    }
