"""Whether a session host still lives: on its own machine the lock of a file says so at once, elsewhere its lease."""

import fcntl
import os
from datetime import datetime
from pathlib import Path

from django.conf import settings

from audit.recordings import node_id
from sessions_app.models import SessionHost


def _folder() -> Path:
    return Path(settings.DATA_DIR) / "hosts"


def hold_lock(uid: str) -> int:
    """Lock a file for as long as this process lives, and return its descriptor. The kernel lets go when it dies."""
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / uid, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def release_lock(uid: str, descriptor: int) -> None:
    """Give the lock back at an orderly end."""
    (_folder() / uid).unlink(missing_ok=True)
    os.close(descriptor)


def is_dead(host: SessionHost, now: datetime) -> bool:
    """The process behind the row is gone. Another machine's is believed dead once its lease has run out."""
    if host.stopped_at is not None:
        return True
    if host.node != node_id():
        return host.lease_expires_at < now
    file = _folder() / host.uid
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
