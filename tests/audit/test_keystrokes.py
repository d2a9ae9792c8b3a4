"""Typed input for the record: what the terminal echoes is kept, what it hides is not."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.keystrokes import HIDDEN, MAX_RUN, KeystrokeRecorder


class Clock:
    """A clock that goes when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal:
    """A recorder and what it wrote."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.written: list[str] = []
        self.recorder = KeystrokeRecorder(self.written.append, clock=self.clock)

    @property
    def text(self) -> str:
        return "".join(self.written)

    def typed(self, text: str) -> None:
        self.recorder.typed(text.encode())

    def echoed(self, text: str) -> None:
        self.recorder.echoed(text.encode())

    def type_and_echo(self, text: str) -> None:
        for character in text:
            self.typed(character)
            self.echoed(character)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.recorder.flush()


def test_an_echoed_line_is_written_at_enter(terminal: Terminal) -> None:
    terminal.type_and_echo("ls -la")
    assert terminal.text == ""
    terminal.typed("\r")
    assert terminal.text == "ls -la\r"


def test_a_line_that_is_not_echoed_is_hidden_with_its_length(terminal: Terminal) -> None:
    for character in "hunter2":
        terminal.typed(character)
    terminal.typed("\r")
    terminal.echoed("\r\n")
    assert terminal.text == f"{HIDDEN}\r"


def test_asterisks_are_no_echo(terminal: Terminal) -> None:
    for character in "hunter2":
        terminal.typed(character)
        terminal.echoed("*")
    terminal.typed("\r")
    terminal.echoed("\r\n")
    assert terminal.text == f"{HIDDEN}\r"


def test_an_echo_that_comes_after_enter_counts_if_the_line_ends_with_it(terminal: Terminal) -> None:
    terminal.typed("make test\r")
    terminal.echoed("make te")
    terminal.echoed("st\r\n")
    assert terminal.text == "make test\r"


def test_an_answer_that_begins_like_the_secret_is_no_echo(terminal: Terminal) -> None:
    terminal.typed("w\r")
    terminal.echoed("w")
    terminal.echoed("elcome\r\n")
    assert terminal.text == f"{HIDDEN}\r"


def test_a_late_echo_without_the_lines_end_is_no_echo(terminal: Terminal) -> None:
    terminal.typed("w\r")
    terminal.echoed("w")
    terminal.typed("\r")
    terminal.clock.now += 2
    terminal.recorder.tick()
    assert terminal.text == f"{HIDDEN}\r\r"


def test_an_answer_that_takes_the_cursor_back_is_no_echo(terminal: Terminal) -> None:
    terminal.typed("se\r")
    terminal.echoed("sx\be\r\n")
    assert terminal.text == f"{HIDDEN}\r"


def test_an_echo_in_another_column_is_no_echo(terminal: Terminal) -> None:
    terminal.type_and_echo("s")
    terminal.typed("e")
    terminal.echoed("xe")
    terminal.typed("\r")
    terminal.echoed("\r\n")
    assert terminal.text == f"{HIDDEN}\r"


def test_an_echo_on_another_line_is_no_echo(terminal: Terminal) -> None:
    terminal.typed("secret")
    terminal.echoed("\r\nsecret")
    terminal.typed("\r")
    assert terminal.text == f"{HIDDEN}\r"


def test_a_secret_inside_later_output_is_no_echo(terminal: Terminal) -> None:
    terminal.typed("test\r")
    terminal.echoed("\r\nno such user: test\r\n")
    assert "test" not in terminal.text


def test_letters_of_the_secret_in_order_in_an_error_message_are_no_echo(terminal: Terminal) -> None:
    terminal.typed("let\r")
    terminal.echoed("login failed, retry later\r\n")
    assert terminal.text == f"{HIDDEN}\r"


def test_a_character_that_waits_a_second_for_its_echo_is_hidden(terminal: Terminal) -> None:
    terminal.typed("s")
    terminal.clock.now += 1.5
    terminal.typed("ecret\r")
    terminal.echoed("secret\r\n")
    assert terminal.text == f"{HIDDEN}\r"


def test_an_undecided_line_is_hidden_after_a_second(terminal: Terminal) -> None:
    terminal.typed("secret\r")
    terminal.recorder.tick()
    assert terminal.text == ""
    terminal.clock.now += 1.5
    terminal.recorder.tick()
    assert terminal.text == f"{HIDDEN}\r"


def test_backspaces_are_kept_as_typed(terminal: Terminal) -> None:
    terminal.type_and_echo("lz")
    terminal.typed("\x7f")
    terminal.echoed("\b \b")
    terminal.type_and_echo("s")
    terminal.typed("\r")
    assert terminal.text == "lz\x7fs\r"


def test_backspaces_of_a_hidden_line_do_not_tell_where_they_were(terminal: Terminal) -> None:
    terminal.typed("sec\x7fcret\r")
    terminal.echoed("\r\n")
    assert terminal.text == f"{HIDDEN}\x7f\r"


def test_a_line_typed_and_corrected_faster_than_its_echo_is_kept(terminal: Terminal) -> None:
    terminal.typed("helo\x7flo\r")
    terminal.echoed("helo\b \blo\r\n")
    assert terminal.text == "helo\x7flo\r"


def test_text_inserted_in_the_middle_of_a_line_is_kept(terminal: Terminal) -> None:
    terminal.type_and_echo("ad")
    terminal.typed("\x1b[D")
    terminal.echoed("\b")
    terminal.typed("b")
    terminal.echoed("bd\b")
    terminal.typed("c")
    terminal.echoed("cd\b")
    terminal.typed("\r")
    assert terminal.text == "ad\x1b[Dbc\r"


def test_a_suggestion_behind_the_cursor_does_not_hide_the_line(terminal: Terminal) -> None:
    terminal.typed("l")
    terminal.echoed("l\x1b[90ms -la\x1b[0m\x1b[5D")
    terminal.typed("s")
    terminal.echoed("s\x1b[90m -la\x1b[0m\x1b[4D")
    terminal.typed("\r")
    assert terminal.text == "ls\r"


def test_completion_between_two_words_is_kept_as_a_tab(terminal: Terminal) -> None:
    terminal.type_and_echo("cat READ")
    terminal.typed("\t")
    terminal.echoed("ME.md ")
    terminal.type_and_echo("x")
    terminal.typed("\r")
    assert terminal.text == "cat READ\tx\r"


def test_a_line_that_wraps_at_the_right_margin_is_kept(terminal: Terminal) -> None:
    terminal.type_and_echo("x" * 80)
    terminal.typed("y")
    terminal.echoed(" \ry")
    terminal.typed("\r")
    assert terminal.text == "x" * 80 + "y\r"


def test_an_interrupt_gives_up_the_line_and_its_text(terminal: Terminal) -> None:
    terminal.typed("sec")
    terminal.typed("\x03")
    terminal.echoed("^C\r\n")
    assert terminal.text == f"{HIDDEN}\x03"


def test_keys_alone_are_written_at_once_with_enter(terminal: Terminal) -> None:
    terminal.typed("\x1b[A\x1bOB\x1b[1;5C\x1b[3~\r")
    assert terminal.text == "\x1b[A\x1bOB\x1b[1;5C\x1b[3~\r"


def test_a_key_split_across_reads_is_one_key(terminal: Terminal) -> None:
    for character in "\x1b[A\r":
        terminal.typed(character)
    assert terminal.text == "\x1b[A\r"


@pytest.mark.parametrize("encoded", ["\x1b[115u", "\x1b[27;2;83~", "\x1b[83;31;115;1;0;1_"])
def test_characters_sent_as_sequences_are_text(terminal: Terminal, encoded: str) -> None:
    terminal.typed(f"{encoded}\r")
    terminal.echoed("\r\n")
    assert terminal.text == f"{HIDDEN}\r"


@pytest.mark.parametrize("character", ["\u00a0", "\u200b", "\ue000", "\U0001fae9", "\ufeff", "é", "漢"])
def test_no_character_passes_for_a_key(terminal: Terminal, character: str) -> None:
    terminal.typed(f"{character}\r")
    terminal.echoed("\r\n")
    assert terminal.text == f"{HIDDEN}\r"


def test_text_after_the_escape_key_is_text(terminal: Terminal) -> None:
    terminal.typed("\x1bsecret\r")
    terminal.echoed("\r\n")
    assert terminal.text == f"\x1b{HIDDEN}\r"


def test_a_terminals_own_answers_are_not_recorded(terminal: Terminal) -> None:
    terminal.typed("\x1b]11;rgb:0000/0000/0000\x1b\\")
    terminal.type_and_echo("ls")
    terminal.typed("\r")
    assert terminal.text == "ls\r"


def test_multibyte_characters_and_colours_split_in_the_echo_are_put_together(terminal: Terminal) -> None:
    terminal.typed("né漢")
    for byte in "n\x1b[1;31mé\x1b[0m漢".encode():
        terminal.recorder.echoed(bytes([byte]))
    terminal.typed("\r")
    assert terminal.text == "né漢\r"


def test_a_colour_that_began_before_the_key_was_typed_is_no_text(terminal: Terminal) -> None:
    terminal.echoed("prompt$ \x1b[0")
    terminal.typed("x")
    terminal.echoed(";1mx")
    terminal.typed("\r")
    assert terminal.text == "x\r"


def test_the_second_of_two_quick_lines_is_matched_behind_the_first(terminal: Terminal) -> None:
    terminal.typed("one\rtwo\r")
    terminal.echoed("one\r\ntwo\r\n")
    assert terminal.text == "one\rtwo\r"


def test_a_secret_typed_ahead_behind_a_command_is_hidden(terminal: Terminal) -> None:
    terminal.typed("login\rhunter2\r")
    terminal.echoed("login\r\nPassword: \r\nwelcome\r\n")
    assert terminal.text == f"login\r{HIDDEN}\r"


def test_what_is_undecided_at_the_end_is_hidden(terminal: Terminal) -> None:
    terminal.typed("secret")
    terminal.recorder.flush()
    assert terminal.text == HIDDEN


def test_a_line_longer_than_its_bound_is_hidden_and_forgotten(terminal: Terminal) -> None:
    terminal.typed("s" * (MAX_RUN * 3))
    assert terminal.text == HIDDEN
    terminal.typed("ecret\r")
    assert terminal.text == f"{HIDDEN}\r"


def test_a_flood_of_lines_is_decided_without_waiting(terminal: Terminal) -> None:
    terminal.typed("secret\r" * 50_000)
    assert "secret" not in terminal.text
    assert terminal.text.count(HIDDEN) > 49_900


@given(
    secret=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1b"), min_size=1, max_size=40),
    cuts=st.lists(st.integers(1, 5), max_size=20),
)
def test_without_an_echo_only_control_characters_are_written(secret: str, cuts: list[int]) -> None:
    terminal = Terminal()
    data = secret.encode() + b"\r"
    for cut in cuts:
        terminal.recorder.typed(data[:cut])
        data = data[cut:]
    terminal.recorder.typed(data)
    terminal.echoed("\r\n")
    terminal.recorder.flush()
    left = terminal.text.replace(HIDDEN, "")
    assert all(character < " " or "\x7f" <= character <= "\x9f" for character in left)
