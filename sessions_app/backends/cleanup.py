"""Ending what a session started: the script that does it inside the container, and the reading of its report.

Neither Docker nor Kubernetes ends an exec's processes when its connection closes (moby#9098, kubernetes#89031), so a
second exec runs end_processes.sh. The script is fed on stdin, as a URL would have to carry it otherwise.
"""

import asyncio

from audit.journal import OutputStream
from sessions_app.backends import names
from sessions_app.backends.base import (
    CALL_TIMEOUT,
    BackendError,
    CleanupReport,
    CommandNotFound,
    ContainerGone,
    FoundProcess,
)
from sessions_app.backends.launch import NOT_STARTED, printable, script

MAX_REPORT = 1024 * 1024
"""Bytes of a report that are read."""

NO_SHELL = "The container has no shell, so its processes could not be looked for."
CUT_OFF = "The search for the session's processes did not finish."
PAUSED = "The container is paused: its processes can neither run nor be ended until it is unpaused."

ARGV_PREFIX = ("sh", "-s", "--")


def argv(session_uid: str, leader: str, *, kill_protected: bool) -> list[str]:
    """The cleanup's argument vector; its stdin is `stdin()`."""
    return [*ARGV_PREFIX, names.session_uid(session_uid), "1" if kill_protected else "0", leader]


def stdin() -> bytes:
    """The script, for the `sh` that `argv` starts."""
    return script("end_processes.sh").encode() + b"\n"


def parse_report(output: bytes, *, kill_protected: bool) -> CleanupReport:
    """What the script wrote, as a report. Lines it did not finish are ignored."""
    found: dict[int, tuple[bool, str]] = {}
    killed: set[int] = set()
    alive: set[int] = set()
    done = False
    for line in output.decode(errors="replace").split("\n"):
        match line.rstrip("\r").split(" ", 3):
            case ["F", pid, ("plain" | "protected") as kind, command] if pid.isdecimal():
                found[int(pid)] = (kind == "protected", printable(command))
            case ["K", pid] if pid.isdecimal():
                killed.add(int(pid))
            case ["A", pid] if pid.isdecimal():
                alive.add(int(pid))
            case ["D"]:
                done = True
    processes = [
        FoundProcess(pid, command, _outcome(pid, killed, alive, spared=protected and not kill_protected, done=done))
        for pid, (protected, command) in sorted(found.items())
    ]
    return CleanupReport(processes, note="" if done else CUT_OFF, unfinished=not done)


def _outcome(pid: int, killed: set[int], alive: set[int], *, spared: bool, done: bool) -> str:
    if pid in alive or not done:
        return "left" if spared else "survived"
    return "killed" if pid in killed else "ended"


class Leaders:
    """The leader of each session that this process started and of which something may still run.

    A process that emptied its environment after the shell has gone is found by this alone.
    """

    LIMIT = 10_000
    """Sessions: of one that left something running, or whose search failed, the leader stays in here until then."""

    def __init__(self) -> None:
        self._by_session: dict[str, str] = {}

    def remember(self, session_uid: str, leader: str) -> None:
        """Keep it for the session's cleanup; the oldest one is let go when there are too many."""
        if not leader:
            return
        if len(self._by_session) >= self.LIMIT:
            self._by_session.pop(next(iter(self._by_session)))
        self._by_session[session_uid] = leader

    def of(self, session_uid: str) -> str:
        """`pid:start`, or an empty string."""
        return self._by_session.get(session_uid, "")

    def ended(self, session_uid: str, report: CleanupReport) -> None:
        """Forget it, unless the report leaves something that a second look would have to find."""
        running = any(process.outcome in ("left", "survived") for process in report.processes)
        if report.container_gone or not (running or report.note):
            self._by_session.pop(session_uid, None)


class CollectedOutput:
    """The sink of the cleanup's own exec: keeps what comes and knows when it is over."""

    def __init__(self) -> None:
        self.raw = bytearray()
        self.done: asyncio.Future[tuple[int | None, BackendError | None]] = asyncio.get_running_loop().create_future()

    def output(self, data: bytes, stream: OutputStream = "stdout") -> None:
        """Keep it, up to MAX_REPORT bytes."""
        if stream == "stdout":
            self.raw += data[: MAX_REPORT - len(self.raw)]

    def closed(self, exit_code: int | None, error: BackendError | None) -> None:
        """Resolve `done`."""
        if not self.done.done():
            self.done.set_result((exit_code, error))


async def collect(collected: CollectedOutput) -> CleanupReport | None:
    """Wait for the cleanup's exec. A report when there is nothing to read, None when `collected` holds what was found,
    be it all or, after CALL_TIMEOUT, a part."""
    try:
        async with asyncio.timeout(CALL_TIMEOUT):
            exit_code, error = await asyncio.shield(collected.done)
    except TimeoutError:
        return None
    if isinstance(error, ContainerGone):
        return CleanupReport(container_gone=True)
    if isinstance(error, CommandNotFound) or exit_code in NOT_STARTED:
        return CleanupReport(note=NO_SHELL)
    if error is not None:
        raise error
    return None


async def collect_process(process: asyncio.subprocess.Process, collected: CollectedOutput) -> CleanupReport | None:
    """As `collect`, for the script run on this machine."""
    try:
        async with asyncio.timeout(CALL_TIMEOUT):
            output, _ = await process.communicate(stdin())
    except TimeoutError:
        return None
    collected.output(output)
    collected.closed(process.returncode, None)
    return await collect(collected)
