"""Finds lines of transcripts: the one module that knows how PostgreSQL and SQLite do it. What they answer is the same.

Every term must be in the line, upper or lower case. A term of three characters or more is found anywhere in a word,
by trigrams. A shorter one of ASCII letters and digits is found as a whole word, by full text; any other short one is
looked for line by line, which `bounded` keeps from taking long.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import NamedTuple, cast

from django.db import OperationalError, connections, transaction
from django.db.models import BigIntegerField, BooleanField, F
from django.db.models.expressions import RawSQL

from audit.querysets import TranscriptLineQuerySet

MAX_QUERY = 500
"""Characters of a query."""

MAX_TERMS = 10

MAX_SECONDS = 5.0
"""What one search may take of the database."""

_TERM = re.compile(r'"([^"]+)"|(\S+)')
_TRIGRAM = 3
_CHECK_EVERY = 50_000
"""Instructions of SQLite's machine between two looks at the clock."""

# Words are runs of letters and digits, as SQLite's unicode61 has them. The migration's index is on this expression.
PG_WORDS = "to_tsvector('simple', regexp_replace({}text, '[^[:alnum:]]+', ' ', 'g'))"
_TABLE = "audit_transcriptline"


class SearchTooLong(Exception):
    """The database was asked for too much."""

    code = "search_too_long"

    def __init__(self) -> None:
        super().__init__("This search took too long. Add a longer word, or search in one session only.")


class Terms(NamedTuple):
    """What a query asks for, by how it is looked for."""

    contained: list[str]
    words: list[str]
    scanned: list[str]


def terms_of(query: str) -> Terms:
    """The terms of a query: words, and texts in double quotes. Anything else stands for itself."""
    found = [quoted or word for quoted, word in _TERM.findall(query[:MAX_QUERY].replace("\x00", " "))]
    terms = list(dict.fromkeys(term for term in found if term.strip()))[:MAX_TERMS]
    short = [term for term in terms if len(term) < _TRIGRAM]
    words = [term for term in short if term.isascii() and term.isalnum()]
    return Terms(
        [term for term in terms if len(term) >= _TRIGRAM], words, [term for term in short if term not in words]
    )


def matching(lines: TranscriptLineQuerySet, query: str) -> TranscriptLineQuerySet:
    """Those lines in which every term of the query stands, each with its `place`, which rises with its key; none if the
    query has no term. Order by `place`: that is what the index is quick at."""
    terms = terms_of(query)
    if not any(terms):
        return lines.none().annotate(place=F("pk"))
    found = lines
    for term in terms.scanned:
        found = found.filter(text__icontains=term)
    on_sqlite = connections[lines.db].vendor == "sqlite"
    return _on_sqlite(found, terms) if on_sqlite else _on_postgresql(found, terms)


def _on_postgresql(lines: TranscriptLineQuerySet, terms: Terms) -> TranscriptLineQuerySet:
    for term in terms.contained:
        # UPPER(text) LIKE UPPER(…): what the index of trigrams is on.
        lines = lines.filter(text__icontains=term)
    for word in terms.words:
        sql = f"{PG_WORDS.format(_TABLE + '.')} @@ plainto_tsquery('simple', %s)"
        lines = lines.filter(RawSQL(sql, [word], BooleanField()))  # noqa: S611 - a constant and a parameter
    return lines.annotate(place=F("pk"))


def _on_sqlite(lines: TranscriptLineQuerySet, terms: Terms) -> TranscriptLineQuerySet:
    wanted = [(f"{_TABLE}_{index}", of) for index, of in (("trigrams", terms.contained), ("words", terms.words)) if of]
    if not wanted:
        return lines.annotate(place=F("pk"))
    (table, first), *others = [(table, _match(of)) for table, of in wanted]
    # Joined, and in the order of its own rows, FTS5 goes from the newest line back and stops when a page is full.
    where = [f"{_TABLE}.id = {table}.rowid", f"{table} MATCH %s"]
    joined = lines.extra(tables=[table], where=where, params=[first])  # noqa: S610 - constants and a parameter
    found = cast(TranscriptLineQuerySet, joined)
    for other, match in others:
        sql = f"{_TABLE}.id IN (SELECT rowid FROM {other} WHERE {other} MATCH %s)"  # noqa: S608 - constants
        found = found.filter(RawSQL(sql, [match], BooleanField()))  # noqa: S611
    return found.annotate(place=RawSQL(f"{table}.rowid", [], BigIntegerField()))  # noqa: S611


def _match(terms: list[str]) -> str:
    """Inside double quotes nothing has a meaning to FTS5 but the quote itself."""
    return " AND ".join('"' + term.replace('"', '""') + '"' for term in terms)


@contextmanager
def bounded(using: str = "default") -> Iterator[None]:
    """Give what is asked of the database inside MAX_SECONDS at most. Raises `SearchTooLong`."""
    connection = connections[using]
    connection.ensure_connection()
    try:
        if connection.vendor == "sqlite":
            end = monotonic() + MAX_SECONDS
            connection.connection.set_progress_handler(lambda: monotonic() > end, _CHECK_EVERY)
            try:
                yield
            finally:
                connection.connection.set_progress_handler(None, 0)
        else:
            with transaction.atomic(using=using), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(int(MAX_SECONDS * 1000))])
                yield
                cursor.execute("SELECT set_config('statement_timeout', '0', true)")
    except OperationalError as error:
        if "interrupted" in str(error) or "statement timeout" in str(error):
            raise SearchTooLong from error
        raise
