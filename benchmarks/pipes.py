"""A gigabyte through `cat` in the container and back: with the docker command, and through the portal.

Both are fed and read by this process, which knows the pattern and compares every byte of what comes back.
"""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from benchmarks.client import OUTPUT, PING, PONG, TEXT, Portal, Shell
from benchmarks.engine import docker_command
from benchmarks.measure import resident

SIZE = 10**9
BLOCK = 1 << 20
FRAME = 64 * 1024
UNDER_WAY = 256 * 1024
ROUNDS = 2
WATCH_EVERY = SIZE // 20


class Pattern:
    """SIZE bytes that no cache of zeros and no misplaced block could pass for: a random block over and over, its
    length prime to everyone's buffers."""

    def __init__(self) -> None:
        self._block = os.urandom(BLOCK - 17)
        self._twice = memoryview(self._block * 2)
        self.checked = 0

    def pieces(self, start: int = 0) -> Iterator[memoryview]:
        """From `start` on, in pieces of FRAME."""
        while start < SIZE:
            at = start % len(self._block)
            piece = self._twice[at : at + min(FRAME, SIZE - start)]
            start += len(piece)
            yield piece

    def check(self, data: bytes) -> None:
        """The next bytes that came back. Raises `AssertionError` at the first that differs."""
        view = memoryview(data)
        while view:
            at = self.checked % len(self._block)
            part = view[: len(self._twice) - at]
            if part != self._twice[at : at + len(part)]:
                raise AssertionError(f"other bytes came back, near {self.checked}")
            self.checked += len(part)
            view = view[len(part) :]


def plainly(container: str) -> float:
    """MB/s with `docker exec -i`."""
    return by_command([docker_command(), "exec", "-i", container, "cat"], os.environ, [])


def by_command(argv: Sequence[str], environment: Mapping[str, str], memory: list[float]) -> float:
    """MB/s of a command that is fed and read. `memory` gets its MiB now and then."""
    pattern = Pattern()
    begin = time.perf_counter()
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=dict(environment)
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        given = process.stdin

        def feed() -> None:
            with given, suppress(BrokenPipeError):
                for piece in pattern.pieces():
                    left = piece
                    while left:
                        left = left[given.write(left) or 0 :]

        feeder = threading.Thread(target=feed)
        feeder.start()
        while data := process.stdout.read(1 << 18):
            pattern.check(data)
            if len(memory) * WATCH_EVERY < pattern.checked < SIZE - WATCH_EVERY:  # it is sure to run still
                memory.append(resident(process.pid) / 1024)
        feeder.join()
    took = time.perf_counter() - begin
    _complete(pattern, process.returncode)
    return SIZE / took / 1e6


def through(portal: Portal, service: int, pid: int) -> tuple[float, float]:
    """MB/s through the portal, and the MiB that its memory grew by at most."""
    pattern = Pattern()
    with _watched(pid) as growth:
        begin = time.perf_counter()
        opened = portal.open(service, ["cat"], kind="exec")
        pipes = Pipes(portal.port, opened["uid"], opened["ticket"])
        exit_code = pipes.run(pattern)
        took = time.perf_counter() - begin
        _complete(pattern, exit_code)
        return SIZE / took / 1e6, growth()


class Pipes(Shell):
    """One exec: a thread sends stdin as fast as it is taken, the caller's takes what comes back."""

    def __init__(self, port: int, uid: str, ticket: str) -> None:
        self._room = threading.Semaphore(UNDER_WAY // FRAME)
        self._sending = threading.Lock()
        super().__init__(port, uid, ticket)

    def run(self, pattern: Pattern) -> int | None:
        """Everything there and back. Returns the exit code."""
        feeder = threading.Thread(target=self._feed, args=(pattern,))
        taken = 0
        while True:
            opcode, payload = self._frame()
            if opcode == OUTPUT:
                pattern.check(payload)
                self.took(len(payload))
            elif opcode == PING:
                self._send(PONG, payload)
            elif opcode == TEXT:
                frame = json.loads(payload)
                match frame["type"]:
                    case "attached":
                        feeder.start()
                    case "input_ack":
                        for _ in range(taken, frame["bytes"] // FRAME):
                            self._room.release()
                            taken += 1
                    case "ended":
                        feeder.join()
                        self.close()
                        code: int | None = frame["exit_code"]
                        return code

    def _feed(self, pattern: Pattern) -> None:
        for piece in pattern.pieces():
            self._room.acquire()
            self.type(bytes(piece))
        self.text({"type": "eof"})

    def _send(self, opcode: int, payload: bytes) -> None:
        with self._sending:
            super()._send(opcode, payload)


@contextmanager
def _watched(pid: int) -> Iterator[Callable[[], float]]:
    """Looks at a process' resident memory meanwhile. What is yielded tells by how many MiB it grew at most."""
    before = most = resident(pid)
    over = threading.Event()

    def look() -> None:
        nonlocal most
        while not over.wait(0.05):
            most = max(most, resident(pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield lambda: (most - before) / 1024
    finally:
        over.set()
        watcher.join()


def _complete(pattern: Pattern, exit_code: int | None) -> None:
    if pattern.checked != SIZE or exit_code != 0:
        raise AssertionError(f"{pattern.checked} of {SIZE} bytes came back; exit code {exit_code}")
