"""Deletes a journal that is sealed, and no other."""

import os
from contextlib import suppress
from pathlib import Path

from audit.journal.files import explained, open_folder
from audit.journal.layout import SEAL, JournalError


def remove(folder: Path) -> None:
    """Delete a sealed journal: its files, the seal last, and its folder. Idempotent, also after a crash half way.

    Raises `JournalError` for a journal without seal, which is left as it is, and if the disk refuses: then it may be
    tried again.
    """
    with explained():
        try:
            directory = open_folder(folder)
        except FileNotFoundError:
            return
        try:
            names = os.listdir(directory)  # noqa: PTH208 - of the open folder, whatever its name means by now
            # With a seal nobody writes to it any more. It goes last, so that the rest is never without one.
            if names and SEAL not in names:
                raise JournalError("The recording is not sealed, so its files are kept.")
            for name in sorted(names, key=SEAL.__eq__):
                # Another process may be removing it, too.
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=directory)
            os.fsync(directory)
        finally:
            os.close(directory)
        with suppress(FileNotFoundError):
            folder.rmdir()
