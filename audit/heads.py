"""Signed chain heads: what each says, and the files that they are exported to.

A head says that at some moment a chain had so many events and that the last one's hash was so. Whoever keeps one sees
later whether that event, and so each before it, still stands. `chain-heads/` in the data directory has one file for
each chain, with one JSON object a line; lines are only ever added.
"""

import fcntl
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from django.conf import settings

from audit import chain, signing

FORMAT = "porthole.chain-head"
VERSION = 1
MAX_LINE = 4096
"""Bytes of one line; a head takes about 400."""

_TAIL = 2 * MAX_LINE


class BadHeadError(ValueError):
    """A line of a head file that cannot be read."""


@dataclass(frozen=True, slots=True)
class SignedHead:
    """One signed head, as a line of a file holds it."""

    organization: int | None
    sequence: int
    """The number of events in the chain."""
    hash: str
    """Of the last of them."""
    signed_at: str
    """UTC, in the form of `chain.instant`."""
    public_key: str
    """Of whoever signed. Says which key to check with, never whether to trust it."""
    signature: str = ""

    @property
    def content(self) -> bytes:
        """The bytes that are signed: this head without its signature, in canonical JSON."""
        fields = asdict(self) | {"format": FORMAT, "version": VERSION}
        del fields["signature"]
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()

    def is_signed_by(self, public_keys: Iterable[str]) -> bool:
        """Whether one of these keys signed it."""
        return self.public_key in set(public_keys) and signing.is_signed(self.content, self.signature, self.public_key)


HeadsAfter: TypeAlias = Callable[[SignedHead | None], Iterable[SignedHead]]
"""Gives the heads that are missing after the last one of a file; None if the file has none."""


def sign_head(organization: int | None, sequence: int, hash_: str, at: datetime) -> SignedHead:
    """A head, signed with the portal's key."""
    fields = {"organization": organization, "sequence": sequence, "hash": hash_, "signed_at": chain.instant(at)}
    unsigned = SignedHead(**fields, public_key=signing.public_key())  # type: ignore[arg-type]
    return SignedHead(**asdict(unsigned) | {"signature": signing.sign(unsigned.content)})


def encode_head(head: SignedHead) -> bytes:
    """The head as a line."""
    return json.dumps({"format": FORMAT, "version": VERSION, **asdict(head)}).encode() + b"\n"


def decode_head(line: bytes) -> SignedHead:
    """The head in a line. Raises `BadHeadError`."""
    try:
        fields = json.loads(line)
        if fields.pop("format") != FORMAT or fields.pop("version") != VERSION:
            raise BadHeadError("The line is no signed chain head of this version.")
        head = SignedHead(**fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadHeadError("The line is no signed chain head.") from error
    texts = (head.hash, head.signed_at, head.public_key, head.signature)
    if not all(isinstance(text, str) for text in texts) or not isinstance(head.sequence, int):
        raise BadHeadError("The line is no signed chain head.")
    if not isinstance(head.organization, (int, type(None))):
        raise BadHeadError("The line is no signed chain head.")
    return head


def read_heads(path: Path) -> Iterator[tuple[int, SignedHead]]:
    """The heads of a file with their line numbers, streamed. Raises `BadHeadError` and `OSError`.

    A last line without its end is left out: it is being written, or was when the machine stopped.
    """
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE):
            number += 1
            if not line.endswith(b"\n") and len(line) < MAX_LINE:
                return
            try:
                yield number, decode_head(line)
            except BadHeadError as error:
                raise BadHeadError(f"Line {number} of {path} is no signed chain head.") from error


def heads_folder() -> Path:
    """Where this machine's head files stand."""
    return Path(settings.DATA_DIR) / "chain-heads"


def head_file(organization: int | None) -> Path:
    """The head file of one chain on this machine."""
    return heads_folder() / f"{'portal' if organization is None else organization}.jsonl"


def append_heads(path: Path, wanted: HeadsAfter) -> int:
    """Add the heads that `wanted` gives for the file's last one, in one process at a time. How many were added."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    with io.FileIO(descriptor, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        last = _last(file)
        added = 0
        for head in wanted(last):
            file.write(encode_head(head))
            added += 1
        if added:
            os.fsync(file.fileno())
    return added


def _last(file: io.FileIO) -> SignedHead | None:
    """The file's last head. What a crash left of a line behind it is cut off."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL))
    *lines, torn = file.read(_TAIL).split(b"\n")
    if torn:
        file.truncate(size - len(torn))
    for line in reversed(lines):
        with suppress(BadHeadError):
            return decode_head(line)
    return None
