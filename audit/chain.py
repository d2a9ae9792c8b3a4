"""The hash chain of an organization's events: an event's canonical form and its link to the one before. Pure Python.

An event's hash is the SHA-256, in hex, of the UTF-8 bytes of one JSON object that holds

- `version`: 1, the version of this form; a form once given out never changes,
- `organization`: its number, or null for the chain of events without one,
- `sequence`: the event's place in its chain, from 1 on without gaps,
- `previous_hash`: the hash of the event before, 64 zeros for the first,
- every column of `COLUMNS` under its own name; `at` in UTC with six digits of microseconds ("…T10:00:00.000000+00:00").

The object is written with sorted keys, without spaces, and with everything beyond ASCII as \\uXXXX. A number with a
fraction is written as Python's `repr` does; a whole one with all its digits, without fraction or exponent, since
databases disagree on whether 1.0 or 1e+20 come back as integers.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

VERSION = 1
"""Of the canonical form."""

GENESIS = "0" * 64
"""What stands for the hash before the first event."""

COLUMNS = (
    "organization_name",
    "at",
    "action",
    "actor_id",
    "actor_name",
    "target_type",
    "target_id",
    "target_name",
    "session_uid",
    "client_address",
    "client_agent",
    "detail",
)
"""What an event says. Not its primary key, which the database gives after the hash is made."""

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


def canonical(organization: int | None, sequence: int, previous_hash: str, columns: Mapping[str, Any]) -> bytes:
    """The bytes that are hashed for one event. `columns` holds those of `COLUMNS`, `at` as an aware datetime."""
    fields = dict(columns)
    fields["at"] = instant(fields["at"])
    fields["detail"] = plain(fields["detail"])
    fields["version"] = VERSION
    fields["organization"] = organization
    fields["sequence"] = sequence
    fields["previous_hash"] = previous_hash
    return _encode(fields).encode()


def link(organization: int | None, sequence: int, previous_hash: str, columns: Mapping[str, Any]) -> str:
    """The hash of one event."""
    return hashlib.sha256(canonical(organization, sequence, previous_hash, columns)).hexdigest()


def instant(moment: datetime) -> str:
    """The canonical form of a time."""
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat(timespec="microseconds")


def plain(value: Any) -> Any:
    """`value` as JSON carries it, with whole numbers as integers."""
    if value is None or isinstance(value, (str, int)):  # first, since most values are
        return value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(Decimal(repr(value)))
    return value
