"""Passes the size of a session's terminal on to its stream: the last one always, and again for a redraw."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from sessions_app.backends.base import BackendError, ExecStream

RESIZE_INTERVAL = 0.05
"""Seconds between two sizes passed on; what comes in between is joined to the last one."""

RESIZE_RETRY = 1.0
"""Seconds until a size that the provider did not take is tried again."""

logger = logging.getLogger(__name__)


class Sizes:
    """One terminal's size. `run` passes it on, after `before` and before `after` are told of a new one."""

    def __init__(
        self, uid: str, cols: int, rows: int, *, before: Callable[[int, int], None], after: Callable[[int, int], None]
    ) -> None:
        self.cols, self.rows = cols, rows
        self.stream: ExecStream | None = None
        """Where sizes go, once it is open. It was opened with the first one."""
        self._uid, self._before, self._after = uid, before, after
        self._passed_on = cols, rows
        self._asked = asyncio.Event()

    def resize(self, cols: int, rows: int) -> None:
        """Set another size."""
        if (cols, rows) != (self.cols, self.rows):
            self.cols, self.rows = cols, rows
            self._asked.set()

    def redraw(self) -> None:
        """Have the program paint its screen anew. It does when its size changes, so that changes for a moment."""
        self._asked.set()

    async def run(self) -> None:
        """Pass sizes on until cancelled."""
        while True:
            await self._asked.wait()
            stream = self.stream
            if stream is None:
                await asyncio.sleep(RESIZE_INTERVAL)
                continue
            self._asked.clear()
            cols, rows = self.cols, self.rows
            if (cols, rows) == self._passed_on:
                await self._jolt(stream, cols, rows)
                await self._set(stream, cols, rows)
            else:
                self._passed_on = cols, rows
                self._before(cols, rows)
                await self._set(stream, cols, rows)
                self._after(cols, rows)
            await asyncio.sleep(RESIZE_INTERVAL)

    async def _jolt(self, stream: ExecStream, cols: int, rows: int) -> None:
        """One row less, for a moment. Windows keep theirs, and what is painted for it is painted once more."""
        with suppress(BackendError):
            await stream.resize(cols, rows - 1 if rows > 1 else rows + 1)
        await asyncio.sleep(RESIZE_INTERVAL)

    async def _set(self, stream: ExecStream, cols: int, rows: int) -> None:
        """A provider that does not answer now may do so later, and a wrong size is no reason to end a session."""
        while not self._asked.is_set():
            try:
                await stream.resize(cols, rows)
            except BackendError as error:
                logger.warning("%s: its terminal's size could not be set, trying again: %s", self._uid, error)
                await asyncio.sleep(RESIZE_RETRY)
            else:
                return
