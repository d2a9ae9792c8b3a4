"""The sole writer of the record's rows."""

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from audit.events import Action, Actor, Thing
from audit.models import Event
from audit.redaction import storable_detail, storable_text

if TYPE_CHECKING:
    from portal.models import Organization


def record(
    *,
    action: Action,
    actor: Actor,
    organization: "Organization | None",
    thing: Thing | None = None,
    session_uid: str = "",
    detail: dict[str, Any] | None = None,
) -> Event:
    """Append one event. Call it in the transaction of the change it describes, so that both stand or neither.

    Texts that are longer than their column are cut. In `detail`, values under names such as `password` or `token` are
    replaced at any depth: the log holds no secrets, whatever the caller passes.
    """
    about = thing or Thing(type="", id="")
    return Event.objects.create(
        organization=organization,
        organization_name=storable_text(organization.name if organization else "", 120),
        at=timezone.now(),
        action=action.value,
        actor_id=storable_text(actor.id, 64),
        actor_name=storable_text(actor.name, 150),
        target_type=storable_text(about.type, 32),
        target_id=storable_text(about.id, 64),
        target_name=storable_text(about.name, 255),
        session_uid=storable_text(session_uid, 32),
        client_address=storable_text(actor.address, 64),
        client_agent=storable_text(actor.agent, 255),
        detail=storable_detail(detail or {}),
    )
