"""Ctrl-A D in the frames of one window: found where a person typed it, and nothing else is kept, changed or moved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.engine.keys import PIECE, PIECE_TIME, DetachKeys

KITTY, XTERM = b"\x1b[97;5u", b"\x1b[27;5;97~"


def taken(*frames: bytes, apart: float = 1.0) -> tuple[bytes, bool]:
    """What the program gets of frames that come one after the other, and whether they detach."""
    keys, passed, now = DetachKeys(), b"", 100.0
    for frame in frames:
        data, asked = keys.take(frame, now)
        passed += data
        if asked:
            return passed, True
        now += apart
    return passed, False


@pytest.mark.parametrize(
    "frames",
    [
        (b"\x01", b"d"),
        (b"\x01", b"D"),
        (b"\x01d",),
        (b"ls\r", b"\x01", b"d"),
        (b"\x01", b"\x01", b"\x01", b"d"),
        (b"\x01\x01", b"\x01d"),
        (KITTY, b"d"),
        (XTERM + b"d",),
    ],
)
def test_ctrl_a_d_detaches_in_one_frame_or_in_two(frames: tuple[bytes, ...]) -> None:
    passed, asked = taken(*frames)
    assert asked
    assert b"d" not in passed


@pytest.mark.parametrize(
    ("frames", "passed"),
    [
        ((b"\x01", b"\x01"), b"\x01"),
        ((b"\x01\x01",), b"\x01"),
        ((b"\x01", b"\x01", b"d"), b"\x01d"),
        ((b"\x01", b"\x01\x01"), b"\x01"),
        ((b"\x01", b"x"), b"\x01x"),
        ((b"\x01", b"\x04"), b"\x01\x04"),
        ((b"\x01", b"\x1b[C"), b"\x01\x1b[C"),
        ((b"\x01", b"\r", b"d"), b"\x01\rd"),
        ((b"d", b"D"), b"dD"),
        ((b"\x1b\x01", b"d"), b"\x1b\x01d"),
        ((KITTY, KITTY), KITTY),
        ((KITTY, b"e"), KITTY + b"e"),
        ((b"x\x01dy",), b"x\x01dy"),
        ((b"x\x01", b"d"), b"x\x01d"),
    ],
)
def test_any_other_key_goes_on_as_it_was_typed(frames: tuple[bytes, ...], passed: bytes) -> None:
    assert taken(*frames) == (passed, False)


def test_only_a_ctrl_a_waits_and_only_for_the_next_key() -> None:
    keys = DetachKeys()
    assert keys.take(b"\x01", 1.0) == (b"", False)
    for frame in (b"x", b"y", b"\x1b[A", b"d"):
        data, asked = keys.take(frame, 2.0)
        assert data.endswith(frame)
        assert not asked


@pytest.mark.parametrize(
    "frames",
    [
        (b"\x1b[200~\x01d\x1b[201~",),
        (b"\x1b[200~", b"\x01d", b"\x1b[201~"),
        (b"\x1b[200~a", b"\x01", b"d", b"\x1b[201~"),
        (b"a\x1b[2", b"00~", b"\x01", b"d"),
        (b"\x1b[200~one\x1b[201~\x1b[200~", b"\x01d"),
    ],
)
def test_what_is_pasted_in_brackets_never_detaches_however_it_is_cut(frames: tuple[bytes, ...]) -> None:
    assert taken(*frames) == (b"".join(frames), False)


def test_after_a_paste_the_keys_detach_again() -> None:
    for end in ((b"\x1b[201~",), (b"\x1b[20", b"1~")):
        assert taken(b"\x1b[200~text", *end, b"\x01", b"d")[1]


def test_the_last_piece_of_a_paste_without_brackets_is_no_keystroke() -> None:
    piece = b"x" * PIECE
    assert taken(piece, b"\x01d", apart=PIECE_TIME / 2) == (piece + b"\x01d", False)
    assert taken(piece, b"\x01d", apart=PIECE_TIME * 2)[1]


@given(st.lists(st.sampled_from([b"\x01", b"d", b"x", b"\x1b[A", b"\x1b[200~", b"\x1b[201~", b"ab\x01d"]), max_size=12))
def test_the_program_gets_every_key_but_the_chords_in_order(frames: list[bytes]) -> None:
    passed, _ = taken(*frames)
    rest = iter(b"".join(frames))
    assert all(byte in rest for byte in passed), "a subsequence of what was typed"
    assert passed.replace(b"\x01", b"").replace(b"d", b"") in b"".join(frames).replace(b"\x01", b"").replace(b"d", b"")
