"""Every address of the portal, asked by somebody anonymous, by another tenant, and by a member without the permission.

The table below names each route. A route that it does not name fails the test: whoever adds one says here what it
answers to those who have no business there. `A` stands for "asked to sign in": 401 of the API, a redirect of a page.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from audit.models import Chain, ChainHead, Event, Recording
from portal.models import ApiToken, Grant, TeamMember
from portal.permissions import Permission, Role
from sessions_app.models import Session
from tests.portal.world import Tenant, api_token, make_tenant

UID = "ws-01kaf5c3v8" + "x" * 16
ASKED = frozenset({302, 401})
HIDDEN = frozenset({404})
OPEN = frozenset({200})
NOTHING_OF_ACME = frozenset({200})
"""An answer, in which nothing of the tenant acme may stand: `test_…` looks for its name."""


@dataclass(frozen=True)
class Answers:
    """What a route answers to each method it has, by who asks. `None` for the member: the same as for the outsider."""

    methods: str = "GET"
    anonymous: frozenset[int] = ASKED
    outsider: frozenset[int] = HIDDEN
    member: frozenset[int] | None = None
    body: str = ""
    """Names of fields whose values are keys of acme's rows; the writing methods send them."""


LIST = Answers(outsider=NOTHING_OF_ACME)
DETAIL = Answers("GET PATCH DELETE")
ANYTHING_BUT_BROKEN = frozenset({200, 302, 400, 401, 405})
DOOR = Answers("GET POST", anonymous=ANYTHING_BUT_BROKEN, outsider=ANYTHING_BUT_BROKEN)
OF_ORGANIZATION = Answers("GET POST", outsider=frozenset({200, 404}), member=frozenset({200, 403}), body="organization")
OWN = Answers(outsider=NOTHING_OF_ACME)
"""What everybody who is signed in has of their own."""

ROUTES: dict[str, Answers] = {
    # Ways in
    "accounts/login/": DOOR,
    "accounts/logout/": DOOR,
    "accounts/signup/": DOOR,
    "accounts/inactive/": DOOR,
    "accounts/reauthenticate/": DOOR,
    "accounts/password/change/": Answers(outsider=frozenset({200, 302})),
    "api/v1/auth/token/": DOOR,
    "api/v1/auth/token/refresh/": DOOR,
    "api/v1/auth/token/revoke/": Answers("POST", outsider=frozenset({400})),
    "api/v1/auth/device/": DOOR,
    "api/v1/auth/device/token/": DOOR,
    "api/v1/auth/me/": OWN,
    # The API of the tenants' world
    "api/v1/schema/": OWN,
    "api/v1/docs/": OWN,
    "api/v1/organizations/": LIST,
    "api/v1/organizations/<int:pk>/": Answers("GET PATCH", member=frozenset({200, 403})),
    "api/v1/providers/": OF_ORGANIZATION,
    "api/v1/providers/<int:pk>/": DETAIL,
    "api/v1/stacks/": Answers("GET POST", outsider=frozenset({200, 404}), body="provider"),
    "api/v1/stacks/<int:pk>/": DETAIL,
    "api/v1/services/": Answers("GET POST", outsider=frozenset({200, 404}), body="stack"),
    "api/v1/services/<int:pk>/": DETAIL,
    "api/v1/memberships/": OF_ORGANIZATION,
    "api/v1/memberships/<int:pk>/": DETAIL,
    "api/v1/teams/": OF_ORGANIZATION,
    "api/v1/teams/<int:pk>/": DETAIL,
    "api/v1/teams/<int:pk>/members/": Answers("GET POST", body="membership"),
    "api/v1/teams/<int:pk>/members/<int:membership>/": Answers("DELETE"),
    "api/v1/grants/": OF_ORGANIZATION,
    "api/v1/grants/<int:pk>/": DETAIL,
    "api/v1/tokens/": OWN,
    "api/v1/tokens/<int:pk>/": Answers("GET DELETE"),
    # The API of sessions
    "api/v1/sessions/": Answers("GET POST", outsider=frozenset({200, 404}), body="service"),
    "api/v1/sessions/<session_uid:uid>/": Answers(),
    "api/v1/sessions/<session_uid:uid>/ticket/": Answers("POST"),
    "api/v1/sessions/<session_uid:uid>/resize/": Answers("POST"),
    "api/v1/sessions/<session_uid:uid>/detach/": Answers("POST"),
    "api/v1/sessions/<session_uid:uid>/terminate/": Answers("POST"),
    "api/v1/services/<int:pk>/containers/": Answers(),
    "api/v1/streams/": LIST,
    # The API of the record
    "api/v1/audit/events/": Answers(outsider=NOTHING_OF_ACME, member=frozenset({403})),
    "api/v1/audit/search/": Answers(outsider=frozenset({400})),
    "api/v1/audit/chain/": Answers(outsider=NOTHING_OF_ACME, member=frozenset({403})),
    "api/v1/sessions/<recorded_session:uid>/recording/": Answers(),
    "api/v1/sessions/<recorded_session:uid>/recording.cast": Answers(),
    "api/v1/sessions/<recorded_session:uid>/recording.bin": Answers(),
    "api/v1/sessions/<recorded_session:uid>/transcript.txt": Answers(),
    "api/v1/recordings/": LIST,
    **{
        f"api/v1/sessions/<recorded_session:uid>/recording/{word}/": Answers("POST")
        for word in ("review", "flag", "unflag", "hold", "release")
    },
    # Pages
    "": LIST,
    "live/": LIST,
    "palette/": LIST,
    "stacks/": LIST,
    "stacks/<int:pk>/": Answers(),
    "stacks/<int:pk>/shell/": Answers(),
    "services/<int:pk>/shell/": Answers(),
    "services/<int:pk>/console/": Answers("GET POST"),
    "search/": LIST,
    "sessions/": LIST,
    "sessions/rows/": LIST,
    "sessions/<str:uid>/": Answers(),
    "terminal/<str:uid>/": Answers(),
    "recordings/": LIST,
    **{f"recordings/<str:uid>/{word}/": Answers("POST") for word in ("review", "flag", "unflag", "hold", "release")},
    "settings/": OWN,
    "settings/device/": OWN,
    "settings/tokens/": Answers("POST", outsider=OPEN),
    "settings/tokens/<int:pk>/revoke/": Answers("POST"),
    # Django's admin: its own pages are told apart by their end, below
    "admin/": Answers(outsider=NOTHING_OF_ACME, member=frozenset({302, 403})),
}

ADMIN_ENDS: dict[str, frozenset[int]] = {
    "add/": frozenset({200, 403}),
    "<path:object_id>/history/": frozenset({302, 403}),
    "<path:object_id>/delete/": frozenset({302, 403}),
    "<path:object_id>/change/": frozenset({302, 403}),
    "<path:object_id>/": frozenset({302, 403}),
    "<id>/password/": frozenset({403, 404}),
}
"""What staff of another tenant get from a model's admin pages on a row of acme: sent away. Lists show none of it."""

ADMIN_OF_ITS_OWN = {
    "admin/login/", "admin/logout/", "admin/password_change/", "admin/password_change/done/", "admin/autocomplete/",
    "admin/jsi18n/", "admin/r/<path:content_type_id>/<path:object_id>/", "admin/(?P<url>.*)$",
}  # fmt: skip
"""Pages of Django's admin that show nothing of any tenant."""

WEBSOCKETS = {r"^ws/sessions/(?P<uid>[a-z]{2}-[0-9a-z]{26})/$", r""}
"""Each is refused without a ticket: tests/sessions_app tries the first, the second refuses everything."""


def routes() -> Iterator[str]:
    """Every address, as its patterns say."""

    def walk(resolver: URLResolver, path: str) -> Iterator[str]:
        for entry in resolver.url_patterns:
            here = path + str(entry.pattern)
            if isinstance(entry, URLPattern):
                yield here
            else:
                yield from walk(entry, here)

    return walk(get_resolver(), "")


def of_admin(route: str) -> bool:
    return route.startswith("admin/") and route != "admin/"


@dataclass
class World:
    """Acme, whose things are asked for, and who asks."""

    acme: Tenant
    keys: dict[str, Any]
    outsider: Client
    member: Client
    anonymous: Client


@pytest.fixture
def world(db: None) -> World:
    acme, globex = make_tenant("acme"), make_tenant("globex")
    owner = acme.users[Role.OWNER]
    session = Session.objects.create(
        uid=UID, organization=acme.organization, service=acme.service, user=owner, kind="shell", via="web",
        state="stopped", end_reason="exited", title="acme secret work", user_name="acme-owner",
        organization_name="Acme Inc", stack_name="acme shop", service_name="acme web", session_limit=1, idle_timeout=60,
        reconnect_grace=60, detach_ttl_max=60, recording_mode="strict", record_input=False, attach_by=timezone.now(),
    )  # fmt: skip
    recording = Recording.objects.create(
        session_uid=UID, organization=acme.organization, node="x", path="x", user_name="acme-owner",
        service_name="acme web", started_at=timezone.now(),
    )  # fmt: skip
    grant = acme.grant(Permission.SHELL, role=Role.ADMIN)
    membership = acme.member(Role.OWNER)
    place = TeamMember.objects.create(organization=acme.organization, team=acme.team, membership=membership)
    api_token(owner, Permission.VIEW)
    token = ApiToken.objects.get()
    head = ChainHead.objects.create(
        organization=acme.organization, sequence=1, hash="acme", signed_at=timezone.now(), public_key="x", signature="x"
    )
    staff = globex.users[Role.OWNER]
    staff.is_staff = True
    staff.save()
    clients = {name: Client() for name in ("outsider", "member", "anonymous")}
    clients["outsider"].force_login(staff)
    clients["member"].force_login(acme.users[Role.DEVELOPER])
    keys = {
        "organization": acme.organization.pk, "provider": acme.provider.pk, "stack": acme.stack.pk,
        "service": acme.service.pk, "membership": membership.pk, "team": acme.team.pk,
        "teammember": place.pk, "grant": grant.pk, "token": token.pk, "apitoken": token.pk, "session": session.pk,
        "recording": recording.pk, "user": owner.pk, "preferences": 1,
        "event": Event.objects.filter(organization=acme.organization).first().pk,  # type: ignore[union-attr]
        "chain": Chain.objects.get(organization=acme.organization).pk, "chainhead": head.pk,
        "uid": UID,
    }  # fmt: skip
    return World(acme, keys, **clients)


def address(route: str, keys: dict[str, Any]) -> str:
    """The route with acme's keys in it: `<int:pk>` means a row of the thing named before it."""

    def key(match: re.Match[str]) -> str:
        name = match["name"]
        if name in ("pk", "object_id", "id"):
            things = [part for part in route[: match.start()].split("/") if part and not part.startswith("<")]
            name = things[-1].rstrip("s") if things[-1] != "preferences" else "preferences"
        return str(keys[name])

    return "/" + re.sub(r"<(?:\w+:)?(?P<name>\w+)>", key, route)


def ask(client: Client, method: str, url: str, body: dict[str, Any]) -> Any:
    if url.startswith("/api/"):
        return client.generic(method, url, content_type="application/json", data=json.dumps(body))
    return client.generic(method, url, "", content_type="application/x-www-form-urlencoded")


def told(answer: Any) -> str:
    """What an answer says, without its random tokens, which may spell anything."""
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return re.sub(r'(csrfmiddlewaretoken" value|X-CSRFToken": ?|nonce)="?[^"]*"', "", content.decode(errors="replace"))


BODIES: dict[str, dict[str, Any]] = {
    "api/v1/providers/": {"slug": "n", "name": "n", "kind": "kubernetes"},
    "api/v1/stacks/": {"slug": "n", "name": "n", "namespace": "n"},
    "api/v1/services/": {"slug": "n", "name": "n", "selector_kind": "name", "selector": "n"},
    "api/v1/memberships/": {"username": "globex-owner", "role": "admin"},
    "api/v1/teams/": {"slug": "n", "name": "n"},
    "api/v1/grants/": {"role": "developer", "permissions": ["shell"]},
    "api/v1/sessions/<session_uid:uid>/resize/": {"cols": 80, "rows": 24},
}


def test_the_table_names_every_route_and_no_other() -> None:
    real = {route for route in routes() if not of_admin(route)}
    assert real - set(ROUTES) == set(), "Say in ROUTES what these answer to strangers."
    assert set(ROUTES) - real == set(), "These are gone: take them out of ROUTES."


def test_the_table_names_every_websocket() -> None:
    from sessions_app.host import SessionHost
    from sessions_app.routing import websocket_routes

    assert {str(route.pattern) for route in websocket_routes(SessionHost())} == WEBSOCKETS


def group_of(route: str) -> str:
    """Routes that are tried in one world: those of one thing."""
    parts = route.split("/")
    return "/".join(parts[: 3 if parts[0] in ("api", "admin") else 1])


GROUPS = sorted({group_of(route) for route in ROUTES})


@pytest.mark.parametrize("group", GROUPS)
def test_no_route_gives_strangers_anything(world: World, group: str) -> None:
    for route in ROUTES:
        if group_of(route) == group:
            try_strangers(world, route)


def try_strangers(world: World, route: str) -> None:
    answers, url = ROUTES[route], address(route, world.keys)
    body = BODIES.get(route, {}) | {name: world.keys[name] for name in answers.body.split()}
    before = snapshot()
    for method in answers.methods.split():
        expected = {
            "anonymous": answers.anonymous,
            "outsider": answers.outsider,
            "member": answers.outsider if answers.member is None else answers.member,
        }
        for who, statuses in expected.items():
            answer = ask(getattr(world, who), method, url, body)
            assert answer.status_code in statuses, f"{who} {method} {url}: {answer.status_code} {told(answer)[:300]}"
            if who != "member":
                shown = re.search("acme", told(answer), re.IGNORECASE)
                assert not shown, f"{who} {method} {url} shows something of acme"
    if answers is not DOOR and route != "settings/tokens/":
        assert snapshot() == before, "a stranger's request wrote something"


def snapshot() -> dict[str, int]:
    """How many rows each of the tenants' tables has: a refused request changes none of them."""
    from django.apps import apps

    models = [*apps.get_app_config("portal").get_models(), Session]
    return {model.__name__: model._base_manager.count() for model in models} | {
        "changed": hash(tuple(Grant.objects.order_by("pk").values_list("role", "expires_at")))
    }


def of_models(route: str) -> bool:
    return of_admin(route) and route not in ADMIN_OF_ITS_OWN and "app_label" not in route


@pytest.mark.parametrize("group", sorted({group_of(route) for route in routes() if of_models(route)}))
def test_the_admin_gives_strangers_nothing(world: World, group: str) -> None:
    for route in routes():
        if of_models(route) and group_of(route) == group:
            try_strangers_in_admin(world, route)


def try_strangers_in_admin(world: World, route: str) -> None:
    url = address(route, world.keys)
    end = next((end for end in ADMIN_ENDS if route.endswith(end)), "")
    statuses = ADMIN_ENDS.get(end, frozenset({200, 403}))
    before = snapshot()
    for method in ("GET", "POST"):
        for who, expected in {"outsider": statuses, "member": {302, 403}, "anonymous": {302}}.items():
            client: Client = getattr(world, who)
            answer = client.generic(method, url, "post=yes", content_type="application/x-www-form-urlencoded")
            assert answer.status_code in expected, f"{who} {method} {url}: {answer.status_code}"
            assert not re.search("acme", told(answer), re.IGNORECASE), f"{who} {method} {url} shows something of acme"
    assert snapshot() == before


def test_every_admin_page_has_a_known_end() -> None:
    ends = (*ADMIN_ENDS, "")
    for route in routes():
        if of_models(route):
            assert any(re.fullmatch(rf"admin/\w+/\w+/{re.escape(end)}", route) for end in ends), route


def test_keys_of_another_tenant_in_a_body_are_not_found(world: World) -> None:
    """Each field that names a row, one at a time, in a request that is otherwise the outsider's own and sound."""
    from portal.models import Provider, Stack

    globex = world.outsider
    provider, stack = (model.objects.get(organization__slug="globex", slug=slug) for model, slug in
                       ((Provider, "cluster"), (Stack, "shop")))  # fmt: skip
    organization = provider.organization_id
    attempts: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", f"stacks/{stack.pk}/", {"provider": world.keys["provider"]}),
        ("PATCH", f"services/{stack.services.first().pk}/", {"stack": world.keys["stack"]}),  # type: ignore[union-attr]
        ("POST", f"teams/{provider.organization.teams.get().pk}/members/", {"membership": world.keys["membership"]}),
        *(
            ("POST", "grants/", {"organization": organization, "permissions": ["shell"], name: world.keys[name]} | more)
            for name, more in {
                "membership": {}, "team": {}, "stack": {"role": "developer"}, "service": {"role": "developer"},
            }.items()
        ),
        ("POST", "sessions/", {"service": world.keys["service"]}),
    ]  # fmt: skip
    before = snapshot()
    for method, path, body in attempts:
        answer = ask(globex, method, f"/api/v1/{path}", body)
        assert answer.status_code == 404, f"{method} {path} {body}: {told(answer)}"
        assert answer.json()["code"] == "not_found"
    assert snapshot() == before


def test_a_missing_thing_and_a_foreign_one_answer_the_same(world: World) -> None:
    for thing in ("organization", "provider", "stack", "service", "membership", "team", "grant", "token"):
        foreign = world.outsider.get(f"/api/v1/{thing}s/{world.keys[thing]}/")
        missing = world.outsider.get(f"/api/v1/{thing}s/999999/")
        assert (foreign.status_code, foreign.content) == (missing.status_code, missing.content)
