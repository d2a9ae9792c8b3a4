"""Journals on a disk of their own, and a disk that fills up."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from audit.journal import JournalHeader, JournalWriter, TimelineEvent, read_timeline

# Django is not set up yet when this file is loaded.
if TYPE_CHECKING:
    from pytest_django import Settings

    from tests.portal.world import Tenant

UID = "ws-01kaf5c3v8" + "x" * 16


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a journal will be."""
    return tmp_path / "journals" / "01kaf" / UID


@pytest.fixture
def writer(folder: Path) -> Iterator[JournalWriter]:
    """A new journal in `folder`."""
    writer = JournalWriter.create(folder, header())
    yield writer
    writer.close()


def header(**changes: object) -> JournalHeader:
    fields: dict[str, object] = {"session_uid": UID, "cols": 80, "rows": 24, "started_at": "2026-11-20T10:00:00+00:00"}
    return JournalHeader(**(fields | changes))  # type: ignore[arg-type]


def events(folder: Path) -> list[tuple[str, int | str]]:
    """The journal's events without their times."""
    return [(event.code, event.value) for event in read_timeline(folder)]


def timed(folder: Path) -> list[TimelineEvent]:
    return list(read_timeline(folder))


def run_python(code: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run `code` in a process of its own, from the repository's root."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a disk of so many KiB (a real tmpfs, so root is needed) and gives its folder."""
    libc = ctypes.CDLL(None, use_errno=True)
    mounted: list[Path] = []

    def mount(kibibytes: int) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        options = f"size={kibibytes}k".encode()
        if libc.mount(b"tmpfs", os.fsencode(place), b"tmpfs", 0, options) != 0:
            pytest.skip(f"mounting a small disk takes root: {os.strerror(ctypes.get_errno())}")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        libc.umount2(os.fsencode(place), 2)  # MNT_DETACH


@pytest.fixture
def own_data_dir(tmp_path: Path, settings: "Settings") -> Path:
    """A data directory that this test has for itself."""
    folder = tmp_path / "data"
    folder.mkdir()
    settings.DATA_DIR = folder
    return folder


@pytest.fixture
def acme(db: None, own_data_dir: Path) -> "Tenant":
    from tests.portal.world import make_tenant

    return make_tenant("acme")


@pytest.fixture
def globex(db: None, own_data_dir: Path) -> "Tenant":
    from tests.portal.world import make_tenant

    return make_tenant("globex")
