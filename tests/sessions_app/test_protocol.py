"""`porthole.v1`: what a client may send, and what becomes of everything else."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sessions_app import protocol
from sessions_app.protocol import (
    MAX_COLS,
    MAX_CONTROL_FRAME,
    MAX_OFFSET,
    MAX_ROWS,
    Ack,
    Close,
    Detach,
    FrameError,
    Hello,
    Leave,
    Ping,
    Resize,
    Stay,
    parse_client_frame,
)


def frame(**fields: Any) -> str:
    return json.dumps(fields)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        (frame(type="hello", cols=120, rows=40, offset=None, mode="control"), Hello(120, 40, None, "control")),
        (frame(type="hello", cols=120, rows=40, offset=7, mode="watch"), Hello(120, 40, 7, "watch")),
        (frame(type="hello"), Hello(80, 24, None, "control")),
        (frame(type="hello", unknown={"later": "version"}), Hello(80, 24, None, "control")),
        (frame(type="hello", detach_keys=False), Hello(80, 24, None, "control", detach_keys=False)),
        (frame(type="resize", cols=132, rows=43), Resize(132, 43)),
        (frame(type="ack", offset=0), Ack(0)),
        (frame(type="ack", offset=MAX_OFFSET), Ack(MAX_OFFSET)),
        (frame(type="detach", ttl=3600), Detach(3600)),
        (frame(type="detach", ttl=None), Detach(None)),
        (frame(type="detach"), Detach(None)),
        (frame(type="detach", ttl="30m"), Detach(1800)),
        (frame(type="detach", ttl=0), Detach(0)),
        (frame(type="detach", ttl=10**12), Detach(10**12)),
        (frame(type="leave"), Leave()),
        (frame(type="stay"), Stay()),
        (frame(type="ping"), Ping()),
    ],
)
def test_every_frame_of_the_protocol_is_read(text: str, parsed: protocol.ClientFrame) -> None:
    assert parse_client_frame(text) == parsed


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ((0, 0), (1, 1)),
        ((-1, -1), (1, 1)),
        ((10**9, 10**9), (MAX_COLS, MAX_ROWS)),
        ((10**300, 2), (MAX_COLS, 2)),
        ((MAX_COLS, MAX_ROWS), (MAX_COLS, MAX_ROWS)),
    ],
)
@pytest.mark.parametrize("type_", ["resize", "hello"])
def test_a_size_outside_the_limits_is_clamped(type_: str, asked: tuple[int, int], given: tuple[int, int]) -> None:
    parsed = parse_client_frame(frame(type=type_, cols=asked[0], rows=asked[1]))
    assert isinstance(parsed, Hello | Resize)
    assert (parsed.cols, parsed.rows) == given


@pytest.mark.parametrize("size", ["NaN", "Infinity", "-Infinity", "1.5", "1e400", '"80"', "null", "true", "[]", "{}"])
@pytest.mark.parametrize("type_", ["resize", "hello"])
def test_a_size_that_is_no_whole_number_is_refused(type_: str, size: str) -> None:
    with pytest.raises(FrameError) as refused:
        parse_client_frame(f'{{"type":"{type_}","cols":{size},"rows":24}}')
    assert refused.value.code is Close.BAD_FRAME


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "{",
        "[]",
        "null",
        "true",
        "1",
        '"hello"',
        "{}",
        '{"type":null}',
        '{"type":["hello"]}',
        '{"type":{"hello":1}}',
        '{"type":"Hello"}',
        '{"type":"attached"}',
        '{"type":"ping"} {"type":"ping"}',
        '{"type":"ping",}',
        "{'type':'ping'}",
        '{"type":"\\ud800"}',
        '{"type":"hello","mode":"admin"}',
        '{"type":"hello","mode":null}',
        '{"type":"hello","mode":["control"]}',
        '{"type":"hello","offset":-1}',
        '{"type":"hello","offset":1.0}',
        '{"type":"hello","offset":"7"}',
        '{"type":"hello","offset":true}',
        f'{{"type":"hello","offset":{MAX_OFFSET + 1}}}',
        '{"type":"ack"}',
        '{"type":"ack","offset":null}',
        '{"type":"ack","offset":-1}',
        '{"type":"detach","ttl":-1}',
        '{"type":"detach","ttl":"forever"}',
        '{"type":"detach","ttl":1.5}',
        '{"type":"detach","ttl":true}',
        '{"type":"hello","detach_keys":1}',
        '{"type":"resize"}',
        '{"type":"resize","cols":80}',
    ],
)
def test_what_is_no_frame_of_the_protocol_is_refused(text: str) -> None:
    with pytest.raises(FrameError) as refused:
        parse_client_frame(text)
    assert refused.value.code is Close.BAD_FRAME
    assert protocol.error(refused.value.code, str(refused.value)), "the reason can be sent to the client"


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"type":['])
def test_json_of_any_depth_is_an_answer_and_not_a_crash(opening: str) -> None:
    closing = {"[": "]", '{"a":': "}", '{"type":[': "]}"}[opening]
    for depth in range(1, MAX_CONTROL_FRAME // len(opening + closing), 7):
        for text in (opening * depth, opening * depth + "1" + closing * depth):
            with pytest.raises(FrameError):
                parse_client_frame(text)


def test_a_type_that_is_a_deep_nest_is_named_without_a_crash() -> None:
    for depth in range(900, 1010):
        with pytest.raises(FrameError):
            parse_client_frame('{"type":' + "[" * depth + "]" * depth + "}")


def test_a_huge_text_frame_is_refused_unread() -> None:
    with pytest.raises(FrameError) as refused:
        parse_client_frame(" " * MAX_CONTROL_FRAME + '{"type":"ping"}')
    assert refused.value.code is Close.FRAME_TOO_LARGE


def test_a_reason_repeats_no_more_than_a_little_of_what_was_sent() -> None:
    with pytest.raises(FrameError) as refused:
        parse_client_frame(frame(type="x" * 4000))
    assert len(str(refused.value)) < 100


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
likely_frames = st.fixed_dictionaries(
    {"type": st.sampled_from(["hello", "resize", "ack", "detach", "leave", "stay", "ping", "pong"]) | json_values},
    optional=dict.fromkeys(("cols", "rows", "offset", "ttl", "mode"), json_values),
)


@given(st.text() | st.text(alphabet='{}[]":,.0123456789eE+-truefalsn\\u') | likely_frames.map(json.dumps))
@example('{"type":"hello","cols":' + "9" * 4000 + "}")
@example("\ud800")
@example('{"type":"ping"}\x00')
def test_whatever_a_client_sends_is_a_frame_or_a_frame_error(text: str) -> None:
    refused: FrameError | None = None
    parsed: protocol.ClientFrame | None = None
    try:
        parsed = parse_client_frame(text)
    except FrameError as error:
        refused = error
    if refused is not None:
        assert refused.code in (Close.BAD_FRAME, Close.FRAME_TOO_LARGE)
        json.loads(protocol.error(refused.code, str(refused)))
    if isinstance(parsed, Hello | Resize):
        assert 1 <= parsed.cols <= MAX_COLS
        assert 1 <= parsed.rows <= MAX_ROWS


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (
            protocol.attached("ws-1", "active", 5, 80, 24),
            {"type": "attached", "session": "ws-1", "state": "active", "offset": 5, "head": 5, "cols": 80, "rows": 24,
             "missed": 0},
        ),
        (
            protocol.attached("ws-1", "active", 5, 80, 24, missed=2, head=9),
            {"type": "attached", "session": "ws-1", "state": "active", "offset": 5, "head": 9, "cols": 80, "rows": 24,
             "missed": 2},
        ),
        (protocol.state("provisioning"), {"type": "state", "state": "provisioning"}),
        (
            protocol.notice("idle_warning", "Nothing was typed.", seconds=120),
            {"type": "notice", "code": "idle_warning", "detail": "Nothing was typed.", "seconds": 120},
        ),
        (protocol.input_ack(7), {"type": "input_ack", "bytes": 7}),
        (protocol.detached(3600), {"type": "detached", "ttl": 3600}),
        (
            protocol.ended("exited", 3, "", offset=7),
            {"type": "ended", "reason": "exited", "exit_code": 3, "detail": "", "code": "", "offset": 7},
        ),
        (protocol.error(Close.TOO_SLOW, "why"), {"type": "error", "code": 4429, "detail": "why"}),
        (protocol.pong(), {"type": "pong"}),
    ],
)  # fmt: skip
def test_the_servers_frames_are_one_json_object_each(text: str, fields: dict[str, Any]) -> None:
    assert json.loads(text) == fields


def test_the_close_codes_are_those_that_clients_know() -> None:
    assert {code.name: int(code) for code in Close} == {
        "NORMAL": 1000,
        "SERVER_ERROR": 1011,
        "SERVICE_RESTART": 1012,
        "BAD_FRAME": 4400,
        "NOT_AUTHENTICATED": 4401,
        "ACCESS_REVOKED": 4403,
        "NO_SESSION": 4404,
        "TAKEN_OVER": 4409,
        "OUTPUT_LOST": 4410,
        "FRAME_TOO_LARGE": 4413,
        "TOO_SLOW": 4429,
    }
