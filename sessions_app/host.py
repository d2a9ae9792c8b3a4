"""The session host: what a web process does for the live sessions it owns.

It holds a lease in the database and the lock of a file, opens sessions for viewers, and every two seconds looks at
its rows: who asked for an end, who lost access. It joins the engine to the database; `hosted.py` is one session's life.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings
from django.utils import timezone

from audit.events import PORTAL, Actor
from audit.recordings import node_id
from portal.actions.nudges import HOSTS_GROUP
from sessions_app import actions, protocol
from sessions_app.access import viewers_in_good_standing
from sessions_app.admission import Connection
from sessions_app.attaching import Start
from sessions_app.database import in_database
from sessions_app.detaching import Departure, lost
from sessions_app.ending import EndOrder
from sessions_app.engine.keys import DetachKeys
from sessions_app.engine.session import LiveSession
from sessions_app.engine.viewer import Socket, Viewer
from sessions_app.hosted import HostedSession
from sessions_app.liveness import hold_lock, release_lock
from sessions_app.models import Session
from sessions_app.models import SessionHost as HostRow
from sessions_app.orphans import end_orphans, end_strays
from sessions_app.protocol import Close, Hello
from sessions_app.providers import BackendPool, ProviderSpec, keep_backends
from sessions_app.querysets import Verdict
from sessions_app.screens import Output, Screens
from sessions_app.words import TERMINALS, EndReason, State

logger = logging.getLogger(__name__)

LOOK_INTERVAL = 2.0
"""Seconds between two looks at the rows: how late a lost nudge can make an end."""

FLUSH_INTERVAL = 5.0
"""Seconds between two writes of counters, and between two syncs of the journals."""

STOP_TIMEOUT = 25.0
"""Seconds all sessions have to end when the process is asked to stop."""

BLOCKING_CALLS = 48
"""Calls to engines' clients and to the disk that may block at the same time."""

NUDGE_EXPIRY = 3600.0
"""Seconds after which the host joins the nudges' group again (a channel layer forgets members after a day)."""


class HostStopping(Exception):
    """This process takes no more sessions: it is about to end."""


class SessionHost:
    """The live sessions of one process. Started with the first socket, or before by `manage.py serve`."""

    def __init__(self) -> None:
        self.sessions: dict[str, HostedSession] = {}
        self.screens = Screens()
        self._row: HostRow | None = None
        self._lock_file: int = -1
        self._starting = asyncio.Lock()
        self._stopping = False
        self._nudged = asyncio.Event()
        self._reconciling = asyncio.Lock()
        """Rows are read and written in turn: a size that is being written must not be taken for somebody's wish."""
        self._backends: BackendPool | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- start and stop ----------------------------------------------------------------------------------------

    async def start(self) -> HostRow:
        """Take a lease and begin to look after sessions. Safe to call again; returns the host's row."""
        async with self._starting:
            if self._row is None:
                self._row = row = await self._register()
                self._own(self._watch_rows(row), "watch rows")
                self._own(self._flush(), "flush")
                self._own(self._listen(), "listen for nudges")
                self._own(end_orphans(), "end what a dead process left")
                self._own(self.screens.keep(self._outputs), "keep keyframes of screens")
            return self._row

    async def _register(self) -> HostRow:
        """The host's row and its lock. A database that does not answer leaves nothing behind: the next socket tries
        again, under another name, as the row may have been written all the same."""
        if self._backends is None:
            # Engines' clients and journals block in threads; a hanging engine must not hold up the journals.
            executor = ThreadPoolExecutor(BLOCKING_CALLS, thread_name_prefix="porthole-blocking")
            asyncio.get_running_loop().set_default_executor(executor)
            self._backends = keep_backends()
        uid = secrets.token_hex(16)
        lock = await asyncio.to_thread(hold_lock, uid)
        address = settings.PORTHOLE_HOST_ADDRESS or f"http://127.0.0.1:{settings.PORT}"
        try:
            row = await in_database(actions.register_host, uid=uid, node=node_id(), pid=os.getpid(), address=address)
        except BaseException:
            release_lock(uid, lock)
            raise
        self._lock_file = lock
        return row

    async def stop(self) -> None:
        """End every session, seal its recording, give the lease back."""
        self._stopping = True
        detail = "It ended every session that it held. What was on the screen is in the recording."
        for hosted in self.sessions.values():
            hosted.end(EndOrder(EndReason.HOST_LOST, detail))
        if self.sessions:
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT):
                    await asyncio.gather(*(hosted.done.wait() for hosted in list(self.sessions.values())))
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        await self.screens.close()
        if self._backends is not None:
            await self._backends.close()
        if self._row is not None:
            await in_database(actions.stop_host, self._row)
            release_lock(self._row.uid, self._lock_file)

    def _own(self, work: Coroutine[Any, Any, object], name: str) -> None:
        """Run something as long as the host lives; the set keeps it, `stop` cancels it, an error is logged."""

        async def owned() -> None:
            try:
                await work
            except Exception:
                logger.exception("the session host's task %r failed", name)

        task = asyncio.get_running_loop().create_task(owned(), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- sessions ----------------------------------------------------------------------------------------------

    def find(self, uid: str) -> HostedSession | None:
        """A session of this process that is not over."""
        return self.sessions.get(uid)

    async def open(self, session: Session, spec: ProviderSpec, *, cols: int, rows: int) -> HostedSession:
        """Start a requested session in this process; wait for its `ready`. The host owns it, whatever becomes of the
        socket that asked."""
        row = await self.start()
        if self._stopping:
            raise HostStopping
        if (hosted := self.find(session.uid)) is None:
            session.cols, session.rows = cols, rows
            hosted = self.sessions[session.uid] = HostedSession(session, spec)
            self._own(self._run(hosted, row), f"session {session.uid}")
        return hosted

    async def _run(self, hosted: HostedSession, row: HostRow) -> None:
        session = hosted.row
        try:
            # Of two processes that are asked at the same time, the database lets one have it.
            if await in_database(actions.claim, uid=session.uid, host=row, cols=session.cols, rows=session.rows):
                await hosted.run()
        finally:
            del self.sessions[session.uid]
            hosted.ready.set()

    def attach(
        self,
        hosted: HostedSession,
        live: LiveSession,
        hello: Hello,
        start: Start,
        connection: Connection,
        socket: Socket,
    ) -> Viewer:
        """Add a viewer at its start."""
        viewer = live.new_viewer(
            socket, offset=start.offset, mode=hello.mode, user_id=connection.user.pk, token_id=connection.token_id
        )
        control = hello.mode == "control"
        cols, rows = (hello.cols, hello.rows) if control else (live.cols, live.rows)
        # What the first window gets is no replay: nobody has answered the program's questions in it yet.
        head = live.log.end if hosted.attached_at is not None else start.offset
        if hello.detach_keys and connection.preferences.detach_keys and hosted.row.kind in TERMINALS:
            viewer.keys = DetachKeys()
        piped = None if live.tty else protocol.Piped(viewer.stream, live.input.accepted)
        viewer.tell(
            protocol.attached(
                live.uid, State.ACTIVE, start.offset, cols, rows, head=head, screens=len(start.screen), piped=piped
            )
        )
        for frame in start.screen:
            viewer.tell(frame)
        if start.notice:
            viewer.tell(protocol.notice("screen_incomplete", start.notice))
        took_over = live.attach(viewer) is not None
        if control:
            hosted.attached_at, hosted.changed_hands = timezone.now(), monotonic()
            if start.redraw and (cols, rows) == (live.cols, live.rows):
                live.redraw()
            live.resize(cols, rows)
        self._note(hosted, actions.note_attached, actor=connection.actor, mode=hello.mode, took_over=took_over)
        return viewer

    def leave(
        self, hosted: HostedSession, live: LiveSession, viewer: Viewer, actor: Actor, departure: Departure
    ) -> None:
        """A viewer is gone. Without its controller a session is detached for as long as its departure says."""
        if not live.leave(viewer):
            return
        hosted.changed_hands = monotonic()
        if not hosted.ending and not viewer.let_go:
            self._note(hosted, actions.note_detached, actor=actor, **asdict(departure))

    def _note(self, hosted: HostedSession, action: Callable[..., None], **details: Any) -> None:
        """Write about a session without keeping its socket waiting, in the order in which things happened."""

        async def write() -> None:
            async with hosted.notes:
                await in_database(action, session=hosted.row, **details)

        self._own(write(), f"note about {hosted.row.uid}")

    # --- what it does all the time -----------------------------------------------------------------------------

    async def _listen(self) -> None:
        """A nudge makes the host look at its rows at once. Losing one costs seconds, so errors only delay."""
        layer = get_channel_layer()
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(HOSTS_GROUP, channel)
                joined = monotonic()
                while monotonic() - joined < NUDGE_EXPIRY:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(NUDGE_EXPIRY):
                            await layer.receive(channel)
                            self._nudged.set()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next try may go better
                logger.warning("nudges cannot be received (%s); trying again", type(error).__name__)
                await asyncio.sleep(LOOK_INTERVAL)

    async def _watch_rows(self, row: HostRow) -> None:
        """The rows are the truth: carry out what they ask for, and renew the lease."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_INTERVAL):
                    await self._nudged.wait()
            self._nudged.clear()
            try:
                await self._look(row)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next try may go better
                logger.warning("the database did not answer (%s); trying again", type(error).__name__)

    async def _look(self, row: HostRow) -> None:
        await in_database(actions.renew_lease, row)
        known = set(self.sessions)
        mine = {uid: hosted for uid, hosted in self.sessions.items() if hosted.live is not None}
        await self._look_at_viewers(mine)
        async with self._reconciling:
            verdicts = await in_database(Session.objects.verdicts, row)
            await self._carry_out(verdicts, mine)
        # A claim that was given up while the database still took its time: nobody runs these.
        if strays := set(verdicts) - known - set(self.sessions):
            await end_strays(strays)

    async def _carry_out(self, verdicts: dict[str, Verdict], sessions: dict[str, HostedSession]) -> None:
        for uid, hosted in sessions.items():
            verdict = verdicts.get(uid)
            if verdict is None:  # somebody took this host for dead and ended the row
                hosted.end(EndOrder(EndReason.HOST_LOST, "The portal lost touch with its database for too long."))
            else:
                counters = hosted.counters()
                if counters is not None and hosted.outlived(verdict):
                    reason = EndReason(verdict.end_requested)
                    await in_database(actions.decline_end, session=hosted.row, reason=reason, counters=counters)
                hosted.obey(verdict)
                hosted.warn()
                if hosted.belies(verdict):
                    self._correct(hosted)

    def _correct(self, hosted: HostedSession) -> None:
        """Write again what the row should say of the session's controller."""
        hosted.changed_hands = monotonic()
        if hosted.live is not None and hosted.live.controller is not None:
            self._note(hosted, actions.note_attached, actor=PORTAL, mode="control", took_over=False)
        else:
            self._note(hosted, actions.note_detached, actor=PORTAL, **asdict(lost(hosted.row)))

    async def _look_at_viewers(self, sessions: dict[str, HostedSession]) -> None:
        """Whoever may no longer watch is cut off, and whoever came with a token that is no more; the sessions go on."""
        viewers = [
            (uid, viewer)
            for uid, hosted in sessions.items()
            if hosted.live is not None
            for viewer in hosted.live.viewers
            if viewer.mode == "watch" or viewer.token_id is not None
        ]
        if not viewers:
            return
        standing = await in_database(viewers_in_good_standing, {(uid, v.user_id, v.token_id) for uid, v in viewers})
        for uid, viewer in viewers:
            if (uid, viewer.user_id, viewer.token_id) not in standing:
                detail = "Your access to this session was withdrawn."
                viewer.close(Close.ACCESS_REVOKED, protocol.error(Close.ACCESS_REVOKED, detail))

    def _outputs(self) -> dict[Path, Output]:
        """What each live session with a screen has on record, by its journal's folder."""
        return {
            hosted.folder: Output(hosted.live.log.end, hosted.live.controller is not None)
            for hosted in self.sessions.values()
            if hosted.live is not None and hosted.live.tty and hosted.folder is not None and not hosted.ending
        }

    async def _flush(self) -> None:
        """Counters in one statement, journals to the disk itself."""
        while True:
            await asyncio.sleep(FLUSH_INTERVAL)
            sessions = list(self.sessions.values())
            try:
                await self._flush_counters(sessions)
                for hosted in sessions:
                    await hosted.sync()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next try may go better
                logger.warning("counters could not be written (%s); trying again", type(error).__name__)

    async def _flush_counters(self, sessions: list[HostedSession]) -> None:
        async with self._reconciling:
            new = [(hosted, counters) for hosted in sessions if (counters := hosted.new_counters()) is not None]
            if new:
                resized = [counters for hosted, counters in new if hosted.resized(counters)]
                await in_database(actions.flush_counters, [counters for _, counters in new], resized)
            for hosted, counters in new:
                hosted.flushed(counters)
