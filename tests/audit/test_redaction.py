"""What an event's detail may hold."""

import json
from datetime import UTC, datetime
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.redaction import MAX_ITEMS, MAX_TEXT, MAX_TOTAL, REMOVED, names_a_secret, storable_detail, storable_text


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "Password1",
        "new_password",
        "passwd",
        "token",
        "accessToken",
        "refresh-token",
        "client_secret",
        "credentials",
        "sealed_credentials",
        "kubeconfig",
        "KUBECONFIG",
        "key",
        "api_key",
        "apiKey",
        "privateKey",
        "ssh-key",
        "Authorization",
        "Cookie",
        "session cookie",
        "keys",
        "auth",
        "tls.key",
        "PASSPHRASE",
        "APIKey",
    ],
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert names_a_secret(name)


@pytest.mark.parametrize("name", ["keyboard", "monkey", "author", "name", "pinned", "service", "compass", "reason"])
def test_other_names_are_not_taken_for_secrets(name: str) -> None:
    assert not names_a_secret(name)


def test_secrets_are_replaced_at_every_depth() -> None:
    detail = {"before": [{"options": {"token": "s3cret", "server": "https://k"}}], "password": {"nested": "s3cret"}}
    safe = storable_detail(detail)
    assert "s3cret" not in json.dumps(safe)
    assert safe == {"before": [{"options": {"token": REMOVED, "server": "https://k"}}], "password": REMOVED}


def test_long_text_is_cut_and_shows_it() -> None:
    assert storable_text("x" * 300, 255) == "x" * 254 + "…"
    assert len(storable_detail({"reason": "x" * 10_000})["reason"]) == MAX_TEXT


def test_long_lists_and_deep_nests_are_cut() -> None:
    deep: object = "bottom"
    for _ in range(100):
        deep = {"deeper": deep}
    safe = storable_detail({"many": list(range(1000)), "deep": deep})
    assert len(safe["many"]) == MAX_ITEMS + 1
    assert "bottom" not in json.dumps(safe)


def test_the_whole_is_bounded() -> None:
    safe = storable_detail({str(n): ["x" * 1999] * 100 for n in range(100)})
    assert len(json.dumps(safe)) < MAX_TOTAL * 2


def test_what_databases_refuse_is_replaced() -> None:
    safe = storable_detail({"a\x00b": "c\x00d\ud800e", "huge": 10**50, "nan": float("nan"), "bytes": b"\xff\xfe"})
    assert safe == {"a\ufffdb": "c\ufffdd\ufffde", "huge": str(10**50), "nan": "nan", "bytes": "[2 bytes]"}


def test_times_words_and_sets_become_json() -> None:
    class Word(StrEnum):
        SHELL = "shell"

    at = datetime(2026, 11, 20, tzinfo=UTC)
    assert storable_detail({"at": at, "permissions": frozenset({Word.SHELL, "exec"}), Word.SHELL: Word.SHELL}) == {
        "at": "2026-11-20T00:00:00+00:00",
        "permissions": ["exec", "shell"],
        "shell": "shell",
    }


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=20), anything, max_size=4))
def test_whatever_comes_json_without_special_numbers_can_carry_it(detail: dict[str, object]) -> None:
    json.dumps(storable_detail(detail), allow_nan=False).encode()
