"""Opening, locking and writing a journal's files. Symbolic links are never followed."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.journal.layout import OUTPUT, JournalBusyError, JournalError, JournalMissingError

_SENTENCES = {
    errno.ENOSPC: "The disk that holds the recordings is full. Free some space on it.",
    errno.EDQUOT: "The disk quota of the recordings is used up. Raise it or free some space.",
    errno.EFBIG: "The recording has reached the largest size that a file may have here.",
    errno.EROFS: "The disk that holds the recordings can only be read. Mount it for writing.",
    errno.EIO: "The disk that holds the recordings reports an error. Check the disk.",
    errno.EACCES: "The portal may not write to its recordings folder. Give it the right to.",
    errno.EPERM: "The portal may not write to its recordings folder. Give it the right to.",
    errno.ENOTDIR: "The recording's folder is no folder.",
    errno.ELOOP: "The recording's files are symbolic links, which are not followed.",
    errno.EBADF: "The journal is closed.",
    errno.EMFILE: "The portal has too many files open. Raise its limit of open files.",
    errno.ENFILE: "This machine has too many files open.",
}


def explain(error: OSError) -> JournalError:
    """`error` as a plain sentence without paths, fit for a page; raise it `from` the error, which has the rest."""
    if error.errno == errno.ENOENT:
        return JournalMissingError("The recording's files are missing.")
    sentence = _SENTENCES.get(error.errno or 0)
    return JournalError(sentence or f"The recording's files cannot be used: {os.strerror(error.errno or errno.EIO)}.")


@contextmanager
def explained() -> Iterator[None]:
    """Turns an `OSError` of the block into the `JournalError` that explains it."""
    try:
        yield
    except OSError as error:
        raise explain(error) from error


def open_folder(folder: Path) -> int:
    """A descriptor of the folder itself."""
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def open_in(directory: int, name: str, flags: int) -> int:
    """A descriptor of the file `name` of an open folder; a new file is for its owner alone."""
    return os.open(name, flags | os.O_NOFOLLOW, 0o600, dir_fd=directory)


def make_folder(folder: Path) -> None:
    """Make `folder` and what is missing above it, for the owner alone. FileExistsError if it is there."""
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for parent in reversed(missing[1:]):
        # Another session of the same day may be a moment faster.
        parent.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700)


def lock(descriptor: int) -> None:
    """Hold the journal until the descriptor is closed; `JournalBusyError` at once if somebody else does.

    A killed process lets go.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise JournalBusyError("The recording is still being written.") from error


@contextmanager
def held(folder: Path) -> Iterator[tuple[int, int]]:
    """Descriptors of the folder and of `output`, opened for reading and held against every other process."""
    directory = open_folder(folder)
    try:
        output = open_in(directory, OUTPUT, os.O_RDONLY)
        try:
            lock(output)
            yield directory, output
        finally:
            os.close(output)
    finally:
        os.close(directory)


def write_all(descriptor: int, content: bytes, position: int) -> None:
    """Write `content` at `position`, however many system calls the disk makes of it."""
    written = os.pwrite(descriptor, content, position)
    while written < len(content):
        more = os.pwrite(descriptor, content[written:], position + written)
        if not more:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written += more


def replace(directory: int, name: str, content: bytes) -> None:
    """Write the file `name` in one step: it holds either what it held or all of `content`, also after a power cut."""
    descriptor = open_in(directory, f"{name}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        write_all(descriptor, content, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(f"{name}.new", name, src_dir_fd=directory, dst_dir_fd=directory)
    os.fsync(directory)
