"""One whole Porthole on this machine: prepares database and demo, then runs web, worker and beat until told to stop.

`scripts/run` starts it with the virtual environment's Python. It needs the standard library only.
"""

import ctypes
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = "127.0.0.1"

READY_TIMEOUT = 60.0
"""Seconds the web process may take until it answers."""

STOP_TIMEOUT = 25.0
"""Seconds a process may take to stop before it is killed. The web process seals its sessions' journals meanwhile."""

CELERY = ("-m", "celery", "-A", "portal")
# One worker has nobody to talk to.
NO_GOSSIP = ("--without-gossip", "--without-mingle", "--without-heartbeat")

TICK = 0.05
"""Seconds between two looks at the processes while something is about to happen."""

REST = 0.5
"""Seconds between two looks once everything runs. A signal is noticed at once all the same."""

LOG_SIZE = 10 * 1024 * 1024
"""Bytes after which the next start puts a log file aside."""

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal a process gets when its parent is gone."""


class Stopped(Exception):
    """Somebody asked for the end."""


class Failed(Exception):
    """Porthole cannot start or go on. The text says why."""


class Child:
    """One process and its log, in a session of its own: Ctrl-C in the terminal reaches the supervisor alone."""

    def __init__(self, name: str, log: Path, arguments: list[str], *, show: bool) -> None:
        self.name = name
        self.log = log
        if log.exists() and log.stat().st_size > LOG_SIZE:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603  # the arguments are this file's own
                [sys.executable, *arguments],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=None if show else output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def failure(self) -> Failed:
        """Why it ended, as far as its log tells."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        told = "".join(f"\n  {line}" for line in lines)
        return Failed(f"The {self.name} process ended with exit code {self.process.returncode}. {self.log} ends:{told}")


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Supervisor:
    """Starts the processes in order, watches them and stops them."""

    def __init__(self, data: Path, port: int) -> None:
        self.port = port
        self.logs = data / "log"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.children: list[Child] = []
        self.asked_to_stop = threading.Event()

    def run(self) -> NoReturn:
        """Start everything, say so, and watch. Ends by raising `Stopped` or `Failed`."""
        self._refuse_taken_port()
        self._finish("migrate", "manage.py", "migrate", "--verbosity", "0")
        self._finish("demo", "manage.py", "demo")
        web = self._start("web", "manage.py", "serve", "--host", ADDRESS, "--port", str(self.port))
        # Threads, because the tasks wait for the network and the disk, and a pool of processes would double the memory.
        self._start("worker", *CELERY, "worker", "--pool", "threads", "--concurrency", "2", *NO_GOSSIP)
        self._start("beat", *CELERY, "beat", "--pidfile=")
        self._await_answer(web)
        print(f"Logs: {self.logs}. Ctrl-C stops everything.\nready: http://{ADDRESS}:{self.port}", flush=True)
        while True:
            self._look(REST)

    def stop(self) -> None:
        """End all processes: first those that make work, then the worker that does it. A second signal kills them."""
        self.asked_to_stop.clear()
        for last in (False, True):
            stopping = [child for child in self.children if (child.name == "worker") is last and child.running]
            for child in stopping:
                child.process.terminate()
            deadline = time.monotonic() + STOP_TIMEOUT
            while any(child.running for child in stopping) and time.monotonic() < deadline:
                if self.asked_to_stop.wait(TICK):
                    break
        for child in self.children:
            if child.running:
                print(f"The {child.name} process did not stop and was killed.", file=sys.stderr)
                os.killpg(child.process.pid, signal.SIGKILL)
                child.process.wait()

    def _start(self, name: str, *arguments: str, show: bool = False) -> Child:
        child = Child(name, self.logs / f"{name}.log", list(arguments), show=show)
        self.children.append(child)
        return child

    def _finish(self, name: str, *arguments: str) -> None:
        """Run one step of the start to its end; what it prints is for the person who started it."""
        child = self._start(name, *arguments, show=True)
        while child.running:
            self._tick()
        if child.process.returncode:
            raise child.failure()
        self.children.remove(child)

    def _tick(self, seconds: float = TICK) -> None:
        if self.asked_to_stop.wait(seconds):
            raise Stopped

    def _look(self, seconds: float = TICK) -> None:
        self._tick(seconds)
        for child in self.children:
            if not child.running:
                raise child.failure()

    def _refuse_taken_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESS, self.port))
            except OSError as error:
                raise Failed(
                    f"Port {self.port} of {ADDRESS} cannot be used ({error.strerror}): stop what listens there, "
                    f"or choose another port, such as PORT={self.port + 1} scripts/run."
                ) from error

    def _await_answer(self, web: Child) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        while not _answers(self.port):
            self._look()
            if time.monotonic() > deadline:
                raise Failed(f"The web process did not answer within {READY_TIMEOUT:.0f} s. Its log: {web.log}")


def _answers(port: int) -> bool:
    """Does a page come from the port?"""
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def kept_secret_key(data: Path) -> str:
    """The key of this data folder, made at the first start: what it encrypted and signed stays readable."""
    path = data / "secret_key"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(50))
    return path.read_text(encoding="ascii").strip()


def configure() -> Supervisor:
    """Fill in what the environment leaves open, for this process and its children."""
    text = os.environ.get("PORT") or "8000"
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise Failed(f"PORT must be a number from 1 to 65535, not {text!r}.")
    data = Path(os.environ.get("PORTHOLE_DATA_DIR") or ROOT / "var").resolve()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ.update(PORT=text, PORTHOLE_DATA_DIR=str(data), PYTHONUNBUFFERED="1")
    os.environ.setdefault("PORTHOLE_LOCAL_PROVIDER", "1")
    if not os.environ.get("SECRET_KEY"):
        os.environ["SECRET_KEY"] = kept_secret_key(data)
    return Supervisor(data, int(text))


def main() -> int:
    """The exit code: 0 when asked to stop, 1 when something failed."""
    try:
        supervisor = configure()
    except (Failed, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    # Under nohup a hang-up is ignored, and stays so.
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    for number in (signal.SIGINT, signal.SIGTERM, *hangup):
        signal.signal(number, lambda _number, _frame: supervisor.asked_to_stop.set())
    try:
        supervisor.run()
    except Stopped:
        print("\nStopping ...", flush=True)
        return 0
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        supervisor.stop()


if __name__ == "__main__":
    sys.exit(main())
