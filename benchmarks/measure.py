"""What is measured, once for the Docker API used directly and once through the portal, turn by turn."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.client import Portal, Shell
from benchmarks.engine import Direct
from benchmarks.server import PASSWORD, ROOT

ECHO = ["sh", "-c", "stty raw -echo; printf READY; exec cat"]
BULK = 100 * 1024 * 1024
POUR = ["sh", "-c", f"stty raw -echo; printf READY; read go; head -c {BULK} /dev/zero"]
ROUNDS, KEYS = 5, 400
PROMPTS = 15
OUTPUTS = 3
IDLE = 200


@dataclass(frozen=True, slots=True)
class Times:
    """Durations in milliseconds."""

    values: list[float]

    def at(self, share: float) -> float:
        """The value below which `share` of all lie."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def timed(act: Callable[[], object]) -> float:
    """Milliseconds that it takes."""
    begin = time.perf_counter()
    act()
    return (time.perf_counter() - begin) * 1000


def echo(direct: Direct, portal: Portal, service: int) -> tuple[Times, Times]:
    """One key there and back, in raw mode, some hundred times each in turn."""
    plain = direct.exec(ECHO)
    while b"READY" not in plain.recv(4096):
        pass
    shell = portal.shell(service, ECHO)
    shell.until(b"READY")

    def plainly() -> None:
        plain.sendall(b"x")
        plain.recv(64)

    def through() -> None:
        shell.type(b"x")
        shell.output()

    ways: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for times, way in zip(ways, (plainly, through), strict=True):
            for _ in range(20):
                way()
            times.extend(timed(way) for _ in range(KEYS))
    plain.close()
    shell.type(b"\x04")
    shell.close()
    return Times(ways[0]), Times(ways[1])


def bulk(direct: Direct, portal: Portal, service: int) -> tuple[float, float]:
    """MB/s of 100 MiB of output, the best of a few each, in turn."""

    def plainly() -> float:
        stream = direct.exec(POUR)
        while b"READY" not in stream.recv(4096):
            pass

        def pour() -> None:
            stream.sendall(b"\n")
            left = BULK
            while left > 0:
                left -= len(stream.recv(1 << 18))

        took = timed(pour)
        stream.close()
        return BULK / took / 1000

    def through() -> float:
        shell = portal.shell(service, POUR)
        shell.until(b"READY")

        def pour() -> None:
            shell.type(b"\n")
            left = BULK
            while left > 0:
                left -= len(shell.output())

        took = timed(pour)
        shell.close()
        return BULK / took / 1000

    pairs = [(plainly(), through()) for _ in range(OUTPUTS)]
    return max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)


def first_prompt(direct: Direct, portal: Portal, service: int) -> tuple[Times, Times]:
    """From the click to the first byte of bash's prompt."""

    def plainly() -> None:
        stream = direct.exec(["bash"])
        stream.recv(64)
        stream.close()

    shells: list[Shell] = []

    def through() -> None:
        shell = portal.shell(service)
        shell.output()
        shells.append(shell)

    plainly(), through()
    ways: list[list[float]] = [[], []]
    for _ in range(PROMPTS):
        ways[0].append(timed(plainly))
        ways[1].append(timed(through))
        end(shells.pop())
    return Times(ways[0]), Times(ways[1])


def end(shell: Shell) -> None:
    """Leave a shell by its own exit."""
    shell.type(b"exit\n")
    try:
        while True:
            shell.output()
    except (EOFError, ConnectionError):
        shell.close()


def idle_memory(portal: Portal, service: int, pid: int) -> float:
    """KiB of resident memory that one attached, idle session costs."""
    warm = portal.shell(service)
    warm.output()
    before = resident(pid)
    shells = []
    for _ in range(IDLE):
        shells.append(portal.shell(service))
        shells[-1].output()
    after = resident(pid)
    for shell in [*shells, warm]:
        shell.close()
    return (after - before) / IDLE


def resident(pid: int) -> int:
    """KiB of a process' memory that are resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1])


@contextmanager
def busy(port: int, count: int) -> Iterator[None]:
    """`count` other sessions that print ten lines a second each, and clients that read them."""
    command = [sys.executable, "-m", "benchmarks.load", str(port), "bench", PASSWORD, "bench", str(count)]
    load = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert load.stdin is not None
    assert load.stdout is not None
    try:
        if load.stdout.readline().strip() != b"ready":
            raise RuntimeError("the load did not start")
        yield
    finally:
        load.stdin.close()
        load.wait(30)
