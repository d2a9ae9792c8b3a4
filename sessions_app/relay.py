"""A socket whose session lives in another web process: frames are passed on to that one, unchanged, both ways.

The relay speaks the public protocol with a ticket of its own, so that the other side is an ordinary server to it. The
acknowledgements of the client travel all the way, which bounds what can be under way here.
"""

import asyncio
import json
import logging
from dataclasses import asdict

import aiohttp

from sessions_app import protocol, tickets
from sessions_app.admission import Connection
from sessions_app.engine.viewer import Socket
from sessions_app.inbox import Inbox
from sessions_app.protocol import Close, Hello

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT = 5.0
"""Seconds the other process has to answer."""

HEARTBEAT = 20.0


async def relay(connection: Connection, hello: Hello, inbox: Inbox, socket: Socket) -> None:
    """Serve the socket from the process that owns the session, until either side closes."""
    session, actor = connection.session, connection.actor
    ticket = tickets.issue(
        session_uid=session.uid, user_id=connection.user.pk, token_id=connection.token_id, relayed_for=actor
    )
    url = f"{connection.elsewhere.rstrip('/')}/ws/sessions/{session.uid}/"
    protocols = (protocol.SUBPROTOCOL, protocol.TICKET_PREFIX + ticket)
    try:
        async with aiohttp.ClientSession() as client:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                upstream = await client.ws_connect(
                    url,
                    protocols=protocols,
                    headers={"Host": connection.http_host},
                    heartbeat=HEARTBEAT,
                    max_msg_size=0,
                )
            await upstream.send_str(json.dumps({"type": "hello", **asdict(hello)}))
            await _pass_both_ways(upstream, inbox, socket)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        logger.warning("%s: the process that owns it does not answer (%s)", session.uid, type(error).__name__)
        detail = "The portal's process that holds this session does not answer. Trying again."
        await socket.send_text(protocol.error(Close.SERVER_ERROR, detail))
        await socket.close(Close.SERVER_ERROR)


async def _pass_both_ways(upstream: aiohttp.ClientWebSocketResponse, inbox: Inbox, socket: Socket) -> None:
    down = asyncio.create_task(_down(upstream, socket), name="relay down")
    up = asyncio.create_task(_up(upstream, inbox), name="relay up")
    try:
        await asyncio.wait({down, up}, return_when=asyncio.FIRST_COMPLETED)
        for task in (down, up):
            if task.done():
                task.result()
    finally:
        for task in (down, up):
            task.cancel()
        await asyncio.wait({down, up})
        await upstream.close()


async def _down(upstream: aiohttp.ClientWebSocketResponse, socket: Socket) -> None:
    async for message in upstream:
        if message.type is aiohttp.WSMsgType.BINARY:
            await socket.send_bytes(message.data)
        elif message.type is aiohttp.WSMsgType.TEXT:
            await socket.send_text(message.data)
    code = upstream.close_code
    # 1006 stands for a connection that broke; it cannot be sent, and means the same as an error here: try again.
    await socket.close(Close.SERVER_ERROR if code in (None, 1006) else code)


async def _up(upstream: aiohttp.ClientWebSocketResponse, inbox: Inbox) -> None:
    while True:
        message = await inbox.get()
        if (data := message.get("bytes")) is not None:
            await upstream.send_bytes(data)
        else:
            await upstream.send_str(message["text"])
