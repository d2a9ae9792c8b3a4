"""What a session host does about screens: gives them to new windows, and keeps keyframes so that they come at once."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from sessions_app.screens.process import EmulatorProcess, ScreenError, TooMuch

SCREEN_TIMEOUT = 3.0
"""Seconds a window waits for its screen before it gets the newest output instead."""

KEYFRAME_EVERY = 256 * 1024
"""Bytes of output after which a session gets another keyframe: the most that usually lies between one and a screen."""

KEYFRAME_AT_REST = 32 * 1024
"""The same for a session without a window that prints nothing: whoever comes back shall have its screen at once."""

KEYFRAME_TIMEOUT = 30.0
"""Seconds for one keyframe, made at the lowest priority on a busy machine."""

PENANCE = 300.0
"""Seconds without screens for a session whose output takes that long, so that others get theirs."""

LOOK_INTERVAL = 2.0
"""Seconds between two looks at who printed how much."""

IDLE_TIME = 60.0
"""Seconds without a keyframe to make after which the process that makes them ends."""

logger = logging.getLogger(__name__)

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Screen:
    """A session's screen: what to write to a terminal in its initial state, and where its output goes on."""

    text: str
    offset: int
    exact: bool
    """False if there was more output since the last keyframe than could be looked at."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a session has on record."""

    end: int
    """Bytes."""
    attended: bool
    """Whether somebody controls it."""

    def at_rest(self, before: "Output | None") -> bool:
        """Nobody is there, and it has printed nothing since."""
        return not self.attended and before == self


class _Keeping:
    """How far the keyframes have come."""

    def __init__(self) -> None:
        self.reached: dict[Path, int] = {}
        self.busy = monotonic()
        self._before: Mapping[Path, Output] = {}

    def behind(self, now: Mapping[Path, Output]) -> list[Path]:
        """The sessions that are to get one."""
        self.reached = {folder: offset for folder, offset in self.reached.items() if folder in now}
        before, self._before = self._before, now
        return [
            folder
            for folder, output in now.items()
            if output.end - self.reached.get(folder, 0)
            >= (KEYFRAME_AT_REST if output.at_rest(before.get(folder)) else KEYFRAME_EVERY)
        ]


class Screens:
    """The screens of one process's sessions. A session is known by its journal's folder."""

    def __init__(self, *, timeout: float = SCREEN_TIMEOUT) -> None:
        self._timeout = timeout
        self._ready = EmulatorProcess()
        self._background = EmulatorProcess(in_background=True)
        self._refused: dict[Path, float] = {}
        """Until when, by the monotonic clock."""
        self._warned = False

    @property
    def pids(self) -> list[int]:
        """Of the processes that run."""
        return [pid for pid in (self._ready.pid, self._background.pid) if pid is not None]

    async def draw(self, folder: Path, offset: int, *, size: Size, window: Size) -> Screen:
        """The screen at an offset, or a few bytes before it, of a terminal that now has `size`, as a window of another
        size shows it. Raises `ScreenError`."""
        answer = await self._ask(
            self._ready, self._timeout, folder, do="screen", offset=offset, size=size, window=window
        )
        return Screen(answer["text"], answer["offset"], answer["exact"])

    async def keep(self, look: Callable[[], Mapping[Path, Output]]) -> None:
        """Make keyframes for ever. `look` says what each session has on record now."""
        keeping = _Keeping()
        while True:
            try:
                await self._keep_once(keeping, look())
            except Exception:
                logger.exception("keyframes: a round broke off; the next one begins in a moment")
                await asyncio.sleep(LOOK_INTERVAL)

    async def _keep_once(self, keeping: "_Keeping", now: Mapping[Path, Output]) -> None:
        self._refused = {folder: until for folder, until in self._refused.items() if folder in now}
        behind = keeping.behind(now)
        if now and self._ready.pid is None:
            await self._warm_up()
        # In turn, so that one that pours does not keep the others from theirs.
        for folder in behind:
            keeping.busy = monotonic()
            keeping.reached[folder] = await self._make(folder, now[folder].end)
            await asyncio.sleep(monotonic() - keeping.busy)  # half of a processor at most
        if not behind:
            await asyncio.sleep(LOOK_INTERVAL)
        if monotonic() - keeping.busy > IDLE_TIME:
            await self._background.close()

    async def close(self) -> None:
        """End both processes."""
        await self._ready.close()
        await self._background.close()

    async def _warm_up(self) -> None:
        """A process takes longer to start, and to become quick, than a window should wait."""
        try:
            await self._ready.ask(KEYFRAME_TIMEOUT, do="practice")
        except ScreenError as error:
            if not self._warned:
                self._warned = True
                logger.warning("New windows get the newest output instead of the screen: %s.", error)

    async def _make(self, folder: Path, end: int) -> int:
        """One keyframe on the way to `end`; how far they reach now."""
        try:
            answer = await self._ask(self._background, KEYFRAME_TIMEOUT, folder, do="keyframe", offset=end)
        except ScreenError as error:
            # A window gets its screen without it, if a little later. The next piece of output is the next occasion.
            logger.info("%s: no keyframe: %s", folder.name, error)
            return end
        return int(answer["offset"])

    async def _ask(self, process: EmulatorProcess, timeout: float, folder: Path, **question: Any) -> dict[str, Any]:
        if self._refused.get(folder, 0.0) > monotonic():
            raise ScreenError("its output took too long to follow a moment ago")
        self._refused.pop(folder, None)
        try:
            return await process.ask(timeout, folder=str(folder), **question)
        except TooMuch:
            self._refused[folder] = monotonic() + PENANCE
            raise
