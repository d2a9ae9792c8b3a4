"""A sink that keeps what a stream delivers, and waits for what a test expects."""

import asyncio
from collections.abc import Callable

from audit.journal import OutputStream
from sessions_app.backends.base import BackendError

PATIENCE = 15.0


class Terminal:
    """Everything a stream said."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.errors = bytearray()
        """What came on stderr, where there is no terminal."""
        self.closings: list[tuple[int | None, BackendError | None]] = []
        self._changed = asyncio.Event()

    def output(self, data: bytes, stream: OutputStream = "stdout") -> None:
        assert not self.closings, "output after the end"
        if stream == "stdout":
            self.seen += data
        else:
            self.errors += data
        self._changed.set()

    def closed(self, exit_code: int | None, error: BackendError | None) -> None:
        self.closings.append((exit_code, error))
        self._changed.set()

    async def until(self, condition: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Wait for a condition on what was delivered."""
        try:
            async with asyncio.timeout(patience):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"not in time; the end of what came: {bytes(self.seen[-500:])!r} {self.closings}"
            ) from None

    async def shows(self, text: bytes, patience: float = PATIENCE) -> None:
        """Wait until `text` has come."""
        await self.until(lambda: text in self.seen, patience)

    async def end(self, patience: float = PATIENCE) -> tuple[int | None, BackendError | None]:
        """Wait for the end: its exit code and error."""
        await self.until(lambda: bool(self.closings), patience)
        return self.closings[0]

    async def stands_still(self, quiet: float = 0.5) -> int:
        """Wait until nothing has come for `quiet` seconds; how many bytes there are then."""
        while True:
            before = len(self.seen)
            await asyncio.sleep(quiet)
            if len(self.seen) == before:
                return before


async def eventually(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Poll a condition that nothing announces."""
    async with asyncio.timeout(patience):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.05)
