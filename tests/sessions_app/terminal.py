"""A client of the API and of `porthole.v1`, as plain as can be."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx
import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.sessions_app.world import Lab

PATIENCE = 20.0


class Client:
    """One person at one web process of the portal."""

    def __init__(self, url: str, lab: Lab, who: str, *, login: str | None = None) -> None:
        self.url, self.lab, self.who = url, lab, who
        token = lab.logins[who] if login is None else login
        self.http = httpx.AsyncClient(
            base_url=f"{url}/api/v1/", headers={"Authorization": f"Bearer {token}"} if token else {}, timeout=30
        )

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.get(path, params=params)

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.http.post(path, json=body)

    async def open(self, **wanted: Any) -> dict[str, Any]:
        """A new session, with its ticket."""
        answer = await self.post("sessions/", **({"service": self.lab.service} | wanted))
        assert answer.status_code == 201, answer.text
        session: dict[str, Any] = answer.json()
        return session

    async def session(self, uid: str) -> dict[str, Any]:
        answer = await self.get(f"sessions/{uid}/")
        assert answer.status_code == 200, answer.text
        session: dict[str, Any] = answer.json()
        return session

    async def ticket(self, uid: str) -> str:
        answer = await self.post(f"sessions/{uid}/ticket/")
        assert answer.status_code == 200, answer.text
        ticket: str = answer.json()["ticket"]
        return ticket

    async def ended(self, uid: str) -> dict[str, Any]:
        """The session once it is over."""
        return await eventually(self._over, uid)

    async def _over(self, uid: str) -> dict[str, Any] | None:
        session = await self.session(uid)
        return session if session["state"] in ("stopped", "failed") else None

    async def attach(self, uid: str, *, ticket: str | None = None, **hello: Any) -> "Terminal":
        """Connect, say hello and wait until attached."""
        terminal = await self.dial(uid, ticket=ticket)
        await terminal.send(type="hello", **({"cols": 80, "rows": 24} | hello))
        await terminal.frame("attached")
        return terminal

    async def dial(self, uid: str, *, ticket: str | None = None) -> "Terminal":
        """Connect only."""
        return Terminal(await socket(self.url, uid, await self.ticket(uid) if ticket is None else ticket))

    async def shell(self, *command: str, **wanted: Any) -> "tuple[str, Terminal]":
        """A new session and its window."""
        session = await self.open(**({"command": list(command)} if command else {}), **wanted)
        return session["uid"], await self.attach(session["uid"], ticket=session["ticket"])


async def eventually(question: Any, *args: Any) -> Any:
    """Ask until the answer is yes; fails after PATIENCE."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while not (answer := await question(*args)):
        assert loop.time() < deadline, f"waited in vain for {question.__name__}{args}"
        await asyncio.sleep(0.05)
    return answer


async def socket(
    url: str, uid: str, ticket: str, *, protocols: Sequence[str] | None = None, path: str = "", **options: Any
) -> ClientConnection:
    """A WebSocket to a session. Raises `websockets.InvalidStatus` if it is refused."""
    offered = ["porthole.v1", f"ticket.{ticket}"] if protocols is None else list(protocols)
    return await connect(
        url.replace("http", "ws", 1) + (path or f"/ws/sessions/{uid}/"),
        subprotocols=[Subprotocol(word) for word in offered] or None,
        compression=None,
        max_size=None,
        open_timeout=PATIENCE,
        close_timeout=2,
        proxy=None,
        **options,
    )


async def refusal(url: str, uid: str, ticket: str, **options: Any) -> int:
    """The HTTP status with which a handshake is refused; 101 if it is not."""
    try:
        await (await socket(url, uid, ticket, **options)).close()
    except websockets.InvalidStatus as refused:
        return refused.response.status_code
    return 101


class Terminal:
    """A window on a session: collects output and frames, and acknowledges what it has unless told not to."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.start = 0
        """Offset of the first byte of `output`."""
        self.output = bytearray()
        self.screen = ""
        """What came before it, where a screen was asked for."""
        self.frames: list[dict[str, Any]] = []
        self.acks = True
        self.code: int | None = None

    async def send(self, **frame: Any) -> None:
        await self.connection.send(json.dumps(frame))

    async def type(self, text: str | bytes) -> None:
        await self.connection.send(text.encode() if isinstance(text, str) else text)

    async def step(self) -> None:
        """Take one message."""
        try:
            message = await asyncio.wait_for(self.connection.recv(), PATIENCE)
        except ConnectionClosed as closed:
            self.code = closed.rcvd.code if closed.rcvd is not None else 1006
            return
        if isinstance(message, bytes):
            self.output += message
            if self.acks:
                try:
                    await self.send(type="ack", offset=self.start + len(self.output))
                except ConnectionClosed:
                    return
        else:
            frame = json.loads(message)
            if frame["type"] == "attached":
                self.start = frame["offset"]
            self.frames.append(frame)

    async def until(self, text: bytes) -> bytes:
        """Until the output holds `text`; returns all of it."""
        looked = 0
        while text not in self.output[looked:]:
            assert self.code is None, f"closed with {self.code} before {text!r}: {self.frames}"
            looked = max(0, len(self.output) - len(text))
            await self.step()
        return bytes(self.output)

    async def frame(self, type_: str, **fields: Any) -> dict[str, Any]:
        """The first frame of this type (and with these fields) that was not asked for before."""
        while True:
            for frame in self.frames:
                if frame["type"] == type_ and fields.items() <= frame.items():
                    self.frames.remove(frame)
                    return frame
            assert self.code is None, f"closed with {self.code} before {type_!r}: {self.frames}"
            await self.step()

    async def closed(self) -> int:
        """The code it is closed with; takes everything that comes before."""
        while self.code is None:
            await self.step()
        return self.code

    async def drop(self) -> None:
        """Vanish without a word, as a lost network does."""
        self.connection.transport.abort()
        await self.connection.wait_closed()

    async def close(self) -> None:
        await self.connection.close()
