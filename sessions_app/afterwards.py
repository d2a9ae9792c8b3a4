"""What a client hears that comes when its session is over, or never will begin: what it missed, and why."""

import asyncio

from audit.events import PORTAL
from audit.journal import JournalError, read_output
from audit.models import Recording
from audit.recordings import folder_of, node_id
from sessions_app import actions, protocol
from sessions_app.backends.base import BackendError
from sessions_app.database import in_database
from sessions_app.engine.viewer import SEND_SIZE, WINDOW, Socket
from sessions_app.models import Session
from sessions_app.protocol import Close
from sessions_app.words import EndReason, State


async def tell_the_end(uid: str, offset: int | None, last_words: str, socket: Socket) -> None:
    """Send what came after the client's offset (the newest window of it, as nobody acknowledges any more), then why."""
    session, recording = await in_database(_look_up, uid)
    if recording is not None and offset is not None:
        await _send_missed(session, recording, offset, socket)
    if not last_words:
        reason = session.end_reason or EndReason.HOST_LOST
        last_words = protocol.ended(reason, session.exit_code, session.end_detail)
    await socket.send_text(last_words)
    revoked = session.end_reason == EndReason.ACCESS_REVOKED
    await socket.close(Close.ACCESS_REVOKED if revoked else Close.NORMAL)


async def gave_up(session: Session, trouble: BackendError, socket: Socket) -> bool:
    """End a session that has not begun and cannot, and say why. False if it has begun or ended meanwhile."""
    failed = await in_database(
        actions.request_end,
        session=session,
        reason=EndReason.PROVIDER_ERROR,
        detail=str(trouble),
        actor=PORTAL,
        only_in=State.REQUESTED,
    )
    if failed:
        last_words = protocol.ended(EndReason.PROVIDER_ERROR, None, str(trouble), code=trouble.code)
        await tell_the_end(session.uid, None, last_words, socket)
    return failed


def _look_up(uid: str) -> tuple[Session, Recording | None]:
    session = Session.objects.get(uid=uid)
    return session, Recording.objects.filter(session_uid=uid, node=node_id()).first()


async def _send_missed(session: Session, recording: Recording, offset: int, socket: Socket) -> None:
    folder = folder_of(recording)
    end = recording.output_bytes
    start = max(offset, end - WINDOW)
    if start > end:
        return
    await socket.send_text(
        protocol.attached(
            session.uid, State.STOPPED, start, session.cols, session.rows, head=end, missed=start - offset
        )
    )
    while start < end:
        try:
            data = await asyncio.to_thread(read_output, folder, start, min(SEND_SIZE, end - start))
        except JournalError:
            return
        if not data:
            return
        await socket.send_bytes(data)
        start += len(data)
