"""A browser window as a person uses it: sign in, open a shell, type, read what is on the screen."""

import json
import re
from typing import Any

from playwright.async_api import Page, WebSocket, expect

from tests.integration.installation import PASSWORD
from tests.integration.polling import until

HARMLESS = re.compile(r"net::ERR_|Failed to load resource|WebSocket connection to")
"""What Chromium logs of a network that a test took away, and of an answer that a test asked for."""


class Window:
    """One page of one signed-in (or not yet signed-in) person."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.received = bytearray()
        """The terminal's bytes, in the order in which the page took them from its sockets."""
        self.painted = ""
        """What the page took as a screen since it was loaded last."""
        self._loaded = 0
        """How many of them came before the page was loaded last."""
        self._ahead = 0
        """What to add to their number for the offset of the next one, since the socket that is attached."""
        self.rendered = 0
        """The offset up to which the page acknowledged what it took from that socket."""
        self.sent = bytearray()
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("websocket", self._listen)
        page.on("domcontentloaded", lambda _: self._load())

    def _note(self, kind: str, text: str) -> None:
        if kind == "error" and not HARMLESS.search(text):
            self.complaints.append(text)

    def _load(self) -> None:
        self._loaded = len(self.received)
        self.painted = ""

    def _told(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "attached":
            self._ahead = frame["offset"] - len(self.received)
            self.rendered = frame["offset"]
        elif frame["type"] == "screen":
            self.painted += frame["data"]

    def _says(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "ack":
            self.rendered = frame["offset"]

    def _listen(self, socket: WebSocket) -> None:
        def received(payload: str | bytes) -> None:
            if isinstance(payload, bytes):
                self.received += payload
            else:
                self._told(json.loads(payload))

        def sent(payload: str | bytes) -> None:
            if isinstance(payload, bytes):
                self.sent += payload
            else:
                self._says(json.loads(payload))

        socket.on("framereceived", received)
        socket.on("framesent", sent)

    # --- pages -----------------------------------------------------------------------------------------------------

    async def go(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def sign_in(self, user: str) -> None:
        """From the sign-in page to home: one click."""
        await self.go("/accounts/login/")
        await self.page.get_by_label("User name").fill(user)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Sign in").click()
        await expect(self.page.get_by_role("heading", name="My stacks")).to_be_visible()

    # --- the terminal ----------------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Wait until the shell is there."""
        await expect(self.page.locator("[data-state=active]")).to_be_visible(timeout=20_000)
        await self.shows("$", "#")

    async def open(self, service: int) -> None:
        """A shell of a service, by its link."""
        await self.go(f"/services/{service}/shell/")
        await self.live()

    @property
    def uid(self) -> str:
        """The session that the address names."""
        return self.page.url.rstrip("/").split("?")[0].rsplit("/", 1)[-1]

    async def size(self) -> tuple[int, int]:
        """Columns and rows, as the status bar tells them."""
        cols, rows = re.findall(r"\d+", await self.page.locator("[data-size]").inner_text())
        return int(cols), int(rows)

    async def type(self, text: str) -> None:
        """Keystrokes, wherever the focus is."""
        await self.page.keyboard.type(text)

    async def run(self, command: str) -> None:
        """Type a command line and press Enter."""
        await self.type(command)
        await self.page.keyboard.press("Enter")

    async def screen(self) -> str:
        """What a screen reader finds in the terminal's window."""
        rows = await self.page.locator(".xterm-accessibility-tree > div").all_text_contents()
        return "\n".join(row.replace("\xa0", " ").rstrip() for row in rows)

    async def shows(self, *texts: str, within: float = 15.0) -> None:
        """Wait until the terminal has rendered one of the texts since the page was loaded."""

        def rendered() -> bool:
            seen = self.painted.encode() + self.received[self._loaded :]
            return any(text.encode() in seen for text in texts) and self.rendered >= len(self.received) + self._ahead

        try:
            await until(rendered, f"one of {texts} in the terminal", within=within)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.received[self._loaded :].decode(errors='replace')[-2000:]}") from None

    async def sees(self, text: str, *, within: float = 15.0) -> None:
        """Wait until a screen reader would find the text on the screen: that takes a second longer."""

        async def on_screen() -> bool:
            return text in await self.screen()

        await until(on_screen, f"{text!r} on the screen", within=within)

    async def told(self, title: str, *, within: float = 20.0) -> str:
        """Wait for what is told over or below the terminal; returns its text."""
        overlay = self.page.locator("[data-overlay]")
        await expect(overlay.get_by_role("heading", name=title)).to_be_visible(timeout=within * 1000)
        return await overlay.inner_text()
