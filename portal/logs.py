"""Plain log lines on stderr, and never a token, ticket or password in them. What concerns a session names its uid."""

import logging
import re

# A query string, a bearer header, a JWT, a personal API token, a ticket offered as a subprotocol.
_SECRETS = re.compile(
    r"(?P<query>(?<=[\w/])\?[^\s'\"]*=[^\s'\"]*)"
    r"|(?P<bearer>(?i:bearer)\s+[\w.~+/=-]+)"
    r"|(?P<jwt>\beyJ[\w-]+\.[\w-]*\.[\w-]*)"
    r"|(?P<token>\bpht_[\w-]+)"
    r"|(?P<ticket>\bticket\.[\w.-]+)"
)


def redact(text: str) -> str:
    """`text` without query strings and without anything that has the form of a token."""
    return _SECRETS.sub(lambda match: "?…" if match.lastgroup == "query" else "[redacted]", text)


class LineFormatter(logging.Formatter):
    """`2025-01-31T12:00:00+0000 INFO sessions_app.host text`, redacted as a whole, traceback included."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        # A line break inside a value must not look like a line of its own.
        record.message = record.message.replace("\r", "\\r").replace("\n", "\\n").replace("\x1b", "\\x1b")
        return super().formatMessage(record)
