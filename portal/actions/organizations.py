"""Organizations, their members and teams."""

from typing import TypedDict, Unpack

from django.contrib.auth.models import User
from django.db import transaction

from audit.events import Actor
from portal.actions.nudges import nudge_hosts
from portal.actions.rows import delete_row, only, refuse, save_changes, save_new
from portal.models import Membership, Organization, Team, TeamMember
from portal.permissions import Role


class PolicyFields(TypedDict, total=False):
    """The limits that an organization or a service sets for itself; None or "" means the next level's."""

    session_limit: int | None
    idle_timeout: int | None
    max_duration: int | None
    reconnect_grace: int | None
    detach_ttl_max: int | None
    detach_without_end: bool | None
    recording_mode: str
    record_input: bool | None


class OrganizationPolicyFields(PolicyFields, total=False):
    """What an organization alone sets, beside the limits; None keeps recordings for ever."""

    retention_days: int | None
    redaction_patterns: str


class OrganizationFields(OrganizationPolicyFields, total=False):
    """What may change of an organization."""

    slug: str
    name: str


class TeamFields(TypedDict, total=False):
    """What may change of a team."""

    slug: str
    name: str


POLICY_FIELDS = frozenset(PolicyFields.__annotations__)
ORGANIZATION_POLICY_FIELDS = POLICY_FIELDS | {"retention_days", "redaction_patterns"}


@transaction.atomic
def create_organization(
    *, actor: Actor, slug: str, name: str, owner: User | None = None, **policy: Unpack[OrganizationPolicyFields]
) -> Organization:
    """A new tenant, with its first owner where one is named."""
    only(policy, ORGANIZATION_POLICY_FIELDS)
    organization = save_new(Organization(slug=slug, name=name, **policy), actor=actor)
    if owner is not None:
        add_member(actor=actor, organization=organization, user=owner, role=Role.OWNER)
    return organization


def change_organization(
    *, actor: Actor, organization: Organization, **changes: Unpack[OrganizationFields]
) -> Organization:
    """Change its names or policy. Sessions that run keep the limits they began with; retention counts at once."""
    only(changes, ORGANIZATION_POLICY_FIELDS | {"slug", "name"})
    return save_changes(organization, changes, actor=actor)


@transaction.atomic
def delete_organization(*, actor: Actor, organization: Organization) -> None:
    """Delete a tenant and everything it owns. Its audit events stay."""
    # Providers are protected from deletion while stacks stand on them, so the stacks go first.
    organization.stacks.all().delete()
    delete_row(organization, actor=actor)


def add_member(*, actor: Actor, organization: Organization, user: User, role: Role) -> Membership:
    """Make the user a member."""
    if Membership.objects.filter(organization=organization, user=user).exists():
        raise refuse("user", f"{user.get_username()} is already a member of {organization}.")
    return save_new(Membership(organization=organization, user=user, role=role), actor=actor)


@transaction.atomic
def change_member(*, actor: Actor, membership: Membership, role: Role) -> Membership:
    """Change a member's role. The last owner stays one."""
    if role != Role.OWNER:
        _keep_an_owner(membership)
    changed = save_changes(membership, {"role": role}, actor=actor)
    transaction.on_commit(nudge_hosts)
    return changed


@transaction.atomic
def remove_member(*, actor: Actor, membership: Membership) -> None:
    """End a membership: grants to it and places in teams go with it, and live sessions end. The last owner stays."""
    _keep_an_owner(membership)
    delete_row(membership, actor=actor)


def _keep_an_owner(membership: Membership) -> None:
    owners = Membership.objects.select_for_update().filter(organization=membership.organization_id, role=Role.OWNER)
    if [owner.pk for owner in owners] == [membership.pk]:
        raise refuse("role", "This is the last owner of the organization. Make somebody else an owner first.")


def create_team(*, actor: Actor, organization: Organization, slug: str, name: str) -> Team:
    """A new team without members."""
    return save_new(Team(organization=organization, slug=slug, name=name), actor=actor)


def change_team(*, actor: Actor, team: Team, **changes: Unpack[TeamFields]) -> Team:
    """Rename a team."""
    only(changes, {"slug", "name"})
    return save_changes(team, changes, actor=actor)


def delete_team(*, actor: Actor, team: Team) -> None:
    """Delete a team and the grants that name it."""
    delete_row(team, actor=actor)


def add_team_member(*, actor: Actor, team: Team, membership: Membership) -> TeamMember:
    """Put a member of the same organization into the team."""
    if membership.organization_id != team.organization_id:
        raise refuse("membership", "A team has members of its own organization only.")
    if TeamMember.objects.filter(team=team, membership=membership).exists():
        raise refuse("membership", f"{membership.user.get_username()} is already in {team}.")
    return save_new(TeamMember(organization=team.organization, team=team, membership=membership), actor=actor)


def remove_team_member(*, actor: Actor, member: TeamMember) -> None:
    """Take a member out of a team."""
    delete_row(member, actor=actor)
