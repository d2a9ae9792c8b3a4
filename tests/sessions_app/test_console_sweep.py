"""The sweep of left consoles goes on where one place, or one removal, fails in a way that nobody foresaw."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest
from django.db import OperationalError

from sessions_app import actions, console_sweep
from sessions_app.backends.consoles import FoundConsole, Removal
from sessions_app.providers import ProviderSpec
from tests.sessions_app import world
from tests.sessions_app.conftest import MakeLab
from tests.sessions_app.portal_process import Portal
from tests.sessions_app.world import Lab

STUCK, UNNOTED, PLAIN = "ws-stuck", "ws-unnoted", "ws-plain"


class LibraryFault(Exception):
    """What no backend has made a `BackendError` of."""


class Engine:
    """A provider that answers late and has three consoles, or one whose library fails at once."""

    def __init__(self, pool: "Engines", *, faulty: bool) -> None:
        self._pool, self._faulty = pool, faulty

    async def consoles(self) -> "Engine":
        return self

    async def left(self, installation: str, namespaces: Collection[str]) -> list[FoundConsole]:
        if self._faulty:
            raise LibraryFault("the library lost its way")
        await asyncio.sleep(0.2)
        return [FoundConsole(uid, deadline=2e9) for uid in (STUCK, UNNOTED, PLAIN)]

    async def remove(self, session_uid: str, namespace: str) -> Removal:
        if session_uid == STUCK:
            raise LibraryFault("the library stumbled")
        await asyncio.sleep(0.2)
        assert not self._pool.closed
        return Removal.REMOVED


class Engines:
    """A pool of them."""

    def __init__(self, faulty: int) -> None:
        self._faulty = faulty
        self.closed = False

    @asynccontextmanager
    async def backend(self, spec: ProviderSpec) -> AsyncIterator[Engine]:
        yield Engine(self, faulty=spec.pk == self._faulty)

    async def close(self) -> None:
        self.closed = True


def sweep(labs: tuple[Lab, ...]) -> tuple[int, str, list[str]]:
    """Over the labs' providers, of which the first is faulty: how many went, what the log says, whose removal is on
    record. Runs in the office."""
    noted: list[str] = []

    def note(*, session_uid: str, **rest: Any) -> None:
        if session_uid == UNNOTED:
            raise OperationalError("the database is locked")
        noted.append(session_uid)

    lines = Lines()
    console_sweep.logger.addHandler(lines)
    try:
        with pytest.MonkeyPatch.context() as world_of_its_own:
            world_of_its_own.setattr(console_sweep, "BackendPool", lambda: Engines(labs[0].provider))
            world_of_its_own.setattr(actions, "note_console_removed", note)
            return asyncio.run(console_sweep.sweep_consoles()), "\n".join(lines.said), noted
    finally:
        console_sweep.logger.removeHandler(lines)


class Lines(logging.Handler):
    """What was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def test_an_unforeseen_fault_stops_the_sweep_for_nobody_else(make_lab: MakeLab, portal: Portal) -> None:
    faulty, sound, unreadable = labs = make_lab(), make_lab(), make_lab()
    for lab in labs:
        portal.office.call(world.change_row, portal.office.call(world.open_row, lab), kind="console")
    portal.office.call(world.break_provider, unreadable)
    removed, log, noted = portal.office.call(sweep, labs)
    assert set(noted) == {PLAIN}
    assert removed == len(noted)
    assert f"provider {faulty.provider} could not be swept: the library lost its way" in log
    assert f"{STUCK}: its console could not be removed, or its removal noted: the library stumbled" in log
    assert f"{UNNOTED}: its console could not be removed, or its removal noted: the database is locked" in log
    assert f"provider {unreadable.provider} could not be swept: " in log
    assert f"provider {sound.provider} " not in log
