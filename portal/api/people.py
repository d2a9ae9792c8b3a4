"""Memberships, teams, grants and personal API tokens over the API."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from portal import actions
from portal.access import (
    access_api_token,
    access_grant,
    access_membership,
    access_owners,
    access_team,
    access_team_member,
)
from portal.api.base import Change, Create, Delete
from portal.api.permissions import PEOPLE_ONLY
from portal.api.serializers import (
    ApiTokenSerializer,
    GrantSerializer,
    MembershipSerializer,
    NewApiTokenSerializer,
    TeamMemberSerializer,
    TeamSerializer,
)
from portal.models import ApiToken, Grant, Membership, Team, TeamMember
from portal.permissions import Permission, Role


def _needed(manage: bool) -> Permission:
    return Permission.MANAGE if manage else Permission.VIEW


class MembershipViewSet(Create[Membership], Change[Membership], Delete[Membership]):
    """Who belongs to an organization. Only an owner makes or unmakes an owner."""

    serializer_class = MembershipSerializer

    def get_queryset(self) -> QuerySet[Membership]:
        rows = Membership.objects.visible_to(self.request.user).select_related("user")
        return rows.order_by("organization__name", "user__username", "pk")

    def fetch(self, pk: int, *, manage: bool = False) -> Membership:
        membership = access_membership(self.request.user, pk, _needed(manage))
        if manage and membership.role == Role.OWNER:
            access_owners(self.request.user, membership.organization)
        return membership

    def create_row(self, **fields: Any) -> Membership:
        organization, role = fields["organization"], fields["role"]
        if role == Role.OWNER:
            access_owners(self.request.user, organization)
        account = User.objects.filter(username=fields["user"]["username"], is_active=True).first()
        if account is None:
            raise Http404("No such user.")
        return actions.add_member(actor=self.actor, organization=organization, user=account, role=Role(role))

    def change_row(self, row: Membership, changes: dict[str, Any]) -> Membership:
        role = Role(changes.get("role", row.role))
        if role is Role.OWNER:
            access_owners(self.request.user, row.organization)
        return actions.change_member(actor=self.actor, membership=row, role=role)

    def delete_row(self, row: Membership) -> None:
        actions.remove_member(actor=self.actor, membership=row)


class TeamViewSet(Create[Team], Change[Team], Delete[Team]):
    """Named groups of members that grants can name."""

    serializer_class = TeamSerializer

    def get_queryset(self) -> QuerySet[Team]:
        return Team.objects.visible_to(self.request.user).order_by("organization__name", "name", "pk")

    def fetch(self, pk: int, *, manage: bool = False) -> Team:
        return access_team(self.request.user, pk, _needed(manage))

    def create_row(self, **fields: Any) -> Team:
        return actions.create_team(actor=self.actor, **fields)

    def change_row(self, row: Team, changes: dict[str, Any]) -> Team:
        return actions.change_team(actor=self.actor, team=row, **changes)

    def delete_row(self, row: Team) -> None:
        actions.delete_team(actor=self.actor, team=row)

    @extend_schema(responses=TeamMemberSerializer(many=True), operation_id="teams_members_list")
    @action(detail=True, url_path="members", serializer_class=TeamMemberSerializer)
    def members(self, request: Request, pk: int) -> Response:
        """The team's members."""
        team = self.fetch(pk)
        rows = TeamMember.objects.visible_to(request.user).filter(team=team).select_related("membership__user")
        page = self.paginate_queryset(list(rows.order_by("membership__user__username", "pk")))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(request=TeamMemberSerializer, responses={201: TeamMemberSerializer})
    @members.mapping.post
    def add_member(self, request: Request, pk: int) -> Response:
        """Put a member of the organization into the team."""
        team = self.fetch(pk, manage=True)
        membership = self.checked(request)["membership"]
        member = actions.add_team_member(actor=self.actor, team=team, membership=membership)
        return Response(self.get_serializer(member).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["delete"], url_path="members/<int:membership>")
    def remove_member(self, request: Request, pk: int, membership: int) -> Response:
        """Take a member out of the team."""
        team = self.fetch(pk, manage=True)
        actions.remove_team_member(actor=self.actor, member=access_team_member(request.user, team, membership))
        return Response(status=status.HTTP_204_NO_CONTENT)


class GrantViewSet(Create[Grant], Change[Grant], Delete[Grant]):
    """Who may do what, where, until when. Deleting one revokes it: live sessions that it allowed end within seconds."""

    serializer_class = GrantSerializer

    def get_queryset(self) -> QuerySet[Grant]:
        return Grant.objects.visible_to(self.request.user).select_related("created_by").order_by("-pk")

    def fetch(self, pk: int, *, manage: bool = False) -> Grant:
        return access_grant(self.request.user, pk, _needed(manage))

    def create_row(self, **fields: Any) -> Grant:
        fields["role"] = Role(fields["role"]) if fields.get("role") else None
        return actions.grant(actor=self.actor, **fields)

    def change_row(self, row: Grant, changes: dict[str, Any]) -> Grant:
        return actions.change_grant(actor=self.actor, grant=row, **changes)

    def delete_row(self, row: Grant) -> None:
        actions.revoke(actor=self.actor, grant=row)


class ApiTokenViewSet(Delete[ApiToken]):
    """The caller's own API tokens. The token itself is in the answer that makes it, and nowhere else ever again."""

    scopes = PEOPLE_ONLY
    serializer_class = ApiTokenSerializer

    def get_queryset(self) -> QuerySet[ApiToken]:
        return ApiToken.objects.visible_to(self.request.user).order_by("-pk")

    def fetch(self, pk: int, *, manage: bool = False) -> ApiToken:
        return access_api_token(self.request.user, pk)

    @extend_schema(request=ApiTokenSerializer, responses={201: NewApiTokenSerializer})
    def create(self, request: Request) -> Response:
        """A new token. Its scopes narrow what the caller's own permissions allow."""
        fields = self.checked(request)
        token, secret = actions.create_api_token(actor=self.actor, user=self.user, **fields)
        return Response({**self.shown(token), "token": secret}, status=status.HTTP_201_CREATED)

    def delete_row(self, row: ApiToken) -> None:
        actions.revoke_api_token(actor=self.actor, token=row)
