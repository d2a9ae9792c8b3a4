"""Where the journals stand: one folder per session, made from its uid alone, on the disk of one node."""

import os
import re
import secrets
import socket
from pathlib import Path

from django.conf import settings

from audit.events import Thing
from audit.journal import JournalError
from audit.models import Recording

_UID = re.compile(r"[a-z]{2}-[0-9a-z]{26}")

_BUCKET = slice(3, 8)
"""A uid begins with its time: its first five digits change every nine hours, so no folder grows without end."""


def journal_root() -> Path:
    """The folder of all journals of this machine."""
    return Path(settings.DATA_DIR) / "journals"


def journal_folder(root: Path, uid: str) -> Path:
    """The one place of a session's journal below `root`. ValueError unless `uid` is a session's."""
    if not _UID.fullmatch(uid):
        raise ValueError(f"{uid[:40]!r} is no session's uid")
    return root / uid[_BUCKET] / uid


def folder_of(recording: Recording) -> Path:
    """The recording's journal on this machine.

    Raises `JournalError` if it stands on another machine, or if its row or a symbolic link leads anywhere but to the
    place that belongs to its session.
    """
    if recording.node != node_id():
        raise JournalError(f"The recording is on another machine ({recording.node}).")
    root = journal_root().resolve()
    try:
        folder = journal_folder(root, recording.session_uid)
    except ValueError as error:
        raise JournalError("The recording's name is not a session's.") from error
    if root / recording.path != folder or folder.resolve() != folder:
        raise JournalError("The recording's folder is not where it belongs.")
    return folder


def thing_of(recording: Recording) -> Thing:
    """The recording as events name it."""
    return Thing("recording", recording.session_uid, f"{recording.service_name} by {recording.user_name}")


def node_id() -> str:
    """This machine's name as recordings and session hosts know it.

    It is kept in the data directory, because what counts is whose disk holds the journals: a container that starts
    again with the same volume has another host name and is the same node.
    """
    path = Path(settings.DATA_DIR) / "node-id"
    try:
        return path.read_text(encoding="ascii").strip() or _new_node_id(path)
    except FileNotFoundError:
        return _new_node_id(path)


def _new_node_id(path: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:200]
    mine = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text(f"{name}-{secrets.token_hex(4)}\n", encoding="ascii")
    try:
        # Of two processes that start at once, one names the node: link refuses where rename would replace.
        os.link(mine, path)
    except FileExistsError:
        pass
    finally:
        mine.unlink()
    return path.read_text(encoding="ascii").strip()
