"""A live session: one exec stream, one output log, the viewers along it. Asyncio only; it knows no database."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from audit.journal import JournalError, OutputStream
from sessions_app import protocol
from sessions_app.backends.base import BackendError, ExecStream
from sessions_app.engine.input import InputQueue
from sessions_app.engine.log import OutputLog
from sessions_app.engine.sizes import Sizes
from sessions_app.engine.viewer import WATCHER_BACKLOG, WINDOW, Mode, Older, Socket, Viewer
from sessions_app.protocol import Close

RESUME_BELOW = WINDOW // 2


class Journal(Protocol):
    """What the engine writes the record to: `audit.journal.JournalWriter` is one."""

    def output(self, data: bytes, stream: OutputStream = ...) -> None: ...
    def gap(self, length: int) -> None: ...
    def resize(self, cols: int, rows: int) -> None: ...


class Keystrokes(Protocol):
    """Takes what is typed and what is echoed, where an organization records input."""

    def typed(self, data: bytes) -> None: ...
    def echoed(self, data: bytes) -> None: ...


class Owner(Protocol):
    """Who owns the session and is told of what ends it. Called on the event loop; must not block."""

    def stream_closed(self, exit_code: int | None, error: BackendError | None) -> None: ...
    def recording_failed(self, error: JournalError) -> None: ...
    def quota_reached(self) -> None: ...


class LiveSession:
    """The engine of one session. It is the `ExecSink` of its stream.

    Every byte of output goes to the journal first, then to the log, then to the viewers. `run` does what must wait:
    large input and resizes. Ending it is the owner's business.

    Without a terminal (`tty` is false) there is no size, stdout and stderr are told apart, and input can end. There the
    program's output counts as activity, too: nobody is expected to type, and a program that prints is at work.
    """

    def __init__(
        self,
        uid: str,
        journal: Journal,
        owner: Owner,
        *,
        older: Callable[[], Older],
        cols: int,
        rows: int,
        strict: bool,
        output_quota: int,
        tty: bool = True,
        keystrokes: Keystrokes | None = None,
    ) -> None:
        """`older` makes a viewer's own reader of output that has left memory."""
        self.uid = uid
        self.log = OutputLog()
        self.tty = tty
        self.input = InputQueue()
        self.last_activity = time.monotonic()
        self.viewers: list[Viewer] = []
        self.controller: Viewer | None = None
        self._journal, self._owner, self._older = journal, owner, older
        self._strict, self._quota, self._keystrokes = strict, output_quota, keystrokes
        self._stream: ExecStream | None = None
        self._paused = False
        self._shut = False
        self._unrecorded = 0
        self._losing = False
        self._unrecordable = False
        self._over_quota = False
        self._sizes = Sizes(uid, cols, rows, before=self._record_size, after=self._tell_size)

    @property
    def bytes_in(self) -> int:
        """Bytes of input accepted so far."""
        return self.input.accepted

    # --- the stream's side -------------------------------------------------------------------------------------

    def connect(self, stream: ExecStream) -> None:
        """The exec stream is open: input and sizes go there from now on."""
        self._stream = self._sizes.stream = stream
        self.input.connect(stream)
        self._regulate()

    def output(self, data: bytes, stream: OutputStream = "stdout") -> None:
        """Bytes from the container: recorded, kept, then shown."""
        if self._unrecordable:
            self._unrecorded += len(data)
            return
        try:
            if self._unrecorded:
                self._journal.gap(self._unrecorded)
                self._unrecorded = 0
            self._journal.output(data, stream)
        except JournalError as error:
            if self._strict:
                # What is not on record is not shown, and nothing may follow it: a record without a hole ends here.
                self._unrecordable = True
                self._unrecorded += len(data)
                self._owner.recording_failed(error)
                return
            if not self._losing:
                self._losing = True
                self.announce(protocol.notice("recording_gap", f"This part is not being recorded: {error}"))
            self._unrecorded += len(data)
        else:
            self._losing = False
        self.log.append(data, stream)
        if not self.tty:
            self.touch()
        if self._keystrokes is not None:
            self._keystrokes.echoed(data)
        for viewer in self.viewers:
            viewer.wake()
        self._regulate()
        if self.log.end > self._quota and not self._over_quota:
            self._over_quota = True
            if self._stream is not None:
                self._stream.pause_reading()
            self._owner.quota_reached()

    def closed(self, exit_code: int | None, error: BackendError | None) -> None:
        """The stream is over."""
        self._owner.stream_closed(exit_code, error)

    def _regulate(self) -> None:
        """Stop the container's output while the controller is a window behind; drop watchers that fall behind."""
        stream = self._stream
        if stream is None or self._over_quota:
            return
        end = self.log.end
        behind = end - self.controller.acked if self.controller is not None else 0
        if not self._paused and not self._shut and behind >= WINDOW:
            self._paused = True
            stream.pause_reading()
        elif self._paused and behind < RESUME_BELOW:
            self._paused = False
            stream.resume_reading()
        if len(self.viewers) > 1:
            for viewer in self.viewers:
                if viewer is not self.controller and end - viewer.acked > WATCHER_BACKLOG + viewer.head_start:
                    viewer.close(Close.TOO_SLOW, protocol.error(Close.TOO_SLOW, "This window could not keep up."))

    # --- the viewers' side -------------------------------------------------------------------------------------

    def new_viewer(
        self, socket: Socket, *, offset: int, mode: Mode, user_id: int, token_id: int | None = None
    ) -> Viewer:
        """A viewer of this session's log; `attach` adds it."""
        return Viewer(
            socket, self.log, self._older(),
            offset=offset, mode=mode, user_id=user_id, token_id=token_id, whole=not self.tty,
        )  # fmt: skip

    def attach(self, viewer: Viewer) -> Viewer | None:
        """Add a viewer. Returns the controller that it takes the place of, already told to close."""
        previous = None
        if viewer.mode == "control":
            previous, self.controller = self.controller, viewer
            if previous is not None:
                detail = "This session was opened in another window."
                previous.close(Close.TAKEN_OVER, protocol.error(Close.TAKEN_OVER, detail))
        self.viewers.append(viewer)
        self._regulate()
        return previous

    def leave(self, viewer: Viewer) -> bool:
        """Remove a viewer. True if it was the controller, so that the session is without one now."""
        if viewer in self.viewers:
            self.viewers.remove(viewer)
        if self.controller is not viewer:
            return False
        self.controller = None
        self._regulate()
        return True

    def ack(self, viewer: Viewer, offset: int) -> bool:
        """A viewer has rendered up to `offset`. False if that was never sent to it."""
        if not viewer.ack(offset):
            return False
        if self._paused:
            self._regulate()
        return True

    def announce(self, frame: str) -> None:
        """A text frame for every viewer."""
        for viewer in self.viewers:
            viewer.tell(frame)

    def feed(self, viewer: Viewer, data: bytes) -> bool:
        """Input from the controller. Anyone else's is dropped, as is everything once the session is ending.

        True if its keys ask to detach. What they keep from the program is nowhere counted or recorded as input.
        """
        if viewer is not self.controller or viewer.closing or self._shut or not data:
            return False
        self.touch()
        asked = False
        if viewer.keys is not None:
            sent = len(data)
            data, asked = viewer.keys.take(data, self.last_activity)
            viewer.input_taken += sent - len(data)
        if data:
            self._take(viewer, data)
        return asked

    def _take(self, viewer: Viewer, data: bytes) -> None:
        if not self.input.put(viewer, data):
            detail = "Input came faster than the container takes it. Reconnect to go on."
            viewer.close(Close.TOO_SLOW, protocol.error(Close.TOO_SLOW, detail))
        elif self._keystrokes is not None:
            self._keystrokes.typed(data)

    def end_input(self, viewer: Viewer) -> None:
        """The controller has no more input: the program's stdin ends after what it was sent."""
        if viewer is self.controller and not viewer.closing and not self._shut:
            self.touch()
            self.input.end()

    def touch(self) -> None:
        """Somebody is there, or something happens."""
        self.last_activity = time.monotonic()

    def resize(self, cols: int, rows: int) -> None:
        """Set the terminal's size; passed on soon, joined with what else comes in between."""
        if self.tty:
            self._sizes.resize(cols, rows)

    def redraw(self) -> None:
        """Have the program paint its screen anew."""
        if self.tty:
            self._sizes.redraw()

    @property
    def cols(self) -> int:
        """Of the terminal, as the last window set them."""
        return self._sizes.cols

    @property
    def rows(self) -> int:
        """Of the terminal, as the last window set them."""
        return self._sizes.rows

    def _record_size(self, cols: int, rows: int) -> None:
        try:
            self._journal.resize(cols, rows)
        except JournalError as error:
            if self._strict and not self._shut:
                self._owner.recording_failed(error)

    def _tell_size(self, cols: int, rows: int) -> None:
        for viewer in self.viewers:
            if viewer is not self.controller:
                viewer.tell(protocol.state("active", cols=cols, rows=rows))

    def close_record(self) -> int:
        """The last output has come. Returns the bytes at its end that are not on record and that the journal did not
        even take as a gap. In a strict session nobody has seen them."""
        try:
            self._journal.gap(self._unrecorded)
        except JournalError:
            return self._unrecorded
        self._unrecorded = 0
        return 0

    def shut(self) -> None:
        """From here on no input reaches the container. Output flows, unpaused, so that the end is on record, unless
        there was too much of it."""
        self._shut = True
        self.input.drop()
        if self._stream is not None and self._paused and not self._over_quota:
            self._paused = False
            self._stream.resume_reading()

    # --- what must wait ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Pass on sizes and large input until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sizes.run())
            tasks.create_task(self.input.run(lambda: self.controller))
