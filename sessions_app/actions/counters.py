"""What hosts count while sessions live, brought to the rows in bulk."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sessions_app.models import Session
from sessions_app.words import EndReason


@dataclass(frozen=True, slots=True)
class Counters:
    """What a host knows of a live session and the row does not yet."""

    pk: int
    bytes_in: int
    bytes_out: int
    last_activity_at: datetime
    cols: int
    rows: int


def decline_end(*, session: Session, reason: EndReason, counters: "Counters") -> None:
    """Somebody typed or came back after the reaper had looked: the end it asked for is off."""
    flush_counters([counters])
    Session.objects.filter(pk=session.pk, end_requested=reason, end_requested_by_id="").update(
        end_requested="", end_requested_by="", end_requested_by_id="", end_requested_at=None, end_detail=""
    )


def flush_counters(counters: Iterable[Counters], resized: Iterable[Counters] = ()) -> None:
    """Write the counters of many sessions in one statement, and in another the sizes that windows gave to some.

    A size that did not change is not written: the row may hold one that somebody asked for and no host has seen yet.
    """
    rows = [
        Session(pk=c.pk, bytes_in=c.bytes_in, bytes_out=c.bytes_out, last_activity_at=c.last_activity_at)
        for c in counters
    ]
    if rows:
        Session.objects.live().bulk_update(rows, ["bytes_in", "bytes_out", "last_activity_at"])
    sizes = [Session(pk=c.pk, cols=c.cols, rows=c.rows) for c in resized]
    if sizes:
        Session.objects.live().bulk_update(sizes, ["cols", "rows"])
