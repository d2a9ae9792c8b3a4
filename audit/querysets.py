"""Reads of the record. Events are append-only: their queryset refuses every way to change or delete a row."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, Self

from django.db import models

if TYPE_CHECKING:
    from audit.models import Event, Recording
    from portal.models import Organization


class AppendOnlyError(TypeError):
    """Somebody tried to change or delete an event. That is a mistake in the code, never a user's."""

    def __init__(self) -> None:
        super().__init__("The audit log is append-only: an event is never changed or deleted.")


class EventQuerySet(models.QuerySet["Event"]):
    """Events, newest first."""

    def in_organizations(self, organizations: "Iterable[Organization | int]") -> Self:
        """The events of these organizations: a queryset (one SQL statement), rows or keys."""
        return self.filter(organization__in=organizations)

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

    def bulk_create(self, objs: "Iterable[Event]", *args: Any, **kwargs: Any) -> "list[Event]":
        if any(kwargs.get(name) for name in ("update_conflicts", "ignore_conflicts")) or args[1:]:
            raise AppendOnlyError
        return super().bulk_create(objs, *args, **kwargs)

    # Django copies a queryset's methods to its manager unless they say so; a manager has no `delete` of its own.
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
