"""A program is signed in by a browser: who may, once, for how long, and what a guesser gets."""

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from audit.events import Action
from audit.models import Event
from portal import devices
from portal.models import ApiToken
from portal.permissions import Role
from tests.portal.world import Tenant, api

BEGIN, TOKEN, PAGE = "/api/v1/auth/device/", "/api/v1/auth/device/token/", "/settings/device/"


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    cache.clear()


def begun(**fields: Any) -> dict[str, Any]:
    answer = Client().post(BEGIN, {"name": "porthole on a laptop", **fields}, "application/json")
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def asked(begun: dict[str, Any]) -> Any:
    return Client().post(TOKEN, {"device_code": begun["device_code"]}, "application/json")


def browser_of(acme: Tenant, role: Role = Role.DEVELOPER) -> Client:
    browser = Client()
    browser.force_login(acme.users[role])
    return browser


def test_who_confirms_the_code_signs_the_program_in_once(acme: Tenant) -> None:
    waiting = begun()
    assert asked(waiting).json()["code"] == "authorization_pending"
    browser = browser_of(acme)
    page = browser.get(waiting["verification_uri_complete"])
    assert waiting["user_code"] in page.content.decode()
    assert "porthole on a laptop" in page.content.decode()
    assert "no-store" in page.headers["Cache-Control"]
    browser.post(PAGE, {"code": waiting["user_code"], "allow": "1"})
    given = asked(waiting).json()
    assert given["username"] == acme.users[Role.DEVELOPER].username
    token = ApiToken.objects.get()
    assert token.user == acme.users[Role.DEVELOPER]
    assert token.scopes == devices.SCOPES
    header = {"HTTP_AUTHORIZATION": f"Bearer {given['token']}"}
    assert Client().get("/api/v1/auth/me/", **header).json() == {"username": given["username"]}
    assert asked(waiting).json()["code"] == "access_denied"
    event = Event.objects.get(action=Action.TOKEN_CREATED)
    assert event.actor_name == given["username"]


def test_to_look_is_not_to_confirm_and_a_no_is_final(acme: Tenant) -> None:
    waiting, browser = begun(), browser_of(acme)
    browser.get(PAGE, {"code": waiting["user_code"], "allow": "1"})
    assert asked(waiting).json()["code"] == "authorization_pending"
    browser.post(PAGE, {"code": waiting["user_code"], "refuse": "1"})
    assert asked(waiting).json()["code"] == "access_denied"
    browser.post(PAGE, {"code": waiting["user_code"], "allow": "1"})
    assert asked(waiting).json()["code"] == "access_denied"
    assert not ApiToken.objects.exists()


def test_nobody_confirms_without_being_signed_in_or_from_another_site(acme: Tenant) -> None:
    waiting = begun()
    stranger = Client().post(PAGE, {"code": waiting["user_code"], "allow": "1"})
    assert stranger.status_code == 302
    other_site = Client(enforce_csrf_checks=True)
    other_site.force_login(acme.users[Role.DEVELOPER])
    assert other_site.post(PAGE, {"code": waiting["user_code"], "allow": "1"}).status_code == 403
    assert asked(waiting).json()["code"] == "authorization_pending"


def test_the_code_that_a_person_sees_gets_no_token_and_the_programs_own_confirms_nothing(acme: Tenant) -> None:
    waiting, browser = begun(), browser_of(acme)
    browser.post(PAGE, {"code": waiting["device_code"], "allow": "1"})
    assert asked(waiting).json()["code"] == "authorization_pending"
    browser.post(PAGE, {"code": waiting["user_code"], "allow": "1"})
    assert asked({"device_code": waiting["user_code"]}).json()["code"] == "access_denied"
    assert asked(waiting).status_code == 200


def test_an_account_that_guesses_finds_nothing_any_more_and_is_told_why(acme: Tenant) -> None:
    waiting, guesser = begun(), browser_of(acme)
    for _ in range(devices.GUESSES):
        assert "No program waits with this code." in guesser.post(PAGE, {"code": "BBBB-BBBB"}).content.decode()
    for page in (
        guesser.post(PAGE, {"code": waiting["user_code"], "allow": "1"}),
        guesser.get(waiting["verification_uri_complete"]),
    ):
        text = page.content.decode()
        assert waiting["user_code"] not in text
        assert "Too many codes were tried" in text
        assert "No program waits" not in text
    assert asked(waiting).json()["code"] == "authorization_pending"
    other = browser_of(acme, Role.ADMIN)
    assert waiting["user_code"] in other.get(waiting["verification_uri_complete"]).content.decode()


def test_links_of_another_site_use_up_no_tries(acme: Tenant) -> None:
    waiting, browser = begun(), browser_of(acme)
    for _ in range(devices.GUESSES + 1):
        browser.get(PAGE, {"code": "BBBB-BBBB"})
    assert waiting["user_code"] in browser.get(waiting["verification_uri_complete"]).content.decode()


def test_a_link_to_a_program_in_another_network_shows_nothing_until_the_code_is_typed(acme: Tenant) -> None:
    waiting = begun()
    browser = browser_of(acme)
    elsewhere = {"REMOTE_ADDR": "198.51.100.7"}
    page = browser.get(waiting["verification_uri_complete"], **elsewhere).content.decode()
    assert waiting["user_code"] not in page
    assert "porthole on a laptop" not in page
    assert "another network" in page
    unknown = browser.get(PAGE, {"code": "BBBB-BBBB"}, **elsewhere).content.decode()
    assert "another network" in unknown, "a link does not tell whether its code is one"
    typed = browser.post(PAGE, {"code": waiting["user_code"]}, **elsewhere).content.decode()
    assert "porthole on a laptop" in typed
    assert "another network" in typed
    assert "198.51.100.7" in typed
    assert asked(waiting).json()["code"] == "authorization_pending"
    browser.post(PAGE, {"code": waiting["user_code"], "allow": "1"}, **elsewhere)
    assert asked(waiting).status_code == 200
    assert Event.objects.get(action=Action.TOKEN_CREATED).detail["confirmed_from"] == "198.51.100.7"


def test_a_refusal_is_on_record(acme: Tenant) -> None:
    waiting = begun()
    browser_of(acme).post(PAGE, {"code": waiting["user_code"], "refuse": "1"}, REMOTE_ADDR="198.51.100.7")
    event = Event.objects.get(action=Action.TOKEN_REFUSED)
    assert event.detail == {"program": "porthole on a laptop", "asked_from": "127.0.0.1"}
    assert (event.actor_name, event.client_address) == (acme.users[Role.DEVELOPER].username, "198.51.100.7")


def test_the_program_gets_what_the_command_needs_and_no_more() -> None:
    assert {"view", "shell", "console", "exec"} == devices.SCOPES


def test_a_code_is_read_as_people_type_it() -> None:
    assert devices.normal(" bcdf ghjk\n") == devices.normal("BCDF-GHJK") == "BCDFGHJK"
    assert devices.shown("BCDFGHJK") == "BCDF-GHJK"


def test_an_account_that_was_deactivated_meanwhile_gets_nothing(acme: Tenant) -> None:
    waiting, user = begun(), acme.users[Role.DEVELOPER]
    browser_of(acme).post(PAGE, {"code": waiting["user_code"], "allow": "1"})
    user.is_active = False
    user.save()
    assert asked(waiting).json()["code"] == "access_denied"
    assert not ApiToken.objects.exists()


def test_an_address_begins_only_so_many(acme: Tenant) -> None:
    for _ in range(20):
        begun()
    assert Client().post(BEGIN, {"name": "x"}, "application/json").status_code == 429


def test_a_name_is_shown_as_text(acme: Tenant) -> None:
    waiting = begun(name="<script>alert(1)</script>")
    page = browser_of(acme).get(waiting["verification_uri_complete"]).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_token_revokes_itself_and_nothing_else_can_be_revoked_so(acme: Tenant) -> None:
    waiting = begun()
    browser_of(acme).post(PAGE, {"code": waiting["user_code"], "allow": "1"})
    header = {"HTTP_AUTHORIZATION": f"Bearer {asked(waiting).json()['token']}"}
    assert Client().post("/api/v1/auth/token/revoke/", **header).status_code == 204
    assert Client().get("/api/v1/auth/me/", **header).status_code == 401
    assert api(acme.users[Role.DEVELOPER]).post("/api/v1/auth/token/revoke/").status_code == 400


def test_of_two_answers_the_first_counts_and_the_program_gets_one_token(acme: Tenant) -> None:
    waiting, user = begun(), acme.users[Role.DEVELOPER]
    seen_twice = devices.find(waiting["user_code"], user_id=user.pk)
    assert seen_twice is not None
    assert devices.decide(seen_twice, user_id=user.pk, address="")
    assert not devices.decide(seen_twice, user_id=0, address="")
    assert asked(waiting).status_code == 200
    devices.decide(seen_twice, user_id=user.pk, address="")
    assert asked(waiting).json()["code"] == "access_denied"
    assert ApiToken.objects.count() == 1


def test_a_token_that_could_not_be_made_can_be_asked_for_again(acme: Tenant) -> None:
    waiting = begun()
    browser_of(acme).post(PAGE, {"code": waiting["user_code"], "allow": "1"})
    with pytest.raises(RuntimeError), devices.taking(waiting["device_code"]):
        raise RuntimeError
    assert asked(waiting).status_code == 200
    assert asked(waiting).json()["code"] == "access_denied"
