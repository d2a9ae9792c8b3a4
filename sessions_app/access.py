"""One session, or 404: the checks that every face of a session goes through."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.http import Http404

from portal.access import Refused, is_member, permissions_in, permissions_on
from portal.models import ApiToken
from portal.permissions import Permission
from portal.querysets import AnyUser
from sessions_app.models import Session
from sessions_app.querysets import PERMISSION_OF_KIND
from sessions_app.words import Kind

Standing = tuple[str, int, int | None]
NOT_FOUND = "There is no such session, or you may not see it."


@dataclass(frozen=True, slots=True)
class Rights:
    """What one user may do with one session."""

    own: bool
    """It is the user's, who is still a member of the organization."""
    held: frozenset[Permission]
    """The user's permissions on the session's service; on the organization, if the service is gone."""

    def needed(self, session: Session, permission: Permission) -> Permission:
        """What it takes here to do what takes `permission` with other people's sessions: its own user needs what the
        kind of session needs (`shell`, say) for anything but looking."""
        looking = permission is Permission.VIEW
        return PERMISSION_OF_KIND[Kind(session.kind)] if self.own and not looking else permission

    def allow(self, session: Session, permission: Permission) -> bool:
        """Whether the user may do what takes `permission` with other people's sessions."""
        if permission is Permission.VIEW:
            return self.own or bool(self.held & SEEING)
        return self.needed(session, permission) in self.held


SEEING = frozenset({Permission.AUDIT, Permission.WATCH, Permission.TERMINATE})
"""Any of these shows other people's sessions."""


def session_and_rights(user: AnyUser, uid: str) -> tuple[Session, Rights]:
    """The session and what the user may do with it. `Http404` if the user may not even see it."""
    related = ("organization", "host", "service__organization", "service__stack__provider")
    session = Session.objects.filter(uid=uid).select_related(*related).first()
    if session is not None:
        service, organization = session.service, session.organization
        held = permissions_on(user, service) if service is not None else permissions_in(user, organization)
        own = session.user_id == user.pk and (bool(held) or is_member(user, organization))
        rights = Rights(own, held)
        if rights.allow(session, Permission.VIEW):
            return session, rights
    raise Http404(NOT_FOUND)


def access_session(user: AnyUser, uid: str, permission: Permission = Permission.VIEW) -> Session:
    """The session, for its own user or whoever holds `permission` on its service.

    `Http404` if the session is not visible to the user at all, `Refused` if it is and the permission is missing.
    """
    return access_session_for(user, uid, permission)[0]


def access_session_for(user: AnyUser, uid: str, permission: Permission) -> tuple[Session, Permission]:
    """As `access_session`, with the permission that it took: what an API token must have as a scope, too."""
    session, rights = session_and_rights(user, uid)
    needed = rights.needed(session, permission)
    if not rights.allow(session, permission):
        raise Refused(needed, session)
    return session, needed


def access_recorded_session(user: AnyUser, uid: str) -> Session:
    """The session whose record is asked for: the user's own, or one that the user audits; else `Http404`."""
    session, rights = session_and_rights(user, uid)
    if not (rights.own or Permission.AUDIT in rights.held):
        raise Http404(NOT_FOUND)
    return session


def access_audited_session(user: AnyUser, uid: str) -> Session:
    """The session whose record is to be judged: for whoever holds `audit` on its service, one's own not excepted.

    `Http404` if the session is not visible to the user at all, `Refused` if it is and the permission is missing.
    """
    session, rights = session_and_rights(user, uid)
    if Permission.AUDIT not in rights.held:
        raise Refused(Permission.AUDIT, session)
    return session


def viewers_in_good_standing(viewers: set[Standing]) -> set[Standing]:
    """Those viewers, each a session's uid, a user's key and perhaps a token's, who may still look at the session."""
    tokens = {token for _, _, token in viewers if token is not None}
    valid = set(ApiToken.objects.filter(pk__in=tokens).usable().values_list("pk", flat=True)) if tokens else set()
    standing: set[Standing] = set()
    for user in User.objects.filter(pk__in={pk for _, pk, _ in viewers}, is_active=True):
        mine = [viewer for viewer in viewers if viewer[1] == user.pk and (viewer[2] is None or viewer[2] in valid)]
        seen = set(
            Session.objects.filter(uid__in=[uid for uid, _, _ in mine]).watchable_by(user).values_list("uid", flat=True)
        )
        standing |= {viewer for viewer in mine if viewer[0] in seen}
    return standing
