"""Where a window begins: after the bytes that it has, or, if it does not know the session, with the screen as it is."""

import logging
from dataclasses import dataclass

from sessions_app import protocol
from sessions_app.engine.session import LiveSession
from sessions_app.hosted import HostedSession
from sessions_app.protocol import FrameError, Hello
from sessions_app.screens import ScreenError, Screens

REPLAY = 256 * 1024
"""Bytes of newest output that a window gets which does not know the session, where it can have no screen."""

NO_SCREEN = "The screen could not be restored. It is right again once the program has redrawn it."
"""Said also where a screen is only nearly right."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """A window's place in the output, and what it is told before."""

    offset: int
    screen: tuple[str, ...] = ()
    """The frames that draw the screen at this offset."""
    notice: str = ""
    redraw: bool = False
    """Whether the program should paint its screen anew: somebody looks at it who has not seen it come about."""


async def find_start(screens: Screens, hosted: HostedSession, live: LiveSession, hello: Hello) -> Start:
    """Where the window that says `hello` begins. Raises `FrameError` for an offset that does not exist."""
    end = live.log.end
    if hello.offset is not None:
        if hello.offset > end:
            raise FrameError("The offset lies beyond the session's output.")
        return Start(hello.offset)
    newest = max(0, end - REPLAY)
    if hosted.attached_at is None or not live.tty:
        return Start(newest)
    if not hello.screen or hosted.folder is None:
        return Start(newest, redraw=True)
    size = live.cols, live.rows
    window = (hello.cols, hello.rows) if hello.mode == "control" else size
    try:
        screen = await screens.draw(hosted.folder, end, size=size, window=window)
    except ScreenError as error:
        logger.info("%s: a window got no screen: %s", live.uid, error)
        return Start(newest, notice=NO_SCREEN, redraw=True)
    return Start(screen.offset, tuple(protocol.screen(screen.text)), "" if screen.exact else NO_SCREEN, redraw=True)
