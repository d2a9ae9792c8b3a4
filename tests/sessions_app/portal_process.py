"""A real portal: web processes on free loopback ports, a data directory of its own, and an office beside them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path

import httpx

from tests.sessions_app import world
from tests.sessions_app.office import ROOT, Office

START_PATIENCE = 60.0


def environment(data_dir: Path, **changes: str) -> dict[str, str]:
    """The environment of a portal that keeps everything in `data_dir`."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PORTHOLE_")}
    return ours | {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "SECRET_KEY": "the-key-of-a-portal-under-test-which-is-long-enough-for-anything",
        "PORTHOLE_DATA_DIR": str(data_dir),
        "PORTHOLE_LOCAL_PROVIDER": "1",
        **changes,
    }


def migrate(env: Mapping[str, str]) -> None:
    """Make the database."""
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=dict(env), check=True, timeout=120)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class WebProcess:
    """One `manage.py serve`."""

    def __init__(self, env: Mapping[str, str], server: str, log: Path) -> None:
        self.port = free_port()
        self.log = log
        env = {**env, "PORT": str(self.port)}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--server", server],
                cwd=ROOT, env=env, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_until_ready(self) -> None:
        """Until it answers; raises with the end of its log if it does not."""
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/api/v1/sessions/", timeout=5).status_code == 401:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"the portal did not start:\n{self.log.read_text()[-3000:]}")

    def memory(self) -> int:
        """Bytes of it that are resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class Portal:
    """One portal with a web process of each server, which share its database."""

    def __init__(self, data_dir: Path, servers: tuple[str, ...] = ("daphne",), **changes: str) -> None:
        self.data_dir = data_dir
        self.log = data_dir / "portal.log"
        self.env = environment(data_dir, **changes)
        data_dir.mkdir(parents=True, exist_ok=True)
        migrate(self.env)
        self.web = {server: WebProcess(self.env, server, self.log) for server in servers}
        self.office = Office(self.env, data_dir / "office.log")
        for process in self.web.values():
            process.wait_until_ready()

    def stop(self) -> None:
        """End everything, quickly: what an orderly end does, tests of their own see."""
        try:
            left = self.office.call(world.live_uids)
            self.office.close()
            for process in self.web.values():
                process.stop(signal.SIGKILL)
            for pid in chain.from_iterable(map(processes_of, left)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        finally:
            shutil.rmtree(self.data_dir, ignore_errors=True)


def processes_of(uid: str) -> list[int]:
    """The processes of this machine that belong to a session."""
    mark = f"PORTHOLE_SESSION_ID={uid}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue
    return found
