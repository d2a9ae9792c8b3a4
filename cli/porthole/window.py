"""A person's terminal on a session: keys one way, output the other, until the session or the person leaves."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from functools import partial

from porthole.failures import Exit, Failure
from porthole.link import Link, Outcome
from porthole.portal import Portal
from porthole.printing import clean
from porthole.protocol import Frame
from porthole.sanitize import Filter
from porthole.tty import Terminal

READ_SIZE = 64 * 1024
TYPE_AHEAD = 1024 * 1024
"""Bytes of input that may wait to be sent before no more is read from the terminal."""

REDRAW_PAUSE = 0.2
"""Seconds between two sizes that make a full-screen program draw itself again; the portal joins faster ones."""

FAREWELL = 2.0
"""Seconds the portal gets to hear that the window was closed."""

CLEAN = b"\x1b[!p\x1b[H\x1b[2J"
"""Makes a terminal ready for another screen, and leaves its scrollback alone, which a full reset would empty."""

CTRL_C = b"\x03"
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class TerminalWindow:
    """What a `Link` moves bytes for, and the keyboard it takes them from."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._filter = Filter()
        self._head = 0
        self._reading = False
        self._lost = False
        self.begun = self._progressing = False
        self._redraw: asyncio.Task[None] | None = None
        self.link: Link | None = None
        self.given_up = False
        self.closed = False
        self.running: asyncio.Task[Outcome] | None = None

    # --- what the link tells ---------------------------------------------------------------------------------------

    def size(self) -> tuple[int, int]:
        return self._terminal.size()

    def attached(self, frame: Frame, *, again: bool) -> None:
        self._head = int(frame.get("head") or 0)
        self.begun = True
        if self._progressing:
            self._progressing = False
            self._terminal.progress("")
        if frame.get("screens"):
            self._terminal.show(CLEAN)
        elif again:
            self._terminal.say("Connected again.")
            if self._terminal.modes.alternate_screen:
                self._redraw = asyncio.get_running_loop().create_task(self._ask_to_redraw())
        if missed := int(frame.get("missed") or 0):
            self._terminal.say(f"{missed} bytes of output are left out here; the recording has them.")
        self._lost = False
        self.listen()

    def waiting(self, seconds: float) -> None:
        self._lost = True
        if self.link is not None:
            self.link.input.clear()
        self._terminal.say(f"The connection is lost. Trying again in {seconds:.1f} s; Ctrl-C gives up.")

    def told(self, frame: Frame) -> None:
        detail = clean(frame.get("detail"))
        if detail and frame.get("type") == "state" and not self.begun:
            self._progressing = True
            self._terminal.progress(detail)
        elif detail and frame.get("type") in ("notice", "state"):
            self._terminal.say(detail)

    async def write(self, data: bytes, offset: int) -> None:
        shown = b""
        if (replayed := self._head - offset) > 0:
            shown = self._filter.pass_on(data[:replayed], replay=True)
            data = data[replayed:]
        if data:
            shown += self._filter.pass_on(data)
        await self._show(shown)

    async def _show(self, data: bytes) -> None:
        if data and not self.closed:
            try:
                await asyncio.get_running_loop().run_in_executor(None, self._terminal.show, data)
            except OSError:
                self._close()

    async def draw(self, screen: str) -> None:
        await self._show(self._filter.pass_on(screen.encode(), replay=True))

    def taken(self) -> None:
        if self.link is not None and self.link.connected:
            self.listen()

    # --- what the person does --------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Take keys, unless there is more than enough of them."""
        if not self._reading:
            self._reading = True
            asyncio.get_running_loop().add_reader(self._terminal.fileno, self._keys)

    def ignore(self) -> None:
        """Take no keys."""
        if self._reading:
            self._reading = False
            asyncio.get_running_loop().remove_reader(self._terminal.fileno)

    def _keys(self) -> None:
        assert self.link is not None
        try:
            data = os.read(self._terminal.fileno, READ_SIZE)
        except OSError:
            data = b""
        if not data:  # the terminal is gone
            self._close()
        elif not self.link.connected and CTRL_C in data:
            self.give_up()
        elif not self._lost:
            self.link.type(data)
            if self.link.input.waiting >= TYPE_AHEAD:
                self.ignore()

    def resized(self) -> None:
        """SIGWINCH."""
        if self.link is not None:
            self.link.resize(*self.size())

    def end_line(self) -> None:
        """What the command itself says next begins on a line of its own."""
        if not self.closed:
            self._terminal.write(b"\r\n")

    def give_up(self) -> None:
        """Leave without waiting for the connection."""
        self.given_up = True
        if self.running is not None:
            self.running.cancel()

    async def _ask_to_redraw(self) -> None:
        cols, rows = self.size()
        if self.link is not None and rows > 1:
            self.link.resize(cols, rows - 1)
            await asyncio.sleep(REDRAW_PAUSE)
            self.link.resize(*self.size())

    # --- signals ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def with_signals(self) -> Iterator[None]:
        """A raw terminal, and every signal that ends, stops or continues the command leaves it as it was."""
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGWINCH: self.resized, signal.SIGTSTP: self._stop, signal.SIGCONT: self._go_on}
        handlers |= {number: partial(self.die, number) for number in ENDING_SIGNALS}
        handlers[signal.SIGHUP] = self._close
        for number, act in handlers.items():
            loop.add_signal_handler(number, act)
        try:
            self._terminal.make_raw()
            self.listen()
            yield
        finally:
            self.ignore()
            if self._progressing:
                self._terminal.progress("")
            self._terminal.restore()
            for number in handlers:
                loop.remove_signal_handler(number)

    def _close(self) -> None:
        """The terminal went away. The portal is told, so that it does what this person wants that to mean."""
        if self.closed:
            return
        self.closed = True
        self.ignore()
        self._terminal.restore()
        if self.link is not None and self.link.connected:
            self.link.leave()
            asyncio.get_running_loop().call_later(FAREWELL, self.die, signal.SIGHUP)
        else:
            self.die(signal.SIGHUP)

    def die(self, number: signal.Signals) -> None:
        """End as the signal would have, so that whoever waits for this process sees it."""
        self._terminal.restore()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _stop(self) -> None:
        self._terminal.restore()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _go_on(self) -> None:
        self._terminal.make_raw()
        self.resized()


def stay(portal: Portal, uid: str, ticket: str, *, offset: int | None) -> Outcome:
    """Give the terminal to a session until it is over or somebody leaves. Raises `Failure`."""
    return asyncio.run(_stay(portal, uid, ticket, offset))


async def _stay(portal: Portal, uid: str, ticket: str, offset: int | None) -> Outcome:
    window = TerminalWindow(Terminal())
    window.link = Link(portal, uid, ticket, window, offset=offset)
    with window.with_signals():
        window.running = asyncio.create_task(window.link.run())
        try:
            outcome = await window.running
            if (outcome.kind, outcome.reason) != ("ended", "exited"):
                window.end_line()
            if window.closed:
                window.die(signal.SIGHUP)
            return outcome
        except asyncio.CancelledError:
            if not window.given_up:
                raise
            window.end_line()
    if not window.begun:
        await asyncio.to_thread(portal.post, f"sessions/{uid}/terminate/")
        raise Failure("Called off before it began. Nothing of it stays.", Exit.INTERRUPTED)
    raise Failure(f"You left {uid}. It waits for a short while: porthole attach {uid}", Exit.INTERRUPTED)
