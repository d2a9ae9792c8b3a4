"""The pure parts: what a terminal must not see, what must be put back, what paces input and tries."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from porthole.modes import Modes
from porthole.pacing import INPUT_FRAME, INPUT_WINDOW, LONGEST_WAIT, Backoff, InputPacer
from porthole.printing import size, span
from porthole.protocol import is_final, parse
from porthole.sanitize import Filter

HARMLESS = (
    b"text \x1b[1;31mred\x1b[0m \x1b]0;title\x07"
    b"\x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\\x1bPq#0\x1b\\\x1b(B\xf0\x9f\x90\x9a end"
)
CLIPBOARD = b"\x1b]52;c;aGVsbG8=\x07"
QUESTIONS = (
    b"\x1b[c", b"\x1b[>c", b"\x1b[0c", b"\x1b[=c", b"\x1b[5n", b"\x1b[6n", b"\x1b[?6n", b"\x1b[?2004$p", b"\x1b[18t",
    b"\x1b[>0q", b"\x1b[?u", b"\x1bZ", b"\x05", b"\x1b]4;1;?\x07", b"\x1b]11;?\x1b\\", b"\x1bP$qm\x1b\\",
    b"\x1bP+q544e\x1b\\", CLIPBOARD, b"\x1b]52;c;?\x1b\\",
)  # fmt: skip


def passed(pieces: list[bytes], *, replay: bool) -> bytes:
    one = Filter()
    return b"".join(one.pass_on(piece, replay=replay) for piece in pieces) + one.flush()


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


@given(st.lists(st.integers(0, 500), max_size=8), st.booleans())
def test_harmless_output_passes_wherever_it_is_split(cuts: list[int], replay: bool) -> None:
    assert passed(split(HARMLESS, cuts), replay=replay) == HARMLESS


@given(st.lists(st.integers(0, 500), max_size=8), st.sampled_from(QUESTIONS))
def test_no_question_is_replayed_wherever_it_is_split(cuts: list[int], question: bytes) -> None:
    assert passed(split(b"before" + question + b"after", cuts), replay=True) == b"beforeafter"


@given(st.lists(st.integers(0, 500), max_size=8))
def test_live_output_may_ask_and_never_reaches_the_clipboard(cuts: list[int]) -> None:
    live = b"a\x1b[6n" + CLIPBOARD + b"\x1b]11;?\x07b\x1b]0052;c;x\x1b\\c"
    assert passed(split(live, cuts), replay=False) == b"a\x1b[6n\x1b]11;?\x07bc"


@given(st.binary(max_size=300), st.lists(st.integers(0, 500), max_size=5))
def test_any_bytes_without_an_escape_pass_as_they_are(data: bytes, cuts: list[int]) -> None:
    data = data.replace(b"\x1b", b"")
    assert passed(split(data, cuts), replay=False) == data


def test_a_clipboard_sequence_without_an_end_holds_nothing_back_in_memory() -> None:
    one = Filter()
    one.pass_on(b"\x1b]52;c;")
    assert one.pass_on(b"A" * 1_000_000) == b""
    assert one.pass_on(b"\x07after") == b"after"


@given(st.lists(st.integers(0, 500), max_size=6))
def test_what_a_program_switched_is_put_back_and_nothing_else(cuts: list[int]) -> None:
    modes = Modes()
    for piece in split(b"\x1b[?1049h\x1b[?2004h\x1b[?2004l\x1b[?1000;1006h\x1b[?25l\x1b[5;20r\x1b=vim", cuts):
        modes.follow(piece)
    assert modes.alternate_screen
    undone = modes.reset()
    for sequence in (b"\x1b[?1049l", b"\x1b[?1000l", b"\x1b[?1006l", b"\x1b[?25h", b"\x1b[r", b"\x1b>", b"\x1b[0m"):
        assert sequence in undone
    assert b"2004" not in undone
    assert undone.startswith(b"\x1b[?1049l")
    assert modes.reset() == b""


def test_a_program_that_cleans_up_after_itself_leaves_nothing_to_undo() -> None:
    modes = Modes()
    modes.follow(b"\x1b[?1047h\x1b[?25l screen \x1b[?25h\x1b[?1049l\x1b[r")
    assert not modes.alternate_screen
    assert modes.reset() == b""


def test_input_keeps_within_the_window_and_in_order() -> None:
    pacer = InputPacer()
    data = bytes(range(256)) * 4096
    pacer.push(data[:100])
    pacer.push(data[100:])
    sent = b""
    while (frame := pacer.take()) is not None:
        assert len(frame) <= INPUT_FRAME
        sent += bytes(frame)
    assert len(sent) == INPUT_WINDOW
    while pacer.waiting:
        pacer.acknowledge(len(sent))
        while (frame := pacer.take()) is not None:
            sent += bytes(frame)
    assert sent == data


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.floats(0, 1)), max_size=6))
def test_a_programs_input_survives_any_number_of_connections(connections: list[tuple[int, int, float]]) -> None:
    """Each sends some frames, has some of them acknowledged, and is lost when a share of the rest has arrived."""
    data = bytes(range(256)) * 4096
    pacer, arrived = InputPacer(keep=True), b""
    pacer.push(data[:300_000])
    pacer.push(data[300_000:])
    for sends, acknowledged, share in [*connections, (100, 100, 1.0)]:
        pacer.restart(len(arrived))
        sent = b""
        passed_on = 0
        for number in range(sends):
            if (frame := pacer.take()) is not None:
                sent += bytes(frame)
            if number < acknowledged:
                passed_on = len(sent)
                pacer.acknowledge(passed_on)
        arrived += sent[: passed_on + round(share * (len(sent) - passed_on))]
    assert arrived == data


def test_what_a_person_typed_is_not_typed_again() -> None:
    pacer = InputPacer()
    pacer.push(b"sent")
    pacer.take()
    pacer.push(b"not sent")
    pacer.clear()
    pacer.restart()
    assert pacer.take() is None


def test_waits_grow_to_a_bound_and_start_over() -> None:
    backoff = Backoff()
    waits = [backoff.next() for _ in range(12)]
    assert waits[0] <= 0.5
    assert all(wait <= LONGEST_WAIT for wait in waits)
    assert waits[-1] >= LONGEST_WAIT / 2
    backoff.restart()
    assert backoff.next() <= 0.5


def test_only_what_cannot_get_better_is_final() -> None:
    assert [code for code in (1000, 1001, 1006, 1011, 1012, 4400, 4403, 4409, 4429) if is_final(code)] == [
        1000, 4400, 4403, 4409, 4429,
    ]  # fmt: skip
    assert parse("[1]") == parse("{") == {"type": ""}


def test_sizes_and_spans_are_short() -> None:
    assert [size(number) for number in (0, 999, 1000, 20480, 5_000_000_000)] == ["0B", "999B", "1.0K", "20K", "4.7G"]
    assert [span(seconds) for seconds in (5, 65, 3700, 90000)] == ["5s", "1m05s", "1h01m", "1d01h"]
