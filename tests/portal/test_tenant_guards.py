"""The database itself keeps tenants apart, whatever code writes to it: the embedded one and a real PostgreSQL."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from portal.models import Grant, Membership, Organization, Provider, Service, Stack, Team, TeamMember
from portal.permissions import Role
from tests.portal.world import Tenant

ROOT = Path(__file__).parents[2]


def refused(what: str) -> "pytest.RaisesExc[DatabaseError]":
    return pytest.raises(DatabaseError, match=what)


def test_a_row_that_points_into_another_organization_is_refused(acme: Tenant, globex: Tenant) -> None:
    organization, view = acme.organization, ["view"]
    foreign = globex.member(Role.OWNER)
    own = acme.member(Role.OWNER)
    rows = {
        "portal_stack.provider_id": Stack(organization=organization, provider=globex.provider, slug="x"),
        "portal_service.stack_id": Service(organization=organization, stack=globex.stack, slug="x", selector="x"),
        "portal_teammember.team_id": TeamMember(organization=organization, team=globex.team, membership=own),
        "portal_teammember.membership_id": TeamMember(organization=organization, team=acme.team, membership=foreign),
        "portal_grant.membership_id": Grant(organization=organization, membership=foreign, permissions=view),
        "portal_grant.team_id": Grant(organization=organization, team=globex.team, permissions=view),
        "portal_grant.stack_id": Grant(organization=organization, role="owner", stack=globex.stack, permissions=view),
        "portal_grant.service_id": Grant(
            organization=organization, role="owner", service=globex.service, permissions=view
        ),
    }
    for column, row in rows.items():
        with refused(f"{column} points at a row of another organization"), transaction.atomic():
            row.save()


def test_a_row_that_is_moved_under_a_foreign_parent_is_refused(acme: Tenant, globex: Tenant) -> None:
    with refused("portal_stack.provider_id"), transaction.atomic():
        Stack.objects.filter(pk=acme.stack.pk).update(provider=globex.provider)
    with refused("portal_service.stack_id"), transaction.atomic():
        Service.objects.filter(pk=acme.service.pk).update(stack=globex.stack)


@pytest.mark.parametrize("model", [Membership, Team, Provider, Stack, Service])
def test_an_organization_never_changes(acme: Tenant, globex: Tenant, model: type[Stack]) -> None:
    with refused("organization_id never changes"), transaction.atomic():
        model.objects.filter(organization=acme.organization).update(organization=globex.organization)


def test_every_table_of_a_tenant_has_its_guard(db: None) -> None:
    from django.apps import apps

    guarded = {
        "sqlite": "SELECT DISTINCT tbl_name FROM sqlite_master "
        "WHERE type = 'trigger' AND name LIKE '%organization_fixed'",
        "postgresql": "SELECT DISTINCT event_object_table FROM information_schema.triggers "
        "WHERE trigger_name LIKE 'portal_%_guard'",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(guarded)
        tables = {name for (name,) in cursor.fetchall()}
    owned = [model for model in apps.get_app_config("portal").get_models() if model is not Organization]
    assert tables == {m._meta.db_table for m in owned if any(f.name == "organization" for f in m._meta.fields)}


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """An empty PostgreSQL database."""
    name = f"tenants_world_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


@pytest.mark.postgres
def test_the_migrations_go_back_and_forth_on_postgresql(database_url: str) -> None:
    environment = os.environ | {"DATABASE_URL": database_url}
    for arguments in (["migrate"], ["migrate", "portal", "0001"], ["migrate"]):
        command = [sys.executable, "manage.py", *arguments, "-v0"]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=120)
