"""The journal of one session: append-only files that hold the exact output bytes and a timeline. No Django.

A journal is a folder of its own:

`output`    every byte the container sent, nothing else: the byte at offset N of the session is byte N of the file.
`timeline`  JSON Lines. The first line is a header object (`JournalHeader`); every other line is one event,
            `[seconds,code,value]`, `seconds` since the start to the microsecond, never falling:
            `"o"` the number of output bytes, `"i"` typed text, `"r"` "COLSxROWS", `"m"` a marker's label,
            `"g"` the number of output bytes that were forwarded and not recorded (a hole in `output`).
`seal`      written once, at the end: a JSON object (`Seal`). With it the journal is closed for good.

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
    Seal,
    TimelineEvent,
)
from audit.journal.reader import output_size, read_hashes, read_header, read_output, read_seal, read_timeline
from audit.journal.recovery import RECOVERED_MARKER, recover
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
    "Seal",
    "TimelineEvent",
    "output_size",
    "read_hashes",
    "read_header",
    "read_output",
    "read_seal",
    "read_timeline",
    "recover",
    "seal",
]
