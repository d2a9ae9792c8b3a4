"""A recorded session for tests, made as the session host makes it."""

from datetime import timedelta

from django.utils import timezone

from audit.actions import open_recording
from audit.journal import JournalHeader, JournalWriter
from audit.models import Recording
from audit.recordings import folder_of
from portal.permissions import Role
from sessions_app.models import Session
from sessions_app.words import EndReason, Kind, State, Via, new_uid
from tests.portal.world import Tenant


def make_session(tenant: Tenant, role: Role = Role.DEVELOPER, **changes: object) -> Session:
    """A stopped shell session of the tenant's user with that role."""
    user = tenant.users[role]
    fields: dict[str, object] = {
        "uid": new_uid(Kind.SHELL, Via.WEB),
        "organization": tenant.organization,
        "service": tenant.service,
        "user": user,
        "kind": Kind.SHELL,
        "via": Via.WEB,
        "state": State.STOPPED,
        "end_reason": EndReason.EXITED,
        "user_name": user.username,
        "organization_name": tenant.organization.name,
        "stack_name": "Shop",
        "service_name": "Web",
        "session_limit": 15,
        "idle_timeout": 1800,
        "reconnect_grace": 60,
        "detach_ttl_max": 86400,
        "recording_mode": "strict",
        "record_input": False,
        "attach_by": timezone.now() + timedelta(seconds=60),
    }
    return Session.objects.create(**(fields | changes))


def begin_recording(session: Session) -> tuple[Recording, JournalWriter]:
    """The recording of `session` and its live journal."""
    recording = open_recording(
        session_uid=session.uid,
        organization=session.organization,
        title=session.title,
        user_name=session.user_name,
        service_name=session.service_name,
    )
    header = JournalHeader(
        session_uid=session.uid, cols=80, rows=24, started_at=recording.started_at.isoformat(), title="Web by somebody"
    )
    return recording, JournalWriter.create(folder_of(recording), header)
