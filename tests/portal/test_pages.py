"""The portal's own pages: what they show to whom, and at what cost."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from audit.events import PORTAL
from portal import actions
from portal.models import ApiToken, Preferences
from portal.permissions import Permission, Role
from portal.templatetags.porthole import ago, import_map, size, span
from tests.portal.world import Tenant

QUERIES = 20
"""Of one page, session and user included; more services must not mean more."""


def client_of(tenant: Tenant, role: Role) -> Client:
    client = Client()
    client.force_login(tenant.users[role])
    return client


def test_home_shows_the_stacks_one_sees_and_no_other(acme: Tenant, globex: Tenant) -> None:
    page = client_of(acme, Role.OWNER).get("/").content.decode()
    assert "acme shop" in page
    assert "globex" not in page


def test_home_says_how_to_come_by_a_stack(acme: Tenant) -> None:
    page = client_of(acme, Role.DEVELOPER).get("/").content.decode()
    assert "No stack is open to you yet" in page


def test_a_service_has_a_shell_button_only_for_those_who_may(acme: Tenant) -> None:
    acme.grant(Permission.VIEW, service=acme.service, membership=acme.member(Role.DEVELOPER))
    address = f"/services/{acme.service.pk}/shell/"
    assert address not in client_of(acme, Role.DEVELOPER).get("/").content.decode()
    acme.grant(Permission.SHELL, service=acme.service, membership=acme.member(Role.DEVELOPER))
    assert address in client_of(acme, Role.DEVELOPER).get("/").content.decode()


def test_a_stack_page_shows_only_the_services_one_sees(acme: Tenant) -> None:
    acme.grant(Permission.VIEW, service=acme.service, membership=acme.member(Role.DEVELOPER))
    page = client_of(acme, Role.DEVELOPER).get(f"/stacks/{acme.stack.pk}/").content.decode()
    assert "acme web" in page
    assert "acme worker" not in page


@pytest.mark.parametrize("path", ["/", "/stacks/", "/stacks/{stack}/", "/stacks/{stack}/shell/", "/palette/?q=web"])
def test_more_services_cost_no_more_queries(
    acme: Tenant, path: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        actions.create_service(
            actor=PORTAL,
            stack=acme.stack,
            slug=f"w{number}",
            name=f"web {number}",
            selector_kind="workload",
            selector="w",
        )
    client = client_of(acme, Role.OWNER)
    with django_assert_max_num_queries(QUERIES):
        assert client.get(path.format(stack=acme.stack.pk)).status_code == 200


def test_the_palette_finds_by_any_words_of_service_and_stack(acme: Tenant, globex: Tenant) -> None:
    matches = client_of(acme, Role.OWNER).get("/palette/", {"q": "SHOP wor"}).json()["matches"]
    assert [(match["label"], match["action"]) for match in matches] == [("acme worker", "Shell")]


def test_the_palette_gets_all_it_may_offer_at_once(acme: Tenant, globex: Tenant) -> None:
    answer = client_of(acme, Role.OWNER).get("/palette/").json()
    labels = [match["label"] for match in answer["matches"]]
    assert labels == ["acme writer", "acme web", "acme worker", "Home", "Stacks", "Sessions", "Search", "Settings"]
    assert not answer["more"]


def test_the_terminals_preferences_are_saved_within_their_bounds(acme: Tenant) -> None:
    client = client_of(acme, Role.DEVELOPER)
    assert client.post("/settings/", {"scrollback": "50001", "font_size": "14"}).status_code == 200
    assert not Preferences.objects.filter(user=acme.users[Role.DEVELOPER]).exists()
    assert client.post("/settings/", {"scrollback": "2000", "font_size": "16"}).status_code == 302
    assert Preferences.objects.get(user=acme.users[Role.DEVELOPER]).scrollback == 2000


def test_the_settings_show_the_bounds_that_the_model_sets(acme: Tenant) -> None:
    page = client_of(acme, Role.DEVELOPER).get("/settings/").content.decode()
    for least, most, sentence in ((0, 50_000, "From 0 to 50,000."), (8, 32, "From 8 to 32.")):
        assert f'min="{least}" max="{most}"' in page
        assert sentence in page


def test_a_token_of_somebody_else_is_not_revoked(acme: Tenant) -> None:
    token, _ = actions.create_api_token(
        actor=PORTAL,
        user=acme.users[Role.OWNER],
        name="theirs",
        scopes=[Permission.VIEW],
        expires_at=timezone.now() + timedelta(days=1),
    )
    assert client_of(acme, Role.DEVELOPER).post(f"/settings/tokens/{token.pk}/revoke/").status_code == 404
    assert ApiToken.objects.get(pk=token.pk).revoked_at is None


def test_a_tokens_secret_is_on_no_page_that_may_be_kept(acme: Tenant) -> None:
    answer = client_of(acme, Role.DEVELOPER).post(
        "/settings/tokens/", {"name": "mine", "scopes": ["view"], "days": "7"}
    )
    assert "it is not shown again" in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.6, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (100 * 3600, "4 d 4 h")],
)
def test_a_duration_has_its_two_largest_units(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (250 * 2**20, "250 MiB")]
)
def test_sizes_are_in_binary_units(count: int, words: str) -> None:
    assert size(count) == words


def test_a_time_is_relative_with_the_exact_one_on_hover() -> None:
    moment = timezone.now() - timedelta(minutes=3)
    shown = str(ago(moment))
    assert ">3 min ago<" in shown
    assert f'title="{moment:%Y-%m-%d %H:%M:%S} UTC"' in shown
    assert "in 2 h" in str(ago(timezone.now() + timedelta(hours=2, seconds=5)))


def test_the_import_map_names_every_module_of_ours() -> None:
    assert '"porthole/pages/terminal.js"' in str(import_map())
    assert "<" not in str(import_map())
