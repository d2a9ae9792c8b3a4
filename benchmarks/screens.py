"""What screens cost: attaching a new window while many sessions are detached, and the keyframes behind it."""

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from audit.journal import JournalHeader, JournalWriter
from benchmarks.client import Portal, Shell
from benchmarks.measure import Times, resident
from sessions_app.screens.process import EmulatorProcess
from sessions_app.screens.screens import KEYFRAME_EVERY

DETACHED = 200
LINES = 4000
DRAW = [
    "sh",
    "-c",
    "stty raw -echo; printf '\\033[?1049h\\033[?1h\\033[?2004h\\033[2;28r\\033]2;editor\\007';"
    f" seq {LINES} | sed 's/.*/\\r\\x1b[3&;48;5;17m& a line of something\\x1b[m and more of it\\x1b[K/';"
    " printf READY; exec cat",
]
"""Full-screen programs that have drawn some 250 KB each: nearly as much as can lie behind a keyframe."""

KEYFRAMES = 20


@dataclass(frozen=True, slots=True)
class Attached:
    """Milliseconds from connecting to the first piece of the screen, and the same with the request for the ticket."""

    socket: Times
    with_ticket: Times
    growth: float
    """KiB of resident memory for each session that was attached to and left again."""


def attach(portal: Portal, service: int, pid: int) -> Attached:
    """A new window for each of many detached sessions, one after the other."""
    uids = []
    for _ in range(DETACHED):
        shell = portal.shell(service, DRAW)
        shell.until(b"READY")
        shell.detach()
        uids.append(shell.uid)
    time.sleep(5)  # what is made for detached sessions is made now
    before = resident(pid)
    socket, with_ticket = [], []
    for uid in uids:
        begin = time.perf_counter()
        ticket = portal.ticket(uid)
        dialled = time.perf_counter()
        shell = Shell(portal.port, uid, ticket, screen=True)
        shell.screen()
        end = time.perf_counter()
        socket.append((end - dialled) * 1000)
        with_ticket.append((end - begin) * 1000)
        shell.detach()
    growth = (resident(pid) - before) / DETACHED
    for uid in uids:
        portal.end(uid)
    return Attached(Times(socket), Times(with_ticket), growth)


@dataclass(frozen=True, slots=True)
class Keyframe:
    """Milliseconds of one keyframe over as much output as lies between two, and its KiB on the disk."""

    took: Times
    size: float


def keyframe() -> Keyframe:
    """The same kind of output, one keyframe after the other."""
    return asyncio.run(_keyframes())


async def _keyframes() -> Keyframe:
    line = b"\r\x1b[3%d;48;5;17m%d a line of something\x1b[m and more of it\x1b[K\n"
    process, took = EmulatorProcess(), []
    with tempfile.TemporaryDirectory() as folder:
        journal = JournalWriter.create(Path(folder) / "journal", JournalHeader("sh-1", 100, 30, ""))
        for _ in range(KEYFRAMES):
            end = journal.offset + KEYFRAME_EVERY
            while journal.offset < end:
                journal.output(line % (journal.offset % 8, journal.offset))
            begin = time.perf_counter()
            await process.ask(30, do="keyframe", folder=f"{folder}/journal", offset=journal.offset)
            took.append((time.perf_counter() - begin) * 1000)
        size = (Path(folder) / "journal" / "keyframes").stat().st_size / KEYFRAMES / 1024
        journal.close()
    await process.close()
    return Keyframe(Times(took[1:]), size)
