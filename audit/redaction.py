"""Makes an event's detail safe to keep: no secrets, nothing a database refuses, bounded in size. Pure Python."""

import math
import re
from collections.abc import Mapping, Set
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Any

REMOVED = "[removed]"
"""Stands where a secret was, whatever it was."""

MAX_TEXT = 2000
"""Characters of one text."""

MAX_ITEMS = 100
"""Entries of one list or mapping."""

MAX_DEPTH = 6
"""Levels of nesting."""

MAX_TOTAL = 64 * 1024
"""Characters of a whole detail, roughly: what is beyond is left out."""

# Any key that holds one of these words hides its value; `key` and `auth` only as a word of its own ("api_key", not
# "keyboard"; "auth_header", not "author").
_SECRET_PART = re.compile(r"passw|passphrase|token|secret|credential|kubeconfig|authorization|cookie|apikey|privatekey")
_SECRET_WORD = frozenset({"key", "keys", "auth", "pwd", "jwt", "otp", "pin", "pem"})
_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")

# NUL and lone surrogates: PostgreSQL refuses them in text and in jsonb.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def names_a_secret(key: str) -> bool:
    """Whether a value under this name must not be kept."""
    words = [word.lower() for word in _WORDS.findall(key)]
    return bool(_SECRET_PART.search("".join(words)) or _SECRET_WORD.intersection(words))


def storable_text(text: str, limit: int = MAX_TEXT) -> str:
    """`text` without what a database refuses, at most `limit` characters; an ellipsis shows a cut."""
    clean = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def storable_detail(detail: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `detail` that JSON can carry, with secrets replaced at every depth and long values cut."""
    return _Budget(MAX_TOTAL).mapping(detail, 1)


class _Budget:
    """Walks one detail and stops adding once its allowance of characters is used up."""

    def __init__(self, characters: int) -> None:
        self._left = characters

    def mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        safe: dict[str, Any] = {}
        for key, item in value.items():
            if len(safe) >= MAX_ITEMS or self._left <= 0:
                safe["…"] = f"{len(value) - len(safe)} more"
                break
            name = self._text(str(key.value if isinstance(key, Enum) else key), 200)
            safe[name] = REMOVED if names_a_secret(name) else self.value(item, depth + 1)
        return safe

    def value(self, value: Any, depth: int) -> Any:
        if isinstance(value, Enum):
            value = value.value
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            # Beyond 64 bits databases and JavaScript disagree on what a number is.
            return value if abs(value) < 2**63 else self._text(str(value) if abs(value) < 10**100 else "a huge number")
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return f"[{len(value)} bytes]"
        if isinstance(value, (datetime, date, time)):
            return value.isoformat()
        if isinstance(value, timedelta):
            return value.total_seconds()
        if depth > MAX_DEPTH:
            return "…"
        if isinstance(value, Mapping):
            return self.mapping(value, depth)
        if isinstance(value, (list, tuple, Set)):
            return self._items(value, depth)
        return self._text(str(value))

    def _items(self, value: "list[Any] | tuple[Any, ...] | Set[Any]", depth: int) -> list[Any]:
        items = sorted(value, key=str) if isinstance(value, Set) else value
        safe: list[Any] = []
        for item in items:
            if len(safe) >= MAX_ITEMS or self._left <= 0:
                safe.append(f"… {len(items) - len(safe)} more")
                break
            safe.append(self.value(item, depth + 1))
        return safe

    def _text(self, text: str, limit: int = MAX_TEXT) -> str:
        safe = storable_text(text, limit)
        self._left -= len(safe)
        return safe
