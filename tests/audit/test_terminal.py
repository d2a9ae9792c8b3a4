"""Splitting terminal output into text, controls and sequences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.terminal import TerminalParser, is_text

SAMPLE = (
    "a\x1b[31mred\x1b[0m\x1b]0;title\x07b\x1b]8;;http://x\x1b\\c\x1b(Bd\x1bPq#0\x1b\\e\r\n\x1b[3\nx\u009b1mé\U0001f600"
    "\x1b7\x1b[?1049h\x1b]broken off\x1b[1mz"
).encode()


def text_of(*pieces: bytes) -> str:
    parser = TerminalParser()
    tokens = [token for piece in pieces for token in parser.feed(piece)]
    tokens += parser.feed(b"", final=True)
    return "".join(token for token in tokens if is_text(token) or token in "\r\n")


def test_only_text_and_line_ends_are_left() -> None:
    assert text_of(SAMPLE) == "aredbcde\r\n\nxé😀z"


@pytest.mark.parametrize("cut", range(len(SAMPLE)))
def test_it_does_not_matter_where_the_bytes_were_cut(cut: int) -> None:
    assert text_of(SAMPLE[:cut], SAMPLE[cut:]) == text_of(SAMPLE)


def test_bytes_one_by_one_give_the_same() -> None:
    assert text_of(*(bytes([byte]) for byte in SAMPLE)) == text_of(SAMPLE)


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_no_control_character_ever_passes_for_text(pieces: list[bytes]) -> None:
    assert not any(c < " " or "\x7f" <= c <= "\x9f" for c in text_of(*pieces) if c not in "\r\n")


@pytest.mark.parametrize("start", [b"\x1b]0;", b"\x1b[", b"\x1b(", b"\x1bP", b"\xf0\x9f"])
def test_a_sequence_without_an_end_holds_no_memory(start: bytes) -> None:
    parser = TerminalParser()
    list(parser.feed(start))
    for _ in range(100):
        list(parser.feed(b"0" * 10_000))
    assert len(parser._rest) < 10_000
