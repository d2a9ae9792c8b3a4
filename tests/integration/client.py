"""A client of the public contract: REST with httpx, the protocol `porthole.v1` with websockets.

It imports nothing of the portal, so that it sees what any client sees.
"""

import asyncio
import json
import re
from contextlib import suppress
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.integration.installation import PASSWORD, Installation
from tests.integration.polling import until

Json = dict[str, Any]

# What a shell's line editor switches on and off around each line.
_BRACKETED_PASTE = re.compile(r"\x1b\[\?2004[hl]\r?")


def counted(output: bytes | bytearray) -> list[int]:
    """The numbers of a counter's lines, `line-1` and so on."""
    return [int(number) for number in re.findall(rb"line-(\d+)\r\n", output)]


class Api:
    """One user of one web process."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._client = httpx.AsyncClient(
            base_url=f"{url}/api/v1/", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )

    @classmethod
    async def sign_in(cls, installation: Installation, url: str, user: str) -> "Api":
        """The user's access token, by name and password the first time."""
        if user not in installation.tokens:
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                answer = await client.post("/api/v1/auth/token/", json={"username": user, "password": PASSWORD})
                assert answer.status_code == 200, answer.text
                installation.tokens[user] = answer.json()["access"]
        return cls(url, installation.tokens[user])

    async def close(self) -> None:
        await self._client.aclose()

    async def call(self, method: str, path: str, *, expect: int = 200, **kwargs: Any) -> httpx.Response:
        """One request, which must be answered with the status that is expected."""
        answer = await self._client.request(method, path, **kwargs)
        assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer

    async def get(self, path: str, **params: Any) -> Any:
        """The JSON at a path."""
        return (await self.call("GET", path, params=params)).json()

    async def add_service(self, stack: int, slug: str, **fields: Any) -> int:
        """A service with a policy of its own. Returns its id."""
        body = {"stack": stack, "slug": slug, "name": slug, "selector_kind": "name", **fields}
        return int((await self.call("POST", "services/", json=body, expect=201)).json()["id"])

    async def open(self, service: int, **wanted: Any) -> Json:
        """A requested session, with its ticket."""
        answer = await self.call("POST", "sessions/", json={"service": service, **wanted}, expect=201)
        return dict(answer.json())

    async def session(self, uid: str) -> Json:
        return dict(await self.get(f"sessions/{uid}/"))

    async def ticket(self, uid: str) -> str:
        return str((await self.call("POST", f"sessions/{uid}/ticket/")).json()["ticket"])

    async def terminate(self, uid: str, **body: Any) -> None:
        await self.call("POST", f"sessions/{uid}/terminate/", json=body)

    async def ended(self, uid: str, *, within: float = 20.0) -> Json:
        """The session once it is over."""

        async def over() -> Json | None:
            session = await self.session(uid)
            return session if session["state"] in ("stopped", "failed") else None

        return await until(over, f"{uid} is over", within=within)

    async def recording(self, uid: str, *, within: float = 20.0) -> Json:
        """What is said of the recording once it is sealed."""

        async def sealed() -> Json | None:
            recording = await self.get(f"sessions/{uid}/recording/")
            return recording if recording["health"] not in ("recording", "uploading") else None

        return await until(sealed, f"the recording of {uid} is sealed", within=within)

    async def recorded(self, uid: str) -> bytes:
        """The recording's exact bytes."""
        return (await self.call("GET", f"sessions/{uid}/recording.bin")).content

    async def events(self, uid: str) -> list[Json]:
        """The audit events of a session, oldest first."""
        found = await self.get("audit/events/", session=uid, limit=500)
        return sorted((event for event in found["results"]), key=lambda event: event["id"])


class Terminal:
    """A window on one session. What it has received survives the connection, as in a browser's page."""

    def __init__(self, api: Api, uid: str, *, acknowledge: bool = True, url: str = "") -> None:
        self.api, self.uid = api, uid
        self.url = url or api.url
        self.acknowledge = acknowledge
        self.received = bytearray()
        self.screen = ""
        """What came before that, where a screen was asked for."""
        self.frames: list[Json] = []
        self.close_code: int | None = None
        self.refused: int | None = None
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._counter = 0
        self._base = 0

    @classmethod
    async def opened(
        cls, api: Api, service: int, *, cols: int = 80, rows: int = 24, url: str = "", **wanted: Any
    ) -> "Terminal":
        """A new session with this window attached (at `url`, if another way leads there) and its shell ready."""
        session = await api.open(service, cols=cols, rows=rows, **wanted)
        terminal = cls(api, session["uid"], url=url)
        await terminal.connect(session["ticket"], cols=cols, rows=rows, offset=None)
        return terminal

    async def connect(
        self, ticket: str = "", *, cols: int = 80, rows: int = 24, offset: int | None = 0, mode: str = "control",
        within: float = 15.0, screen: bool = False,
    ) -> Json:  # fmt: skip
        """Connect, say hello with what it has, and wait until attached (or told why not). Returns that frame."""
        ticket = ticket or await self.api.ticket(self.uid)
        self.close_code = None
        seen = len(self.frames)
        self._socket = await connect(
            f"{self.url.replace('http', 'ws', 1)}/ws/sessions/{self.uid}/",
            subprotocols=["porthole.v1", f"ticket.{ticket}"],  # type: ignore[list-item]
            max_size=None, compression=None, proxy=None, ping_interval=None,
        )  # fmt: skip
        assert self._socket.subprotocol == "porthole.v1"
        offset = None if offset is None else len(self.received)
        await self.send(type="hello", cols=cols, rows=rows, offset=offset, mode=mode, screen=screen)
        self._reader = asyncio.create_task(self._read(self._socket))
        frame = await self.frame("attached", "ended", "error", since=seen, within=within)
        if frame["type"] == "attached" and offset is not None:
            assert frame["offset"] == offset, frame
        return frame

    async def send(self, **frame: Any) -> None:
        assert self._socket is not None
        await self._socket.send(json.dumps(frame))

    async def type(self, text: str | bytes) -> None:
        """Keystrokes."""
        assert self._socket is not None
        await self._socket.send(text.encode() if isinstance(text, str) else text)

    async def run(self, command: str, *, within: float = 15.0) -> str:
        """Type a command line, which `;` can follow; returns what it printed once it is over."""
        self._counter += 1
        # The quotes keep the echo of the typed line from looking like its output.
        mark = f"end-{self._counter}-of-it"
        before = len(self.received)
        await self.type(f"{command}; echo {mark[:3]}''{mark[3:]}\r")
        await self.shown(mark, since=before, within=within)
        text = _BRACKETED_PASTE.sub("", self.received[before:].decode(errors="replace"))
        return text[: text.index(mark)].partition("\n")[2].replace("\r\n", "\n")

    async def shown(self, text: str, *, since: int = 0, within: float = 15.0) -> None:
        """Wait until the text has arrived."""
        wanted = text.encode()
        await until(lambda: wanted in self.received[since:], f"{text!r} is shown", within=within)

    async def frame(self, *types: str, since: int = 0, within: float = 15.0) -> Json:
        """The first text frame of one of these types."""

        def found() -> Json | None:
            return next((frame for frame in self.frames[since:] if frame["type"] in types), None)

        return await until(found, f"a frame {'/'.join(types)} of {self.uid}", within=within)

    async def closed(self, *, within: float = 15.0) -> int:
        """The close code."""
        return await until(lambda: self.close_code, f"the socket of {self.uid} is closed", within=within)

    async def lose(self) -> None:
        """The connection breaks: no close frame, no goodbye."""
        assert self._socket is not None
        self._socket.transport.abort()
        assert self._reader is not None
        await self._reader

    async def stop_reading(self) -> None:
        """Take nothing more from the connection, as a frozen page does."""
        assert self._reader is not None
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader

    async def leave(self) -> None:
        """Close the socket if it is open."""
        if self._socket is not None:
            self._socket.transport.abort()
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader

    async def _read(self, socket: ClientConnection) -> None:
        try:
            while True:
                message = await socket.recv()
                if isinstance(message, bytes):
                    self.received += message
                    if self.acknowledge:
                        # The last words may still be unread when the other side has closed.
                        with suppress(ConnectionClosed):
                            await self.send(type="ack", offset=self._base + len(self.received))
                else:
                    frame = json.loads(message)
                    if frame["type"] == "attached" and not self.received:
                        self._base = frame["offset"]
                    if frame["type"] == "screen":
                        self.screen += frame["data"]
                    self.frames.append(frame)
        except ConnectionClosed as closed:
            self.close_code = closed.rcvd.code if closed.rcvd else 1006
