"""Transcripts as a person saw them: what is told, once, in which form, and when."""

import json

import pytest

from audit.rendering import MAX_LINE, Rendering


def seen(*output: tuple[float, str | bytes], cols: int = 40, rows: int = 6) -> list[tuple[float, str]]:
    """The lines of a session that printed this, its last screen included."""
    rendering = Rendering(cols, rows)
    for at, text in output:
        rendering.feed(at, text.encode() if isinstance(text, str) else text)
    return [(line.at, line.text) for line in [*rendering.take(), *rendering.standing()]]


def texts(*output: tuple[float, str | bytes], cols: int = 40, rows: int = 6) -> list[str]:
    return [text for _, text in seen(*output, cols=cols, rows=rows)]


def test_lines_have_the_time_at_which_they_were_printed_also_if_they_scroll_off_later() -> None:
    output = [(float(n), f"line {n}\r\n") for n in range(20)]
    assert seen(*output) == [(float(n), f"line {n}") for n in range(20)]


def test_a_progress_bar_counts_as_it_ended() -> None:
    bar = [(n / 10, f"\rdownload {n * 10:3}% [{'#' * n:10}]") for n in range(11)]
    assert texts(*bar, (2.0, "\r\ndone\r\n")) == ["download 100% [##########]", "done"]


def test_several_progress_bars_above_each_other_count_as_they_ended() -> None:
    rounds = [(float(n), f"\x1b[2A\x1b[2Klayer a {n}%\r\n\x1b[2Klayer b {n}%\r\n") for n in range(5)]
    assert texts((0.0, "layer a\r\nlayer b\r\n"), *rounds) == ["layer a 4%", "layer b 4%"]


def test_what_was_corrected_while_typing_is_not_there() -> None:
    assert texts((1, "$ lss"), (2, "\b\x1b[K"), (3, " -l\r\n")) == ["$ ls -l"]
    killed = (2, "\r$ \x1b[K")
    assert texts((1, "$ mistake"), killed, (3, "date\r\nFriday\r\n")) == ["$ date", "Friday"]
    inserted = (2, "\b\b\b\x1b[2@ab")
    assert texts((1, "$ xyz"), inserted) == ["$ abxyz"]


def test_what_readline_and_a_slow_typist_do_after_clear_is_one_line() -> None:
    typed = [(float(n), letter) for n, letter in enumerate("uptime", start=3)]
    assert texts((1, "old\r\n"), (2, "\x1b[H\x1b[2J$ "), *typed, (20, "\r\nup\r\n")) == ["old", "$ uptime", "up"]


def test_a_cleared_screen_was_seen() -> None:
    assert texts((1, "first\r\nsecond\r\n$ clear\r\n"), (1.1, "\x1b[H\x1b[2J\x1b[3J$ ")) == [
        "first",
        "second",
        "$ clear",
        "$",
    ]


def test_a_full_screen_program_is_told_as_its_screens_stood() -> None:
    output = [
        (1.0, "$ less log\r\n\x1b[?1049h\x1b[2J\x1b[Hpage one\r\nmore of one\r\n:"),
        (5.0, "\x1b[H\x1b[2Jpage two\r\nmore of two\r\n:"),
        (5.1, "\x1b[H\x1b[2Jflashes by\r\n:"),
        (5.2, "\x1b[H\x1b[2Jpage three\r\n:"),
        (9.0, "\x1b[?1049l$ "),
    ]
    lines = texts(*output)
    assert lines[0] == "$ less log"
    assert [line for line in lines if line.startswith(("page", "more"))][:3] == ["page one", "more of one", "page two"]
    assert "page three" in lines
    assert lines.count(":") == 1
    assert lines[-1] == "$"


def test_what_a_program_paints_over_within_a_moment_was_not_seen() -> None:
    output = [(1.0, "\x1b[?1049h\x1b[H0 of 9"), (1.1, "\x1b[H1 of 9"), (1.2, "\x1b[H2 of 9"), (3.0, "\x1b[Hdone\x1b[K")]
    assert texts(*output) == ["2 of 9", "done"]


def test_a_program_that_repaints_the_same_is_told_once() -> None:
    again = [(float(n), f"\x1b[Hthe same\r\nround {n}") for n in range(5)]
    assert texts(*again) == ["the same", "round 0", "round 1", "round 2", "round 3", "round 4"]


def test_vim_leaves_what_was_on_the_screen_before() -> None:
    output = [
        (1.0, "before\r\n$ vim a\r\n"),
        (2.0, "\x1b[?1049h\x1b[?1h\x1b=\x1b[1;6r\x1b[2J\x1b[1;1Hfirst line of a\r\n~\r\n~\x1b[6;1H"),
        (4.0, "\x1b[1;1H\x1b[Ltop line\x1b[6;1H:wq"),
        (5.0, "\x1b[?1049l\x1b[?1l$ after\r\n"),
    ]
    lines = texts(*output)
    assert lines[:2] == ["before", "$ vim a"]
    assert {"first line of a", "top line", ":wq"} <= set(lines)
    assert lines[-1] == "$ after"
    assert lines.count("before") == 1


def test_wrapped_rows_are_one_line() -> None:
    long = "x" * 95 + "needle" + "y" * 30
    assert texts((1, f"{long}\r\nshort\r\n")) == [long, "short"]


def test_wide_characters_wrap_whole_and_stay_together() -> None:
    line = "a" + "日本語テキスト" * 6
    assert texts((1, f"{line}\r\n"), cols=20) == [line]
    assert texts((1, "日本語\r\x1b[2C国\r\n")) == ["日国語"]
    assert texts((1, "日本\r\x1b[1Cx\r\n")) == [" x本"]
    assert texts((1, "e\u0301te\u0301 👍\r\n")) == ["e\u0301te\u0301 👍"]


def test_line_drawing_is_drawn() -> None:
    assert texts((1, "\x1b(0lqqk\x1b(B text\r\n")) == ["┌──┐ text"]


def test_escape_sequences_leave_no_text() -> None:
    assert texts((1, "\x1b]0;title\x07\x1b[31mred\x1b[0m \x1bP1$r\x1b\\\x1b[?2004hplain\r\n")) == ["red plain"]


def test_a_smaller_window_loses_nothing() -> None:
    rendering = Rendering(40, 6)
    rendering.feed(1, b"one\r\ntwo\r\nthree\r\nfour\r\n")
    rendering.resize(10, 2)
    rendering.feed(2, b"five\r\n")
    assert [line.text for line in [*rendering.take(), *rendering.standing()]] == ["one", "two", "three", "four", "five"]


def test_a_line_without_end_is_told_in_pieces() -> None:
    rendering = Rendering(100, 5)
    for _ in range(100):
        rendering.feed(1, b"z" * 1000)
        assert sum(len(line.text) for line in rendering._pieces) <= MAX_LINE + 100
    lines = [*rendering.take(), *rendering.standing()]
    assert sum(len(line.text) for line in lines) == 100_000
    assert max(len(line.text) for line in lines) <= MAX_LINE


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_it_goes_on_wherever_it_was_frozen(size: int) -> None:
    output = (
        "$ ls -x\b\x1b[K\r\nlong " + "wrapped " * 12 + "\r\n日本語テキスト\r\n"
        "\x1b]0;title\x07\x1b[?1049h\x1b[2J\x1b[Hinside\x1b[3;4Hvim\x1b(0lq\x1b(B\x1b[?1049l\x1b[31m$ e\u0301nd"
    ).encode()
    whole = Rendering(30, 5)
    frozen = Rendering(30, 5)
    lines = []
    for start in range(0, len(output), size):
        piece = output[start : start + size]
        whole.feed(start / 10, piece)
        frozen.feed(start / 10, piece)
        lines += frozen.take()
        frozen = Rendering.thaw(json.loads(json.dumps(frozen.freeze())))
    assert [*lines, *frozen.standing()] == [*whole.take(), *whole.standing()]


def test_hostile_output_breaks_nothing() -> None:
    for sequence in (
        b"\x1b[999999999999A", b"\x1b[0;0r", b"\x1b[5;2r\n\n\n", b"\x1b[99999b", b"\x1b[99999L", b"\x1b[99999@",
        b"\x1b[99999P", b"\x1b[99999X", b"\x1b[9999;9999H\xe6\x97\xa5\x1b[K", b"\x1b8\x1b[u", b"\xff\xfe\x80",
        b"\x1b[;;;;;;H", b"\x1b[4h" + b"q" * 500, b"\x1b[?7l" + "日".encode() * 50, b"\xcc\x81" * 500,
    ):  # fmt: skip
        rendering = Rendering(7, 3)
        rendering.feed(1, b"seed\r\n" + sequence + b"x" + sequence)
        rendering.resize(1, 1)
        rendering.feed(2, sequence + b"y")
        rendering.resize(10**9, 10**9)
        rendering.feed(3, sequence)
        assert rendering.standing() is not None
        for screen in (rendering._main, rendering._other):
            assert len(screen.rows) == screen.height
            assert all(len(row.cells) == screen.cols for row in screen.rows)
