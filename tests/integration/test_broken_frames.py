"""What the server itself refuses, below the protocol, is refused with a close frame that says why."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from sessions_app.management.commands.serve import MAX_MESSAGE
from tests.integration.conftest import Install, SignIn

TEXT, BINARY = 0x1, 0x2


@pytest.fixture(params=["daphne", "uvicorn"])
async def socket(request: pytest.FixtureRequest, install: Install, sign_in: SignIn) -> AsyncIterator[ClientConnection]:
    """A socket of a session that nobody has said hello on."""
    installation = install()
    installation.start_web(server=request.param)
    api = await sign_in(installation)
    service = (await api.get("services/"))["results"][0]["id"]
    session = await api.open(service)
    protocols = ["porthole.v1", f"ticket.{session['ticket']}"]
    async with connect(session["websocket_url"], subprotocols=protocols, compression=None, proxy=None) as socket:
        yield socket


def _frame(opcode: int, payload: bytes) -> bytes:
    """One masked frame, whatever it holds: a client's library would refuse to send some of these."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked


async def _close_code(socket: ClientConnection) -> int | None:
    async with asyncio.timeout(10):
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    return closed.value.rcvd.code if closed.value.rcvd else None


async def test_a_text_frame_that_is_no_utf8_is_closed_with_1007(socket: ClientConnection) -> None:
    socket.transport.write(_frame(TEXT, b'{"type":"ping","x":"\xff\xfe"}'))

    assert await _close_code(socket) == 1007


async def test_a_message_above_the_servers_limit_is_closed_with_1009(socket: ClientConnection) -> None:
    # The header alone: who announces too much need not send it.
    socket.transport.write(bytes([0x80 | BINARY, 0x80 | 127]) + (MAX_MESSAGE + 1).to_bytes(8, "big") + os.urandom(4))

    assert await _close_code(socket) == 1009
