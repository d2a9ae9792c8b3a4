"""The life of one session in its host: open the stream, let the engine run, end everything, say why."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from django.conf import settings
from django.utils import timezone

from audit.events import Actor
from audit.journal import JournalError
from sessions_app import actions, protocol
from sessions_app.backends.base import (
    Backend,
    BackendError,
    CleanupReport,
    ContainerGone,
    ExecStream,
)
from sessions_app.database import in_database
from sessions_app.ending import EndOrder, end_processes
from sessions_app.engine.session import LiveSession
from sessions_app.forewarning import Forewarning
from sessions_app.models import Session
from sessions_app.progress import Progress
from sessions_app.protocol import Close
from sessions_app.providers import ProviderSpec, reach
from sessions_app.querysets import Verdict
from sessions_app.record import SessionRecord
from sessions_app.starting import start_program
from sessions_app.words import TERMINALS, Detachment, EndReason, State

logger = logging.getLogger(__name__)
R = TypeVar("R")

EOF_TIMEOUT = 1.0
"""Seconds the stream has to deliver its last output once its processes are gone."""

FAREWELL_AFTER = 3.0
"""Seconds after which viewers are told that it is over, also if the container's side still takes time."""

NOTE_TIME = 5.0
"""Seconds after which the row must know whether the session has a controller."""


class HostedSession:
    """One session of this process. `run` is its whole life; the rest tells it what happens meanwhile.

    It is the engine's `Owner`.
    """

    def __init__(self, row: Session, spec: ProviderSpec) -> None:
        self.row, self.spec = row, spec
        self.live: LiveSession | None = None
        self.ready = asyncio.Event()
        """Set once the shell runs, or it is clear that it will not."""
        self.progress = Progress()
        self.last_words = ""
        self.done = asyncio.Event()
        self.notes = asyncio.Lock()
        """What is written about attaching and detaching stays in order."""
        self.attached_at: datetime | None = None
        """When the newest controller came."""
        self.changed_hands = monotonic()
        """When a controller came or went, on the monotonic clock."""
        self._ending: asyncio.Future[EndOrder] = asyncio.get_running_loop().create_future()
        self._exited = asyncio.Event()
        self._record: SessionRecord | None = None
        self._stream: ExecStream | None = None
        self._flushed: actions.Counters | None = None
        self._forewarning = Forewarning(row)
        self._wall_offset = timezone.now() - timedelta(seconds=monotonic())

    # --- what the engine reports -------------------------------------------------------------------------------

    def stream_closed(self, exit_code: int | None, error: BackendError | None) -> None:
        """The exec stream is over."""
        self._exited.set()
        match error:
            case None:
                self.end(EndOrder(EndReason.EXITED, exit_code=exit_code))
            case ContainerGone():
                self.end(EndOrder(EndReason.TARGET_GONE, str(error), exit_code, code=error.code))
            case _:
                self.end(EndOrder(EndReason.PROVIDER_ERROR, str(error), exit_code, code=error.code))

    def recording_failed(self, error: JournalError) -> None:
        """The journal of a strict session cannot be written."""
        self.end(EndOrder(EndReason.RECORDING_FAILED, str(error)))

    def quota_reached(self) -> None:
        """The session printed more than it may."""
        quota = settings.PORTHOLE_OUTPUT_QUOTA
        self.end(EndOrder(EndReason.OUTPUT_QUOTA, f"A session may print {quota // 2**20} MiB."))

    def end(self, order: EndOrder) -> None:
        """End the session; the first reason counts. From now on no keystroke reaches the container."""
        if self._ending.done():
            return
        self._ending.set_result(order)
        if self.live is not None:
            self.live.shut()
            self.live.announce(protocol.state("ending"))

    @property
    def ending(self) -> bool:
        """Its end has begun."""
        return self._ending.done()

    @property
    def folder(self) -> Path | None:
        """Where its journal stands, once it has one."""
        return self._record.folder if self._record is not None else None

    # --- its life ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Open, live, end. Never raises; a session that cannot be opened ends as failed."""
        try:
            async with AsyncExitStack() as open_things:
                backend: Backend | None = None
                try:
                    backend = await open_things.enter_async_context(reach(self.spec))
                    live = await self._make_live()
                    if await self._start(backend, live):
                        await self._until_over(live)
                except (BackendError, JournalError) as error:
                    self._failed(error)
                except Exception as error:
                    logger.exception("%s: could not be run", self.row.uid)
                    self.end(EndOrder(EndReason.PROVIDER_ERROR, f"The portal failed: {type(error).__name__}."))
                await self._end(await self._ending, backend)
        finally:
            self.done.set()

    async def _until_over(self, live: LiveSession) -> None:
        async with asyncio.TaskGroup() as tasks:
            chores = tasks.create_task(live.run(), name=f"chores of {self.row.uid}")
            await asyncio.shield(self._ending)  # were a chore to fail, its group would cancel what it waits for
            chores.cancel()

    def _failed(self, error: BackendError | JournalError) -> None:
        match error:
            case JournalError():
                self.end(EndOrder(EndReason.RECORDING_FAILED, str(error), code="recording_failed"))
            case ContainerGone():
                self.end(EndOrder(EndReason.TARGET_GONE, str(error), code=error.code))
            case _:
                self.end(EndOrder(EndReason.PROVIDER_ERROR, str(error), code=error.code))

    async def _make_live(self) -> LiveSession:
        """The record and the engine. They come before the shell: nothing is ever shown that is not on record."""
        row = self.row
        self._record = record = await SessionRecord.open(row, self.recording_failed)
        self.live = LiveSession(
            row.uid,
            record.journal,
            self,
            older=record.reader,
            cols=row.cols,
            rows=row.rows,
            strict=record.strict,
            output_quota=settings.PORTHOLE_OUTPUT_QUOTA,
            tty=row.kind in TERMINALS,
            keystrokes=record.keystrokes,
        )
        return self.live

    async def _start(self, backend: Backend, live: LiveSession) -> bool:
        """False if its end was asked for before it had begun."""
        row = self.row
        starting = asyncio.create_task(start_program(row, backend, live, self.progress.tell), name=f"start {row.uid}")
        try:
            either: set[asyncio.Future[Any]] = {starting, self._ending}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not starting.done():
                starting.cancel()
                await asyncio.wait({starting})
        if starting.cancelled():
            return False
        self._stream = starting.result()
        live.connect(self._stream)
        await in_database(actions.mark_active, session=row, actor=Actor(str(row.user_id or ""), row.user_name))
        self.changed_hands = monotonic()
        self.ready.set()
        return True

    # --- its end -----------------------------------------------------------------------------------------------

    async def _end(self, order: EndOrder, backend: Backend | None) -> None:
        """Whatever fails on the way, the row is ended and the place is free."""
        loop = asyncio.get_running_loop()
        # Whoever lost access sees not one byte more; for anyone else the program's last words are worth the wait.
        wait = 0.0 if order.reason is EndReason.ACCESS_REVOKED else FAREWELL_AFTER
        farewell = loop.call_later(wait, self._say_goodbye, order)
        report: CleanupReport | None = None
        try:
            await self._attempt(in_database(actions.mark_ending, session=self.row))
            if backend is not None and self.live is not None:
                report = await self._attempt(end_processes(self.row, backend, order.reason))
            await self._attempt(self._close_stream())
            if self._record is not None:
                await self._record.seal(self.live.close_record() if self.live is not None else 0)
            if order.reason is EndReason.EXITED and report is not None and report.container_gone:
                order = EndOrder(EndReason.TARGET_GONE, "The container stopped.", order.exit_code)
            await self._persist(order, report)
        finally:
            farewell.cancel()
            self._say_goodbye(order)

    async def _attempt(self, step: Coroutine[Any, Any, R]) -> R | None:
        """One step of the end; the others are taken whether it works or not."""
        try:
            return await step
        except Exception:
            logger.exception("%s: its end did not go as it should", self.row.uid)
            return None

    async def _close_stream(self) -> None:
        if self._stream is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(EOF_TIMEOUT):
                await self._exited.wait()
        await self._stream.close()

    async def _persist(self, order: EndOrder, report: CleanupReport | None) -> None:
        """Free the place and say why; tried until the database takes it or the host gives up the process."""
        delay = 0.5
        while True:
            try:
                await in_database(
                    actions.finish,
                    session=self.row,
                    reason=order.reason,
                    detail=order.detail,
                    exit_code=order.exit_code,
                    cleanup=report,
                    actor=order.actor,
                    counters=self.counters(),
                )
                return
            except Exception:
                logger.exception("%s: its end could not be written, next try in %.1f s", self.row.uid, delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 10.0)

    def _say_goodbye(self, order: EndOrder) -> None:
        if self.last_words:
            return
        end = self.live.log.end if self.live is not None else None
        self.last_words = protocol.ended(order.reason, order.exit_code, order.detail, code=order.code, offset=end)
        code = Close.ACCESS_REVOKED if order.reason is EndReason.ACCESS_REVOKED else Close.NORMAL
        if self.live is not None:
            for viewer in self.live.viewers:
                viewer.close(code, self.last_words, rest=code is Close.NORMAL)
        self.ready.set()

    # --- what the host asks of time to time --------------------------------------------------------------------

    def counters(self) -> actions.Counters | None:
        """What the row does not know yet."""
        live = self.live
        if live is None:
            return None
        return actions.Counters(
            self.row.pk,
            live.bytes_in,
            live.log.end,
            self._wall_offset + timedelta(seconds=live.last_activity),
            live.cols,
            live.rows,
        )

    def new_counters(self) -> actions.Counters | None:
        """The same, if they are others than the last time."""
        counters = self.counters()
        if self.ending or counters is None or counters == self._flushed:
            return None
        return counters

    def resized(self, counters: actions.Counters) -> bool:
        """A window gave the terminal another size than the row has."""
        return (counters.cols, counters.rows) != (self.row.cols, self.row.rows)

    def flushed(self, counters: actions.Counters) -> None:
        """The row knows them now."""
        self._flushed = counters
        self.row.cols, self.row.rows = counters.cols, counters.rows

    async def sync(self) -> None:
        """Bring the record to the disk itself."""
        if self._record is not None and not self.ending:
            await self._record.sync()

    def obey(self, verdict: Verdict) -> None:
        """Carry out what the row asks for."""
        live = self.live
        if self.outlived(verdict):
            return
        if verdict.end_requested:
            by = Actor(verdict.end_requested_by_id, verdict.end_requested_by)
            self.end(EndOrder(EndReason(verdict.end_requested), verdict.end_detail, actor=by))
        elif not verdict.allowed:
            self.end(EndOrder(EndReason.ACCESS_REVOKED, "Your access to this service was withdrawn."))
        if live is None or self.ending:
            return
        if (verdict.cols, verdict.rows) != (self.row.cols, self.row.rows):
            self.row.cols, self.row.rows = verdict.cols, verdict.rows
            live.resize(verdict.cols, verdict.rows)
        detached_at, until = verdict.detached_at, verdict.detach_expires_at
        if live.controller is None or detached_at is None or verdict.detach_cause != Detachment.ASKED:
            return
        if self.attached_at is not None and detached_at > self.attached_at:
            ttl = None if until is None else round((until - detached_at).total_seconds())
            live.controller.let_go = True
            live.controller.close(Close.NORMAL, protocol.detached(ttl))

    def outlived(self, verdict: Verdict) -> bool:
        """The reaper asked for an end on what the row said, and somebody typed or came back since."""
        live, reason = self.live, verdict.end_requested
        if live is None:
            return False
        if reason == EndReason.IDLE_TIMEOUT:
            return monotonic() - live.last_activity < self.row.idle_timeout
        # Nobody's name stands at an end for want of a window; a person's wish to end it is not called off.
        alone = reason in (EndReason.DISCONNECTED, EndReason.DETACH_EXPIRED) or (
            reason == EndReason.CLOSED_BY_USER and not verdict.end_requested_by_id
        )
        return alone and live.controller is not None

    def belies(self, verdict: Verdict) -> bool:
        """The row says active and nobody controls it, or detached and somebody does, for longer than it takes to write
        such a thing down: the note was lost with the database, or the socket with the shell's start."""
        if self.ending or self.live is None or monotonic() - self.changed_hands < NOTE_TIME:
            return False
        controller = self.live.controller
        let_go = controller is not None and controller.let_go  # by the row's own word
        return not let_go and verdict.state == (State.ACTIVE if controller is None else State.DETACHED)

    def warn(self) -> None:
        """Tell whoever is there that the session will end soon, if it will."""
        if self.live is not None and not self.ending:
            self._forewarning.give(self.live)
