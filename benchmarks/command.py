"""The command `porthole`, as it is installed, beside the docker command: how soon a prompt, how fast a gigabyte."""

import os
import subprocess
from pathlib import Path

from benchmarks import pipes
from benchmarks.client import Portal
from benchmarks.consoles import prompt_of
from benchmarks.engine import docker_command
from benchmarks.measure import Times
from benchmarks.server import ROOT

STARTS = 15


class Command:
    """The installed command, signed in."""

    def __init__(self, folder: Path, portal: Portal) -> None:
        place = folder / "command"
        install = ["pip", "install", "--compile-bytecode", "--python", place / "bin" / "python", ROOT / "cli"]
        for step in (["venv", place], install):
            subprocess.run(["uv", *map(str, step), "--quiet"], check=True)
        self.path = str(place / "bin" / "porthole")
        self.environment = {
            **os.environ,
            "PORTHOLE_URL": f"http://127.0.0.1:{portal.port}",
            "PORTHOLE_TOKEN": str(portal.http.headers["Authorization"]).removeprefix("Bearer "),
        }


def first_prompt(command: Command, container: str, service: str) -> tuple[Times, Times]:
    """From Enter to bash's prompt, in turn: `docker exec -it` and `porthole shell`."""
    ways: list[list[float]] = [[], []]
    for _ in range(STARTS):
        ways[0].append(prompt_of([docker_command(), "exec", "-it", container, "bash"], os.environ))
        ways[1].append(prompt_of([command.path, "shell", service], command.environment))
    return Times(ways[0][1:]), Times(ways[1][1:])  # the first of each reads its files from the disk


def gigabyte(command: Command, service: str) -> tuple[float, float]:
    """MB/s of `porthole exec … cat`, and the most MiB of memory that the command took."""
    memory: list[float] = []
    speed = pipes.by_command([command.path, "exec", service, "--", "cat"], command.environment, memory)
    return speed, max(memory)
