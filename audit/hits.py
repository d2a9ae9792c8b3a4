"""What a search finds, with the lines around each hit, for the API and the page alike."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from audit.models import TranscriptLine

CONTEXT = 2
"""Lines shown before and after a hit."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A line that was found, and what stands around it."""

    line: TranscriptLine
    before: list[TranscriptLine] = field(default_factory=list)
    after: list[TranscriptLine] = field(default_factory=list)


def with_context(lines: Sequence[TranscriptLine]) -> list[Hit]:
    """The lines as hits: one query for all that stands around them."""
    near = TranscriptLine.objects.around(lines, CONTEXT) if lines else {}

    def beside(line: TranscriptLine, steps: range) -> list[TranscriptLine]:
        found = (near.get((line.recording_id, line.number + step)) for step in steps)
        return [other for other in found if other is not None]

    return [Hit(line, beside(line, range(-CONTEXT, 0)), beside(line, range(1, CONTEXT + 1))) for line in lines]


def segments(text: str, terms: Sequence[str]) -> list[tuple[str, bool]]:
    """`text` in pieces, each with whether a term stands there: what a page marks."""
    if not terms:
        return [(text, False)]
    pattern = "|".join(re.escape(term) for term in sorted(terms, key=len, reverse=True))
    pieces = re.split(f"({pattern})", text, flags=re.IGNORECASE)
    return [(piece, place % 2 == 1) for place, piece in enumerate(pieces) if piece]
