"""One session, or 404: the checks that every face of a session goes through."""

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404

from portal.permissions import Permission
from portal.querysets import AnyUser
from sessions_app.models import Session
from sessions_app.querysets import PERMISSION_OF_KIND, SessionQuerySet
from sessions_app.words import Kind


def _one(sessions: SessionQuerySet, uid: str) -> Session:
    session = sessions.filter(uid=uid).select_related("organization", "service__stack", "service__organization").first()
    if session is None:
        raise Http404("There is no such session, or you may not see it.")
    return session


def access_session(user: AnyUser, uid: str, permission: Permission = Permission.VIEW) -> Session:
    """The session, for its own user or whoever holds `permission` on its service.

    Its own user needs what the kind of session needs (`shell`, say) for anything but looking. `Http404` if the session
    is not visible to the user at all, `PermissionDenied` if it is and the permission is missing.
    """
    session = _one(Session.objects.visible_to(user), uid)
    if permission is Permission.VIEW:
        return session
    needed = PERMISSION_OF_KIND[Kind(session.kind)] if session.user_id == user.pk else permission
    if not Session.objects.filter(pk=session.pk).allowing(user, needed).exists():
        raise PermissionDenied(f"You need the permission {needed} on {session.service_name} for this.")
    return session


def access_recorded_session(user: AnyUser, uid: str) -> Session:
    """The session whose record is asked for: the user's own, or one that the user audits; else `Http404`."""
    return _one(Session.objects.recorded_for(user), uid)


def watchable_pairs(pairs: set[tuple[str, int]]) -> set[tuple[str, int]]:
    """Those pairs of a session's uid and a user's key in which the user may watch the session, now."""
    watchable: set[tuple[str, int]] = set()
    for user in User.objects.filter(pk__in={pk for _, pk in pairs}, is_active=True):
        uids = [uid for uid, pk in pairs if pk == user.pk]
        seen = Session.objects.filter(uid__in=uids).watchable_by(user)
        watchable |= {(uid, user.pk) for uid in seen.values_list("uid", flat=True)}
    return watchable
