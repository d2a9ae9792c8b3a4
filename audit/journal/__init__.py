"""The journal of one session: append-only files that hold the exact output bytes and a timeline. No Django.

A journal is a folder of its own:

`output`    every byte the container sent, nothing else: the byte at offset N of the session is byte N of the file.
`timeline`  JSON Lines. The first line is a header object (`JournalHeader`); every other line is one event,
            `[seconds,code,value]`, `seconds` since the start to the microsecond, never falling:
            `"o"` the number of output bytes, `"i"` typed text, `"r"` "COLSxROWS", `"m"` a marker's label,
            `"g"` the number of output bytes that were forwarded and not recorded (a hole in `output`),
            `"s"` the stream that the output from here on belongs to, "stdout" or "stderr" (stdout before the first).
`seal`      written once, at the end: a JSON object (`Seal`). With it the journal is closed for good.

`keyframes` screens at offsets, for readers that want to begin in the middle. Derived from the two files above, no
            part of the record and of its seal: it may be missing, and can be deleted. Records, one after the other,
            each of 48 bytes (integers unsigned, big-endian) and a body:
            0 `PKF1`; 4 the body's length (4 bytes); 8 the offset (8); 16 where in `timeline` the first line begins
            that is not wholly before it (8), and 24 the offset before that line (8); 32 seconds since the start (a
            double); 40 columns and 42 rows of the terminal (2 each); 44 the first four bytes of the SHA-256 of the
            bytes before and the body. The body is a screen's text in UTF-8, compressed with zlib. Written to a
            terminal of that size in its initial state it draws the screen at the offset. What is no such record
            ends the file.

`JournalWriter.output` returns after both files have been handed to the operating system, so a killed process loses
nothing; `sync` reaches the disk itself and is called every few seconds. After a crash `recover` cuts a torn last line
and accounts for output bytes whose timeline line is missing. A writer holds a lock (flock) on `output` while it lives,
so that `recover` and `seal` never touch a journal that is still written: they raise `JournalBusyError`.
"""

from audit.journal.layout import (
    EventCode,
    JournalBusyError,
    JournalError,
    JournalHeader,
    JournalMissingError,
    OutputStream,
    Seal,
    TimelineEvent,
)
from audit.journal.reader import (
    output_size,
    read_hashes,
    read_header,
    read_output,
    read_seal,
    read_timeline,
    read_timeline_from,
    timeline_size,
)
from audit.journal.recovery import RECOVERED_MARKER, recover
from audit.journal.removal import remove
from audit.journal.runs import RunReader
from audit.journal.sealing import seal
from audit.journal.writer import JournalWriter

__all__ = [
    "RECOVERED_MARKER",
    "EventCode",
    "JournalBusyError",
    "JournalError",
    "JournalHeader",
    "JournalMissingError",
    "JournalWriter",
    "OutputStream",
    "RunReader",
    "Seal",
    "TimelineEvent",
    "output_size",
    "read_hashes",
    "read_header",
    "read_output",
    "read_seal",
    "read_timeline",
    "read_timeline_from",
    "recover",
    "remove",
    "seal",
    "timeline_size",
]
