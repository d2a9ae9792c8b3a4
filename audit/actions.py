"""The sole writer of the record's rows."""

from typing import TYPE_CHECKING, Any

from audit.events import Action, Actor, Thing

if TYPE_CHECKING:
    from audit.models import Event
    from portal.models import Organization


def record(
    *,
    action: Action,
    actor: Actor,
    organization: "Organization | None",
    thing: Thing | None = None,
    session_uid: str = "",
    detail: dict[str, Any] | None = None,
) -> "Event":
    """Append one event. Call it in the transaction of the change it describes, so that both stand or neither."""
    raise NotImplementedError
