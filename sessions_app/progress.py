"""What a session that is being started waits for, for whoever waits at its socket."""

import asyncio

from sessions_app import protocol
from sessions_app.engine.viewer import Socket
from sessions_app.words import State


class Progress:
    """The newest sentence. A socket that is slow misses some, and nothing waits for it."""

    def __init__(self) -> None:
        self._detail = ""
        self._changed = asyncio.Event()

    def tell(self, detail: str) -> None:
        """It waits for something else now."""
        self._detail = detail
        self._changed.set()
        self._changed = asyncio.Event()

    async def pass_on(self, socket: Socket) -> None:
        """Send what is told to a socket, until cancelled."""
        said = ""
        while True:
            changed = self._changed
            if self._detail == said:
                await changed.wait()
                continue
            said = self._detail
            await socket.send_text(protocol.state(State.PROVISIONING, detail=said))
