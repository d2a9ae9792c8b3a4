"""How a launch is told from its program's own output, fed byte by byte as no engine would dare to."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.journal import OutputStream
from sessions_app.backends import cleanup
from sessions_app.backends.base import (
    BackendError,
    CommandNotFound,
    Container,
    ContainerGone,
    ExecRequest,
    ExecSink,
    ExecStream,
    ProviderUnreachable,
)
from sessions_app.backends.launch import MAX_EARLY_OUTPUT, Launched, launch, printable, script
from tests.sessions_app.backends.terminal import Terminal

READY = b"\x1eporthole ready sized 7:4711\x1e"
NO_SHELL = b"OCI runtime exec failed: exec failed: unable to start container process: executable file not found\r\n"


Piece = bytes | tuple[bytes, OutputStream]
"""Of stdout, or of the stream that is named."""


class Scripted(ExecStream):
    """A stream that was over before it began."""

    def __init__(self) -> None:
        self.closes = 0

    def write(self, data: bytes) -> None: ...
    def write_eof(self) -> bool: ...  # type: ignore[empty-body]
    async def drain(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    async def resize(self, cols: int, rows: int) -> None: ...

    async def close(self) -> None:
        self.closes += 1


class Engine:
    """Delivers, for each exec in turn, these pieces of output and this end (None: none yet)."""

    def __init__(self, *execs: tuple[Sequence[Piece], tuple[int | None, BackendError | None] | None]) -> None:
        self._execs = list(execs)
        self.argvs: list[Sequence[str]] = []
        self.streams: list[Scripted] = []

    async def open_stream(self, argv: Sequence[str], sink: ExecSink) -> ExecStream:
        self.argvs.append(argv)
        pieces, end = self._execs.pop(0)
        for piece in pieces:
            sink.output(*([piece] if isinstance(piece, bytes) else piece))
        if end is not None:
            sink.closed(*end)
        self.streams.append(Scripted())
        return self.streams[-1]


def request(*argv: str) -> ExecRequest:
    return ExecRequest("ws-1", Container("web"), argv)


async def launched(engine: Engine, terminal: Terminal, *argv: str) -> Launched:
    return await launch(request(*argv), terminal, engine.open_stream, export=False)


@given(noise=st.binary(max_size=20), output=st.binary(max_size=40), cut=st.integers(1, 7))
async def test_the_mark_is_found_however_it_is_cut(noise: bytes, output: bytes, cut: int) -> None:
    whole = noise.replace(b"\x1e", b"") + READY + output
    terminal = Terminal()
    pieces = [whole[start : start + cut] for start in range(0, len(whole), cut)]
    done = await launched(Engine((pieces, (0, None))), terminal)
    assert (done.leader, done.how) == ("7:4711", "sized")
    assert bytes(terminal.seen) == output
    assert terminal.closings == [(0, None)]


async def test_a_mark_without_a_leader_is_enough() -> None:
    done = await launched(Engine(([b"\x1eporthole ready unsized \x1e"], None)), Terminal())
    assert (done.leader, done.how) == ("", "unsized")


@pytest.mark.parametrize("size", [5, MAX_EARLY_OUTPUT + 5_000])
async def test_errors_that_overtake_the_mark_do_not_hide_it(size: int) -> None:
    pieces: list[Piece] = [(b"e" * size, "stderr"), (b"!", "stderr"), b"\x1eporthole ready framed 5:6\x1eout"]
    terminal = Terminal()
    done = await launched(Engine((pieces, (3, None))), terminal, "sh")
    assert (done.leader, done.how) == ("5:6", "framed")
    assert (bytes(terminal.seen), bytes(terminal.errors)) == (b"out", b"e" * size + b"!")
    assert terminal.closings == [(3, None)]


async def test_without_a_shell_the_program_is_started_directly() -> None:
    engine, terminal = Engine(([NO_SHELL], (126, None)), ([b"hello"], None)), Terminal()
    await launched(engine, terminal, "/app", "-x")
    assert engine.argvs[1] == ("/app", "-x")
    assert bytes(terminal.seen) == b"hello"
    assert engine.streams[0].closes == 1


async def test_a_program_started_directly_may_begin_like_an_engine_that_fails() -> None:
    engine, terminal = (
        Engine(([NO_SHELL], (126, None)), ([b"OCI runtime", b" exec failed, I say"], (0, None))),
        Terminal(),
    )
    await launched(engine, terminal, "/app")
    assert bytes(terminal.seen) == b"OCI runtime exec failed, I say"
    assert terminal.closings == [(0, None)]


@pytest.mark.parametrize(
    ("argv", "execs", "error", "words"),
    [
        ((), [([NO_SHELL], (126, None))], CommandNotFound, "has no shell"),
        ((), [([], (None, CommandNotFound("executable file not found")))], CommandNotFound, "has no shell"),
        (("x",), [([b"\x1eporthole missing\x1e"], (127, None))], CommandNotFound, "no program “x”"),
        (("x",), [([NO_SHELL], (126, None)), ([NO_SHELL], (127, None))], CommandNotFound, "no program “x”"),
        ((), [([], (137, ContainerGone("The container web was stopped.")))], ContainerGone, "was stopped"),
        ((), [([], (None, ProviderUnreachable("The connection broke.")))], ProviderUnreachable, "broke"),
        ((), [([b"sh: \x1b[31msyntax"], (2, None))], BackendError, r"\(exit code 2\). sh:  \[31msyntax"),
    ],
)
async def test_a_failed_launch_is_an_error_and_no_output(
    argv: tuple[str, ...],
    execs: list[tuple[list[bytes], tuple[int | None, BackendError | None]]],
    error: type,
    words: str,
) -> None:
    engine, terminal = Engine(*execs), Terminal()
    with pytest.raises(error, match=words):
        await launched(engine, terminal, *argv)
    assert not terminal.seen
    assert not terminal.closings
    assert all(stream.closes == 1 for stream in engine.streams)


def test_scripts_travel_without_their_comments() -> None:
    for name in ("launch.sh", "end_processes.sh"):
        assert not any(line.startswith("#") or not line for line in script(name).split("\n"))
    assert len(script("launch.sh")) < 1500, "it travels in a URL"


def test_text_of_a_container_is_made_printable() -> None:
    assert printable("a\x1b[31mb\nc\u202e") == "a [31mb c"
    assert len(printable("x" * 1000)) == 200


@pytest.mark.parametrize("kill_protected", [True, False])
def test_a_report_that_was_cut_off_claims_nothing(kill_protected: bool) -> None:
    report = cleanup.parse_report(b"F 7 plain bash\nF 8 protected daemon\nK 7\nF 9 pl", kill_protected=kill_protected)
    assert {process.pid: process.outcome for process in report.processes} == {
        7: "survived",
        8: "survived" if kill_protected else "left",
    }
    assert report.note == cleanup.CUT_OFF


@given(st.binary(max_size=300))
def test_any_report_is_read_without_a_fault(output: bytes) -> None:
    cleanup.parse_report(output, kill_protected=False)
