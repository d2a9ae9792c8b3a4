"""One session's life in its host, where a step of it fails that no contract foresees: it ends all the same."""

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from audit.events import PORTAL
from sessions_app import actions, database, providers
from sessions_app.backends.base import CleanupReport, Container, ExecRequest, ExecSink, ExecStream
from sessions_app.backends.local import LocalBackend
from sessions_app.database import THREADS, in_database
from sessions_app.ending import EndOrder
from sessions_app.host import SessionHost
from sessions_app.hosted import HostedSession
from sessions_app.liveness import is_dead
from sessions_app.models import Session
from sessions_app.models import SessionHost as SessionHostRow
from sessions_app.providers import spec_of
from sessions_app.querysets import Verdict
from sessions_app.record import SessionRecord
from sessions_app.words import EndReason
from tests.sessions_app import world
from tests.sessions_app.bench import Stream, Window
from tests.sessions_app.portal_process import processes_of
from tests.sessions_app.world import Lab

PATIENCE = 20.0


@pytest.fixture(autouse=True)
def own_connections(transactional_db: None) -> Iterator[None]:
    """A database cannot be dropped while the threads that live sessions use are connected to it."""
    yield
    together = threading.Barrier(THREADS)

    def disconnect() -> None:
        together.wait(PATIENCE)
        connection.close()

    for call in [database._threads.submit(disconnect) for _ in range(THREADS)]:
        call.result(PATIENCE)


@pytest.fixture
def lab() -> Lab:
    return world.make_lab()


class TroubledStream(Stream):
    """A stream on this machine whose `trouble` fails after it was done."""

    trouble = ""

    async def resize(self, cols: int, rows: int) -> None:
        await super().resize(cols, rows)
        if self.trouble == "resize":
            raise RuntimeError("what nobody has thought of")

    async def close(self) -> None:
        await super().close()
        if self.trouble == "close":
            raise RuntimeError("what nobody has thought of")


class TroubledBackend(LocalBackend):
    """This machine, but one thing about it fails after it was done."""

    def __init__(self, trouble: str) -> None:
        super().__init__()
        self.trouble = trouble

    async def exec(self, request: ExecRequest, sink: ExecSink) -> ExecStream:
        stream = TroubledStream(await super().exec(request, sink))
        stream.trouble = self.trouble
        return stream

    async def end_processes(self, session_uid: str, container: Container, *, kill_protected: bool) -> CleanupReport:
        report = await super().end_processes(session_uid, container, kill_protected=kill_protected)
        if self.trouble == "end_processes":
            raise RuntimeError("what nobody has thought of")
        return report


Begin = Callable[..., Any]


@pytest.fixture
def begin(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Begins a session on this machine that sleeps; returns it and its life."""

    async def start(trouble: str) -> tuple[HostedSession, "asyncio.Task[None]"]:
        monkeypatch.setattr(providers, "open_backend", lambda *_: TroubledBackend(trouble))
        row = await in_database(_claimed, lab)
        assert row.service is not None
        hosted = HostedSession(row, spec_of(row.service.stack.provider))
        life = asyncio.create_task(hosted.run())
        await asyncio.wait_for(hosted.ready.wait(), PATIENCE)
        assert processes_of(row.uid)
        return hosted, life

    return start


def _claimed(lab: Lab) -> Session:
    uid = world.open_row(lab)
    host = actions.register_host(uid=uid, node="node", pid=1, address="")
    assert actions.claim(uid=uid, host=host, cols=80, rows=24)
    world.change_row(uid, command=["sleep", "600"])
    return Session.objects.select_related("organization", "service__stack__provider").get(uid=uid)


async def test_a_chore_that_fails_ends_the_session_with_a_reason(lab: Lab, begin: Begin) -> None:
    hosted, life = await begin("resize")
    hosted.live.resize(100, 30)
    await asyncio.wait_for(life, PATIENCE)
    row = await in_database(world.row, hosted.row.uid)
    assert (row["state"], row["end_reason"]) == ("stopped", "provider_error")
    assert row["end_detail"].startswith("The portal failed")
    assert await in_database(world.slots, lab) == 0
    assert not processes_of(hosted.row.uid)


def _verdicts(row: Session) -> dict[str, Verdict]:
    assert row.host is not None
    return Session.objects.verdicts(row.host)


async def test_a_window_that_was_there_for_long_is_let_go_by_the_row_and_not_taken_for_a_lost_note(
    lab: Lab, begin: Begin
) -> None:
    hosted, life = await begin("")
    window = Window(hosted.live, acks=True)
    hosted.live.attach(hosted.live.new_viewer(window, offset=0, mode="control", user_id=hosted.row.user_id))
    hosted.attached_at, hosted.changed_hands = timezone.now(), monotonic() - 3600
    await in_database(actions.request_detach, session=hosted.row, ttl=7200, actor=PORTAL)
    verdict = (await in_database(_verdicts, hosted.row))[hosted.row.uid]
    hosted.obey(verdict)
    assert hosted.live.controller.let_go
    assert not hosted.belies(verdict)
    hosted.end(EndOrder(EndReason.TERMINATED, "by a test"))
    await asyncio.wait_for(life, PATIENCE)


@pytest.mark.parametrize("trouble", ["mark_ending", "end_processes", "close"])
async def test_whatever_fails_on_the_way_to_the_end_the_row_is_finished_and_the_place_is_free(
    lab: Lab, begin: Begin, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    hosted, life = await begin(trouble)
    if trouble == "mark_ending":

        def refuse(**_: object) -> None:
            raise DatabaseError("the database went away for this one")

        monkeypatch.setattr(actions, "mark_ending", refuse)
    hosted.end(EndOrder(EndReason.TERMINATED, "by a test"))
    await asyncio.wait_for(life, PATIENCE)
    row = await in_database(world.row, hosted.row.uid)
    assert (row["state"], row["end_reason"], row["end_detail"]) == ("stopped", "terminated", "by a test")
    assert await in_database(world.slots, lab) == 0
    assert not processes_of(hosted.row.uid)
    assert (await in_database(world.recording_of, hosted.row.uid))["health"] == "complete"


async def test_hashing_long_journals_leaves_the_database_to_the_others(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many ends at once as the database has threads, each with a journal that takes its time."""
    hash_file, hashing, may_go_on = hashlib.file_digest, threading.Semaphore(0), threading.Event()

    def hash_slowly(*args: Any) -> Any:
        hashing.release()
        assert may_go_on.wait(PATIENCE)
        return hash_file(*args)

    monkeypatch.setattr(hashlib, "file_digest", hash_slowly)
    records = await _records(lab, THREADS)
    sealing = [asyncio.create_task(record.seal(0)) for record in records]
    try:
        for _ in records:
            assert await asyncio.to_thread(hashing.acquire, timeout=PATIENCE)
        assert await asyncio.wait_for(in_database(world.slots, lab), 5) == THREADS
    finally:
        may_go_on.set()
        await asyncio.gather(*sealing)
    assert await in_database(world.events_about, lab, "recording.sealed") == THREADS


async def _records(lab: Lab, count: int) -> Sequence[SessionRecord]:
    rows = [await in_database(_claimed, lab) for _ in range(count)]
    return [await SessionRecord.open(row, _cannot_fail) for row in rows]


def _cannot_fail(error: Exception) -> None:
    raise error


async def test_a_host_that_cannot_register_leaves_no_lock_and_no_threads_behind_however_often_it_tries(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    register, broken = actions.register_host, True

    def register_perhaps(**row: Any) -> SessionHostRow:
        if broken:
            raise DatabaseError("the database is away")
        return register(**row)

    monkeypatch.setattr(actions, "register_host", register_perhaps)
    host = SessionHost()
    with pytest.raises(DatabaseError):
        await host.start()
    descriptors, executor = _descriptors(), _executor()
    for _ in range(3):
        with pytest.raises(DatabaseError):
            await host.start()
    assert _descriptors() == descriptors
    assert _executor() is executor
    assert not list((Path(settings.DATA_DIR) / "hosts").iterdir())
    broken = False
    row = await host.start()
    assert not await in_database(is_dead, row, timezone.now())
    await host.stop()


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _executor() -> object:
    """The threads that blocking calls use."""
    return asyncio.get_running_loop()._default_executor  # type: ignore[attr-defined]
