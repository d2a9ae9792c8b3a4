"""A blocking client of porthole.v1 that costs as little as a client can, so that what is measured is the portal."""

import base64
import json
import os
import socket
import struct
from typing import Any

import httpx

OUTPUT, TEXT, CLOSE, PING, PONG = 2, 1, 8, 9, 10
ACK_EVERY = 256 * 1024


class Portal:
    """One signed-in user's API."""

    def __init__(self, port: int, username: str, password: str) -> None:
        self.port = port
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1/", timeout=30)
        token = self.http.post("auth/token/", json={"username": username, "password": password})
        token.raise_for_status()
        self.http.headers["Authorization"] = f"Bearer {token.json()['access']}"

    def service(self, slug: str) -> int:
        """A service's id."""
        found = self.http.get("services/", params={"limit": 500}).json()["results"]
        return next(int(service["id"]) for service in found if service["slug"] == slug)

    def open(self, service: int, command: list[str] | None = None, **wanted: Any) -> dict[str, Any]:
        """A requested session, its ticket included."""
        body = {"service": service, "cols": 100, "rows": 30, "command": command or [], **wanted}
        answer = self.http.post("sessions/", json=body)
        answer.raise_for_status()
        return dict(answer.json())

    def state(self, uid: str) -> str:
        """A session's state."""
        return str(self.http.get(f"sessions/{uid}/").json()["state"])

    def ticket(self, uid: str) -> str:
        """For a connection to a session that runs."""
        answer = self.http.post(f"sessions/{uid}/ticket/")
        answer.raise_for_status()
        return str(answer.json()["ticket"])

    def end(self, uid: str) -> None:
        """End a session."""
        self.http.post(f"sessions/{uid}/terminate/").raise_for_status()

    def shell(self, service: int, command: list[str] | None = None, **wanted: Any) -> "Shell":
        """An attached session."""
        opened = self.open(service, command, **wanted)
        return Shell(self.port, opened["uid"], opened["ticket"])


class Shell:
    """One attached session. `offset` counts the bytes received."""

    def __init__(self, port: int, uid: str, ticket: str, *, screen: bool = False) -> None:
        self.uid, self.offset, self._acked, self._buffer = uid, 0, 0, b""
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /ws/sessions/{uid}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: porthole.v1, ticket.{ticket}\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self._receive()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise ConnectionError(head.decode())
        self.text({"type": "hello", "cols": 100, "rows": 30, "offset": None, "mode": "control", "screen": screen})

    def text(self, frame: dict[str, Any]) -> None:
        """Send one text frame."""
        self._send(TEXT, json.dumps(frame).encode())

    def type(self, data: bytes) -> None:
        """Send terminal input."""
        self._send(OUTPUT, data)

    def output(self) -> bytes:
        """The next bytes of output; acknowledges as a terminal that renders at once."""
        while True:
            opcode, payload = self._frame()
            if opcode == OUTPUT:
                self.took(len(payload))
                return payload
            if opcode == PING:
                self._send(PONG, payload)
            elif opcode == CLOSE:
                raise EOFError("closed")

    def took(self, size: int) -> None:
        """So many bytes more are rendered."""
        self.offset += size
        if self.offset - self._acked >= ACK_EVERY:
            self.ack()

    def screen(self) -> str:
        """The first piece of the screen that was asked for."""
        while True:
            opcode, payload = self._frame()
            if opcode == TEXT and (frame := json.loads(payload))["type"] == "screen":
                return str(frame["data"])
            if opcode in (OUTPUT, CLOSE):
                raise EOFError("there is no screen")

    def detach(self) -> None:
        """Leave the session to itself and wait until that is done."""
        self.text({"type": "detach", "ttl": None})
        while self._frame()[0] != CLOSE:
            pass
        self.close()

    def ack(self) -> None:
        """Acknowledge everything received."""
        self._acked = self.offset
        self.text({"type": "ack", "offset": self.offset})

    def until(self, mark: bytes) -> bytes:
        """All output up to and with `mark`."""
        seen = b""
        while mark not in seen:
            seen += self.output()
        return seen

    def close(self) -> None:
        """Go away without a word, as a closed tab does."""
        self.socket.close()

    def _send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = bytes([0x80 | opcode, 0x80 | size])
        elif size < 65536:
            head = bytes([0x80 | opcode, 0x80 | 126]) + struct.pack(">H", size)
        else:
            head = bytes([0x80 | opcode, 0x80 | 127]) + struct.pack(">Q", size)
        self.socket.sendall(head + b"\0\0\0\0" + payload)  # a mask of zeros leaves the payload as it is

    def _receive(self) -> bytes:
        data = self.socket.recv(1 << 18)
        if not data:
            raise EOFError("the server closed the connection")
        return data

    def _take(self, size: int) -> bytes:
        if len(self._buffer) < size:
            parts, have = [self._buffer], len(self._buffer)
            while have < size:
                parts.append(self._receive())
                have += len(parts[-1])
            self._buffer = b"".join(parts)
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _frame(self) -> tuple[int, bytes]:
        first, second = self._take(2)
        size = second & 127
        if size == 126:
            size = struct.unpack(">H", self._take(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self._take(8))[0]
        return first & 15, self._take(size)
