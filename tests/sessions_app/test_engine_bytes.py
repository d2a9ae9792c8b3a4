"""Every byte of a live session, in order, once: on record, in a window, and in one that comes back."""

from pathlib import Path

import pytest

from sessions_app.engine.input import INPUT_BUFFER
from sessions_app.engine.log import LOG_MEMORY
from tests.sessions_app.bench import MULTIBYTE, bench, until

ALL_BYTES = bytes(range(256))


async def test_all_256_values_go_in_and_out_and_stand_in_the_journal(tmp_path: Path) -> None:
    async with bench(tmp_path) as session:
        window = session.window()
        await until(lambda: window.output == b"ready")
        window.type(ALL_BYTES)
        await until(lambda: len(window.output) == len(b"ready") + 256)
        assert bytes(window.output) == session.record() == b"ready" + ALL_BYTES


async def test_each_single_value_alone_arrives_as_itself(tmp_path: Path) -> None:
    async with bench(tmp_path) as session:
        window = session.window()
        await until(lambda: window.output == b"ready")
        for value in ALL_BYTES:
            window.type(bytes([value]))
            await until(lambda value=value: len(window.output) == 6 + value)  # type: ignore[misc]
        assert bytes(window.output) == session.record() == b"ready" + ALL_BYTES


async def test_characters_split_at_every_byte_stay_whole(tmp_path: Path) -> None:
    async with bench(tmp_path) as session:
        window = session.window()
        await until(lambda: window.output == b"ready")
        typed = 0
        for cut in range(1, len(MULTIBYTE)):
            # The first part is through before the second is typed.
            for part in (MULTIBYTE[:cut], MULTIBYTE[cut:]):
                window.type(part)
                typed += len(part)
                await until(lambda typed=typed: len(window.output) == 5 + typed)  # type: ignore[misc]
        assert bytes(window.output) == session.record() == b"ready" + MULTIBYTE * (len(MULTIBYTE) - 1)


@pytest.mark.parametrize("offset", [0, 1, 4, 5, 6, 100, 260, 261])
async def test_a_window_that_comes_back_gets_exactly_the_bytes_after_its_offset(tmp_path: Path, offset: int) -> None:
    async with bench(tmp_path) as session:
        first = session.window()
        await until(lambda: first.output == b"ready")
        first.type(ALL_BYTES)
        await until(lambda: len(first.output) == 261)
        again = session.window(offset=offset)
        again.type(b"!")
        await until(lambda: again.output.endswith(b"!"))
        assert bytes(again.output) == (b"ready" + ALL_BYTES + b"!")[offset:]


async def test_bytes_that_left_memory_come_from_the_journal(tmp_path: Path) -> None:
    size = LOG_MEMORY * 2
    program = f"stty raw; seq -w 1 9999999 | head -c {size}; printf end; cat"
    async with bench(tmp_path, ["sh", "-c", program]) as session:
        first = session.window()
        await until(lambda: first.output.endswith(b"end"))
        assert session.live.log.start > 0, "the oldest bytes have left memory"
        for offset in (0, 1, session.live.log.start - 1, session.live.log.start, size - 10):
            again = session.window(offset=offset)
            await until(lambda again=again: again.output.endswith(b"end"))  # type: ignore[misc]
            assert bytes(again.output) == bytes(first.output)[offset:]
        assert session.record() == bytes(first.output)


async def test_large_input_arrives_whole_and_is_acknowledged_on_the_way(tmp_path: Path) -> None:
    async with bench(tmp_path) as session:
        window = session.window()
        await until(lambda: window.output == b"ready")
        paste = bytes(range(256)) * 4096  # 1 MiB
        window.type(paste)
        await until(lambda: len(window.output) == 5 + len(paste))
        assert bytes(window.output[5:]) == paste
        await until(lambda: window.told("input_ack"))
        assert window.told("input_ack")[-1]["bytes"] == len(paste)


async def test_a_client_that_minds_the_acknowledgements_can_paste_any_amount(tmp_path: Path) -> None:
    piece, pieces = b"x" * 65536, 160  # 10 MiB, more than the buffer
    assert len(piece) * pieces > INPUT_BUFFER
    program = ["sh", "-c", f"stty raw -echo; printf ready; head -c {len(piece) * pieces} | wc -c"]
    async with bench(tmp_path, program) as session:
        window = session.window()
        await until(lambda: window.output == b"ready")
        for number in range(1, pieces + 1):
            window.type(piece)
            await until(
                lambda number=number: (
                    (window.told("input_ack") or [{"bytes": 0}])[-1]["bytes"]  # type: ignore[misc]
                    >= len(piece) * (number - 8)
                )
            )
        await until(lambda: b"\n" in window.output)
        assert window.output.removeprefix(b"ready").split() == [str(len(piece) * pieces).encode()]
        assert window.code is None


async def test_what_was_typed_before_the_shell_ran_is_not_lost(tmp_path: Path) -> None:
    async with bench(tmp_path, connect=False) as session:
        window = session.window()
        await until(lambda: window.output == b"ready")
        window.type(b"one ")
        window.type(b"two")
        session.live.connect(session.stream)
        await until(lambda: window.output == b"readyone two")


async def test_input_keeps_its_order_whatever_the_size_of_its_pieces(tmp_path: Path) -> None:
    async with bench(tmp_path) as session:
        window = session.window()
        await until(lambda: window.output == b"ready")
        typed = b""
        for number in range(200):
            piece = b"%d," % number * (5000 if number % 17 == 0 else 1)
            window.type(piece)
            typed += piece
        await until(lambda: len(window.output) == 5 + len(typed))
        assert bytes(window.output[5:]) == typed


async def test_the_last_words_come_after_the_last_byte(tmp_path: Path) -> None:
    async with bench(tmp_path, ["sh", "-c", "seq 1 100000"]) as session:
        window = session.window()
        await until(lambda: session.exit is not None)
        window.viewer.close(1000, '{"type":"ended"}')  # type: ignore[arg-type]
        await until(lambda: window.code == 1000)
        assert bytes(window.output).endswith(b"100000\r\n")
        assert window.frames[-1] == {"type": "ended"}
        assert session.exit == (0, None)
