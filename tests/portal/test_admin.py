"""The Django admin: scoped, written by actions, quiet about secrets, and inert to markup."""

import json
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.events import PORTAL, Action
from audit.models import Event
from portal import actions, sealing
from portal.models import Grant, Membership, Organization, Provider, Service, Stack, Team
from portal.permissions import Permission, Role
from tests.portal.world import PASSWORD, SECRET, Tenant

MARKUP = "<script>alert(1)</script>"


def staff(user: User) -> Client:
    user.is_staff = True
    user.save()
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password=PASSWORD))
    return client


def test_staff_see_and_choose_from_their_own_organizations_alone(acme: Tenant, globex: Tenant) -> None:
    client = staff(acme.users[Role.OWNER])
    for name in ("provider", "stack", "service", "team", "membership", "organization"):
        page = client.get(f"/admin/portal/{name}/").content.decode()
        assert "acme" in page.lower()
        assert "globex" not in page.lower()
    for name in ("stack", "service", "team", "teammember", "grant"):
        assert "globex" not in client.get(f"/admin/portal/{name}/add/").content.decode().lower()


def test_staff_without_manage_get_nothing(acme: Tenant) -> None:
    client = staff(acme.users[Role.AUDITOR])
    assert client.get("/admin/portal/stack/").status_code == 403


def test_a_foreign_key_in_a_form_is_refused(acme: Tenant, globex: Tenant) -> None:
    client = staff(acme.users[Role.OWNER])
    fields = {"provider": globex.provider.pk, "slug": "x", "name": "x", "namespace": "x"}
    assert client.post("/admin/portal/stack/add/", fields).status_code == 200
    assert not Stack.objects.filter(slug="x").exists()


def test_a_superuser_sees_all_of_it(acme: Tenant, globex: Tenant, root: Client) -> None:
    page = root.get("/admin/portal/stack/").content.decode()
    assert "acme shop" in page
    assert "globex shop" in page


def test_what_is_saved_goes_through_the_actions(acme: Tenant) -> None:
    client = staff(acme.users[Role.OWNER])
    fields: dict[str, Any] = {"provider": acme.provider.pk, "slug": "x", "name": "x", "namespace": "x"}
    assert client.post("/admin/portal/stack/add/", fields).status_code == 302
    stack = Stack.objects.get(slug="x")
    assert stack.organization == acme.organization
    assert client.post(f"/admin/portal/stack/{stack.pk}/change/", fields | {"name": "y"}).status_code == 302
    assert client.post(f"/admin/portal/stack/{stack.pk}/delete/", {"post": "yes"}).status_code == 302
    events = Event.objects.filter(target_type="stack", target_id=str(stack.pk)).order_by("pk")
    assert [(event.action, event.actor_name) for event in events] == [
        (action, "acme-owner") for action in (Action.CREATED, Action.CHANGED, Action.DELETED)
    ]
    assert events[1].detail == {"before": {"name": "x"}, "after": {"name": "y"}}


def test_deleting_a_selection_goes_through_the_actions(acme: Tenant) -> None:
    client = staff(acme.users[Role.OWNER])
    chosen = {"action": "delete_selected", "_selected_action": [acme.service.pk, acme.other_service.pk], "post": "yes"}
    assert client.post("/admin/portal/service/", chosen).status_code == 302
    assert list(Service.objects.all()) == [acme.stranger]
    assert Event.objects.filter(action=Action.DELETED, target_type="service").count() == 2


def test_a_refusal_of_an_action_is_told_and_nothing_is_written(acme: Tenant, root: Client) -> None:
    owner = acme.member(Role.OWNER)
    answer = root.post(f"/admin/portal/membership/{owner.pk}/change/", {"role": "developer"}, follow=True)
    assert "last owner" in answer.content.decode()
    owner.refresh_from_db()
    assert owner.role == Role.OWNER
    taken = {"organization": acme.organization.pk, "slug": "night", "name": "x"}
    assert "already exists" in root.post("/admin/portal/team/add/", taken, follow=True).content.decode()
    assert Team.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("stack", {"namespace": "../x"}),
        ("service", {"selector": "a?b"}),
        ("service", {"default_command": '"sh"'}),
        ("provider", {"options": '{"server": "http://plain:1"}'}),
        ("provider", {"options": "[]"}),
        ("provider", {"credentials": '{"nonsense": "x"}'}),
    ],
)
def test_bad_values_are_refused_in_the_form(acme: Tenant, name: str, change: dict[str, str]) -> None:
    client = staff(acme.users[Role.OWNER])
    sound = {
        "stack": {"slug": "shop", "name": "x", "namespace": "shop"},
        "service": {
            "slug": "web", "name": "x", "selector_kind": "workload", "selector": "web", "default_command": "[]",
            "record_input": "unknown",
        },
        "provider": {"slug": "cluster", "name": "x", "options": json.dumps(acme.provider.options)},
    }  # fmt: skip
    row = getattr(acme, name)
    answer = client.post(f"/admin/portal/{name}/{row.pk}/change/", sound[name] | change)
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert client.post(f"/admin/portal/{name}/{row.pk}/change/", sound[name]).status_code == 302


def test_credentials_go_in_and_never_come_out(acme: Tenant) -> None:
    client, address = staff(acme.users[Role.OWNER]), f"/admin/portal/provider/{acme.provider.pk}/change/"
    assert SECRET not in client.get(address).content.decode()
    fields = {"slug": "cluster", "name": "x", "options": json.dumps(acme.provider.options)}
    wrong = client.post(address, fields | {"credentials": json.dumps({"token": "new-" + SECRET, "more": "x"})})
    assert wrong.status_code == 200
    assert SECRET not in wrong.content.decode()
    assert client.post(address, fields).status_code == 302
    assert sealing.unseal(Provider.objects.get(pk=acme.provider.pk).sealed_credentials) == {"token": SECRET}
    assert client.post(address, fields | {"credentials": json.dumps({"token": "other"})}).status_code == 302
    assert sealing.unseal(Provider.objects.get(pk=acme.provider.pk).sealed_credentials) == {"token": "other"}
    assert client.post(address, fields | {"remove_credentials": "on"}).status_code == 302
    assert sealing.unseal(Provider.objects.get(pk=acme.provider.pk).sealed_credentials) == {}
    assert SECRET not in json.dumps(list(Event.objects.values()), default=str)


def test_only_an_operator_adds_a_socket_of_this_machine(acme: Tenant, root: Client) -> None:
    fields = {
        "organization": acme.organization.pk, "slug": "docker", "name": "Docker", "kind": "docker",
        "options": '{"host": "unix:///var/run/docker.sock"}',
    }  # fmt: skip
    assert staff(acme.users[Role.OWNER]).post("/admin/portal/provider/add/", fields).status_code == 200
    assert root.post("/admin/portal/provider/add/", fields).status_code == 302


def test_a_grant_is_made_with_boxes_and_changed(acme: Tenant) -> None:
    client = staff(acme.users[Role.OWNER])
    fields: dict[str, Any] = {"organization": acme.organization.pk, "role": "developer"}
    boxes = {"permissions": ["shell", "exec"]}
    assert client.post("/admin/portal/grant/add/", fields | boxes).status_code == 302
    grant = Grant.objects.get()
    assert grant.permissions == {Permission.SHELL, Permission.EXEC}
    assert grant.created_by == acme.users[Role.OWNER]
    page = client.get(f"/admin/portal/grant/{grant.pk}/change/").content.decode()
    assert page.count("checked") == 2
    assert client.post(f"/admin/portal/grant/{grant.pk}/change/", {"permissions": ["shell"]}).status_code == 302
    grant.refresh_from_db()
    assert grant.permissions == {Permission.SHELL}


def test_an_account_is_made_deactivated_and_given_a_password_on_record(acme: Tenant, root: Client) -> None:
    made = {"username": "newcomer", "password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    assert root.post("/admin/auth/user/add/", made).status_code == 302
    user = User.objects.get(username="newcomer")
    assert user.check_password(PASSWORD)
    actions.add_member(actor=PORTAL, organization=acme.organization, user=user, role=Role.DEVELOPER)
    change = {"username": "newcomer", "email": "n@acme.example"}
    assert root.post(f"/admin/auth/user/{user.pk}/change/", change).status_code == 302
    other = {"password1": PASSWORD + "2", "password2": PASSWORD + "2", "usable_password": "true"}
    assert root.post(f"/admin/auth/user/{user.pk}/password/", other).status_code == 302
    user.refresh_from_db()
    assert (user.is_active, user.email) == (False, "n@acme.example")
    assert user.check_password(PASSWORD + "2")
    events = Event.objects.filter(target_type="user", target_id=str(user.pk), organization=acme.organization)
    told = [event.detail["after"] for event in events.order_by("pk")]
    assert told == [{"email": "n@acme.example"}, {"is_active": False}, {"sign_in": "password changed"}]


def test_accounts_are_a_superusers_matter(acme: Tenant) -> None:
    client = staff(acme.users[Role.OWNER])
    for name in ("auth/user", "portal/apitoken", "portal/preferences"):
        assert client.get(f"/admin/{name}/").status_code == 403


def test_markup_is_inert_in_every_list_and_form(acme: Tenant, root: Client) -> None:
    owner = acme.users[Role.OWNER]
    for row in (acme.stack, acme.service, acme.provider, acme.team, acme.organization):
        type(row).objects.filter(pk=row.pk).update(name=MARKUP)
    acme.grant(Permission.SHELL, membership=acme.member(Role.DEVELOPER), stack=acme.stack, reason=MARKUP)
    User.objects.filter(pk=owner.pk).update(first_name=MARKUP)
    for model in admin.site._registry:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        addresses = [base, *(f"{base}{row.pk}/change/" for row in model._default_manager.all()[:2])]
        for address in addresses:
            answer = root.get(address)
            assert answer.status_code == 200, address
            assert MARKUP not in answer.content.decode(), address
            assert "script-src 'self'" in answer["Content-Security-Policy"]


@pytest.mark.parametrize(
    "model", [Organization, Membership, Team, Provider, Stack, Service, Grant], ids=lambda model: str(model.__name__)
)
def test_a_list_takes_the_same_queries_however_long_it_is(
    acme: Tenant, root: Client, model: Any, request: pytest.FixtureRequest
) -> None:
    acme.grant(Permission.SHELL, membership=acme.member(Role.DEVELOPER), service=acme.service)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert root.get(f"/admin/portal/{model._meta.model_name}/").status_code == 200
        return len(captured)

    few = queries()
    request.getfixturevalue("globex").grant(Permission.SHELL, role=Role.DEVELOPER)
    acme.grant(Permission.SHELL, team=acme.team, stack=acme.stack)
    assert queries() == few
