"""The tenants' world over the API: what can be done, by whom, what is recorded, and how a refusal reads."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.events import Action
from audit.models import Event
from portal.models import Grant, Membership, Provider, Service, Stack
from portal.permissions import Permission, Role
from tests.portal.world import Tenant, api

V1 = "/api/v1/"


def body_of(answer: Any) -> Any:
    return json.loads(answer.content)


def test_a_stack_and_its_service_are_made_changed_and_deleted(acme: Tenant) -> None:
    client = api(acme.users[Role.ADMIN])
    stack = client.post(
        V1 + "stacks/", {"provider": acme.provider.pk, "slug": "new", "name": "New", "namespace": "new"}, "json"
    ).json()
    assert stack["organization"] == acme.organization.pk
    fields = {
        "stack": stack["id"], "slug": "api", "name": "API", "selector_kind": "labels", "selector": "app=api,tier=back",
        "default_command": ["sh", "-c", "exec bash --login"], "session_limit": 3,
    }  # fmt: skip
    service = client.post(V1 + "services/", fields, "json").json()
    assert service["permissions"] == sorted(Permission)
    assert service["default_command"] == fields["default_command"]
    address = f"{V1}services/{service['id']}/"
    assert client.patch(address, {"idle_timeout": 60}, "json").json()["idle_timeout"] == 60
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404
    assert client.delete(f"{V1}stacks/{stack['id']}/").status_code == 204


def test_each_change_leaves_one_event_with_before_and_after(acme: Tenant) -> None:
    client = api(acme.users[Role.ADMIN])
    start = Event.objects.first()
    client.patch(f"{V1}stacks/{acme.stack.pk}/", {"name": "Renamed"}, "json", HTTP_USER_AGENT="curl/8")
    client.patch(f"{V1}stacks/{acme.stack.pk}/", {"name": "Renamed"}, "json")
    (event,) = Event.objects.filter(pk__gt=start.pk if start else 0)
    assert (event.action, event.actor_name, event.client_agent) == (Action.CHANGED, "acme-admin", "curl/8")
    assert event.detail == {"before": {"name": "acme shop"}, "after": {"name": "Renamed"}}
    assert event.organization_id == acme.organization.pk


def test_a_grant_is_given_changed_and_revoked_on_record(acme: Tenant) -> None:
    client = api(acme.users[Role.OWNER])
    given = {
        "organization": acme.organization.pk, "membership": acme.member(Role.DEVELOPER).pk, "service": acme.service.pk,
        "permissions": ["shell"], "reason": "night shift",
    }  # fmt: skip
    grant = client.post(V1 + "grants/", given, "json")
    assert grant.status_code == 201, grant.content
    address = f"{V1}grants/{grant.json()['id']}/"
    assert grant.json()["created_by"] == "acme-owner"
    assert client.patch(address, {"permissions": ["exec", "shell"]}, "json").json()["permissions"] == ["exec", "shell"]
    assert client.delete(address).status_code == 204
    actions = Event.objects.filter(target_type="grant").order_by("pk").values_list("action", flat=True)
    assert list(actions) == [Action.GRANTED, Action.GRANT_CHANGED, Action.REVOKED]


@pytest.mark.parametrize(
    "change",
    [
        {"team": "team"},
        {"membership": None},
        {"service": "service"},
        {"permissions": []},
        {"permissions": ["fly"]},
        {"expires_at": "2001-01-01T00:00:00Z"},
        {"expires_at": "tomorrow"},
        {"stack": 0},
        {"stack": "x"},
        {"stack": [1]},
        {"surprise": 1},
    ],
)
def test_a_grant_that_makes_no_sense_is_refused_with_a_sentence(acme: Tenant, change: dict[str, Any]) -> None:
    good = {
        "organization": acme.organization.pk, "membership": acme.member(Role.DEVELOPER).pk, "stack": acme.stack.pk,
        "permissions": ["shell"],
    }  # fmt: skip
    keys = {"team": acme.team.pk, "service": acme.service.pk}
    change = {name: keys.get(value, value) if isinstance(value, str) else value for name, value in change.items()}
    answer = api(acme.users[Role.OWNER]).post(V1 + "grants/", good | change, "json")
    assert answer.status_code == 400, answer.content
    told = body_of(answer)
    assert told["code"] == "invalid"
    assert told["fields"]
    assert isinstance(told["detail"], str)
    assert not Grant.objects.exists()


def test_what_never_changes_is_refused_and_not_ignored(acme: Tenant) -> None:
    grant = acme.grant(Permission.SHELL, role=Role.DEVELOPER, stack=acme.stack)
    answer = api(acme.users[Role.OWNER]).patch(f"{V1}grants/{grant.pk}/", {"stack": acme.other_stack.pk}, "json")
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["stack"])


class TestWhoMayRaiseWhom:
    """`manage` is much, and not everything."""

    def test_an_admin_makes_no_owner(self, acme: Tenant) -> None:
        client = api(acme.users[Role.ADMIN])
        for who in (Role.ADMIN, Role.DEVELOPER):
            address = f"{V1}memberships/{acme.member(who).pk}/"
            assert client.patch(address, {"role": "owner"}, "json").status_code == 403
        assert client.patch(address, {"role": "auditor"}, "json").status_code == 200

    def test_an_admin_unmakes_no_owner(self, acme: Tenant) -> None:
        client, address = api(acme.users[Role.ADMIN]), f"{V1}memberships/{acme.member(Role.OWNER).pk}/"
        assert client.patch(address, {"role": "developer"}, "json").status_code == 403
        assert client.delete(address).status_code == 403

    def test_the_last_owner_stays(self, acme: Tenant) -> None:
        client, address = api(acme.users[Role.OWNER]), f"{V1}memberships/{acme.member(Role.OWNER).pk}/"
        assert client.delete(address).status_code == 400
        assert client.patch(address, {"role": "admin"}, "json").status_code == 400
        assert Membership.objects.filter(organization=acme.organization, role=Role.OWNER).count() == 1

    def test_who_manages_one_service_sets_its_limits_and_not_what_it_selects(self, acme: Tenant) -> None:
        acme.grant(Permission.MANAGE, membership=acme.member(Role.DEVELOPER), service=acme.service)
        client, address = api(acme.users[Role.DEVELOPER]), f"{V1}services/{acme.service.pk}/"
        assert client.patch(address, {"session_limit": 2}, "json").status_code == 200
        assert client.patch(address, {"selector": "worker"}, "json").status_code == 403
        assert client.delete(address).status_code == 403
        assert client.patch(f"{V1}services/{acme.other_service.pk}/", {"session_limit": 2}, "json").status_code == 404

    def test_who_manages_one_stack_does_not_move_it(self, acme: Tenant) -> None:
        acme.grant(Permission.MANAGE, membership=acme.member(Role.DEVELOPER), stack=acme.stack)
        client = api(acme.users[Role.DEVELOPER])
        refused = client.patch(f"{V1}stacks/{acme.stack.pk}/", {"namespace": "kube-system"}, "json")
        assert refused.status_code == 403
        assert client.patch(f"{V1}services/{acme.service.pk}/", {"selector": "worker"}, "json").status_code == 200

    def test_a_refused_permission_is_on_record(self, acme: Tenant) -> None:
        api(acme.users[Role.AUDITOR]).patch(f"{V1}stacks/{acme.stack.pk}/", {"name": "x"}, "json")
        event = Event.objects.get(action=Action.PERMISSION_REFUSED)
        assert (event.actor_name, event.detail, event.organization_id) == (
            "acme-auditor", {"permission": "manage"}, acme.organization.pk,
        )  # fmt: skip


def test_a_team_gains_and_loses_a_member(acme: Tenant) -> None:
    client, address = api(acme.users[Role.OWNER]), f"{V1}teams/{acme.team.pk}/members/"
    membership = acme.member(Role.DEVELOPER).pk
    assert client.post(address, {"membership": membership}, "json").status_code == 201
    assert client.post(address, {"membership": membership}, "json").status_code == 400
    assert [row["username"] for row in client.get(address).json()["results"]] == ["acme-developer"]
    assert client.delete(f"{address}{membership}/").status_code == 204
    assert client.delete(f"{address}{membership}/").status_code == 404


def test_a_member_is_added_by_name(acme: Tenant, globex: Tenant) -> None:
    client = api(acme.users[Role.OWNER])
    body = {"organization": acme.organization.pk, "username": "globex-developer", "role": "developer"}
    assert client.post(V1 + "memberships/", body, "json").status_code == 201
    assert client.post(V1 + "memberships/", body, "json").status_code == 400
    assert client.post(V1 + "memberships/", body | {"username": "nobody"}, "json").status_code == 404


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("stacks", {"namespace": "../kube-system"}),
        ("stacks", {"namespace": "a%2fb"}),
        ("stacks", {"namespace": ""}),
        ("stacks", {"slug": "Ä b"}),
        ("stacks", {"name": ""}),
        ("stacks", {"name": "x" * 121}),
        ("services", {"selector": "web?x=1"}),
        ("services", {"selector_kind": "compose"}),
        ("services", {"selector_kind": "labels", "selector": "app"}),
        ("services", {"container_name": "a/b"}),
        ("services", {"default_command": "sh"}),
        ("services", {"default_command": [""]}),
        ("services", {"default_command": ["sh", "\x00"]}),
        ("services", {"default_command": ["x"] * 65}),
        ("services", {"default_command": ["-rf"]}),
        ("services", {"default_command": ["x" * 4000] * 9}),
        ("services", {"session_limit": 0}),
        ("services", {"session_limit": 10**30}),
        ("services", {"idle_timeout": -1}),
        ("services", {"recording_mode": "never"}),
    ],
)
def test_bad_values_are_refused_and_change_nothing(acme: Tenant, path: str, change: dict[str, Any]) -> None:
    row: Stack | Service = acme.stack if path == "stacks" else acme.service
    answer = api(acme.users[Role.OWNER]).patch(f"{V1}{path}/{row.pk}/", change, "json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] == "invalid"
    before = row.__dict__.copy()
    row.refresh_from_db()
    assert {name: value for name, value in row.__dict__.items() if name in change} == {
        name: value for name, value in before.items() if name in change
    }


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(acme: Tenant, raw: bytes) -> None:
    client = api(acme.users[Role.OWNER])
    answer = client.generic("POST", V1 + "stacks/", raw, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert body_of(answer)["code"] == "invalid"


def test_every_error_has_a_code_and_a_sentence(acme: Tenant) -> None:
    client = api(acme.users[Role.DEVELOPER])
    answers = {
        "not_authenticated": api().get(V1 + "stacks/"),
        "not_found": client.get(V1 + "stacks/1000000/"),
        "method_not_allowed": client.put(V1 + "stacks/", {}, "json"),
        "unsupported_media_type": client.post(V1 + "tokens/", "x", content_type="text/plain"),
        "permission_denied": client.post(V1 + "teams/", {"organization": acme.organization.pk}, "json"),
    }
    for code, answer in answers.items():
        told = body_of(answer)
        assert told["code"] == code
        assert isinstance(told["detail"], str)
    assert body_of(client.get("/api/v1/nowhere/"))["code"] == "not_found"
    assert client.get(V1 + "stacks/99999999999999999999999999/").status_code == 404


def test_two_of_the_same_name_are_refused(acme: Tenant) -> None:
    body = {"provider": acme.provider.pk, "slug": "shop", "name": "Again", "namespace": "again"}
    answer = api(acme.users[Role.OWNER]).post(V1 + "stacks/", body, "json")
    assert answer.status_code == 400


def test_a_provider_with_stacks_is_not_deleted(acme: Tenant) -> None:
    answer = api(acme.users[Role.OWNER]).delete(f"{V1}providers/{acme.provider.pk}/")
    assert answer.status_code == 400
    assert "Delete them first" in answer.json()["detail"]
    assert Provider.objects.filter(pk=acme.provider.pk).exists()


def test_a_list_is_paged_in_a_stable_order(acme: Tenant) -> None:
    client = api(acme.users[Role.OWNER])
    whole = [row["id"] for row in client.get(V1 + "services/").json()["results"]]
    pages = [client.get(V1 + "services/", {"limit": 1, "offset": number}).json() for number in range(3)]
    assert whole == [page["results"][0]["id"] for page in pages]
    assert client.get(V1 + "services/", {"stack": acme.stack.pk}).json()["count"] == 2
    assert client.get(V1 + "services/", {"stack": "x"}).status_code == 400


@pytest.mark.parametrize("path", ["organizations", "providers", "stacks", "services", "memberships", "teams", "grants"])
def test_a_list_takes_the_same_queries_however_long_it_is(acme: Tenant, path: str) -> None:
    client = api(acme.users[Role.OWNER])

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"{V1}{path}/").status_code == 200
        return len(captured)

    acme.grant(Permission.SHELL, role=Role.DEVELOPER)
    few = queries()
    for number in range(5):
        acme.grant(Permission.SHELL, membership=acme.member(Role.DEVELOPER), service=acme.service)
        name = f"more-{number}"
        client.post(V1 + "teams/", {"organization": acme.organization.pk, "slug": name, "name": name}, "json")
        stack = {"provider": acme.provider.pk, "slug": name, "name": name, "namespace": name}
        stack_id = client.post(V1 + "stacks/", stack, "json").json()["id"]
        service = {"stack": stack_id, "slug": name, "name": name, "selector_kind": "name", "selector": "*"}
        assert client.post(V1 + "services/", service, "json").status_code == 201
    assert queries() == few


def test_the_description_covers_the_api_without_a_warning(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    from django.core.management import call_command

    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))
    assert "warning" not in capsys.readouterr().err.lower()


def test_the_docs_page_has_no_inline_script(acme: Tenant) -> None:
    page = api(acme.users[Role.DEVELOPER]).get(V1 + "docs/")
    text = page.content.decode()
    assert page.status_code == 200
    assert "<style" not in text
    assert text.count("<script src=") == text.count("<script") == 3
    script = api(acme.users[Role.DEVELOPER]).get(V1 + "docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")
