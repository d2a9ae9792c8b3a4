"""One run of retention: each recording by itself, so that a disk's trouble with one keeps none of the others."""

import logging
from collections.abc import Iterable

from audit.actions_retention import delete_expired_recording, remove_files
from audit.journal import JournalError
from audit.models import Recording

logger = logging.getLogger(__name__)


def delete_each(uids: Iterable[str]) -> None:
    """Delete these recordings as far as they are due."""
    for uid in uids:
        try:
            if delete_expired_recording(session_uid=uid):
                logger.info("%s: its recording was deleted by retention", uid)
        except JournalError as error:
            logger.error("%s: its recording is deleted, and its files could not be removed yet: %s", uid, error)


def remove_each(recordings: Iterable[Recording]) -> None:
    """Remove what earlier runs left of the files of deleted recordings."""
    for recording in recordings:
        try:
            remove_files(recording=recording)
        except JournalError as error:
            uid = recording.session_uid
            logger.error("%s: its recording is deleted, and its files cannot be removed: %s", uid, error)
