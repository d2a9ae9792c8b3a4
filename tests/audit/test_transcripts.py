"""Terminal output as plain text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.transcripts import MAX_LINE, Transcript


def text_of(*pieces: bytes | str, cols: int = 80) -> str:
    transcript = Transcript(cols)
    lines: list[str] = []
    for piece in pieces:
        lines += transcript.feed(piece.encode() if isinstance(piece, str) else piece)
    return "".join([*lines, *transcript.end()])


@pytest.mark.parametrize(
    ("printed", "read"),
    [
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("no newline", "no newline\n"),
        ("\r\n\r\n", "\n\n"),
        ("ecko\b\b\b\b\x1b[Kecho hi\r\n", "echo hi\n"),
        ("ab\b \bc", "ac\n"),
        ("10%\r50%\r100%\r\n", "100%\n"),
        ("a long line\rshort\x1b[K\r\n", "short\n"),
        ("ad\bbd\bcd\b\r\n", "abcd\n"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b]52;c;c2VjcmV0\x07plain", "red plain\n"),
        ("\x1b[2J\x1b[Hscreen\x1b[5;1Hnext", "screen\nnext\n"),
        ("a\tb\r\n", "a       b\n"),
        ("abc\x1b[3D\x1b[Px", "xc\n"),
        ("ac\b\x1b[@b\r\n", "abc\n"),
        ("\x1b[10Gx", "         x\n"),
        ("trailing   \r\n", "trailing\n"),
        ("abc\x1b[2Kd", "   d\n"),
        ("abc\x1b[2D\x1b[Xd", "adc\n"),
        ("漢字\r\n", "漢字\n"),
        (b"\xff\xfeab\n", "\ufffd\ufffdab\n"),
    ],
)
def test_text_reads_as_it_ended(printed: str | bytes, read: str) -> None:
    assert text_of(printed) == read


def test_a_wrapped_line_keeps_its_beginning() -> None:
    assert text_of("x" * 80, " \r", "y" * 5, cols=80) == "x" * 80 + "y" * 5 + "\n"


def test_a_line_without_an_end_is_broken() -> None:
    transcript = Transcript(80)
    lines = [line for _ in range(10) for line in transcript.feed(b"x" * MAX_LINE)]
    assert sum(len(line) - 1 for line in lines) >= MAX_LINE * 9
    assert all(len(line) <= MAX_LINE * 2 + 1 for line in lines)


@pytest.mark.parametrize("sequence", ["\x1b[99999C", "\x1b[99999@", "\x1b[99999G", "\x1b[99999X", "\x1b[99999D"])
def test_a_huge_move_does_not_cost_memory(sequence: str) -> None:
    assert len(text_of("x" + sequence * 50 + "y")) < MAX_LINE * 60


@given(st.binary(max_size=400), st.integers(0, 400), st.integers(0, 5))
def test_whatever_is_printed_reads_the_same_wherever_it_was_cut(printed: bytes, cut: int, cols: int) -> None:
    assert text_of(printed[:cut], printed[cut:], cols=cols) == text_of(printed, cols=cols)
