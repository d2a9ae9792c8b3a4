"""A portal of its own for the benchmarks: fresh data, one service on the benchmark's container."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "benchmark-password-1"

SETUP = """
import sys
from audit.events import PORTAL
from portal import actions
from portal.permissions import Permission, Role
name, host = sys.argv[1:3]
user = actions.create_user(actor=PORTAL, username="bench", password=sys.argv[3])
organization = actions.create_organization(actor=PORTAL, slug="bench", name="Bench", owner=user)
provider = actions.create_provider(actor=PORTAL, organization=organization, slug="docker", name="Docker", kind="docker",
                                   options={"host": host}, operator=True)
stack = actions.create_stack(actor=PORTAL, provider=provider, slug="bench", name="Bench")
actions.create_service(actor=PORTAL, stack=stack, slug="bench", name="Bench", selector_kind="name", selector=name)
"""


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, port: int) -> dict[str, str]:
    """What the portal is started with."""
    return {
        **os.environ,
        "SECRET_KEY": "benchmark-only-" + "k3y" * 16,
        "PORTHOLE_DATA_DIR": str(folder),
        "PORT": str(port),
        "PORTHOLE_SESSION_LIMIT": "500",
        "PORTHOLE_LOCAL_PROVIDER": "0",
    }


def run_inside(folder: Path, port: int, code: str, *arguments: str) -> None:
    """Run a script with the portal's own settings and database."""
    script = folder / "setup.py"
    script.write_text("import django; django.setup()\n" + code)
    env = {**environment(folder, port), "DJANGO_SETTINGS_MODULE": "portal.settings", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, str(script), *arguments], env=env, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def portal(folder: Path, container: str, server: str) -> Iterator[tuple[int, int]]:
    """A running portal; yields its port and process id."""
    port = free_port()
    env = environment(folder, port)
    manage = [sys.executable, str(ROOT / "manage.py")]
    quiet = {"env": env, "check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([*manage, "migrate", "-v0"], **quiet)
    run_inside(folder, port, SETUP, container, os.environ["DOCKER_HOST"], PASSWORD)
    log = (folder / "serve.log").open("wb")
    process = subprocess.Popen([*manage, "serve", "--server", server, "--port", str(port)], env=env, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(60)
        log.close()
