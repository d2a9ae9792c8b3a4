"""The small modules under the terminal, each in the browser that runs it."""

import pytest
import pytest_asyncio

from tests.browser.conftest import OpenWindow
from tests.browser.window import Window

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def window(open_window: OpenWindow) -> Window:
    window = await open_window()
    await window.go("/")
    return window


async def test_waits_grow_to_fifteen_seconds_and_differ(window: Window) -> None:
    waits = await window.page.evaluate(
        """async () => {
            const { Backoff } = await import("porthole/backoff.js");
            const least = new Backoff({ random: () => 0 }), most = new Backoff({ random: () => 1 });
            return Array.from({ length: 8 }, () => [least.next(), most.next()]);
        }"""
    )
    assert [most for _, most in waits] == [500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]
    assert [least for least, _ in waits] == [most / 2 for _, most in waits]


async def test_input_goes_in_small_frames_within_a_window(window: Window) -> None:
    frames, later, lost = await window.page.evaluate(
        """async () => {
            const { InputPacer } = await import("porthole/input-pacer.js");
            const frames = [];
            const pacer = new InputPacer((frame) => frames.push(frame.length));
            pacer.push(new Uint8Array(300 * 1024));
            const before = [...frames];
            pacer.acknowledge(100);
            return [before, frames.slice(before.length), pacer.reset()];
        }"""
    )
    assert frames == [16 * 1024] * 16
    assert later == [100]
    assert lost == 300 * 1024 - 256 * 1024 - 100


async def test_characters_stay_whole_wherever_the_bytes_are_cut(window: Window) -> None:
    text = "a \u2013 \u201cquoted\u201d €uro 漢字 🙂 é"
    pieces = await window.page.evaluate(
        """async (bytes) => {
            const { WholeCharacters } = await import("porthole/characters.js");
            const characters = new WholeCharacters();
            return bytes.map((byte) => [...characters.take(Uint8Array.of(byte))]);
        }""",
        list(text.encode()),
    )
    assert "".join(bytes(piece).decode() for piece in pieces) == text
    assert [bytes(piece).decode() for piece in pieces if piece] == list(text)


@pytest.mark.parametrize(
    ("pasted", "typed"),
    [
        ("plain\ttext\r\nlines", "plain\ttext\r\nlines"),
        ("a\x1b[201~b", "a[201~b"),
        ("a\x9b201~b\x7f\x00\x03", "a201~b"),
        ("größe 日本 🙂", "größe 日本 🙂"),
    ],
)
async def test_a_paste_keeps_its_text_and_loses_its_controls(window: Window, pasted: str, typed: str) -> None:
    script = """async (text) => (await import("porthole/sanitize.js")).sanitizePaste(text)"""
    assert await window.page.evaluate(script, pasted) == typed


async def test_a_title_is_short_and_cannot_turn_its_direction(window: Window) -> None:
    script = """async (text) => (await import("porthole/sanitize.js")).boundTitle(text)"""
    assert await window.page.evaluate(script, "a\u202eb\x07" + "x" * 10_000) == "ab" + "x" * 118


@pytest.mark.parametrize(
    ("address", "opened"),
    [
        ("https://example.org/a?b#c", "https://example.org/a?b#c"),
        ("HTTP://example.org", "http://example.org/"),
        ("javascript:alert(1)", None),
        ("data:text/html,<script>", None),
        ("file:///etc/passwd", None),
        ("not an address", None),
    ],
)
async def test_only_web_addresses_open(window: Window, address: str, opened: str | None) -> None:
    script = """async (text) => (await import("porthole/sanitize.js")).safeLink(text)"""
    assert await window.page.evaluate(script, address) == opened


async def test_a_replay_is_answered_to_nobody_and_what_a_person_types_meanwhile_leaves(window: Window) -> None:
    muted, typed, heard = await window.page.evaluate(
        """async () => {
            const { TerminalView } = await import("porthole/terminal.js");
            const place = document.body.appendChild(document.createElement("div"));
            const heard = [];
            const nothing = () => {};
            const view = new TerminalView(place, {
                dark: false, scrollback: 10, fontSize: 12, webgl: false,
                handlers: { input: (bytes) => heard.push(new TextDecoder().decode(bytes)), resized: nothing,
                            title: nothing, link: nothing, linkHover: nothing, shortcut: () => false },
            });
            const asks = new TextEncoder().encode(
                "\\x1b[c\\x1b[>c\\x1b[5n\\x1b[6n\\x1b[?6n\\x1b[?2004$p\\x1b]11;?\\x07\\x1b]4;1;?\\x07\\x1bP$qm\\x1b\\\\");
            const write = () => new Promise((done) => view.write(asks, done));
            view.muted = true;
            const written = write();
            for (const key of ["l", "ArrowUp", "Escape", "\\r"]) view.press(key);
            view.paste("pasted");
            await written;
            const whileMuted = heard.splice(0);
            view.muted = false;
            await write();
            view.dispose();
            place.remove();
            return [whileMuted, ["l", "\\x1b[A", "\\x1b", "\\r", "pasted"], heard];
        }"""
    )
    assert muted == typed
    assert len(heard) == 9, "each question has an answer when it is not a replay"
