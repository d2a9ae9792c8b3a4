"""Containers that the portal makes for single sessions: whose they are, and that they came and went."""

import secrets

from django.db import transaction

from audit import actions as audit
from audit.events import PORTAL, Action, Thing
from portal.models import Organization
from sessions_app.backends.base import Container
from sessions_app.models import Installation, Session
from sessions_app.words import LIVE


def installation_uid() -> str:
    """What this portal is called on the labels of its containers. Made at the first question, and then for ever."""
    row, _ = Installation.objects.get_or_create(pk=1, defaults={"uid": secrets.token_hex(12)})
    return row.uid


@transaction.atomic
def note_console_created(*, session: Session, container: Container) -> None:
    """A session's own container runs: from now on the row names it."""
    place = {
        "pod_name": container.pod_name,
        "container_name": container.container_name,
        "container_id": container.id,
    }
    Session.objects.filter(pk=session.pk, state__in=LIVE).update(**place)
    for name, value in place.items():
        setattr(session, name, value)
    audit.record(
        action=Action.CONSOLE_CREATED,
        actor=PORTAL,
        organization=session.organization,
        thing=_console(container.pod_name or container.container_name),
        session_uid=session.uid,
        detail={**session.console, "image": container.image, "namespace": container.namespace},
    )


def note_console_removed(*, organization: Organization, session_uid: str, name: str, why: str, outcome: str) -> None:
    """A console's container was to go. `outcome` is what became of it, or why it could not be removed."""
    audit.record(
        action=Action.CONSOLE_REMOVED,
        actor=PORTAL,
        organization=organization,
        thing=_console(name),
        session_uid=session_uid,
        detail={"why": why, "outcome": outcome},
    )


def _console(name: str) -> Thing:
    return Thing("console", name, name)
