"""What a client hears that comes when its session is over, or never will begin: what it missed, and why."""

import asyncio
from pathlib import Path

from audit.events import PORTAL
from audit.journal import JournalError, output_size, read_output
from audit.models import Recording
from audit.recordings import folder_of, node_id
from sessions_app import actions, protocol
from sessions_app.backends.base import BackendError
from sessions_app.database import in_database
from sessions_app.engine.log import OutputLog
from sessions_app.engine.viewer import SEND_SIZE, WINDOW, Socket, Viewer
from sessions_app.inbox import Inbox
from sessions_app.models import Session
from sessions_app.protocol import Ack, Close, FrameError, Ping
from sessions_app.record import reader_of
from sessions_app.words import TERMINALS, EndReason, State


async def tell_the_end(uid: str, offset: int | None, last_words: str, socket: Socket, inbox: Inbox) -> None:
    """Send what came after the client's offset, then why it ended: of a terminal the newest window, as nobody wants to
    see more of it go by; of a program's output every byte, at the pace of the client's acknowledgements.

    Raises `Gone` and `FrameError`."""
    session, recording = await in_database(_look_up, uid)
    folder, end = await asyncio.to_thread(_output_of, recording)
    if not last_words:
        reason = session.end_reason or EndReason.HOST_LOST
        last_words = protocol.ended(
            reason, session.exit_code, session.end_detail, offset=end if folder is not None else None
        )
    code = Close.ACCESS_REVOKED if session.end_reason == EndReason.ACCESS_REVOKED else Close.NORMAL
    if folder is not None and offset is not None and offset <= end:
        if session.kind not in TERMINALS:
            await _send_all(session, folder, offset, end, socket, inbox, (code, last_words))
            return
        await _send_newest(session, folder, offset, end, socket)
    await socket.send_text(last_words)
    await socket.close(code)


async def gave_up(session: Session, trouble: BackendError, socket: Socket, inbox: Inbox) -> bool:
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
        await tell_the_end(session.uid, None, last_words, socket, inbox)
    return failed


def _look_up(uid: str) -> tuple[Session, Recording | None]:
    session = Session.objects.get(uid=uid)
    return session, Recording.objects.filter(session_uid=uid, node=node_id(), deleted_at__isnull=True).first()


def _output_of(recording: Recording | None) -> tuple[Path | None, int]:
    """The journal and how much output it holds; None if there is none to read."""
    if recording is None:
        return None, 0
    try:
        folder = folder_of(recording)
        return folder, output_size(folder)
    except JournalError:
        return None, 0


async def _send_newest(session: Session, folder: Path, offset: int, end: int, socket: Socket) -> None:
    start = max(offset, end - WINDOW)
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


async def _send_all(
    session: Session, folder: Path, offset: int, end: int, socket: Socket, inbox: Inbox, farewell: tuple[Close, str]
) -> None:
    viewer = Viewer(
        socket, OutputLog(end), reader_of(folder, tty=False),
        offset=offset, mode="watch", user_id=session.user_id or 0, whole=True,
    )  # fmt: skip
    piped = protocol.Piped(viewer.stream, session.bytes_in)
    viewer.tell(
        protocol.attached(session.uid, State.STOPPED, offset, session.cols, session.rows, head=end, piped=piped)
    )
    viewer.close(*farewell, rest=True)
    sending = asyncio.create_task(viewer.run(), name=f"send the rest of {session.uid}")
    reading = asyncio.create_task(_take_acks(inbox, viewer), name=f"read acks of {session.uid}")
    try:
        await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_COMPLETED)
        for task in (sending, reading):
            if task.done():
                task.result()
    finally:
        for task in (sending, reading):
            task.cancel()
        await asyncio.wait({sending, reading})


async def _take_acks(inbox: Inbox, viewer: Viewer) -> None:
    while True:
        message = await inbox.get()
        if (text := message.get("text")) is None:
            continue
        match protocol.parse_client_frame(text):
            case Ack(offset):
                if not viewer.ack(offset):
                    raise FrameError("An ack names an offset that was not sent.")
            case Ping():
                viewer.tell(protocol.pong())
