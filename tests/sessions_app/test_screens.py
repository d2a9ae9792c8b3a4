"""Screens from journals: equal to what a window shows that never left, whatever came before, and always there."""

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest
import pytest_asyncio

from audit.journal import JournalHeader, JournalWriter, read_output, seal
from sessions_app.screens import Output, Screen, ScreenError, Screens
from sessions_app.screens import process as process_module
from sessions_app.screens import screens as screens_module
from sessions_app.screens.process import RESTART_AFTER, EmulatorProcess, TooMuch
from sessions_app.screens.screens import KEYFRAME_AT_REST, KEYFRAME_EVERY
from tests.sessions_app.bench import until
from tests.sessions_app.office import ROOT
from tests.sessions_app.screens import Step, difference, differences, run, shown

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZE = (80, 24)
PATIENCE = 20.0
KEYFRAME_PATIENCE = 150.0
"""They are made at the lowest priority, by what other tests leave of the machine."""

EDITOR = (
    b"\x1b[?1049h\x1b[22;0;0t\x1b[?1h\x1b=\x1b[?2004h\x1b[1;24r\x1b[?12h\x1b[?12l\x1b[27m\x1b[H\x1b[2J\x1b[?25l"
    b'\x1b[24;1H"notes" 3L, 60B\x1b[1;1H\xe6\xbc\xa2\xe5\xad\x97 one\r\n\x1b[94m~\x1b[m\r\n\x1b[1;7mstatus\x1b[m'
    b"\x1b]2;notes - EDIT\x07\x1b[?1002h\x1b[?1006h\x1b[2;23r\x1b[5;10H\x1b[?25h\x1b[4 q"
)
"""As an editor begins: every mode that a window must know."""

HOSTILE = {
    "a title without an end": b"\x1b]0;" + b"A" * 300_000,
    "a string without an end": b"\x1bP1;2q" + b"#0;2;0;0;0" * 20_000,
    "parameters without an end": b"\x1b[" + b"1;" * 60_000,
    "a title of a book": b"\x1b]2;" + b"T" * 200_000 + b"\x07after",
    "a line without an end": b"x" * 200_000,
    "links everywhere": b"".join(b"\x1b]8;;http://e/%d\x07%d" % (n, n % 10) for n in range(10_000)),
    "colours everywhere": b"".join(b"\x1b[48;2;%d;1;2mx" % (n % 256) for n in range(15_000)),
    "no text at all": bytes(range(256)) * 500,
    "what xterm.js trips over": b"\x1b[24;80Hx\x1b[1Jstill here",
}


class Recorded:
    """A session's journal, as a host writes it, and what stood in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.steps: list[Step] = [SIZE]
        self.journal = JournalWriter.create(folder, JournalHeader("sh-1", *SIZE, ""))

    def prints(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.journal.output(piece)
            self.steps.append(piece)

    def resized(self, cols: int, rows: int) -> None:
        self.journal.resize(cols, rows)
        self.steps.append((cols, rows))

    @property
    def end(self) -> int:
        return self.journal.offset


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path / "journal")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def screens() -> AsyncIterator[Screens]:
    """One for all: it keeps nothing."""
    async with fresh() as it:
        yield it


@asynccontextmanager
async def fresh() -> AsyncIterator[Screens]:
    it = Screens(timeout=PATIENCE)
    yield it
    await it.close()


async def draw(screens: Screens, recorded: Recorded, offset: int | None = None, **options: tuple[int, int]) -> Screen:
    where = recorded.end if offset is None else offset
    return await screens.draw(recorded.folder, where, **({"size": SIZE, "window": SIZE} | options))


async def keep(screens: Screens, recorded: Recorded, *, attended: bool = True, within: int = KEYFRAME_EVERY) -> None:
    """Until there are keyframes for everything printed so far."""
    outputs = {recorded.folder: Output(recorded.end, attended=attended)}
    keeping = asyncio.create_task(screens.keep(lambda: outputs))
    file = recorded.folder / "keyframes"
    deadline = monotonic() + KEYFRAME_PATIENCE
    while not file.exists() or recorded.end - newest_keyframe(file) >= within:
        assert monotonic() < deadline, "no keyframe was made"
        await asyncio.sleep(0.02)
    keeping.cancel()
    await asyncio.wait({keeping})


def newest_keyframe(file: Path) -> int:
    """Its offset, read as the description of the file says."""
    content, offset, start = file.read_bytes(), 0, 0
    while len(content) - start >= 48:
        assert content[start : start + 4] == b"PKF1"
        offset = int.from_bytes(content[start + 8 : start + 16])
        start += 48 + int.from_bytes(content[start + 4 : start + 8])
    return offset


def rest(recorded: Recorded, screen: Screen) -> bytes:
    return read_output(recorded.folder, screen.offset, recorded.end - screen.offset)


async def test_random_streams_cut_anywhere() -> None:
    assert await asyncio.to_thread(run, "random.mjs", "1", "200") == ""


async def test_a_screen_has_every_mode_and_all_that_stands_on_it(screens: Screens, recorded: Recorded) -> None:
    recorded.prints(b"$ seq 600\r\n", *(b"%d\r\n" % n for n in range(600)), b"$ \x1b7vi notes\r\n", EDITOR)
    screen = await draw(screens, recorded)
    assert (screen.offset, screen.exact) == (recorded.end, True)
    more = b"\n\n\n\x1b[?1049l\x1b[?2004l\r\n$ back\x1b8"
    assert difference([*recorded.steps, more], [SIZE, screen.text, more]) is None


async def test_a_half_received_sequence_and_character_come_whole(screens: Screens, recorded: Recorded) -> None:
    output = "$ é漢\x1b[31mrot\x1b]0;ein Titel\x07\x1b[2;5H👩‍👩‍👧 e\u0301".encode()
    recorded.prints(output)
    whole: list[Step] = [SIZE, output + b"\x1b[3b"]
    pairs: list[tuple[list[Step], list[Step]]] = []
    for offset in range(len(output) + 1):
        screen = await draw(screens, recorded, offset)
        assert screen.offset <= offset
        pairs.append((whole, [SIZE, screen.text, output[screen.offset :] + b"\x1b[3b"]))
    assert differences(pairs) == [None] * len(pairs)


async def test_a_cursor_that_waits_to_wrap_goes_on_waiting(screens: Screens, recorded: Recorded) -> None:
    recorded.prints("漢".encode() * 39, b"xy\x07")
    screen = await draw(screens, recorded)
    assert screen.offset == recorded.end
    for more in (b"z", b"\x1b[3b", b"\bz"):  # what is repeated is a character, and a bell came in between
        assert difference([*recorded.steps, more], [SIZE, screen.text, more]) is None


async def test_sizes_are_those_of_their_time(screens: Screens, recorded: Recorded) -> None:
    recorded.prints(b"wide " * 40)
    recorded.resized(40, 10)
    recorded.prints(b"\x1b[10;40Hx narrow " * 3, b"\r\n$ half a li\x1b[m")
    recorded.resized(120, 40)
    recorded.prints(b"ne")
    screen = await draw(screens, recorded, size=(120, 40), window=(120, 40))
    assert difference(recorded.steps, [(120, 40), screen.text, rest(recorded, screen)]) is None
    other = await draw(screens, recorded, size=(120, 40), window=(60, 20))
    assert difference([*recorded.steps, (60, 20)], [(60, 20), other.text, rest(recorded, other)]) is None


async def test_hostile_output_is_bounded_and_leaves_a_screen(screens: Screens, tmp_path: Path) -> None:
    for what, output in {**HOSTILE, "everything": b"\x1b\\".join(HOSTILE.values())}.items():
        recorded = Recorded(tmp_path / what)
        recorded.prints(b"$ cat evil\r\n", output)
        if what == "everything":
            await keep(screens, recorded)
        screen = await draw(screens, recorded)
        assert recorded.end - screen.offset <= 64 * 1024, what
        assert len(screen.text) <= 2 * 1024 * 1024, what
        lines = shown(SIZE, screen.text, rest(recorded, screen), b"\x18\r\n$ still here")
        assert "still here" in "".join(lines), what


async def test_keyframes_bring_a_screen_from_far_away(screens: Screens, recorded: Recorded) -> None:
    recorded.prints(b"\x1b]2;far\x07\x1b[?2004h\x1b[3;20r")
    for n in range(60):
        recorded.prints(b"".join(b"%05d \x1b[3%dmline\x1b[m of much\r\n" % (n * 900 + i, i % 8) for i in range(900)))
        if n == 30:
            recorded.resized(100, 30)
    await keep(screens, recorded)
    began = monotonic()
    screen = await draw(screens, recorded, size=(100, 30), window=(100, 30))
    assert monotonic() - began < 1.0
    assert screen.exact
    assert difference(recorded.steps, [(100, 30), screen.text, rest(recorded, screen)]) is None


async def test_a_session_that_is_left_alone_gets_a_keyframe_early(screens: Screens, recorded: Recorded) -> None:
    recorded.prints(EDITOR, b"\x1b[6;6Hline \r\n" * 4_000)
    assert KEYFRAME_AT_REST < recorded.end < KEYFRAME_EVERY
    await keep(screens, recorded, attended=False, within=1)
    screen = await draw(screens, recorded)
    assert difference(recorded.steps, [SIZE, screen.text, rest(recorded, screen)]) is None


async def test_damaged_keyframes_cost_time_and_no_screen(screens: Screens, recorded: Recorded) -> None:
    recorded.prints(EDITOR, b"\x1b[6;6Hline \r\n" * 40_000)
    await keep(screens, recorded)
    keyframes = recorded.folder / "keyframes"
    content = bytearray(keyframes.read_bytes())
    content[len(content) // 2] ^= 255
    keyframes.write_bytes(content)
    screen = await draw(screens, recorded)
    assert difference(recorded.steps, [SIZE, screen.text, rest(recorded, screen)]) is None
    keyframes.write_bytes(bytes(content) + b"PKF1 and then the disk was full")
    recorded.prints(b"\x1b[7;7Hmore \r\n" * 40_000)
    await keep(screens, recorded)
    screen = await draw(screens, recorded)
    assert difference(recorded.steps, [SIZE, screen.text, rest(recorded, screen)]) is None


async def test_more_than_can_be_followed_keeps_the_modes(screens: Screens, recorded: Recorded) -> None:
    recorded.prints(EDITOR, b"x\x1b[1;1H" * 60_000)
    await keep(screens, recorded)
    recorded.prints(*[b"y\r\n" * 20_000] * 120, b"\x1b[2J\x1b[Hthe end")
    screen = await draw(screens, recorded)
    assert not screen.exact
    assert difference([SIZE, EDITOR, b"\x1b[2J\x1b[Hthe end"], [SIZE, screen.text, rest(recorded, screen)]) is None


async def test_keyframes_are_no_part_of_what_is_sealed(screens: Screens, recorded: Recorded) -> None:
    recorded.prints(b"some text\r\n" * 40_000)
    await keep(screens, recorded)
    recorded.journal.close()
    before = seal(recorded.folder)
    (recorded.folder / "keyframes").unlink()
    assert seal(recorded.folder) == before


async def test_a_link_in_place_of_a_file_is_not_followed(screens: Screens, recorded: Recorded, tmp_path: Path) -> None:
    recorded.prints(b"text")
    (tmp_path / "elsewhere").write_bytes((recorded.folder / "output").read_bytes())
    (recorded.folder / "output").unlink()
    (recorded.folder / "output").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ScreenError, match="ELOOP"):
        await draw(screens, recorded)


async def test_the_process_comes_back_after_it_died(recorded: Recorded) -> None:
    recorded.prints(b"hello")
    async with fresh() as screens:
        await draw(screens, recorded)
        os.kill(screens.pids[0], signal.SIGKILL)
        await until(lambda: not screens.pids)
        await asyncio.sleep(RESTART_AFTER)
        screen = await draw(screens, recorded)
    assert shown(SIZE, screen.text, rest(recorded, screen))[0] == "hello"


@pytest.mark.parametrize("line", ["null", "{}"])
async def test_after_an_answer_that_makes_no_sense_another_process_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    babbling = tmp_path / "babbling.mjs"
    babbling.write_text(f"process.stdin.on('data', () => console.log({line!r}));")
    process = EmulatorProcess()
    with monkeypatch.context() as babel:
        babel.setattr(process_module, "PROGRAM", babbling)
        with pytest.raises(ScreenError, match="its process ended"):
            await process.ask(PATIENCE, do="practice")
    assert process.pid is None
    await asyncio.sleep(RESTART_AFTER)
    await process.ask(PATIENCE, do="practice")
    await process.close()


async def test_a_fault_that_nobody_foresaw_does_not_end_keyframes_for_good(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screens_module, "LOOK_INTERVAL", 0.05)
    recorded.prints(b"some text\r\n" * 40_000)
    faults = [LookupError("once"), LookupError("and again")]

    def look() -> dict[Path, Output]:
        if faults:
            raise faults.pop()
        return {recorded.folder: Output(recorded.end, attended=True)}

    async with fresh() as screens:
        keeping = asyncio.create_task(screens.keep(look))
        deadline = monotonic() + KEYFRAME_PATIENCE
        while not (recorded.folder / "keyframes").exists():
            assert not keeping.done()
            assert monotonic() < deadline, "no keyframe was made"
            await asyncio.sleep(0.02)
        keeping.cancel()
        await asyncio.wait({keeping})


async def test_output_that_takes_too_long_keeps_no_other_session_waiting(recorded: Recorded, tmp_path: Path) -> None:
    other = Recorded(tmp_path / "other")
    other.prints(b"hello")
    # Each of these moves every line of the screen some thousand times.
    recorded.prints(b"\x1b[9999L\x1b[9999M" * 15_000)
    screens = Screens(timeout=2.0)
    await draw(screens, other)
    answers = await asyncio.gather(draw(screens, recorded), draw(screens, other), return_exceptions=True)
    assert [type(answer) for answer in answers] == [TooMuch, ScreenError]
    await until(lambda: not screens.pids)
    await asyncio.sleep(RESTART_AFTER)
    began = monotonic()
    with pytest.raises(ScreenError, match="a moment ago"):
        await draw(screens, recorded)
    assert monotonic() - began < 1.0
    await draw(screens, other)
    await screens.close()


async def test_without_node_there_is_an_answer_that_says_so(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(sys, "meta_path", [])  # nor the one from the Python Package Index
    with pytest.raises(ScreenError, match="is not installed"):
        await draw(Screens(), recorded)


async def test_it_ends_with_the_process_that_asks() -> None:
    program = """
        import asyncio, sys
        from sessions_app.screens.process import EmulatorProcess
        async def main():
            process = EmulatorProcess()
            await process.ask(20, do="practice")
            print(process.pid, flush=True)
            await asyncio.sleep(600)
        asyncio.run(main())
    """
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(program), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    deadline = monotonic() + PATIENCE
    while runs(pid):
        assert monotonic() < deadline, "it is still there"
        await asyncio.sleep(0.02)


async def test_it_knows_no_secret_of_the_portal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "a-secret-of-the-portal")
    process = EmulatorProcess()
    await process.ask(PATIENCE, do="practice")
    assert b"a-secret" not in Path(f"/proc/{process.pid}/environ").read_bytes()
    await process.close()


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended: one whose parent is gone may wait for long to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
