"""Reads of the record. Events are append-only: their queryset refuses every way to change or delete a row."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Self

from django.db import models
from django.db.models import F, OuterRef, Q, QuerySet, Subquery

if TYPE_CHECKING:
    # ruff misses the use in a base class's subscript
    from audit.models import Chain, ChainHead, Event, Recording, TranscriptIndex, TranscriptLine  # noqa: F401
    from portal.models import Organization


FEW_RECORDINGS = 1000
"""As many are named one by one in a search."""


class AppendOnlyError(TypeError):
    """Somebody tried to change or delete a part of the log. That is a mistake in the code, never a user's."""

    def __init__(self) -> None:
        super().__init__("The audit log is append-only: what it holds is never changed or deleted.")


class EventQuerySet(models.QuerySet["Event"]):
    """Events, newest first."""

    def in_organizations(self, organizations: "Iterable[Organization | int]") -> Self:
        """The events of these organizations: a queryset (one SQL statement), rows or keys."""
        return self.filter(organization__in=organizations)

    def of_chain(self, organization: int | None) -> Self:
        """The events of one chain, by the organization's key, in their order."""
        return self.filter(organization=organization).order_by("sequence")

    def between(self, since: datetime | None, until: datetime | None) -> Self:
        """At or after `since` and before `until`; None leaves that side open."""
        events = self if since is None else self.filter(at__gte=since)
        return events if until is None else events.filter(at__lt=until)

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError

    def delete(self) -> NoReturn:
        raise AppendOnlyError

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError

    def bulk_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Each event takes its place in a chain, one after the other: `audit.actions.record`."""
        raise AppendOnlyError

    # Django copies a queryset's methods to its manager unless they say so; a manager has no `delete` of its own.
    delete.queryset_only = True  # type: ignore[attr-defined]
    delete.alters_data = True  # type: ignore[attr-defined]
    update.alters_data = True  # type: ignore[attr-defined]


class ChainQuerySet(models.QuerySet["Chain"]):
    """Where the chains stand."""

    def in_organizations(self, organizations: "Iterable[Organization | int]") -> Self:
        """The chains of these organizations: a queryset (one SQL statement), rows or keys."""
        return self.filter(organization__in=organizations)

    def with_last_head(self) -> Self:
        """Adds `last_head_id`: the key of the newest signed head, None where nothing was signed yet."""
        from audit.models import ChainHead

        newest = ChainHead.objects.newest_of(OuterRef("organization"))
        return self.annotate(last_head_id=Subquery(newest.values("pk")[:1]))


class ChainHeadQuerySet(models.QuerySet["ChainHead"]):
    """Signed heads, newest first. Append-only, as events are."""

    def in_organizations(self, organizations: "Iterable[Organization | int]") -> Self:
        """The heads of these organizations' chains: a queryset (one SQL statement), rows or keys."""
        return self.filter(organization__in=organizations)

    def newest_of(self, organization: "OuterRef") -> Self:
        """The heads of the chain of an outer query's row, newest first; slice it."""
        return self.filter(organization=organization).order_by("-sequence")

    def of_chain(self, organization: int | None) -> Self:
        """The heads of one chain, by the organization's key, in their order."""
        return self.filter(organization=organization).order_by("sequence")

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError

    def delete(self) -> NoReturn:
        raise AppendOnlyError

    delete.queryset_only = True  # type: ignore[attr-defined]
    delete.alters_data = True  # type: ignore[attr-defined]
    update.alters_data = True  # type: ignore[attr-defined]


class RecordingQuerySet(models.QuerySet["Recording"]):
    """Recordings, newest first."""

    def in_organizations(self, organizations: "Iterable[Organization | int]") -> Self:
        """The recordings of these organizations: a queryset (one SQL statement), rows or keys."""
        return self.filter(organization__in=organizations)

    def of_session(self, session_uid: str) -> "Recording | None":
        """The recording of one session, None where there is none."""
        return self.filter(session_uid=session_uid).first()

    def unsealed_on(self, node: str) -> Self:
        """What still has an open journal on the disk of `node`: live sessions, and those a crash left behind."""
        return self.filter(node=node, sealed_at__isnull=True).exclude(health="lost")

    def of_sessions(self, sessions: "QuerySet[Any]") -> Self:
        """The recordings of these sessions: a queryset of them that says who may see which."""
        return self.filter(session_uid__in=sessions.values("uid"))

    def where(self, word: str) -> Self:
        """Those that one of `SHOWN` means."""
        return self.filter(SHOWN[word])

    def expired(self, now: datetime, policies: Iterable[int], node: str) -> Self:
        """Sealed, older than their organization keeps them, on no hold, and on the disk of `node`; the oldest first.

        `policies` are the numbers of days that organizations have chosen, each once.
        """
        over = Q(pk__in=[])
        for days in policies:
            over |= Q(organization__retention_days=days, sealed_at__lt=now - timedelta(days=days))
        return self.filter(over, node=node, held_at__isnull=True, deleted_at__isnull=True).order_by("sealed_at")

    def with_files_left(self, node: str) -> Self:
        """Deleted by retention, while files of theirs may be left on the disk of `node`; the newest first, so that many
        that cannot be removed hold up none that can."""
        return self.filter(node=node, deleted_at__isnull=False).exclude(path="").order_by("-deleted_at")

    def to_index_on(self, node: str) -> Self:
        """What is not indexed to its end and stands on the disk of `node`: live ones first, then those whose turn was
        longest ago."""
        waiting = self.filter(Q(transcript_index=None) | Q(transcript_index__done=False), node=node)
        oldest = F("transcript_index__updated_at").asc(nulls_first=True)
        return waiting.exclude(health__in=("lost", "deleted")).order_by(
            F("sealed_at").asc(nulls_first=True), oldest, "pk"
        )


_OVER = Q(sealed_at__isnull=False) | Q(health="lost")

SHOWN: dict[str, Q] = {
    "unreviewed": _OVER & Q(reviewed_at__isnull=True, deleted_at__isnull=True),
    "flagged": Q(flagged_at__isnull=False),
    "held": Q(held_at__isnull=False),
    "reviewed": Q(reviewed_at__isnull=False),
    "deleted": Q(deleted_at__isnull=False),
    "any": Q(),
}
"""What a list of recordings can be asked for. What retention deleted can no longer be reviewed."""


class TranscriptIndexQuerySet(models.QuerySet["TranscriptIndex"]):
    """How far transcripts are indexed."""

    def of_recording(self, recording: "Recording") -> "TranscriptIndex | None":
        """That of one recording, None before its first turn."""
        return self.filter(recording=recording).first()


class TranscriptLineQuerySet(models.QuerySet["TranscriptLine"]):
    """Lines of transcripts."""

    def of_recordings(self, recordings: "RecordingQuerySet") -> Self:
        """The lines of these recordings. Few of them are named one by one: asking for each line that fits whether its
        recording is one of them takes long where most are not."""
        few = list(recordings.order_by().values_list("pk", flat=True)[: FEW_RECORDINGS + 1])
        return self.filter(recording__in=few if len(few) <= FEW_RECORDINGS else recordings.order_by().values("pk"))

    def around(self, lines: "Iterable[TranscriptLine]", distance: int) -> "dict[tuple[int, int], TranscriptLine]":
        """What stands up to `distance` lines before and after these, by recording and number: one query."""
        near = Q(pk__in=[])
        for line in lines:
            near |= Q(recording=line.recording_id, number__range=(line.number - distance, line.number + distance))
        return {(line.recording_id, line.number): line for line in self.filter(near).order_by()}
